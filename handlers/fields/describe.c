/* describe.c - a structure as QEMU's description shows it, in JSON.
 *
 * Sizes are those of the bytes that encode.c writes for this very structure, so
 * the two must agree: a test compares them. Hooks are not called; a pre_save
 * has done its work when the section was encoded. */
#include <uv.h>

#include "fields/out.h"
#include "fields/path.h"
#include "fields/table.h"

typedef struct describe_s {
  sluice__out_t *out;
  sluice__path_t path;
} describe_t;

static size_t describe_table(describe_t *d, const sluice_table_t *table,
                             void *structure);

static void put_escaped(describe_t *d, const char *name) {
  for (; *name != '\0'; name++) {
    if (*name == '"' || *name == '\\') {
      sluice__out_bytes(d->out, "\\", 1);
    }
    sluice__out_bytes(d->out, name, 1);
  }
}

static const char *qemu_type(unsigned type) {
  switch (type) {
  case SLUICE_FIELD_U8: return "uint8";
  case SLUICE_FIELD_U16: return "uint16";
  case SLUICE_FIELD_U32: return "uint32";
  case SLUICE_FIELD_U64: return "uint64";
  case SLUICE_FIELD_I8: return "int8";
  case SLUICE_FIELD_I16: return "int16";
  case SLUICE_FIELD_I32: return "int32";
  case SLUICE_FIELD_I64: return "int64";
  case SLUICE_FIELD_BOOL: return "bool";
  case SLUICE_FIELD_DOUBLE: return "float64";
  case SLUICE_FIELD_UNUSED: return "unused_buffer";
  default: return "buffer"; /* which QEMU shows whatever is in it */
  }
}

static void begin_entry(describe_t *d, const char *name, const char *suffix,
                        size_t index) {
  if (d->out->len > 0 && d->out->base[d->out->len - 1] == '}') {
    sluice__out_text(d->out, ",");
  }
  sluice__out_text(d->out, "{\"name\":\"");
  put_escaped(d, name);
  sluice__out_text(d->out, suffix);
  sluice__out_text(d->out, "\"");
  if (index != SIZE_MAX) {
    sluice__out_text(d->out, ",\"index\":");
    sluice__out_number(d->out, index);
  }
}

static void end_entry(describe_t *d, size_t size) {
  sluice__out_text(d->out, ",\"size\":");
  sluice__out_number(d->out, size);
  sluice__out_text(d->out, "}");
}

static size_t put_entry(describe_t *d, const char *name, const char *suffix,
                        const char *type, size_t size, size_t array_len) {
  begin_entry(d, name, suffix, SIZE_MAX);
  if (array_len != SIZE_MAX) {
    sluice__out_text(d->out, ",\"array_len\":");
    sluice__out_number(d->out, array_len);
  }
  sluice__out_text(d->out, ",\"type\":\"");
  sluice__out_text(d->out, type);
  sluice__out_text(d->out, "\"");
  end_entry(d, size);
  return size * (array_len == SIZE_MAX ? 1 : array_len);
}

static size_t describe_struct(describe_t *d, const sluice_field_t *f,
                              void *structure, size_t index) {
  size_t size;

  begin_entry(d, f->name, "", index);
  sluice__out_text(d->out, ",\"type\":\"struct\",\"struct\":");
  if (sluice__path_enter(&d->path) < 0) {
    d->out->status = SLUICE_ELIMIT;
    return 0;
  }
  size = describe_table(d, f->table, structure);
  sluice__path_leave(&d->path);
  end_entry(d, size);
  return size;
}

static size_t describe_structs(describe_t *d, const sluice_field_t *f,
                               void *first, size_t n) {
  bool is_array =
      f->shape != SLUICE_SHAPE_ONE && f->shape != SLUICE_SHAPE_POINTER;
  size_t size = 0;

  for (size_t i = 0; i < n; i++) {
    size += describe_struct(d, f, (char *)first + i * f->size,
                            is_array ? i : SIZE_MAX);
  }
  return size;
}

static size_t describe_values(describe_t *d, const sluice_field_t *f,
                              void *structure) {
  bool is_counted = sluice__field_is_counted(f);
  size_t n = is_counted ? (size_t)sluice__field_count(f, structure) : f->max;
  void *first = f->shape == SLUICE_SHAPE_OWNED
                    ? sluice__field_pointer(f, structure)
                    : sluice__field_at(f, structure);

  if (f->type == SLUICE_FIELD_STRUCT) {
    return describe_structs(d, f, first, n);
  }
  if (f->type == SLUICE_FIELD_BYTE) {
    return put_entry(d, f->name, "", "buffer", n, SIZE_MAX);
  }
  return n == 0 ? 0
                : put_entry(d, f->name, "", qemu_type(f->type), f->size,
                            f->shape == SLUICE_SHAPE_ONE ? SIZE_MAX : n);
}

