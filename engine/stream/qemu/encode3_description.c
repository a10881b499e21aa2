/* encode3_description.c - the JSON that QEMU's own analyser reads.
 *
 * Of each section what its handler says of it, or one field, a buffer of all
 * its bytes, as QEMU describes devices that it knows no more about. Live
 * sections are not described. Texts are kept as texts and put side by side at
 * the end: thousands of devices are no tree in memory. */
#include "stream/qemu/encode3.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "stream/bytes.h"

enum { TARGET_PAGE_BYTES = 4096, NUMBERS_BYTES = 64 };

static const char tail[] = "]}";
static const char cannot[] =
    "cannot describe the sections: no memory, or a name is not UTF-8";

/* {"name":"...","instance_id":N to be freed; NULL: no memory, or the name is
 * not UTF-8. */
static char *name_text(const sluice__qemu_section_t *s) {
  json_t *name = json_string(s->decl.name);
  char *quoted = json_dumps(name, JSON_ENCODE_ANY);
  size_t size = quoted == NULL ? 0 : strlen(quoted) + NUMBERS_BYTES;
  char *text = quoted == NULL ? NULL : malloc(size);

  if (text != NULL) {
    (void)snprintf(text, size, "{\"name\":%s,\"instance_id\":%u", quoted,
                   (unsigned)s->decl.instance);
  }
  json_decref(name);
  free(quoted);
  return text;
}

static int describe_device(sluice_encoder_t *e, sluice__qemu_section_t *s,
                           const char *json, size_t len) {
  qemu3_writer_t *q = e->state;
  char *name = name_text(s);
  size_t name_len = name == NULL ? 0 : strlen(name);
  int code = UV_ENOMEM;
  char *text = NULL;

  if (name != NULL) {
    text = sluice__arena_alloc(&q->arena, name_len + 1 + len, &code);
  }
  if (text != NULL) {
    memcpy(text, name, name_len);
    text[name_len] = ',';
    memcpy(text + name_len + 1, json + 1, len - 1); /* without its brace */
    s->description = text;
    s->description_len = name_len + len;
  }
  free(name);
  return text == NULL ? sluice__encoder_fail(e, code, "%s", cannot) : 0;
}

/* The text is a program's own, not input: what is no JSON would show in the
 * program's first test, and reading it again costs more than writing it. */
int sluice__encode_qemu3_section_describe(sluice_encoder_t *e, const char *json,
                                          size_t len) {
  qemu3_writer_t *q = e->state;

  if (len < 3 || json[0] != '{' || json[1] == '}' || json[len - 1] != '}') {
    return sluice__encoder_fail(e, UV_EINVAL,
                                "the description of '%s' is no JSON object",
                                q->section->decl.name);
  }
  return describe_device(e, q->section, json, len);
}

static bool is_described(const sluice__qemu_section_t *s) {
  return (s->decl.flags & SLUICE_SECTION_LIVE) == 0 &&
         s->decl.payload == SLUICE_PAYLOAD_BYTES;
}

static int describe_as_buffer(sluice_encoder_t *e, sluice__qemu_section_t *s) {
  json_t *fields =
      json_pack("{s:s, s:I, s:[{s:s, s:s, s:I}]}", "vmsd_name", s->decl.name,
                "version", (json_int_t)s->decl.version, "fields", "name",
                "data", "type", "buffer", "size", (json_int_t)s->bytes);
  char *text = json_dumps(fields, JSON_COMPACT);
  int r = text == NULL ? sluice__encoder_fail(e, UV_ENOMEM, "%s", cannot)
                       : describe_device(e, s, text, strlen(text));

  json_decref(fields);
  free(text);
  return r;
}

/* Makes what is missing; the length of all, commas included, in `*out`. */
static int complete(sluice_encoder_t *e, size_t *out) {
  const qemu3_writer_t *q = e->state;

  *out = 0;
  for (sluice__qemu_section_t *s = q->sections.first; s != NULL; s = s->next) {
    if (!is_described(s)) {
      continue;
    }
    if (s->description == NULL && describe_as_buffer(e, s) < 0) {
      return e->error.code;
    }
    *out += s->description_len + (*out > 0 ? 1 : 0);
  }
  return 0;
}

static void put(sluice_encoder_t *e, const void *text, size_t len) {
  (void)sluice__stage_put(&e->stage, text, len);
}

static void put_devices(sluice_encoder_t *e) {
  const qemu3_writer_t *q = e->state;
  bool is_first = true;

  for (sluice__qemu_section_t *s = q->sections.first; s != NULL; s = s->next) {
    if (is_described(s)) {
      put(e, ",", is_first ? 0 : 1);
      put(e, s->description, s->description_len);
      is_first = false;
    }
  }
}

int sluice__encode_qemu3_describe(sluice_encoder_t *e) {
  uint32_t page_size =
      e->region_count > 0 ? e->regions[0].page_size : TARGET_PAGE_BYTES;
  uint8_t record[SLUICE__QEMU_DESCRIPTION_BYTES];
  char head[NUMBERS_BYTES];
  int head_len = snprintf(head, sizeof(head), "{\"page_size\":%u,\"devices\":[",
                          (unsigned)page_size);
  size_t len = 0;

  if (complete(e, &len) < 0) {
    return e->error.code;
  }
  len += (size_t)head_len + sizeof(tail) - 1;
  if (len > SLUICE_NOTE_MAX) {
    return 0; /* QEMU can do without */
  }
  record[0] = SLUICE__QEMU_DESCRIPTION;
  sluice__put_be32(record + 1, (uint32_t)len);
  put(e, record, sizeof(record));
  put(e, head, (size_t)head_len);
  put_devices(e);
  put(e, tail, sizeof(tail) - 1);
  return sluice__encoder_staged(e);
}
