/* field_values_qemu.c - QEMU's devices, by the description behind the stream.
 *
 * The description says of every field how many bytes it took; both it and the
 * bytes are untrusted, so a field that goes beyond them ends the walk. */
#include <string.h>

#include "show/field_walk.h"

typedef struct qemu_s {
  field_walk_t *walk;
  const uint8_t *at;
  const uint8_t *end;
} qemu_t;

static bool walk_fields(qemu_t *q, const json_t *owner);

static size_t size_of(const json_t *field) {
  json_int_t size = json_integer_value(json_object_get(field, "size"));

  return size < 0 ? SIZE_MAX : (size_t)size;
}

static bool is_type(const json_t *field, const char *begin) {
  const char *type = json_string_value(json_object_get(field, "type"));

  return type != NULL && strncmp(type, begin, strlen(begin)) == 0;
}

static uint64_t big_endian(const uint8_t *p, size_t len) {
  uint64_t v = 0;

  for (size_t i = 0; i < len; i++) {
    v = v << 8 | p[i];
  }
  return v;
}

/* "int32", "uint8", "timer", "bool"; others are bytes. */
static void tell(qemu_t *q, const json_t *field, size_t size) {
  bool is_signed = is_type(field, "int") || is_type(field, "timer");
  bool is_number = is_signed || is_type(field, "uint");
  uint64_t bits = is_number && size <= 8 ? big_endian(q->at, size) : 0;

  if (is_type(field, "bool") && size == 1) {
    field_walk_tell(q->walk, *q->at != 0 ? "true" : "false");
  } else if (is_number && size >= 1 && size <= 8) {
    if (is_signed && size < 8 && (bits >> (8 * size - 1)) != 0) {
      bits |= ~UINT64_C(0) << (8 * size);
    }
    field_walk_number(q->walk, is_signed, bits);
  } else {
    field_walk_bytes(q->walk, q->at, size);
  }
}

static bool walk_value(qemu_t *q, const json_t *field) {
  const json_t *inner = json_object_get(field, "struct");
  size_t size = size_of(field);

  if (json_is_object(inner)) {
    return walk_fields(q, inner);
  }
  if (size > (size_t)(q->end - q->at)) {
    return false;
  }
  tell(q, field, size);
  q->at += size;
  return true;
}

static bool walk_element(qemu_t *q, const json_t *field, uint32_t index) {
  bool is_good = field_walk_enter(q->walk, "", index);

  if (is_good) {
    is_good = walk_value(q, field);
    field_walk_leave(q->walk);
  }
  return is_good;
}

static bool walk_array(qemu_t *q, const json_t *field) {
  const json_t *len = json_object_get(field, "array_len");
  const json_t *index = json_object_get(field, "index");
  json_int_t n = json_integer_value(len);
  bool is_good = true;

  if (json_is_integer(index)) {
    return walk_element(q, field, (uint32_t)json_integer_value(index));
  }
  if (!json_is_integer(len)) {
    return walk_value(q, field);
  }
  for (json_int_t i = 0; i < n && is_good && q->at < q->end; i++) {
    is_good = walk_element(q, field, (uint32_t)i);
  }
  return is_good;
}

static bool walk_field(qemu_t *q, const json_t *field) {
  const char *name = json_string_value(json_object_get(field, "name"));
  bool is_good =
      name != NULL && field_walk_enter(q->walk, name, FIELD_NO_INDEX);

  if (is_good) {
    is_good = walk_array(q, field);
    field_walk_leave(q->walk);
  }
  return is_good;
}

/* 05, name and version stand before the fields of a subsection. */
static bool walk_subsection(qemu_t *q, const json_t *sub) {
  const char *name = json_string_value(json_object_get(sub, "vmsd_name"));
  size_t head = name == NULL ? 0 : 2 + strlen(name) + 4;
  bool is_good;

  if (name == NULL || head > (size_t)(q->end - q->at) ||
      !field_walk_enter(q->walk, name, FIELD_NO_INDEX)) {
    return false;
  }
  q->at += head;
  is_good = walk_fields(q, sub);
  field_walk_leave(q->walk);
  return is_good;
}

static bool walk_fields(qemu_t *q, const json_t *owner) {
  const json_t *fields = json_object_get(owner, "fields");
  const json_t *subs = json_object_get(owner, "subsections");
  bool is_good = true;

  for (size_t i = 0; i < json_array_size(fields) && is_good; i++) {
    is_good = walk_field(q, json_array_get(fields, i));
  }
  for (size_t i = 0; i < json_array_size(subs) && is_good; i++) {
    is_good = walk_subsection(q, json_array_get(subs, i));
  }
  return is_good;
}

static bool is_of(const json_t *device, const image_section_t *s) {
  const char *name = json_string_value(json_object_get(device, "name"));
  json_int_t instance =
      json_integer_value(json_object_get(device, "instance_id"));

  return name != NULL && strcmp(name, s->name) == 0 &&
         instance == (json_int_t)s->instance;
}

int field_walk_qemu(field_walk_t *w, const json_t *description,
                    const image_section_t *section) {
  const json_t *devices = json_object_get(description, "devices");
  qemu_t q = {w, section->bytes, section->bytes + section->len};

  for (size_t i = 0; i < json_array_size(devices); i++) {
    if (is_of(json_array_get(devices, i), section)) {
      return walk_fields(&q, json_array_get(devices, i)) ? 1 : 0;
    }
  }
  return 0;
}
