/* schema_parse.c - bytes of a schema into numbers that can be relied on.
 *
 * Untrusted. What is announced is bounded by the bytes there are before memory
 * is taken for it, so a schema costs a small multiple of its own length. */
#include "fields/schema.h"

#include <stdlib.h>
#include <uv.h>

enum {
  FIELD_BYTES_MIN = 16, /* of one in the schema, name of one letter */
  TABLE_BYTES_MIN = 17,
  SUB_BYTES = 2
};

typedef struct parse_s {
  const uint8_t *at;
  const uint8_t *end;
  sluice_schema_t *schema;
  unsigned fields; /* taken so far */
  unsigned subs;
  sluice_error_t *err;
  int status;
} parse_t;

static int refuse(parse_t *p, int code, const char *why) {
  if (p->status == 0) {
    (void)sluice_fail(p->err, code, "schema: %s", why);
    p->status = code;
  }
  return p->status;
}

static uint64_t get(parse_t *p, size_t size) {
  uint64_t v;

  if ((size_t)(p->end - p->at) < size) {
    p->at = p->end;
    (void)refuse(p, SLUICE_ECORRUPT, "it ends too early");
    return 0;
  }
  v = sluice__order_get(p->at, size, false);
  p->at += size;
  return v;
}

static bool is_printable(const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (bytes[i] <= ' ' || bytes[i] > '~') {
      return false;
    }
  }
  return true;
}

/* Stays in the schema's bytes: it is ended by NUL there. */
static const char *get_name(parse_t *p) {
  size_t len = (size_t)get(p, 1);
  const uint8_t *name = p->at;

  if ((size_t)(p->end - p->at) < len + 1 || len == 0 || name[len] != '\0' ||
      !is_printable(name, len)) {
    (void)refuse(p, SLUICE_ECORRUPT, "a name is malformed");
    return "";
  }
  p->at += len + 1;
  return (const char *)name;
}

static int check_field(parse_t *p, const sluice__schema_field_t *f) {
  bool has_table =
      f->type == SLUICE_FIELD_STRUCT || f->type == SLUICE_FIELD_LIST;

  if (f->type == 0 || f->type > SLUICE_FIELD_UNUSED ||
      (f->flags & ~(unsigned)SLUICE__SCHEMA_FLAGS) != 0) {
    return refuse(p, SLUICE_EFEATURE, "a field of a type that is not known");
  }
  if (!sluice__type_fits_shape(f->type, f->shape, true) || f->max == 0 ||
      f->max == UINT32_MAX ||
      (has_table ? f->table >= p->schema->table_count
                 : f->table != SLUICE__SCHEMA_NO_TABLE)) {
    return refuse(p, SLUICE_ECORRUPT, "a field is malformed");
  }
  return 0;
}

static void get_field(parse_t *p, sluice__schema_field_t *f) {
  f->type = (uint8_t)get(p, 1);
  f->shape = (uint8_t)get(p, 1);
  f->flags = (uint8_t)get(p, 1);
  f->since = (uint32_t)get(p, 4);
  f->max = (uint32_t)get(p, 4);
  f->table = (uint16_t)get(p, 2);
  f->name = get_name(p);
  if ((f->flags & SLUICE__SCHEMA_RANGE) != 0) {
    f->low = (int64_t)get(p, 8);
    f->high = get(p, 8);
  }
  if ((f->flags & SLUICE__SCHEMA_ALIAS) != 0) {
    f->alias = get_name(p);
  }
  (void)check_field(p, f);
}

static int check_names(parse_t *p, const sluice__schema_table_t *t) {
  for (unsigned i = 1; i < t->field_count; i++) {
    for (unsigned k = 0; k < i; k++) {
      if (strcmp(t->fields[i].name, t->fields[k].name) == 0) {
        return refuse(p, SLUICE_ECORRUPT, "two fields have one name");
      }
    }
  }
  return 0;
}

static void get_fields(parse_t *p, sluice__schema_table_t *t) {
  sluice__schema_field_t *fields = p->schema->fields + p->fields;

  t->fields = fields;
  p->fields += t->field_count;
  for (unsigned i = 0; i < t->field_count && p->status == 0; i++) {
    get_field(p, &fields[i]);
  }
  if (p->status == 0) {
    (void)check_names(p, t);
  }
}

static void get_subs(parse_t *p, sluice__schema_table_t *t) {
  uint16_t *subs = p->schema->subs + p->subs;

  t->subs = subs;
  p->subs += t->sub_count;
  for (unsigned i = 0; i < t->sub_count && p->status == 0; i++) {
    subs[i] = (uint16_t)get(p, 2);
    if (subs[i] >= p->schema->table_count) {
      (void)refuse(p, SLUICE_ECORRUPT, "a subsection is no table");
    }
  }
}

static void get_table(parse_t *p, sluice__schema_table_t *t) {
  t->version = (uint32_t)get(p, 4);
  t->min_version = (uint32_t)get(p, 4);
  t->optional = (get(p, 1) & 1) != 0;
  (void)get(p, 1);
  t->field_count = (uint16_t)get(p, 2);
  t->sub_count = (uint16_t)get(p, 2);
  t->name = get_name(p);
  if (t->field_count > SLUICE_FIELDS_PER_TABLE ||
      t->sub_count > SLUICE_FIELDS_PER_TABLE ||
      t->field_count > p->schema->field_count - p->fields ||
      t->sub_count > p->schema->sub_count - p->subs ||
      t->field_count + t->sub_count == 0) {
    (void)refuse(p, SLUICE_ECORRUPT, "a table has too many or no fields");
    return;
  }
  get_fields(p, t);
  get_subs(p, t);
}

