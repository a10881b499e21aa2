/* encode.c - saving: one walk over a table, for both formats.
 *
 *   native, little-endian      QEMU, big-endian
 *   [u8 there] value           value, or nothing     fields with `exists`
 *   u32 n, n values            n values              COUNTED and OWNED
 *   u32 len, bytes             max bytes             TEXT
 *   u32 len or ~0, bytes       the same              STRING
 *   u8 there, structure        the same              POINTER
 *   { u8 1, structure } u8 0   the same              LIST
 *   nothing                    zeros                 UNUSED
 *   u8 there, fields           05 str8 be32 fields   each subsection
 *
 * Most fields of most devices are single scalars: those take the short way at
 * the top of encode_fields(). The structure is not changed, but for what its
 * pre_save does. */
#include "fields/encode.h"

#include <inttypes.h>
#include <uv.h>

#include "fields/table.h"

#define QEMU_SUBSECTION 0x05
#define NULL_STRING     UINT32_MAX

typedef struct encode_s {
  sluice__out_t *out;
  bool is_qemu;
  sluice__path_t path;
} encode_t;

static int encode_table(encode_t *e, const sluice_table_t *table,
                        void *structure);

static int encode_nested(encode_t *e, const sluice_table_t *table,
                         void *structure) {
  int r = sluice__path_enter(&e->path);

  if (r == 0) {
    r = encode_table(e, table, structure);
    sluice__path_leave(&e->path);
  }
  return r;
}

static int encode_text(encode_t *e, const sluice_field_t *f, const char *text) {
  size_t len = strnlen(text, f->max);

  if (len == f->max) {
    return sluice__path_fail(&e->path, UV_EINVAL,
                             "has no NUL in %" PRIu32 " bytes", f->max);
  }
  if (!e->is_qemu) {
    sluice__out_u32(e->out, (uint32_t)len);
  }
  sluice__out_bytes(e->out, text, len);
  if (e->is_qemu) {
    sluice__out_zeros(e->out, f->max - len);
  }
  return 0;
}

static int encode_string(encode_t *e, const sluice_field_t *f,
                         const char *text) {
  size_t len = text == NULL ? 0 : strnlen(text, (size_t)f->max + 1);

  if (len > f->max) {
    return sluice__path_fail(&e->path, SLUICE_ELIMIT,
                             "is longer than %" PRIu32 " bytes", f->max);
  }
  sluice__out_u32(e->out, text == NULL ? NULL_STRING : (uint32_t)len);
  sluice__out_bytes(e->out, text, len);
  return 0;
}

static int encode_list(encode_t *e, const sluice_field_t *f, void *owner) {
  uint32_t count = 0;
  int r = 0;

  for (void *at = f->list->next(owner, NULL); at != NULL && r == 0;
       at = f->list->next(owner, at)) {
    e->path.at[e->path.depth].index = count;
    if (count++ == f->max) {
      return sluice__path_fail(&e->path, SLUICE_ELIMIT,
                               "is one element over its bound");
    }
    sluice__out_u8(e->out, 1);
    r = encode_nested(e, f->table, at);
  }
  sluice__out_u8(e->out, 0);
  return r;
}

static int encode_scalars(encode_t *e, const sluice_field_t *f,
                          const void *values, size_t n) {
  if (f->size == 1) {
    sluice__out_bytes(e->out, values, n);
  } else if (sluice__out_room(e->out, n * f->size)) {
    uint8_t *to = e->out->base + e->out->len;

    for (size_t i = 0; i < n; i++) {
      sluice__order_copy(to + i * f->size,
                         (const uint8_t *)values + i * f->size, f->size,
                         e->out->is_big);
    }
    e->out->len += n * f->size;
  }
  return 0;
}

static int encode_structs(encode_t *e, const sluice_field_t *f, void *first,
                          size_t n) {
  int r = 0;

  for (size_t i = 0; i < n && r == 0; i++) {
    if (f->shape != SLUICE_SHAPE_ONE && f->shape != SLUICE_SHAPE_POINTER) {
      e->path.at[e->path.depth].index = (uint32_t)i;
    }
    r = encode_nested(e, f->table, (char *)first + i * f->size);
  }
  return r;
}

static int encode_values(encode_t *e, const sluice_field_t *f, void *first,
                         size_t n) {
  switch ((sluice_field_type_t)f->type) {
  case SLUICE_FIELD_TEXT: return encode_text(e, f, first);
  case SLUICE_FIELD_STRUCT: return encode_structs(e, f, first, n);
  case SLUICE_FIELD_STRING: /* these were seen to before */
  case SLUICE_FIELD_LIST:
  case SLUICE_FIELD_UNUSED: return UV_EINVAL;
  case SLUICE_FIELD_U8:
  case SLUICE_FIELD_U16:
  case SLUICE_FIELD_U32:
  case SLUICE_FIELD_U64:
  case SLUICE_FIELD_I8:
  case SLUICE_FIELD_I16:
  case SLUICE_FIELD_I32:
  case SLUICE_FIELD_I64:
  case SLUICE_FIELD_BOOL:
  case SLUICE_FIELD_FLOAT:
  case SLUICE_FIELD_DOUBLE:
  case SLUICE_FIELD_BYTE: break;
  }
  return encode_scalars(e, f, first, n);
}

