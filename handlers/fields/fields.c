/* fields.c - the public face of <sluice/fields.h>: sections, and structures
 * without a stream. */
#include "fields/fields.h"

#include <stdlib.h>
#include <uv.h>

#include <sluice/options.h>

#include "fields/encode.h"

static void removed(void *self) {
  sluice_fields_t *fields = self;

  fields->is_held = 0;
}

static void set_handler(sluice__kind_t *kind) {
  sluice_handler_t *h = &kind->handler;

  h->size = sizeof(*h);
  h->version = kind->table->version;
  h->min_version = kind->table->min_version;
  h->payload = SLUICE_PAYLOAD_BYTES;
  h->type = "fields";
  h->removed = removed;
  sluice__fields_set_save(h);
  sluice__fields_set_restore(h);
}

static int add_section(sluice_fields_t *fields, sluice_registry_t *registry,
                       const char *name,
                       const sluice_section_options_t *section,
                       sluice_error_t *err) {
  sluice_section_options_t options;
  int r = SLUICE_OPTIONS_COPY(&options, section, "section options",
                              sluice_section_options_t, aliases, err);

  if (r < 0) {
    return r;
  }
  options.schema = fields->kind->schema_bytes;
  options.schema_len = fields->kind->schema_len;
  return sluice_registry_add(registry, name, &fields->kind->handler, fields,
                             &options, NULL, err);
}

static int check_new(sluice_fields_t **out, const sluice_registry_t *registry,
                     const char *name, const void *structure,
                     sluice_error_t *err) {
  return out != NULL && registry != NULL && name != NULL && structure != NULL
             ? 0
             : sluice_fail(err, UV_EINVAL,
                           "a section of fields needs a registry, a name and a "
                           "structure");
}

/* Takes over a reference to `kind`, on failure too. */
static int new_fields(sluice_fields_t **out, sluice__kind_t *kind,
                      sluice_registry_t *registry, const char *name,
                      const sluice_section_options_t *section, void *structure,
                      sluice_error_t *err) {
  sluice_fields_t *fields = calloc(1, sizeof(*fields));
  int r;

  if (fields == NULL) {
    sluice__kind_free(kind);
    return sluice_fail(err, UV_ENOMEM, "no memory for a section of fields");
  }
  fields->kind = kind;
  fields->structure = structure;
  r = add_section(fields, registry, name, section, err);
  if (r < 0) {
    (void)sluice_fields_free(fields);
    return r;
  }
  fields->is_held = 1;
  *out = fields;
  return 0;
}

int sluice_fields_new(sluice_fields_t **out, sluice_registry_t *registry,
                      const char *name, const sluice_section_options_t *section,
                      const sluice_table_t *table, void *structure,
                      sluice_error_t *err) {
  sluice__kind_t *kind = NULL;
  int r = check_new(out, registry, name, structure, err);

  if (r == 0) {
    r = sluice__kind_new(&kind, table, err);
  }
  if (r < 0) {
    return r;
  }
  set_handler(kind);
  return new_fields(out, kind, registry, name, section, structure, err);
}

int sluice_fields_new_like(sluice_fields_t **out, const sluice_fields_t *first,
                           sluice_registry_t *registry, const char *name,
                           const sluice_section_options_t *section,
                           void *structure, sluice_error_t *err) {
  int r = first != NULL
              ? check_new(out, registry, name, structure, err)
              : sluice_fail(err, UV_EINVAL, "no section to be made like");

  if (r < 0) {
    return r;
  }
  first->kind->refs++;
  return new_fields(out, first->kind, registry, name, section, structure, err);
}

int sluice_fields_free(sluice_fields_t *fields) {
  if (fields == NULL) {
    return 0;
  }
  if (fields->is_held) {
    return UV_EBUSY;
  }
  sluice__fields_end_restore(fields);
  free(fields->save.bytes);
  sluice__kind_free(fields->kind);
  free(fields);
  return 0;
}

/* ---- without a stream ---- */

static int need(bool has_all, sluice_error_t *err) {
  return has_all ? 0
                 : sluice_fail(err, UV_EINVAL,
                               "fields need a structure and a place for what "
                               "comes out");
}

