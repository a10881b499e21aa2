/* table.c - is a table sound? See table.h.
 *
 * A mistake in a table is a mistake of the program, found when the section is
 * registered, long before a stream is involved. */
#include "fields/table.h"

#include <assert.h>
#include <inttypes.h>
#include <uv.h>

/* What is being checked, for messages. */
typedef struct check_s {
  sluice__tables_t *tables;
  const sluice_table_t *table;
  const sluice_field_t *field;
  sluice_error_t *err;
} check_t;

static int refuse(const check_t *c, const char *why) {
  return sluice_fail(c->err, UV_EINVAL, "table '%.60s', field '%.60s': %s",
                     c->table->name, c->field == NULL ? "" : c->field->name,
                     why);
}

static bool is_name(const char *name) {
  size_t len = 0;

  while (name != NULL && name[len] > ' ' && name[len] <= '~' && len < 256) {
    len++;
  }
  return len >= 1 && len <= SLUICE_NAME_MAX && name[len] == '\0';
}

static bool is_size(size_t size) {
  return size == 1 || size == 2 || size == 4 || size == 8;
}

unsigned sluice__tables_find(const sluice__tables_t *tables,
                             const sluice_table_t *table) {
  unsigned i = 0;

  while (tables->at[i] != table) {
    i++;
    assert(i < tables->count);
  }
  return i;
}

static int reach_table(const check_t *c, const sluice_table_t *table) {
  for (unsigned i = 0; i < c->tables->count; i++) {
    if (c->tables->at[i] == table) {
      return 0;
    }
  }
  if (table == NULL || c->tables->count == SLUICE__TABLES_MAX) {
    return refuse(c, table == NULL ? "needs a table" : "one table too many");
  }
  c->tables->at[c->tables->count++] = table;
  return 0;
}

const sluice_field_t *sluice__table_count_of(const sluice_table_t *table,
                                             const sluice_field_t *field) {
  for (const sluice_field_t *f = table->fields; f != field; f++) {
    if (f->offset == field->count_offset && f->size == field->count_size &&
        f->shape == SLUICE_SHAPE_ONE &&
        (sluice__type_is_unsigned(f->type) || f->type == SLUICE_FIELD_I32)) {
      return f;
    }
  }
  return NULL;
}

static int check_count(const check_t *c) {
  const sluice_field_t *f = c->field;

  if (!sluice__field_is_counted(f)) {
    return 0;
  }
  return sluice__table_count_of(c->table, f) != NULL
             ? 0
             : refuse(c, "its count is no field before it");
}

static int check_struct(const check_t *c) {
  const sluice_field_t *f = c->field;
  bool has_table =
      f->type == SLUICE_FIELD_STRUCT || f->type == SLUICE_FIELD_LIST;
  const sluice_list_t *l = f->list;

  if (!has_table) {
    return 0;
  }
  if (f->type == SLUICE_FIELD_LIST &&
      (l == NULL || l->next == NULL || l->clear == NULL || l->add == NULL)) {
    return refuse(c, "a list needs next, clear and add");
  }
  if (reach_table(c, f->table) < 0) {
    return UV_EINVAL;
  }
  return f->type == SLUICE_FIELD_LIST || f->table->structure_size == f->size
             ? 0
             : refuse(c, "its table is of another structure");
}

/* Bytes of the structure that the field takes, or 0. */
static size_t extent(const sluice_field_t *f) {
  if (f->type == SLUICE_FIELD_LIST || f->type == SLUICE_FIELD_UNUSED) {
    return 0;
  }
  if (f->shape == SLUICE_SHAPE_OWNED || f->shape == SLUICE_SHAPE_POINTER ||
      f->type == SLUICE_FIELD_STRING) {
    return sizeof(void *);
  }
  return f->type == SLUICE_FIELD_TEXT || f->shape == SLUICE_SHAPE_ONE
             ? f->size
             : f->size * f->max;
}

