/* foreign.c - see foreign.h. */
#include "fields/foreign.h"

#include <stdlib.h>
#include <uv.h>

static void free_foreign(sluice__foreign_t *f) {
  sluice__plan_done(&f->plan);
  sluice_schema_free(f->schema);
  free(f);
}

static int make(sluice__foreign_t **out, sluice__kind_t *kind,
                const void *schema, size_t len, uint32_t version,
                sluice_error_t *err) {
  sluice__foreign_t *f = calloc(1, sizeof(*f));
  int r;

  if (f == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for a schema");
  }
  f->kind = kind;
  f->version = version;
  r = sluice_schema_parse(&f->schema, schema, len, err);
  if (r == 0) {
    r = sluice__plan_make(&f->plan, f->schema, kind->table, version, err);
  }
  if (r < 0) {
    free_foreign(f);
    return r;
  }
  *out = f;
  return 0;
}

static bool is_same(const sluice__foreign_t *f, const void *schema, size_t len,
                    uint32_t version) {
  return f != NULL && f->version == version && f->schema->len == len &&
         memcmp(f->schema->bytes, schema, len) == 0;
}

int sluice__foreign_take(sluice__foreign_t **out, sluice__kind_t *kind,
                         const void *schema, size_t len, uint32_t version,
                         sluice_error_t *err) {
  int r = 0;

  if (!is_same(kind->foreign, schema, len, version)) {
    r = make(out, kind, schema, len, version, err);
    if (r < 0) {
      return r;
    }
    kind->foreign = *out;
  }
  *out = kind->foreign;
  (*out)->users++;
  return 0;
}

void sluice__foreign_drop(sluice__foreign_t *foreign) {
  if (foreign == NULL || --foreign->users > 0) {
    return;
  }
  if (foreign->kind->foreign == foreign) {
    foreign->kind->foreign = NULL;
  }
  free_foreign(foreign);
}
