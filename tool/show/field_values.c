/* field_values.c - native sections, and what both kinds share. See
 * field_values.h; QEMU's are in field_values_qemu.c. */
#include "show/field_values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/schema.h>

#include "show/field_walk.h"

bool field_walk_enter(field_walk_t *w, const char *name, uint32_t index) {
  size_t len = w->len;
  int more;

  if (w->depth == FIELD_WALK_DEPTH) {
    return false;
  }
  w->mark[w->depth++] = len;
  if (index != FIELD_NO_INDEX) {
    more =
        snprintf(w->path + len, sizeof(w->path) - len, "[%" PRIu32 "]", index);
  } else {
    more = snprintf(w->path + len, sizeof(w->path) - len, "%s%s",
                    len > 0 ? "." : "", name);
  }
  w->len = more < 0 || len + (size_t)more >= sizeof(w->path)
               ? len
               : len + (size_t)more;
  w->path[w->len] = '\0';
  return true;
}

void field_walk_leave(field_walk_t *w) {
  w->len = w->mark[--w->depth];
  w->path[w->len] = '\0';
}

void field_walk_tell(field_walk_t *w, const char *value) {
  w->cb(w->ctx, w->path, value);
}

void field_walk_number(field_walk_t *w, bool is_signed, uint64_t bits) {
  char text[32];

  if (is_signed) {
    (void)snprintf(text, sizeof(text), "%" PRId64, (int64_t)bits);
  } else {
    (void)snprintf(text, sizeof(text), "%" PRIu64, bits);
  }
  field_walk_tell(w, text);
}

void field_walk_bytes(field_walk_t *w, const uint8_t *bytes, size_t len) {
  char *text = malloc(2 * len + 3);

  if (text == NULL) {
    field_walk_tell(w, "?");
    return;
  }
  memcpy(text, "0x", 3);
  for (size_t i = 0; i < len; i++) {
    (void)snprintf(text + 2 + 2 * i, 3, "%02x", bytes[i]);
  }
  field_walk_tell(w, len == 0 ? "empty" : text);
  free(text);
}

static void tell_text(field_walk_t *w, const uint8_t *bytes, size_t len) {
  char *raw = malloc(len + 1);
  char *quoted = malloc(4 * len + 3);

  if (raw != NULL && quoted != NULL) {
    memcpy(raw, bytes, len);
    raw[len] = '\0';
    quoted[0] = '"';
    (void)printable(quoted + 1, 4 * len + 1, raw);
    memcpy(quoted + strlen(quoted), "\"", 2);
    field_walk_tell(w, quoted);
  }
  free(raw);
  free(quoted);
}

static void tell_scalar(field_walk_t *w, const sluice_value_t *v) {
  char text[48];
  uint32_t low = (uint32_t)v->bits;
  double d;
  float f;

  if (v->type == SLUICE_FIELD_FLOAT) {
    memcpy(&f, &low, sizeof(f));
    (void)snprintf(text, sizeof(text), "%.9g", (double)f);
  } else if (v->type == SLUICE_FIELD_DOUBLE) {
    memcpy(&d, &v->bits, sizeof(d));
    (void)snprintf(text, sizeof(text), "%.17g", d);
  } else if (v->type == SLUICE_FIELD_BOOL) {
    (void)snprintf(text, sizeof(text), "%s", v->bits != 0 ? "true" : "false");
  } else {
    field_walk_number(
        w, v->type >= SLUICE_FIELD_I8 && v->type <= SLUICE_FIELD_I64, v->bits);
    return;
  }
  field_walk_tell(w, text);
}

static void tell_leaf(field_walk_t *w, const sluice_value_t *v) {
  if (v->kind == SLUICE_VALUE_ABSENT) {
    field_walk_tell(w, "none");
  } else if (v->kind == SLUICE_VALUE_SCALAR) {
    tell_scalar(w, v);
  } else if (v->type == SLUICE_FIELD_BYTE) {
    field_walk_bytes(w, v->data, v->len);
  } else {
    tell_text(w, v->data, v->len);
  }
}

static int on_value(void *data, const sluice_value_t *v) {
  field_walk_t *w = data;

  if (v->kind == SLUICE_VALUE_CLOSE) {
    field_walk_leave(w);
    return 0;
  }
  if (!field_walk_enter(w, v->name,
                        v->index == SLUICE_VALUE_NO_INDEX ? FIELD_NO_INDEX
                                                          : v->index)) {
    return SLUICE_ELIMIT;
  }
  if (v->kind != SLUICE_VALUE_OPEN && v->kind != SLUICE_VALUE_SUBSECTION) {
    tell_leaf(w, v);
    field_walk_leave(w);
  }
  return 0;
}

static int walk_native(const image_t *image, const image_section_t *s,
                       field_walk_t *w, failure_t *f) {
  sluice_schema_t *schema = NULL;
  sluice_error_t err = {0};
  int r = sluice_schema_parse(&schema, s->schema, s->schema_len, &err);

  if (r == 0 && s->len > 0) {
    r = sluice_schema_walk(schema, s->bytes, s->len, on_value, w, &err);
  }
  sluice_schema_free(schema);
  if (r == 0) {
    return 1;
  }
  err.code = r;
  err.offset = SLUICE_OFFSET_NONE;
  err.instance = s->instance;
  (void)snprintf(err.section, sizeof(err.section), "%.63s", s->name);
  return fail_stream(f, image->path, &err);
}

int field_values_of(const image_t *image, const image_section_t *section,
                    field_value_cb cb, void *ctx, failure_t *f) {
  field_walk_t w = {.cb = cb, .ctx = ctx};

  if (section->schema != NULL && strcmp(section->type, "fields") == 0) {
    return walk_native(image, section, &w, f);
  }
  return image->description != NULL
             ? field_walk_qemu(&w, image->description, section)
             : 0;
}