static size_t describe_pointer(describe_t *d, const sluice_field_t *f,
                               void *structure) {
  void *p = sluice__field_pointer(f, structure);
  size_t size = put_entry(d, f->name, ".present", "bool", 1, SIZE_MAX);

  return p == NULL ? size : size + describe_structs(d, f, p, 1);
}

/* Each element behind its mark, then the mark of the end. */
static size_t describe_list(describe_t *d, const sluice_field_t *f,
                            void *owner) {
  size_t size = 0;
  size_t i = 0;

  for (void *at = f->list->next(owner, NULL); at != NULL;
       at = f->list->next(owner, at)) {
    size += put_entry(d, f->name, ".more", "bool", 1, SIZE_MAX);
    size += describe_struct(d, f, at, i++);
  }
  return size + put_entry(d, f->name, ".more", "bool", 1, SIZE_MAX);
}

static size_t describe_string(describe_t *d, const sluice_field_t *f,
                              const void *structure) {
  const char *text = sluice__field_pointer(f, structure);
  size_t size = put_entry(d, f->name, ".length", "int32", 4, SIZE_MAX);

  return size + put_entry(d, f->name, "", "buffer",
                          text == NULL ? 0 : strlen(text), SIZE_MAX);
}

static size_t describe_field(describe_t *d, const sluice_field_t *f,
                             void *structure) {
  if (f->type == SLUICE_FIELD_LIST) {
    return describe_list(d, f, structure);
  }
  if (f->type == SLUICE_FIELD_STRING) {
    return describe_string(d, f, structure);
  }
  if (f->type == SLUICE_FIELD_TEXT || f->type == SLUICE_FIELD_UNUSED) {
    return put_entry(d, f->name, "", qemu_type(f->type), f->max, SIZE_MAX);
  }
  return f->shape == SLUICE_SHAPE_POINTER ? describe_pointer(d, f, structure)
                                          : describe_values(d, f, structure);
}

static size_t describe_sub(describe_t *d, const sluice_table_t *sub,
                           void *structure) {
  size_t size = 0;

  if (sluice__path_enter(&d->path) < 0) {
    d->out->status = SLUICE_ELIMIT;
    return 0;
  }
  size = describe_table(d, sub, structure);
  sluice__path_leave(&d->path);
  return size + 2 + strlen(sub->name) + 4;
}

static size_t describe_subs(describe_t *d, const sluice_table_t *table,
                            void *structure) {
  const sluice_table_t *const *sub = table->subsections;
  unsigned count = 0;
  size_t size = 0;

  for (; sub != NULL && *sub != NULL; sub++) {
    if (sluice__table_is_needed(*sub, structure)) {
      sluice__out_text(d->out, count++ == 0 ? ",\"subsections\":[" : ",");
      size += describe_sub(d, *sub, structure);
    }
  }
  sluice__out_text(d->out, count > 0 ? "]}" : "}");
  return size;
}

/* The bytes that all of it takes in the stream. */
static size_t describe_table(describe_t *d, const sluice_table_t *table,
                             void *structure) {
  size_t size = 0;

  sluice__out_text(d->out, "{\"vmsd_name\":\"");
  put_escaped(d, table->name);
  sluice__out_text(d->out, "\",\"version\":");
  sluice__out_number(d->out, table->version);
  sluice__out_text(d->out, ",\"fields\":[");
  for (const sluice_field_t *f = table->fields; f->name != NULL; f++) {
    if (sluice__field_is_there(f, structure, table->version)) {
      size += describe_field(d, f, structure);
    }
  }
  sluice__out_text(d->out, "]");
  return size + describe_subs(d, table, structure);
}

int sluice_fields_describe(const sluice_table_t *table, void *structure,
                           char **out, size_t *out_len, sluice_error_t *err) {
  sluice__out_t text;
  describe_t d = {.out = &text, .path = {.err = err}};
  uint8_t *bytes = NULL;
  int r;

  if (table == NULL || structure == NULL || out == NULL || out_len == NULL) {
    return sluice_fail(err, UV_EINVAL,
                       "a description needs a table, a structure and a place");
  }
  sluice__out_open(&text, NULL, 0, false);
  (void)describe_table(&d, table, structure);
  sluice__out_bytes(&text, "", 1);
  r = sluice__out_take(&text, &bytes, out_len);
  sluice__out_done(&text);
  if (r < 0) {
    return sluice_fail(err, r, "'%.100s' cannot be described", table->name);
  }
  *out_len -= 1;
  *out = (char *)bytes;
  return 0;
}
