/* write_schema.c - what a sample program would declare, in each version of it.
 *
 * golden/fields-v1.schema and -v2.schema were written by it on the day of their
 * release; the test compat_golden writes them again and compares.
 *
 *   write_schema 1|2|broken FILE
 *
 * Version 2 of the program added a field, a subsection and an optional section.
 * In `broken` somebody narrowed a field and forgot to raise the version. */
#include <sluice/fields.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory_output.h"

typedef struct mark_s {
  uint32_t at;
  int16_t level;
} mark_t;

typedef struct port_s {
  uint16_t divider;
  uint8_t parity; /* as wide as `divider` should be, for `broken` */
  uint8_t used;
  uint8_t fifo[16];
  uint32_t trigger; /* since version 2 */
  char name[8];
  char *peer;
  uint32_t mark_count;
  mark_t *marks;
  uint32_t wakeups;
} port_t;

typedef struct lamp_s {
  double level;
  bool is_on;
} lamp_t;

static int wakes(const void *structure) {
  return ((const port_t *)structure)->wakeups != 0;
}

static const sluice_field_t mark_fields[] = {
    {SLUICE_U32(mark_t, at)}, {SLUICE_I16(mark_t, level)}, {SLUICE_FIELDS_END}};
static const sluice_table_t mark = {SLUICE_TABLE(mark_t, "mark", 1, 1),
                                    .fields = mark_fields};

static const sluice_field_t wake_fields[] = {{SLUICE_U32(port_t, wakeups)},
                                             {SLUICE_FIELDS_END}};
static const sluice_table_t wake = {SLUICE_TABLE(port_t, "port/wake", 1, 1),
                                    .fields = wake_fields, .needed = wakes};
static const sluice_table_t *const subs[] = {&wake, NULL};

#define REST                                                                   \
  {SLUICE_U8(port_t, used)}, {SLUICE_COUNTED(BYTE, port_t, fifo, used)},       \
      {SLUICE_TEXT(port_t, name)}, {SLUICE_STRING(port_t, peer, 64)},          \
      {SLUICE_U32(port_t, mark_count)}, {                                      \
    SLUICE_STRUCT_OWNED(port_t, marks, mark_t, &mark, mark_count, 100)         \
  }

static const sluice_field_t v1_fields[] = {
    {SLUICE_U16(port_t, divider), SLUICE_RANGE(1, 65535)},
    REST,
    {SLUICE_FIELDS_END}};
static const sluice_table_t v1 = {SLUICE_TABLE(port_t, "port", 1, 1),
                                  .fields = v1_fields};

static const sluice_field_t v2_fields[] = {
    {SLUICE_U16(port_t, divider), SLUICE_RANGE(1, 65535)},
    {SLUICE_U32(port_t, trigger), .since = 2},
    REST,
    {SLUICE_FIELDS_END}};
static const sluice_table_t v2 = {SLUICE_TABLE(port_t, "port", 2, 1),
                                  .fields = v2_fields, .subsections = subs};

static const sluice_field_t broken_fields[] = {
    {SLUICE_U8(port_t, parity), .alias = "divider"},
    {SLUICE_U32(port_t, trigger), .since = 2},
    REST,
    {SLUICE_FIELDS_END}};
static const sluice_table_t broken = {SLUICE_TABLE(port_t, "port", 2, 1),
                                      .fields = broken_fields,
                                      .subsections = subs};

static const sluice_field_t lamp_fields[] = {{SLUICE_DOUBLE(lamp_t, level)},
                                             {SLUICE_BOOL(lamp_t, is_on)},
                                             {SLUICE_FIELDS_END}};
static const sluice_table_t lamp = {SLUICE_TABLE(lamp_t, "lamp", 1, 1),
                                    .fields = lamp_fields};

/* ---- the program ---- */

enum { SECTIONS = 3 };

static port_t ports[2];
static lamp_t the_lamp;

/* Two ports and, since version 2, a lamp, which older images may lack. */
static int fill(sluice_registry_t *registry, sluice_fields_t **fields,
                const sluice_table_t *table) {
  sluice_section_options_t second = {.size = sizeof(second), .instance = 1};
  sluice_section_options_t optional = {.size = sizeof(optional),
                                       .flags = SLUICE_SECTION_OPTIONAL};
  int r = sluice_fields_new(&fields[0], registry, "port", NULL, table,
                            &ports[0], NULL);

  if (r == 0) {
    r = sluice_fields_new_like(&fields[1], fields[0], registry, "port", &second,
                               &ports[1], NULL);
  }
  if (r == 0 && table->version > 1) {
    r = sluice_fields_new(&fields[2], registry, "lamp", &optional, &lamp,
                          &the_lamp, NULL);
  }
  return r;
}

static int write_schema(const sluice_table_t *table, memory_output_t *memory) {
  const sluice_encoder_options_t options = {.size = sizeof(options),
                                            .host = "golden"};
  sluice_output_t output = memory_output_of(memory);
  sluice_fields_t *fields[SECTIONS] = {NULL};
  sluice_registry_t *registry = NULL;
  int r = sluice_registry_new(&registry, NULL);

  if (r == 0) {
    r = fill(registry, fields, table);
  }
  if (r == 0) {
    r = sluice_registry_schema(registry, &options, &output, NULL);
  }
  (void)sluice_registry_free(registry);
  for (int i = 0; i < SECTIONS; i++) {
    (void)sluice_fields_free(fields[i]);
  }
  return r;
}

static const sluice_table_t *find(const char *name) {
  if (strcmp(name, "1") == 0) {
    return &v1;
  }
  if (strcmp(name, "2") == 0) {
    return &v2;
  }
  return strcmp(name, "broken") == 0 ? &broken : NULL;
}

static int write_file(const char *path, const memory_output_t *memory) {
  FILE *f = fopen(path, "wb");

  if (f == NULL) {
    return -1;
  }
  if (fwrite(memory->data, 1, memory->len, f) != memory->len) {
    (void)fclose(f);
    return -1;
  }
  return fclose(f);
}

int main(int argc, char **argv) {
  const sluice_table_t *table = argc == 3 ? find(argv[1]) : NULL;
  memory_output_t memory;
  int r;

  if (table == NULL) {
    (void)fprintf(stderr, "usage: write_schema 1|2|broken FILE\n");
    return 2;
  }
  memory_output_init(&memory);
  r = write_schema(table, &memory);
  if (r == 0) {
    r = write_file(argv[2], &memory);
  }
  memory_output_done(&memory);
  if (r != 0) {
    (void)fprintf(stderr, "%s: %s\n", argv[2], sluice_strerror(r));
  }
  return r == 0 ? 0 : 1;
}