static int encode_counted(encode_t *e, const sluice_field_t *f,
                          void *structure) {
  uint64_t n = sluice__field_count(f, structure);
  void *first = f->shape == SLUICE_SHAPE_OWNED
                    ? sluice__field_pointer(f, structure)
                    : sluice__field_at(f, structure);

  if (n > f->max) {
    return sluice__path_fail(&e->path, SLUICE_ELIMIT,
                             "has %" PRIu64 " elements, at most %" PRIu32, n,
                             f->max);
  }
  if (first == NULL && n > 0) {
    return sluice__path_fail(&e->path, UV_EINVAL,
                             "is NULL, its count is %" PRIu64, n);
  }
  if (!e->is_qemu) {
    sluice__out_u32(e->out, (uint32_t)n);
  }
  return n == 0 ? 0 : encode_values(e, f, first, (size_t)n);
}

static int encode_pointer(encode_t *e, const sluice_field_t *f,
                          const void *structure) {
  void *p = sluice__field_pointer(f, structure);

  sluice__out_u8(e->out, p != NULL);
  return p == NULL ? 0 : encode_structs(e, f, p, 1);
}

static int encode_shape(encode_t *e, const sluice_field_t *f, void *structure) {
  void *at = sluice__field_at(f, structure);

  switch ((sluice_shape_t)f->shape) {
  case SLUICE_SHAPE_ONE: return encode_values(e, f, at, 1);
  case SLUICE_SHAPE_ARRAY: return encode_values(e, f, at, f->max);
  case SLUICE_SHAPE_COUNTED:
  case SLUICE_SHAPE_OWNED: return encode_counted(e, f, structure);
  case SLUICE_SHAPE_POINTER: return encode_pointer(e, f, structure);
  }
  return UV_EINVAL;
}

static int encode_field(encode_t *e, const sluice_table_t *table,
                        const sluice_field_t *f, void *structure) {
  bool is_there = sluice__field_is_there(f, structure, table->version);

  if (f->exists != NULL && !e->is_qemu && f->type != SLUICE_FIELD_UNUSED) {
    sluice__out_u8(e->out, is_there);
  }
  if (!is_there) {
    return 0;
  }
  if (f->type == SLUICE_FIELD_UNUSED) {
    sluice__out_zeros(e->out, e->is_qemu ? f->max : 0);
    return 0;
  }
  if (f->type == SLUICE_FIELD_STRING) {
    return encode_string(e, f, sluice__field_pointer(f, structure));
  }
  return f->type == SLUICE_FIELD_LIST ? encode_list(e, f, structure)
                                      : encode_shape(e, f, structure);
}

static int encode_fields(encode_t *e, const sluice_table_t *table,
                         void *structure) {
  int r = 0;

  for (const sluice_field_t *f = table->fields; f->name != NULL && r == 0;
       f++) {
    if (f->shape == SLUICE_SHAPE_ONE && f->type <= SLUICE_FIELD_BYTE &&
        f->exists == NULL) {
      sluice__out_scalar(e->out, (const char *)structure + f->offset, f->size);
      continue;
    }
    sluice__path_at(&e->path, f->name);
    r = encode_field(e, table, f, structure);
  }
  return r;
}

static void begin_subsection(encode_t *e, const sluice_table_t *sub,
                             bool is_needed) {
  size_t len = strlen(sub->name);

  if (!e->is_qemu) {
    sluice__out_u8(e->out, is_needed);
  } else if (is_needed) {
    sluice__out_u8(e->out, QEMU_SUBSECTION);
    sluice__out_u8(e->out, (uint8_t)len);
    sluice__out_bytes(e->out, sub->name, len);
    sluice__out_u32(e->out, sub->version);
  }
}

static int encode_subsections(encode_t *e, const sluice_table_t *table,
                              void *structure) {
  const sluice_table_t *const *sub = table->subsections;
  int r = 0;

  for (; sub != NULL && *sub != NULL && r == 0; sub++) {
    bool is_needed = sluice__table_is_needed(*sub, structure);

    sluice__path_at(&e->path, (*sub)->name);
    begin_subsection(e, *sub, is_needed);
    if (is_needed) {
      r = encode_nested(e, *sub, structure);
    }
  }
  return r;
}

static int call_hook(encode_t *e, int (*hook)(void *, sluice_error_t *),
                     void *structure, const char *name) {
  int r = hook == NULL ? 0 : hook(structure, e->path.err);

  e->path.at[e->path.depth].name = NULL; /* it is about all of the structure */
  return r < 0 ? sluice__path_fail(&e->path, r, "was refused by its %s", name)
               : 0;
}

static int encode_table(encode_t *e, const sluice_table_t *table,
                        void *structure) {
  int r = call_hook(e, table->pre_save, structure, "pre_save");
  int post;

  if (r < 0) {
    return r;
  }
  r = encode_fields(e, table, structure);
  if (r == 0) {
    r = encode_subsections(e, table, structure);
  }
  post = call_hook(e, table->post_save, structure, "post_save");
  return r < 0 ? r : post;
}

int sluice__fields_encode(const sluice_table_t *table, sluice_format_t format,
                          void *structure, sluice__out_t *out,
                          sluice_error_t *err) {
  encode_t e;
  int r;

  e.out = out;
  e.is_qemu = format != SLUICE_FORMAT_NATIVE;
  e.path.depth = 0;
  e.path.err = err;
  sluice__path_at(&e.path, NULL);
  r = encode_table(&e, table, structure);
  if (r == 0 && out->status < 0) {
    r = sluice_fail(err, out->status, "no memory to put fields in");
  }
  return r;
}
