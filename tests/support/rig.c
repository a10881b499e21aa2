/* rig.c - see rig.h. */
#include "rig.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "odd_executor.h"

const sluice_executor_t *rig_executor;
void (*rig_before_end)(void);
uint32_t rig_slice_us;
uint64_t (*rig_clock)(void *ctx);

static rig_t *the_rig; /* callbacks of tests find it here */

static void *counted_alloc(void *ctx, size_t size, size_t align) {
  rig_t *rig = ctx;
  void *p = NULL;

  if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align,
                     size) != 0) {
    return NULL;
  }
  rig->live_blocks++;
  return p;
}

static void counted_release(void *ctx, void *p, size_t size, size_t align) {
  rig_t *rig = ctx;

  (void)size;
  (void)align;
  rig->live_blocks--;
  free(p);
}

/* ---- the executor of the environment ---- */

static const struct {
  const char *name;
  odd_way_t way;
  uint32_t jobs;
} executors[] = {
    {"none", ODD_NOBODY, 0},     {"pool1", ODD_POOL, 1},
    {"pool3", ODD_POOL, 3},      {"pool7", ODD_POOL, 7},
    {"at_once", ODD_AT_ONCE, 3}, {"threads", ODD_THREADS, 3},
    {"fickle", ODD_FICKLE, 3},   {"refuses", ODD_REFUSES, 3},
    {"late", ODD_LATE, 3},
};

static int is_odd_open;

static const sluice_executor_t *open_executor(const char *name) {
  static sluice_executor_t executor;

  for (size_t i = 0; i < sizeof(executors) / sizeof(executors[0]); i++) {
    if (strcmp(name, executors[i].name) == 0) {
      executor = *odd_executor_open(executors[i].way, 1);
      executor.jobs_max = executors[i].jobs;
      is_odd_open = 1;
      return &executor;
    }
  }
  ck_abort_msg("SLUICE_TEST_EXECUTOR=%s: there is none such", name);
  return NULL;
}

static const sluice_executor_t *choose_executor(void) {
  const char *name = getenv("SLUICE_TEST_EXECUTOR");

  return rig_executor != NULL || name == NULL || is_odd_open
             ? rig_executor
             : open_executor(name);
}

static void close_executor(void) {
  if (is_odd_open) {
    odd_executor_close();
    is_odd_open = 0;
  }
}

/* ---- the host ---- */

static void open_engine(rig_t *rig) {
  const sluice_engine_options_t options = {.size = sizeof(options),
                                           .alloc = &rig->alloc,
                                           .executor = choose_executor(),
                                           .slice_us = rig_slice_us,
                                           .slice_min_us = rig_slice_us,
                                           .clock = rig_clock};

  ck_assert_int_eq(sluice_engine_new(&rig->engine, &rig->loop, &options, NULL),
                   0);
}

void rig_init(rig_t *rig) {
  memset(rig, 0, sizeof(*rig));
  the_rig = rig;
  rig->alloc = (sluice_alloc_t){
      .ctx = rig, .alloc = counted_alloc, .release = counted_release};
  ck_assert_int_eq(uv_loop_init(&rig->loop), 0);
  open_engine(rig);
  rig->registry = rig_registry(rig);
}

void rig_renew(rig_t *rig) {
  ck_assert_int_eq(sluice_engine_close(rig->engine, NULL, NULL), 0);
  open_engine(rig);
}

sluice_registry_t *rig_registry(rig_t *rig) {
  sluice_registry_t *registry = NULL;

  ck_assert_int_eq(sluice_registry_new(&registry, &rig->alloc), 0);
  return registry;
}

void rig_run(rig_t *rig) {
  (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
}

static void on_engine_gone(void *data) {
  rig_t *rig = data;

  rig->is_engine_gone = 1;
}

void rig_done(rig_t *rig) {
  ck_assert_int_eq(sluice_registry_free(rig->registry), 0);
  ck_assert_int_eq(sluice_engine_close(rig->engine, on_engine_gone, rig), 0);
  if (rig_before_end != NULL) {
    rig_before_end();
  }
  close_executor();
  rig_run(rig);
  ck_assert(rig->is_engine_gone);
  ck_assert_int_eq(uv_loop_close(&rig->loop), 0);
  ck_assert_int_eq(rig->live_blocks, 0);
}

void rig_on_saved(sluice_save_t *save, int status) {
  the_rig->callbacks++;
  the_rig->status = status;
  the_rig->error = *sluice_save_error(save);
  sluice_save_progress(save, &the_rig->progress, sizeof(the_rig->progress));
  sluice_save_totals(save, &the_rig->totals, sizeof(the_rig->totals));
  ck_assert_int_eq(sluice_save_free(save), 0);
}

void rig_on_restored(sluice_restore_t *restore, int status) {
  the_rig->callbacks++;
  the_rig->status = status;
  the_rig->error = *sluice_restore_error(restore);
  sluice_restore_progress(restore, &the_rig->progress,
                          sizeof(the_rig->progress));
  ck_assert_int_eq(sluice_restore_free(restore), 0);
}

static int run_operation(rig_t *rig, unsigned before) {
  ck_assert_uint_eq(rig->callbacks, before); /* never from inside begin */
  rig_run(rig);
  ck_assert_uint_eq(rig->callbacks, before + 1);
  return rig->status;
}

int rig_save(rig_t *rig, sluice_sink_t *sink,
             const sluice_save_options_t *options) {
  unsigned before = rig->callbacks;
  sluice_save_t *save;
  int r = sluice_save_begin(&save, rig->engine, rig->registry, sink, options,
                            rig_on_saved, NULL);

  if (r < 0) {
    sluice_sink_free(sink);
    return r;
  }
  return run_operation(rig, before);
}

int rig_save_memory(rig_t *rig, const sluice_save_options_t *options,
                    void **data, size_t *len) {
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_memory(&sink, (size_t)1 << 30, data, len), 0);
  return rig_save(rig, sink, options);
}

int rig_restore(rig_t *rig, sluice_registry_t *registry,
                sluice_source_t *source,
                const sluice_restore_options_t *options) {
  unsigned before = rig->callbacks;
  sluice_restore_t *restore;
  int r = sluice_restore_begin(&restore, rig->engine, registry, source, options,
                               rig_on_restored, NULL);

  if (r < 0) {
    sluice_source_free(source);
    return r;
  }
  return run_operation(rig, before);
}

int rig_restore_memory(rig_t *rig, sluice_registry_t *registry,
                       const void *data, size_t len) {
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_memory(&source, data, len), 0);
  return rig_restore(rig, registry, source, NULL);
}
