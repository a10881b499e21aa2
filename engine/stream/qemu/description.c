/* description.c - see description.h.
 *
 * A field's size is what all of it took, nested structures and their
 * subsections included, so only the top level is added up:
 *
 *   device  = sum of size * array_len over its fields
 *           + for each subsection: 1 + str8 name + be32 version + the same
 *
 * Arrays of alike elements are one entry with array_len; others are one entry
 * an element, with an index. Checked against QEMU 7.2 by the footers. */
#include "stream/qemu/description.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>

#include "stream/qemu/configuration.h"

enum {
  /* Measured: an empty array, three bytes of text, takes jansson 150. */
  PARSER_FACTOR = 50,
  DEPTH_MAX = 16 /* of subsections; QEMU nests two or three */
};

static bool get_count(const json_t *o, const char *key, uint64_t absent,
                      uint64_t *out) {
  const json_t *v = json_object_get(o, key);

  *out = absent;
  if (v == NULL) {
    return true;
  }
  if (!json_is_integer(v) || json_integer_value(v) < 0) {
    return false;
  }
  *out = (uint64_t)json_integer_value(v);
  return true;
}

static bool add(uint64_t *sum, uint64_t n) {
  return !__builtin_add_overflow(*sum, n, sum);
}

static bool add_fields(const json_t *owner, uint64_t *sum) {
  const json_t *fields = json_object_get(owner, "fields");
  size_t count = json_array_size(fields);

  for (size_t i = 0; i < count; i++) {
    const json_t *f = json_array_get(fields, i);
    uint64_t size;
    uint64_t len;

    if (!get_count(f, "size", 0, &size) ||
        !get_count(f, "array_len", 1, &len) ||
        __builtin_mul_overflow(size, len, &size) || !add(sum, size)) {
      return false;
    }
  }
  return true;
}

static bool add_payload(const json_t *owner, unsigned depth, uint64_t *sum) {
  const json_t *subs = json_object_get(owner, "subsections");
  size_t count = json_array_size(subs);

  if (depth == DEPTH_MAX || !add_fields(owner, sum)) {
    return false;
  }
  for (size_t i = 0; i < count; i++) {
    const json_t *s = json_array_get(subs, i);
    const char *name = json_string_value(json_object_get(s, "vmsd_name"));

    if (name == NULL || strlen(name) > SLUICE_NAME_MAX ||
        !add(sum, 1 + 1 + strlen(name) + 4) ||
        !add_payload(s, depth + 1, sum)) {
      return false;
    }
  }
  return true;
}

static int add_device(sluice__qemu_sections_t *out, const json_t *device,
                      sluice_error_t *err) {
  const char *name = json_string_value(json_object_get(device, "name"));
  sluice_decl_t decl = {.id = out->count, .name = name};
  sluice__qemu_section_t *s;
  uint64_t instance;
  uint64_t bytes = 0;
  int code = 0;

  if (name == NULL ||
      !sluice__qemu_is_name((const uint8_t *)name, strlen(name)) ||
      !get_count(device, "instance_id", 0, &instance) ||
      instance > UINT32_MAX || !add_payload(device, 0, &bytes)) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "device %u of the description is malformed", out->count);
  }
  decl.instance = (uint32_t)instance;
  if (sluice__qemu_sections_named(out, name, decl.instance) != NULL) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "the description has device '%s' twice", name);
  }
  s = sluice__qemu_sections_add(out, &decl, &code);
  if (s == NULL) {
    return sluice_fail(err, code, "no memory for the description");
  }
  s->bytes = bytes;
  return 0;
}

static int add_devices(sluice__qemu_sections_t *out, const json_t *root,
                       sluice_error_t *err) {
  const json_t *devices = json_object_get(root, "devices");
  size_t count = json_array_size(devices);

  if (!json_is_array(devices)) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "the description has no list of devices");
  }
  for (size_t i = 0; i < count; i++) {
    int r = add_device(out, json_array_get(devices, i), err);

    if (r < 0) {
      return r;
    }
  }
  return 0;
}

int sluice__qemu_description_read(sluice__qemu_sections_t *out,
                                  const char *text, size_t len,
                                  size_t max_memory, sluice_error_t *err) {
  json_error_t e;
  json_t *root;
  int r;

  if (len > max_memory / PARSER_FACTOR) {
    return sluice_fail(err, SLUICE_ELIMIT,
                       "description of %zu bytes is over the limit of %zu", len,
                       max_memory / PARSER_FACTOR);
  }
  root = json_loadb(text, len, 0, &e);
  if (root == NULL) {
    return sluice_fail(err, SLUICE_ECORRUPT, "description is no JSON: %s",
                       e.text);
  }
  r = add_devices(out, root, err);
  json_decref(root);
  return r;
}
