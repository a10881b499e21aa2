/* kind.c - see kind.h. */
#include "fields/kind.h"

#include <stdlib.h>
#include <uv.h>

/* What newer programs may add in fields that this one skips. */
#define SLACK_BYTES     ((size_t)1024 * 1024)
#define PAYLOAD_MAX     ((size_t)256 * 1024 * 1024)
#define VISITS_MAX      10000 /* tables may branch; beyond, the bound is vague */
#define STRING_OVERHEAD 6     /* presence, length, mark of a list */

typedef struct bound_s {
  unsigned visits;
} bound_t;

static size_t add(size_t a, size_t b) {
  return a > PAYLOAD_MAX - (b > PAYLOAD_MAX ? PAYLOAD_MAX : b) ? PAYLOAD_MAX
                                                               : a + b;
}

static size_t multiply(size_t a, size_t n) {
  return n != 0 && a > PAYLOAD_MAX / n ? PAYLOAD_MAX : a * n;
}

static size_t table_bound(bound_t *b, const sluice_table_t *table,
                          unsigned depth);

static size_t field_bound(bound_t *b, const sluice_field_t *f, unsigned depth) {
  size_t one = 1;

  if (sluice__type_is_scalar(f->type)) {
    one = f->size;
  } else if (f->type == SLUICE_FIELD_STRUCT || f->type == SLUICE_FIELD_LIST) {
    one = add(table_bound(b, f->table, depth + 1), 1);
  }
  return add(multiply(one, f->max), STRING_OVERHEAD);
}

static size_t table_bound(bound_t *b, const sluice_table_t *table,
                          unsigned depth) {
  const sluice_table_t *const *sub = table->subsections;
  size_t sum = 0;

  if (depth > SLUICE_FIELDS_DEPTH) {
    return 0;
  }
  if (++b->visits > VISITS_MAX) {
    return PAYLOAD_MAX;
  }
  for (const sluice_field_t *f = table->fields; f->name != NULL; f++) {
    sum = add(sum, field_bound(b, f, depth));
  }
  for (; sub != NULL && *sub != NULL; sub++) {
    sum = add(sum, table_bound(b, *sub, depth + 1));
    sum = add(sum, SLUICE_NAME_MAX + STRING_OVERHEAD);
  }
  return sum;
}

static int make_schema(sluice__kind_t *kind, const sluice__tables_t *tables,
                       sluice_error_t *err) {
  sluice__out_t out;
  int r;

  sluice__out_open(&out, NULL, 0, false);
  sluice__schema_write(tables, &out);
  r = sluice__out_take(&out, &kind->schema_bytes, &kind->schema_len);
  sluice__out_done(&out);
  if (r < 0) {
    return sluice_fail(err, r, "the schema of '%.100s' cannot be made",
                       kind->table->name);
  }
  return sluice_schema_parse(&kind->schema, kind->schema_bytes,
                             kind->schema_len, err);
}

static int fill(sluice__kind_t *kind, sluice_error_t *err) {
  sluice__tables_t tables;
  bound_t bound = {0};
  int r = sluice__table_check(kind->table, &tables, err);

  if (r == 0) {
    r = make_schema(kind, &tables, err);
  }
  if (r == 0) {
    r = sluice__plan_make(&kind->plan, kind->schema, kind->table,
                          kind->table->version, err);
    kind->max_bytes = table_bound(&bound, kind->table, 0) + SLACK_BYTES;
  }
  return r;
}

int sluice__kind_new(sluice__kind_t **out, const sluice_table_t *table,
                     sluice_error_t *err) {
  sluice__kind_t *kind = calloc(1, sizeof(*kind));
  int r;

  if (kind == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for a table");
  }
  kind->refs = 1;
  kind->table = table;
  r = fill(kind, err);
  if (r < 0) {
    sluice__kind_free(kind);
    return r;
  }
  *out = kind;
  return 0;
}

void sluice__kind_free(sluice__kind_t *kind) {
  if (kind != NULL && --kind->refs == 0) {
    sluice__plan_done(&kind->plan);
    sluice_schema_free(kind->schema);
    free(kind->schema_bytes);
    free(kind);
  }
}
