/* walk.c - showing a native payload value by value, or skipping it.
 *
 * Knows only the schema, which has been checked: each round of a loop takes a
 * byte or more, so a hostile payload costs no more than its length. */
#include "fields/walk.h"

#include <inttypes.h>
#include <uv.h>

#include <sluice/handler.h>

static int short_of(const sluice__walk_t *w) {
  return sluice__path_fail(w->path, SLUICE_ECORRUPT, "ends too early");
}

static int take(sluice__walk_t *w, size_t n, const uint8_t **out) {
  return sluice__in_take(w->in, n, out) == 0 ? 0 : short_of(w);
}

static int take_u32(sluice__walk_t *w, uint32_t *out) {
  const uint8_t *p = NULL;
  int r = take(w, sizeof(*out), &p);

  if (r == 0) {
    *out = (uint32_t)sluice__order_get(p, sizeof(*out), w->in->is_big);
  }
  return r;
}

/* One byte, 0 or 1. */
static int take_flag(sluice__walk_t *w, bool *out) {
  const uint8_t *p = NULL;
  int r = take(w, 1, &p);

  if (r == 0 && *p > 1) {
    return sluice__path_fail(w->path, SLUICE_ECORRUPT,
                             "is neither there nor not: %u", *p);
  }
  *out = r == 0 && *p == 1;
  return r;
}

static int show(sluice__walk_t *w, const sluice__schema_field_t *f,
                sluice_value_t value) {
  const sluice__place_t *at = &w->path->at[w->path->depth];

  if (w->cb == NULL) {
    return 0;
  }
  value.type = (sluice_field_type_t)f->type;
  value.name = f->name;
  value.index =
      at->index == SLUICE__NO_INDEX ? SLUICE_VALUE_NO_INDEX : at->index;
  value.depth = w->opens;
  return w->cb(w->data, &value);
}

static int show_kind(sluice__walk_t *w, const sluice__schema_field_t *f,
                     sluice_value_kind_t kind) {
  return show(w, f, (sluice_value_t){.kind = kind});
}

static int show_bytes(sluice__walk_t *w, const sluice__schema_field_t *f,
                      size_t len) {
  const uint8_t *p = NULL;
  int r = take(w, len, &p);

  return r != 0 ? r
                : show(w, f,
                       (sluice_value_t){
                           .kind = SLUICE_VALUE_BYTES, .data = p, .len = len});
}

static uint64_t extend(unsigned type, uint64_t bits) {
  unsigned unused = 64 - 8 * (unsigned)sluice__type_bytes(type);

  if (!sluice__type_is_signed(type) || unused == 0) {
    return bits;
  }
  return (bits >> (63 - unused)) != 0 ? bits | ~UINT64_C(0) << (64 - unused)
                                      : bits;
}

static int walk_scalars(sluice__walk_t *w, const sluice__schema_field_t *f,
                        size_t n) {
  size_t size = sluice__type_bytes(f->type);
  const uint8_t *p = NULL;
  int r;

  if (n > sluice__in_left(w->in) / size) {
    return short_of(w);
  }
  r = take(w, n * size, &p);
  for (size_t i = 0; i < n && r == 0 && w->cb != NULL; i++) {
    uint64_t bits = sluice__order_get(p + i * size, size, w->in->is_big);

    if (f->shape != SLUICE_SHAPE_ONE) {
      w->path->at[w->path->depth].index = (uint32_t)i;
    }
    r = show(w, f,
             (sluice_value_t){.kind = SLUICE_VALUE_SCALAR,
                              .bits = extend(f->type, bits)});
  }
  return r;
}

static int walk_struct(sluice__walk_t *w, const sluice__schema_field_t *f,
                       uint32_t index) {
  int r;

  w->path->at[w->path->depth].index = index;
  r = show_kind(w, f, SLUICE_VALUE_OPEN);
  if (r != 0) {
    return r;
  }
  w->opens++;
  r = sluice__walk_table(w, f->table);
  w->opens--;
  return r != 0 ? r : show_kind(w, f, SLUICE_VALUE_CLOSE);
}

static int walk_elements(sluice__walk_t *w, const sluice__schema_field_t *f,
                         size_t n) {
  int r = 0;

  if (f->type == SLUICE_FIELD_BYTE) {
    return show_bytes(w, f, n);
  }
  if (sluice__type_is_scalar(f->type)) {
    return walk_scalars(w, f, n);
  }
  for (size_t i = 0; i < n && r == 0; i++) {
    r = walk_struct(w, f, (uint32_t)i);
  }
  return r;
}

/* An array is a value of its own around its elements. */
static int walk_array(sluice__walk_t *w, const sluice__schema_field_t *f,
                      size_t n) {
  int r;

  if (f->type == SLUICE_FIELD_BYTE) {
    return show_bytes(w, f, n);
  }
  r = show_kind(w, f, SLUICE_VALUE_OPEN);
  if (r != 0) {
    return r;
  }
  w->opens++;
  r = walk_elements(w, f, n);
  w->opens--;
  sluice__path_at(w->path, f->name);
  return r != 0 ? r : show_kind(w, f, SLUICE_VALUE_CLOSE);
}

static int walk_counted(sluice__walk_t *w, const sluice__schema_field_t *f) {
  uint32_t n = 0;
  int r = take_u32(w, &n);

  if (r == 0 && n > f->max) {
    return sluice__path_fail(w->path, SLUICE_ECORRUPT,
                             "has %" PRIu32 " elements, at most %" PRIu32, n,
                             f->max);
  }
  return r != 0 ? r : walk_array(w, f, n);
}

