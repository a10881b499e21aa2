/* encode_qemu3_description.c - the JSON that QEMU's own analyser reads.
 *
 * What the handler says of its section, or one field, a buffer of all its
 * bytes, as QEMU describes devices that it knows no more about. Live sections
 * are not described. */
#include "stream/encode_qemu3.h"

#include <jansson.h>
#include <uv.h>

#include "stream/bytes.h"

enum { TARGET_PAGE_BYTES = 4096 };

static json_t *describe_fields(const sluice__qemu_section_t *s) {
  json_t *device = json_loadb(s->description, s->description_len, 0, NULL);

  if (json_object_set_new(device, "name", json_string(s->decl.name)) < 0 ||
      json_object_set_new(device, "instance_id",
                          json_integer((json_int_t)s->decl.instance)) < 0) {
    json_decref(device);
    return NULL;
  }
  return device;
}

/* Steals nothing; NULL when there is no memory or the name is not UTF-8. */
static json_t *describe_device(const sluice__qemu_section_t *s) {
  if (s->description != NULL) {
    return describe_fields(s);
  }
  return json_pack("{s:s, s:I, s:s, s:I, s:[{s:s, s:s, s:I}]}", "name",
                   s->decl.name, "instance_id", (json_int_t)s->decl.instance,
                   "vmsd_name", s->decl.name, "version",
                   (json_int_t)s->decl.version, "fields", "name", "data",
                   "type", "buffer", "size", (json_int_t)s->bytes);
}

/* The text is looked at now, while the mistake has a section. */
int sluice__encode_qemu3_section_describe(sluice_encoder_t *e, const char *json,
                                          size_t len) {
  qemu3_writer_t *q = e->state;
  json_t *device = json_loadb(json, len, 0, NULL);
  bool is_object = json_is_object(device);
  int code = 0;
  char *copy;

  json_decref(device);
  if (!is_object) {
    return sluice__encoder_fail(e, UV_EINVAL,
                                "the description of '%s' is no JSON object",
                                q->section->decl.name);
  }
  copy = sluice__arena_name(&q->arena, json, len, &code);
  if (copy == NULL) {
    return sluice__encoder_fail(e, code, "no memory for the description");
  }
  q->section->description = copy;
  q->section->description_len = len;
  return 0;
}

static json_t *describe_devices(const qemu3_writer_t *q) {
  json_t *devices = json_array();

  for (const sluice__qemu_section_t *s = q->sections.first; s != NULL;
       s = s->next) {
    if ((s->decl.flags & SLUICE_SECTION_LIVE) != 0 ||
        s->decl.payload != SLUICE_PAYLOAD_BYTES) {
      continue;
    }
    if (json_array_append_new(devices, describe_device(s)) < 0) {
      json_decref(devices);
      return NULL;
    }
  }
  return devices;
}

static int put_text(const char *text, size_t len, void *stage) {
  return sluice__stage_put(stage, text, len);
}

static int put_json(sluice_encoder_t *e, const json_t *root) {
  uint8_t head[SLUICE__QEMU_DESCRIPTION_BYTES];
  size_t len = json_dumpb(root, NULL, 0, JSON_COMPACT);

  if (len == 0 || len > SLUICE_NOTE_MAX) {
    return 0; /* QEMU can do without */
  }
  head[0] = SLUICE__QEMU_DESCRIPTION;
  sluice__put_be32(head + 1, (uint32_t)len);
  (void)sluice__stage_put(&e->stage, head, sizeof(head));
  if (json_dump_callback(root, put_text, &e->stage, JSON_COMPACT) < 0 &&
      e->stage.code == 0) {
    return sluice__encoder_fail(e, UV_ENOMEM, "no memory for the description");
  }
  return sluice__encoder_staged(e);
}

int sluice__encode_qemu3_describe(sluice_encoder_t *e) {
  const qemu3_writer_t *q = e->state;
  uint32_t page_size =
      e->region_count > 0 ? e->regions[0].page_size : TARGET_PAGE_BYTES;
  json_t *root = json_pack("{s:I, s:o}", "page_size", (json_int_t)page_size,
                           "devices", describe_devices(q));
  int r;

  if (root == NULL) {
    return sluice__encoder_fail(e, UV_ENOMEM,
                                "cannot describe the sections: no memory, or a "
                                "name is not UTF-8");
  }
  r = put_json(e, root);
  json_decref(root);
  return r;
}