/* Structures that hold structures by value need no payload of their own, so
 * only these could go round in circles. `level` is how deep each one goes. */
static bool raise_levels(const sluice_schema_t *s, uint16_t *level) {
  bool has_moved = false;

  for (unsigned i = 0; i < s->table_count; i++) {
    for (unsigned k = 0; k < s->tables[i].field_count; k++) {
      const sluice__schema_field_t *f = &s->tables[i].fields[k];

      if (f->type == SLUICE_FIELD_STRUCT && f->shape <= SLUICE_SHAPE_ARRAY &&
          level[i] <= level[f->table]) {
        level[i] = (uint16_t)(level[f->table] + 1);
        has_moved = true;
      }
    }
  }
  return has_moved;
}

static int check_depth(parse_t *p) {
  uint16_t level[SLUICE__TABLES_MAX] = {0};

  for (unsigned i = 0; i <= SLUICE_FIELDS_DEPTH; i++) {
    if (!raise_levels(p->schema, level)) {
      return 0;
    }
  }
  return refuse(p, SLUICE_ELIMIT, "structures are too deep");
}

static int get_counts(parse_t *p) {
  sluice_schema_t *s = p->schema;

  if (get(p, 1) != SLUICE__SCHEMA_FORMAT) {
    return refuse(p, SLUICE_EFEATURE, "of a format that is not known");
  }
  (void)get(p, 1);
  s->table_count = (unsigned)get(p, 2);
  s->field_count = (unsigned)get(p, 2);
  s->sub_count = (unsigned)get(p, 2);
  if (s->table_count == 0 || s->table_count > SLUICE__TABLES_MAX ||
      (size_t)s->table_count * TABLE_BYTES_MIN +
              (size_t)s->field_count * FIELD_BYTES_MIN +
              (size_t)s->sub_count * SUB_BYTES >
          s->len) {
    return refuse(p, SLUICE_ECORRUPT, "more tables or fields than bytes");
  }
  return p->status;
}

static int take_memory(parse_t *p) {
  sluice_schema_t *s = p->schema;

  s->tables = calloc(s->table_count, sizeof(*s->tables));
  s->fields = calloc((size_t)s->field_count + 1, sizeof(*s->fields));
  s->subs = calloc((size_t)s->sub_count + 1, sizeof(*s->subs));
  return s->tables == NULL || s->fields == NULL || s->subs == NULL
             ? refuse(p, UV_ENOMEM, "no memory")
             : 0;
}

static int parse(parse_t *p) {
  sluice_schema_t *s = p->schema;

  if (get_counts(p) < 0 || take_memory(p) < 0) {
    return p->status;
  }
  for (unsigned i = 0; i < s->table_count && p->status == 0; i++) {
    get_table(p, &s->tables[i]);
  }
  if (p->status == 0 && (p->at != p->end || p->fields != s->field_count ||
                         p->subs != s->sub_count)) {
    return refuse(p, SLUICE_ECORRUPT, "something follows its end");
  }
  return p->status == 0 ? check_depth(p) : p->status;
}

static sluice_schema_t *new_schema(const void *bytes, size_t len) {
  sluice_schema_t *s = calloc(1, sizeof(*s));

  if (s == NULL) {
    return NULL;
  }
  s->bytes = malloc(len);
  if (s->bytes == NULL) {
    free(s);
    return NULL;
  }
  memcpy(s->bytes, bytes, len);
  s->len = len;
  return s;
}

int sluice_schema_parse(sluice_schema_t **out, const void *bytes, size_t len,
                        sluice_error_t *err) {
  parse_t p = {0};

  if (out == NULL || (bytes == NULL && len > 0)) {
    return sluice_fail(err, UV_EINVAL,
                       "there is no schema, or no place for it");
  }
  if (len == 0 || len > SLUICE_SCHEMA_MAX) {
    return sluice_fail(err, SLUICE_ELIMIT, "a schema is 1 to %d bytes",
                       SLUICE_SCHEMA_MAX);
  }
  p.schema = new_schema(bytes, len);
  if (p.schema == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for a schema");
  }
  p.err = err;
  p.at = p.schema->bytes;
  p.end = p.at + len;
  if (parse(&p) < 0) {
    sluice_schema_free(p.schema);
    return p.status;
  }
  *out = p.schema;
  return 0;
}

void sluice_schema_free(sluice_schema_t *schema) {
  if (schema != NULL) {
    free(schema->tables);
    free(schema->fields);
    free(schema->subs);
    free(schema->bytes);
    free(schema);
  }
}

const char *sluice_schema_name(const sluice_schema_t *schema) {
  return schema == NULL ? NULL : schema->tables[0].name;
}

uint32_t sluice_schema_version(const sluice_schema_t *schema) {
  return schema == NULL ? 0 : schema->tables[0].version;
}

uint32_t sluice_schema_min_version(const sluice_schema_t *schema) {
  return schema == NULL ? 0 : schema->tables[0].min_version;
}
