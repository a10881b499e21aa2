/* fields.c - a device that grew: version 2 of a thermostat reads the images of
 * version 1.
 *
 * Version 2 added a field, `hysteresis`, and a subsection, written only while
 * somebody is on holiday. Images of version 1 lack both; images of version 2
 * without a holiday say nothing of holidays.
 *
 *   fields [V1 V2]    writes the images to files: for sluice inspect --fields,
 *                     sluice diff, sluice compat */
#include <sluice/fields.h>
#include <sluice/sluice.h>

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct thermostat {
  int16_t target;      /* tenths of a degree */
  uint8_t hysteresis;  /* since version 2 */
  uint8_t count;       /* of readings */
  int16_t reading[16]; /* the latest ones */
  uint32_t back_on;    /* of a holiday: the day it ends; 0: none */
};

/* Version 1, as the program of last year had it. */
static const sluice_field_t fields_v1[] = {
    {SLUICE_I16(struct thermostat, target), SLUICE_RANGE(50, 350)},
    {SLUICE_U8(struct thermostat, count)},
    {SLUICE_COUNTED(I16, struct thermostat, reading, count)},
    {SLUICE_FIELDS_END}};
static const sluice_table_t thermostat_v1 = {
    SLUICE_TABLE(struct thermostat, "thermostat", 1, 1), .fields = fields_v1};

/* Version 2. */
static int is_on_holiday(const void *structure) {
  return ((const struct thermostat *)structure)->back_on != 0;
}

static const sluice_field_t holiday_fields[] = {
    {SLUICE_U32(struct thermostat, back_on)}, {SLUICE_FIELDS_END}};
static const sluice_table_t holiday = {
    SLUICE_TABLE(struct thermostat, "thermostat/holiday", 1, 1),
    .fields = holiday_fields, .needed = is_on_holiday};
static const sluice_table_t *const subsections[] = {&holiday, NULL};

/* What an image may lack. */
static int set_defaults(void *shadow, sluice_error_t *err) {
  struct thermostat *t = shadow;

  (void)err;
  t->hysteresis = 5;
  t->back_on = 0;
  return 0;
}

static const sluice_field_t fields_v2[] = {
    {SLUICE_I16(struct thermostat, target), SLUICE_RANGE(50, 350)},
    {SLUICE_U8(struct thermostat, hysteresis), .since = 2, SLUICE_RANGE(1, 50)},
    {SLUICE_U8(struct thermostat, count)},
    {SLUICE_COUNTED(I16, struct thermostat, reading, count)},
    {SLUICE_FIELDS_END}};
static const sluice_table_t thermostat_v2 = {
    SLUICE_TABLE(struct thermostat, "thermostat", 2, 1), .fields = fields_v2,
    .subsections = subsections, .pre_load = set_defaults};

/* ---- a host ---- */

static int failed;

static void on_saved(sluice_save_t *save, int status) {
  failed |= status != 0;
  (void)sluice_save_free(save);
}

static void on_restored(sluice_restore_t *restore, int status) {
  if (status != 0) {
    fprintf(stderr, "%s\n", sluice_restore_error(restore)->message);
  }
  failed |= status != 0;
  (void)sluice_restore_free(restore);
}

/* A registry with the one device. */
static sluice_registry_t *host(const sluice_table_t *table,
                               struct thermostat *t, sluice_fields_t **fields) {
  sluice_registry_t *registry = NULL;
  sluice_error_t err = {0};

  failed |=
      sluice_registry_new(&registry, NULL) != 0 ||
      sluice_fields_new(fields, registry, "hall", NULL, table, t, &err) != 0;
  return registry;
}

static void save(uv_loop_t *loop, sluice_engine_t *engine,
                 const sluice_table_t *table, struct thermostat *t,
                 void **image, size_t *len) {
  sluice_fields_t *fields = NULL;
  sluice_registry_t *registry = host(table, t, &fields);
  sluice_sink_t *sink = NULL;
  sluice_save_t *saving;

  failed |= sluice_sink_memory(&sink, 1 << 20, image, len) != 0 ||
            sluice_save_begin(&saving, engine, registry, sink, NULL, on_saved,
                              NULL) != 0;
  (void)uv_run(loop, UV_RUN_DEFAULT);
  (void)sluice_registry_free(registry);
  (void)sluice_fields_free(fields);
}

static void restore(uv_loop_t *loop, sluice_engine_t *engine, const void *image,
                    size_t len, struct thermostat *now) {
  sluice_fields_t *fields = NULL;
  sluice_registry_t *registry = host(&thermostat_v2, now, &fields);
  sluice_source_t *source = NULL;
  sluice_restore_t *restoring;

  failed |= sluice_source_memory(&source, image, len) != 0 ||
            sluice_restore_begin(&restoring, engine, registry, source, NULL,
                                 on_restored, NULL) != 0;
  (void)uv_run(loop, UV_RUN_DEFAULT);
  (void)sluice_registry_free(registry);
  (void)sluice_fields_free(fields);
}

static void write_file(const char *path, const void *image, size_t len) {
  FILE *f = fopen(path, "wb");

  failed |= f == NULL || fwrite(image, 1, len, f) != len;
  failed |= f != NULL && fclose(f) != 0;
}

/* The new program's own image: one more reading, and a holiday. */
static void save_new(uv_loop_t *loop, sluice_engine_t *engine,
                     struct thermostat now, const char *path) {
  void *image = NULL;
  size_t len = 0;

  now.reading[now.count++] = 209;
  now.back_on = 42;
  save(loop, engine, &thermostat_v2, &now, &image, &len);
  if (!failed) {
    write_file(path, image, len);
  }
  free(image);
}

int main(int argc, char **argv) {
  struct thermostat old = {
      .target = 210, .count = 3, .reading = {205, 208, 211}};
  struct thermostat now = {.back_on = 77};
  sluice_engine_t *engine = NULL;
  uv_loop_t loop;
  void *image = NULL;
  size_t len = 0;

  failed |= uv_loop_init(&loop) != 0 ||
            sluice_engine_new(&engine, &loop, NULL, NULL) != 0;
  if (!failed) {
    save(&loop, engine, &thermostat_v1, &old, &image, &len);
  }
  if (!failed) {
    restore(&loop, engine, image, len, &now);
  }
  printf("target %d, hysteresis %d, %d readings, the last %d, holiday %u\n",
         now.target, now.hysteresis, now.count, now.reading[2],
         (unsigned)now.back_on);
  if (!failed && argc == 3) {
    write_file(argv[1], image, len);
    save_new(&loop, engine, now, argv[2]);
  }
  free(image);
  (void)sluice_engine_close(engine, NULL, NULL);
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  return failed || uv_loop_close(&loop) != 0 || now.hysteresis != 5;
}