static int walk_text(sluice__walk_t *w, const sluice__schema_field_t *f) {
  uint32_t len = 0;
  int r = take_u32(w, &len);

  if (r != 0) {
    return r;
  }
  if (f->type == SLUICE_FIELD_STRING && len == UINT32_MAX) {
    return show_kind(w, f, SLUICE_VALUE_ABSENT);
  }
  if (len > f->max) {
    return sluice__path_fail(w->path, SLUICE_ECORRUPT,
                             "has %" PRIu32 " bytes, at most %" PRIu32, len,
                             f->max);
  }
  return show_bytes(w, f, len);
}

static int walk_list_elements(sluice__walk_t *w,
                              const sluice__schema_field_t *f) {
  bool is_there = true;
  int r = 0;

  for (uint32_t i = 0; r == 0 && is_there; i++) {
    w->path->at[w->path->depth].index = i;
    r = take_flag(w, &is_there);
    if (r == 0 && is_there) {
      r = i == f->max ? sluice__path_fail(w->path, SLUICE_ECORRUPT,
                                          "is one element over its bound")
                      : walk_struct(w, f, i);
    }
  }
  return r;
}

static int walk_list(sluice__walk_t *w, const sluice__schema_field_t *f) {
  int r = show_kind(w, f, SLUICE_VALUE_OPEN);

  if (r != 0) {
    return r;
  }
  w->opens++;
  r = walk_list_elements(w, f);
  w->opens--;
  sluice__path_at(w->path, f->name);
  return r != 0 ? r : show_kind(w, f, SLUICE_VALUE_CLOSE);
}

static int walk_one(sluice__walk_t *w, const sluice__schema_field_t *f) {
  if (f->type == SLUICE_FIELD_STRUCT) {
    return walk_struct(w, f, SLUICE__NO_INDEX);
  }
  if (f->type == SLUICE_FIELD_LIST) {
    return walk_list(w, f);
  }
  return sluice__type_is_scalar(f->type) ? walk_scalars(w, f, 1)
                                         : walk_text(w, f);
}

static int walk_maybe(sluice__walk_t *w, const sluice__schema_field_t *f) {
  bool is_there = false;
  int r = take_flag(w, &is_there);

  if (r == 0) {
    r = is_there ? walk_one(w, f) : show_kind(w, f, SLUICE_VALUE_ABSENT);
  }
  return r;
}

static int walk_shape(sluice__walk_t *w, const sluice__schema_field_t *f) {
  switch ((sluice_shape_t)f->shape) {
  case SLUICE_SHAPE_ONE: return walk_one(w, f);
  case SLUICE_SHAPE_ARRAY: return walk_array(w, f, f->max);
  case SLUICE_SHAPE_COUNTED:
  case SLUICE_SHAPE_OWNED: return walk_counted(w, f);
  case SLUICE_SHAPE_POINTER: return walk_maybe(w, f);
  }
  return SLUICE_ECORRUPT;
}

int sluice__walk_field(sluice__walk_t *w, const sluice__schema_field_t *f) {
  bool is_there = true;
  int r = 0;

  if ((f->flags & SLUICE__SCHEMA_PRESENCE) != 0) {
    r = take_flag(w, &is_there);
  }
  if (r != 0 || is_there) {
    return r != 0 ? r : walk_shape(w, f);
  }
  return show_kind(w, f, SLUICE_VALUE_ABSENT);
}

static int walk_subsection(sluice__walk_t *w, unsigned table) {
  const sluice__schema_field_t as_field = {
      .name = w->schema->tables[table].name, .type = SLUICE_FIELD_STRUCT};
  bool is_there = false;
  int r;

  sluice__path_at(w->path, as_field.name);
  r = take_flag(w, &is_there);
  if (r != 0 || !is_there) {
    return r;
  }
  r = show_kind(w, &as_field, SLUICE_VALUE_SUBSECTION);
  if (r != 0) {
    return r;
  }
  w->opens++;
  r = sluice__walk_table(w, table);
  w->opens--;
  return r != 0 ? r : show_kind(w, &as_field, SLUICE_VALUE_CLOSE);
}

static int walk_contents(sluice__walk_t *w, unsigned table) {
  const sluice__schema_table_t *t = &w->schema->tables[table];
  int r = 0;

  for (unsigned i = 0; i < t->field_count && r == 0; i++) {
    sluice__path_at(w->path, t->fields[i].name);
    r = sluice__walk_field(w, &t->fields[i]);
  }
  for (unsigned i = 0; i < t->sub_count && r == 0; i++) {
    r = walk_subsection(w, t->subs[i]);
  }
  return r;
}

int sluice__walk_table(sluice__walk_t *w, unsigned table) {
  int r = sluice__path_enter(w->path);

  if (r == 0) {
    r = walk_contents(w, table);
    sluice__path_leave(w->path);
  }
  return r;
}

int sluice_schema_walk(const sluice_schema_t *schema, const void *payload,
                       size_t len, sluice_value_cb cb, void *data,
                       sluice_error_t *err) {
  sluice__in_t in = {.at = payload};
  sluice__path_t path = {.err = err};
  sluice__walk_t w = {schema, &in, &path, cb, data, 0};
  int r;

  if (schema == NULL || (payload == NULL && len > 0)) {
    return sluice_fail(err, UV_EINVAL, "a walk needs a schema and a payload");
  }
  in.end = len == 0 ? in.at : in.at + len;
  sluice__path_at(&path, NULL);
  r = walk_contents(&w, 0);
  if (r == 0 && sluice__in_left(&in) > 0) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "%zu bytes are left over behind the last field",
                       sluice__in_left(&in));
  }
  return r;
}