static int check_place(const check_t *c) {
  const sluice_field_t *f = c->field;
  size_t whole = c->table->structure_size;

  if (sluice__type_is_scalar(f->type) &&
      f->size != sluice__type_bytes(f->type)) {
    return refuse(c, "size and type differ");
  }
  if (f->max == 0 || (f->size != 0 && f->max > SIZE_MAX / f->size) ||
      f->max == UINT32_MAX) {
    return refuse(c, "its bound is 0 or too large");
  }
  if (f->offset > whole || extent(f) > whole - f->offset) {
    return refuse(c, "is outside of the structure");
  }
  if (sluice__field_is_counted(f) &&
      (!is_size(f->count_size) || f->count_offset > whole - f->count_size)) {
    return refuse(c, "its count is outside of the structure");
  }
  return 0;
}

static int check_name(const check_t *c) {
  const sluice_field_t *f = c->field;

  if (!is_name(f->name) || (f->alias != NULL && !is_name(f->alias))) {
    return refuse(c, "a name is 1 to 255 printable characters without space");
  }
  for (const sluice_field_t *other = c->table->fields; other != f; other++) {
    if (strcmp(other->name, f->name) == 0) {
      return refuse(c, "its name is taken");
    }
  }
  return 0;
}

static int check_field(const check_t *c) {
  const sluice_field_t *f = c->field;
  int r = check_name(c);

  if (r == 0 && !sluice__type_fits_shape(f->type, f->shape, false)) {
    r = refuse(c, "has no such type, or no such shape");
  }
  if (r == 0 && f->since > c->table->version) {
    r = refuse(c, "is since a version that the table does not have");
  }
  if (r == 0 && (f->check > SLUICE_CHECK_EQUAL ||
                 (f->check != 0 && !sluice__type_has_range(f->type)))) {
    r = refuse(c, "has a check that its type does not take");
  }
  if (r == 0) {
    r = check_place(c);
  }
  if (r == 0) {
    r = check_count(c);
  }
  return r == 0 ? check_struct(c) : r;
}

static int check_fields(check_t *c) {
  unsigned count = 0;

  for (const sluice_field_t *f = c->table->fields; f->name != NULL; f++) {
    c->field = f;
    if (++count > SLUICE_FIELDS_PER_TABLE) {
      return refuse(c, "is one field too many");
    }
    if (check_field(c) < 0) {
      return UV_EINVAL;
    }
  }
  return 0;
}

static int check_subsections(check_t *c) {
  const sluice_table_t *const *sub = c->table->subsections;
  unsigned count = 0;

  for (; sub != NULL && *sub != NULL; sub++) {
    c->field = NULL;
    if (reach_table(c, *sub) < 0) {
      return UV_EINVAL;
    }
    if ((*sub)->structure_size != c->table->structure_size ||
        *sub == c->tables->at[0] || ++count > SLUICE_FIELDS_PER_TABLE) {
      return refuse(c, "a subsection is of another structure, or one too many");
    }
  }
  return 0;
}

static int check_table(check_t *c) {
  const sluice_table_t *t = c->table;

  c->field = NULL;
  if (t->size != sizeof(*t) || t->field_size != sizeof(*t->fields) ||
      !is_name(t->name) || t->fields == NULL || t->structure_size == 0) {
    return sluice_fail(c->err, UV_EINVAL,
                       "a table lacks its sizes, name, fields or structure");
  }
  if (t->min_version > t->version) {
    return refuse(c, "min_version is over version");
  }
  if (t->fields[0].name == NULL &&
      (t->subsections == NULL || t->subsections[0] == NULL)) {
    return refuse(c, "the table has no fields");
  }
  return check_fields(c) < 0 ? UV_EINVAL : check_subsections(c);
}

int sluice__table_check(const sluice_table_t *root, sluice__tables_t *out,
                        sluice_error_t *err) {
  check_t c = {out, root, NULL, err};

  if (root == NULL) {
    return sluice_fail(err, UV_EINVAL, "no table");
  }
  out->count = 1;
  out->at[0] = root;
  for (unsigned i = 0; i < out->count; i++) {
    c.table = out->at[i];
    if (check_table(&c) < 0) {
      return UV_EINVAL;
    }
  }
  return 0;
}
