/* fuzz_fields.c - fuzz target: schemas and payloads of fields.
 *
 *   input   u8 what, u8 version, u16 bytes of schema (little-endian), schema,
 *           payload
 *
 * The payload is walked by the schema, and loaded into a structure with a field
 * of every kind: by that schema, by the structure's own, or as QEMU's. What was
 * loaded must be sound: writing it, loading that and writing it once more gives
 * the same bytes. */
#include <stdlib.h>
#include <string.h>

#include <sluice/fields.h>
#include <sluice/schema.h>

#include "fields_sample.h"
#include "fuzz.h"
#include "require.h"

enum { BY_SCHEMA, BY_OWN_SCHEMA, AS_QEMU, WHATS, HEAD = 4 };

typedef struct input_s {
  unsigned what;
  uint32_t version;
  const uint8_t *schema;
  size_t schema_len;
  const uint8_t *payload;
  size_t len;
} input_t;

/* Touches every byte that is lent. */
static int look(void *data, const sluice_value_t *value) {
  uint64_t *sum = data;

  *sum += value->bits + (value->name != NULL ? strlen(value->name) : 0);
  for (size_t i = 0; i < value->len; i++) {
    *sum += value->data[i];
  }
  REQUIRE(value->depth <= 4 * SLUICE_FIELDS_DEPTH);
  return 0;
}

static void on_finding(void *data, const sluice_finding_t *f) {
  unsigned *breaks = data;

  REQUIRE(strlen(f->text) < 4096 && strlen(f->path) < 65536);
  REQUIRE(strcmp(sluice_change_name(f->change), "?") != 0);
  *breaks |= f->breaks;
}

static void compare(const sluice_schema_t *a, const sluice_schema_t *b) {
  unsigned told = 0;
  int r = sluice_schema_compare(a, b, on_finding, &told);

  REQUIRE(r >= 0 && (unsigned)r == told);
}

static sluice_schema_t *own_schema(void) {
  sluice_schema_t *schema = NULL;
  uint8_t *bytes = NULL;
  size_t len = 0;

  REQUIRE(sluice_fields_schema(&sample_table, &bytes, &len, NULL) == 0);
  REQUIRE(sluice_schema_parse(&schema, bytes, len, NULL) == 0);
  free(bytes);
  return schema;
}

/* What needs no table. */
static void use_schema(const input_t *in) {
  sluice_schema_t *schema = NULL;
  sluice_schema_t *own;
  sluice_error_t err = {0};
  uint64_t sum = 0;
  int r = sluice_schema_parse(&schema, in->schema, in->schema_len, &err);

  if (r < 0) {
    REQUIRE(schema == NULL && err.code == r);
    return;
  }
  own = own_schema();
  (void)sluice_schema_walk(schema, in->payload, in->len, look, &sum, &err);
  compare(schema, own);
  compare(own, schema);
  REQUIRE(sluice_schema_compare(schema, schema, NULL, NULL) == 0);
  sluice_schema_free(own);
  sluice_schema_free(schema);
}

static void write_again(sample_t *s, sluice_format_t format) {
  sample_t again = {0};
  uint8_t *first = NULL, *second = NULL;
  size_t first_len = 0, second_len = 0;

  REQUIRE(sluice_fields_encode(&sample_table, format, s, &first, &first_len,
                               NULL) == 0);
  REQUIRE(sluice_fields_decode(&sample_table, format, sample_table.version,
                               NULL, 0, first, first_len, &again, NULL) == 0);
  REQUIRE(sluice_fields_encode(&sample_table, format, &again, &second,
                               &second_len, NULL) == 0);
  REQUIRE(first_len == second_len && memcmp(first, second, first_len) == 0);
  free(first);
  free(second);
  sample_done(&again);
}

static void load(const input_t *in) {
  sluice_format_t format =
      in->what == AS_QEMU ? SLUICE_FORMAT_QEMU3 : SLUICE_FORMAT_NATIVE;
  sample_t s = {0}, before = s;
  sluice_error_t err = {0};
  int r = sluice_fields_decode(&sample_table, format, in->version,
                               in->what == BY_SCHEMA ? in->schema : NULL,
                               in->what == BY_SCHEMA ? in->schema_len : 0,
                               in->payload, in->len, &s, &err);

  if (r < 0) {
    REQUIRE(err.code == r && memcmp(&s, &before, sizeof(s)) == 0);
    return;
  }
  write_again(&s, format);
  sample_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input_t in = {0};

  if (size < HEAD) {
    return 0;
  }
  in.what = data[0] % WHATS;
  in.version = data[1];
  in.schema_len = data[2] | (size_t)data[3] << 8;
  in.schema_len = in.schema_len < size - HEAD ? in.schema_len : size - HEAD;
  in.schema = data + HEAD;
  in.payload = in.schema + in.schema_len;
  in.len = size - HEAD - in.schema_len;
  if (in.what == BY_SCHEMA) {
    use_schema(&in);
  }
  load(&in);
  return 0;
}
