/* schema_write.c - tables into the bytes of a schema. The bytes are drawn in
 * <sluice/schema.h>.
 *
 * What is padding in QEMU's streams is not in native ones, so not here. */
#include "fields/schema.h"

static bool is_written(const sluice_field_t *f) {
  return f->type != SLUICE_FIELD_UNUSED;
}

static uint16_t count_fields(const sluice_table_t *table) {
  uint16_t n = 0;

  for (const sluice_field_t *f = table->fields; f->name != NULL; f++) {
    n = (uint16_t)(n + (is_written(f) ? 1 : 0));
  }
  return n;
}

static uint16_t count_subs(const sluice_table_t *table) {
  uint16_t n = 0;

  while (table->subsections != NULL && table->subsections[n] != NULL) {
    n++;
  }
  return n;
}

static void put_name(sluice__out_t *out, const char *name) {
  size_t len = strlen(name);

  sluice__out_u8(out, (uint8_t)len);
  sluice__out_bytes(out, name, len + 1);
}

static uint8_t field_flags(const sluice_field_t *f) {
  unsigned flags = 0;

  flags |= f->optional ? SLUICE__SCHEMA_OPTIONAL : 0u;
  flags |= f->exists != NULL ? SLUICE__SCHEMA_PRESENCE : 0u;
  flags |= f->check == SLUICE_CHECK_RANGE ? SLUICE__SCHEMA_RANGE : 0u;
  flags |= f->check == SLUICE_CHECK_EQUAL ? SLUICE__SCHEMA_EQUAL : 0u;
  flags |= f->alias != NULL ? SLUICE__SCHEMA_ALIAS : 0u;
  return (uint8_t)flags;
}

static void put_field(const sluice__tables_t *tables, const sluice_field_t *f,
                      sluice__out_t *out) {
  bool has_table =
      f->type == SLUICE_FIELD_STRUCT || f->type == SLUICE_FIELD_LIST;

  sluice__out_u8(out, f->type);
  sluice__out_u8(out, f->shape == SLUICE_SHAPE_OWNED ? SLUICE_SHAPE_COUNTED
                                                     : f->shape);
  sluice__out_u8(out, field_flags(f));
  sluice__out_u32(out, f->since);
  sluice__out_u32(out, f->max);
  sluice__out_u16(out, has_table
                           ? (uint16_t)sluice__tables_find(tables, f->table)
                           : (uint16_t)SLUICE__SCHEMA_NO_TABLE);
  put_name(out, f->name);
  if (f->check == SLUICE_CHECK_RANGE) {
    sluice__out_u64(out, (uint64_t)f->low);
    sluice__out_u64(out, f->high);
  }
  if (f->alias != NULL) {
    put_name(out, f->alias);
  }
}

static void put_table(const sluice__tables_t *tables,
                      const sluice_table_t *table, sluice__out_t *out) {
  uint16_t subs = count_subs(table);

  sluice__out_u32(out, table->version);
  sluice__out_u32(out, table->min_version);
  sluice__out_u8(out, table->optional ? 1 : 0);
  sluice__out_u8(out, 0);
  sluice__out_u16(out, count_fields(table));
  sluice__out_u16(out, subs);
  put_name(out, table->name);
  for (const sluice_field_t *f = table->fields; f->name != NULL; f++) {
    if (is_written(f)) {
      put_field(tables, f, out);
    }
  }
  for (uint16_t i = 0; i < subs; i++) {
    sluice__out_u16(
        out, (uint16_t)sluice__tables_find(tables, table->subsections[i]));
  }
}

void sluice__schema_write(const sluice__tables_t *tables, sluice__out_t *out) {
  unsigned fields = 0;
  unsigned subs = 0;

  for (unsigned i = 0; i < tables->count; i++) {
    fields += count_fields(tables->at[i]);
    subs += count_subs(tables->at[i]);
  }
  sluice__out_u8(out, SLUICE__SCHEMA_FORMAT);
  sluice__out_u8(out, 0);
  sluice__out_u16(out, (uint16_t)tables->count);
  sluice__out_u16(out, (uint16_t)fields);
  sluice__out_u16(out, (uint16_t)subs);
  for (unsigned i = 0; i < tables->count; i++) {
    put_table(tables, tables->at[i], out);
  }
  if (fields > UINT16_MAX || subs > UINT16_MAX ||
      out->len > SLUICE_SCHEMA_MAX) {
    out->status = out->status < 0 ? out->status : SLUICE_ELIMIT;
  }
}