static int check_format(sluice_format_t format, sluice_error_t *err) {
  return format == SLUICE_FORMAT_NATIVE || format == SLUICE_FORMAT_QEMU3
             ? 0
             : sluice_fail(err, UV_EINVAL,
                           "fields are of native or QEMU's "
                           "version 3 streams");
}

int sluice_fields_encode(const sluice_table_t *table, sluice_format_t format,
                         void *structure, uint8_t **out_bytes, size_t *out_len,
                         sluice_error_t *err) {
  sluice__tables_t tables;
  sluice__out_t out;
  int r = check_format(format, err);

  if (r == 0) {
    r = need(structure != NULL && out_bytes != NULL && out_len != NULL, err);
  }
  if (r == 0) {
    r = sluice__table_check(table, &tables, err);
  }
  if (r < 0) {
    return r;
  }
  sluice__out_open(&out, NULL, 0, format != SLUICE_FORMAT_NATIVE);
  r = sluice__fields_encode(table, format, structure, &out, err);
  if (r == 0) {
    r = sluice__out_take(&out, out_bytes, out_len);
  }
  sluice__out_done(&out);
  return r;
}

/* All or nothing. */
static int load(sluice__load_t *l, sluice_error_t *err) {
  int r = sluice__load_run(l, err);

  if (r != 0) {
    return r < 0 ? r : SLUICE_ECORRUPT;
  }
  if (sluice__in_left(&l->in) > 0) {
    r = sluice_fail(err, SLUICE_ECORRUPT,
                    "%zu bytes are left over behind the last field",
                    sluice__in_left(&l->in));
  }
  if (r == 0) {
    r = sluice__load_reserve(l, err);
  }
  if (r == 0) {
    sluice__load_commit(l);
  }
  sluice__load_discard(l);
  return r;
}

static int load_native(sluice__load_t *l, sluice__kind_t *kind,
                       const void *bytes, size_t len, sluice_error_t *err) {
  sluice_schema_t *schema = NULL;
  sluice__plan_t plan = {0};
  int r = bytes == NULL ? 0 : sluice_schema_parse(&schema, bytes, len, err);

  if (r == 0) {
    r = sluice__plan_make(&plan, bytes == NULL ? kind->schema : schema,
                          kind->table, l->version, err);
  }
  if (r == 0) {
    l->plan = &plan;
    r = load(l, err);
  }
  sluice__plan_done(&plan);
  sluice_schema_free(schema);
  return r;
}

static int check_version(const sluice_table_t *table, uint32_t version,
                         sluice_error_t *err) {
  if (version >= table->min_version && version <= table->version) {
    return 0;
  }
  return sluice_fail(
      err, version > table->version ? SLUICE_EVERSION : SLUICE_EOLDVERSION,
      "version %u is not in %u to %u", (unsigned)version,
      (unsigned)table->min_version, (unsigned)table->version);
}

int sluice_fields_decode(const sluice_table_t *table, sluice_format_t format,
                         uint32_t version, const void *schema,
                         size_t schema_len, const void *bytes, size_t len,
                         void *structure, sluice_error_t *err) {
  sluice__load_t l = {.table = table, .version = version, .live = structure};
  sluice__kind_t *kind = NULL;
  int r = check_format(format, err);

  if (r == 0) {
    r = need(structure != NULL && (bytes != NULL || len == 0), err);
  }
  if (r == 0) {
    r = sluice__kind_new(&kind, table, err);
  }
  if (r == 0) {
    r = check_version(table, version, err);
  }
  if (r == 0) {
    l.in.at = bytes;
    l.in.end = len == 0 ? l.in.at : l.in.at + len;
    l.in.is_big = format != SLUICE_FORMAT_NATIVE;
    r = l.in.is_big ? load(&l, err)
                    : load_native(&l, kind, schema, schema_len, err);
  }
  sluice__kind_free(kind);
  return r;
}

int sluice_fields_schema(const sluice_table_t *table, uint8_t **out,
                         size_t *out_len, sluice_error_t *err) {
  sluice__kind_t *kind = NULL;
  int r = need(out != NULL && out_len != NULL, err);

  if (r == 0) {
    r = sluice__kind_new(&kind, table, err);
  }
  if (r == 0) {
    *out = kind->schema_bytes;
    *out_len = kind->schema_len;
    kind->schema_bytes = NULL;
  }
  sluice__kind_free(kind);
  return r;
}
