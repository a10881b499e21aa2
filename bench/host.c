/* host.c - see host.h. */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int r, const char *what) {
  if (r < 0) {
    (void)fprintf(stderr, "%s: %s\n", what, sluice_strerror(r));
    exit(1);
  }
}

static void add_memory(host_t *h, const host_config_t *config) {
  sluice_ram_options_t options = {.size = sizeof(options),
                                  .tracker = config->tracker,
                                  .page_size = config->page_size};
  sluice_error_t err = {0};

  options.max_preimage = config->max_preimage;
  must(sluice_ram_new(&h->ram, h->registry, "ram", NULL, &options, &err),
       "sluice_ram_new");
  must(sluice_ram_add_region(
           h->ram, config->block == NULL ? "pc.ram" : config->block,
           config->base, config->bytes, config->region_flags, NULL),
       "sluice_ram_add_region");
}

/* All is done by the loop's thread, unless a bench says otherwise. */
static const sluice_executor_t nobody = {.size = sizeof(nobody)};
static const sluice_executor_t pool = {.size = sizeof(pool), .jobs_max = 3};

void host_use_pool(host_t *h, bool is_used) {
  h->engine_options.executor = is_used ? &pool : &nobody;
}

void host_open(host_t *h, const host_config_t *config) {
  memset(h, 0, sizeof(*h));
  h->engine_options.size = sizeof(h->engine_options);
  h->engine_options.slice_us = config->slice_us;
  h->engine_options.slice_bytes = config->slice_bytes;
  h->engine_options.clock = config->clock;
  host_use_pool(h, false);
  must(uv_loop_init(&h->loop), "uv_loop_init");
  must(sluice_registry_new(&h->registry, NULL), "sluice_registry_new");
  if (config->base != NULL) {
    add_memory(h, config);
  }
}

void host_close(host_t *h) {
  must(sluice_registry_free(h->registry), "sluice_registry_free");
  (void)sluice_ram_free(h->ram);
  must(uv_loop_close(&h->loop), "uv_loop_close");
}

static void note_outcome(host_t *h, int status, const sluice_error_t *e) {
  h->is_over = true;
  h->status = status;
  if (status < 0) {
    (void)snprintf(h->message, sizeof(h->message), "%s: %.128s",
                   sluice_err_name(status), e->message);
  }
}

static void on_saved(sluice_save_t *save, int status) {
  host_t *h = sluice_save_data(save);
  sluice_totals_t totals;

  note_outcome(h, status, sluice_save_error(save));
  sluice_save_totals(save, &totals, sizeof(totals));
  h->bytes = totals.bytes;
  (void)sluice_save_free(save);
}

static void on_restored(sluice_restore_t *restore, int status) {
  host_t *h = sluice_restore_data(restore);

  note_outcome(h, status, sluice_restore_error(restore));
  (void)sluice_restore_free(restore); /* verifies behind: refused, not yet */
}

/* An engine for each operation: it keeps count of its longest turn. */
static void open_engine(host_t *h) {
  must(sluice_engine_new(&h->engine, &h->loop, &h->engine_options, NULL),
       "sluice_engine_new");
}

static void close_engine(host_t *h) {
  sluice_engine_stats_t stats;

  sluice_engine_stats(h->engine, &stats, sizeof(stats));
  h->longest_turn_ns = stats.longest_turn_ns;
  must(sluice_engine_close(h->engine, NULL, NULL), "sluice_engine_close");
  (void)uv_run(&h->loop, UV_RUN_DEFAULT);
}

static const char *run(host_t *h) {
  h->is_over = false;
  (void)uv_run(&h->loop, UV_RUN_DEFAULT);
  close_engine(h);
  if (!h->is_over) {
    return "the loop ended before the operation did";
  }
  return h->status < 0 ? h->message : NULL;
}

const char *host_save(host_t *h, sluice_sink_t *sink,
                      const sluice_save_options_t *options) {
  sluice_save_options_t o = {.size = sizeof(o)};
  sluice_save_t *save;
  int r;

  if (options != NULL) {
    o = *options;
  }
  o.data = h;
  open_engine(h);
  r = sluice_save_begin(&save, h->engine, h->registry, sink, &o, on_saved,
                        NULL);
  if (r < 0) {
    sluice_sink_free(sink);
    close_engine(h);
    return sluice_strerror(r);
  }
  return run(h);
}

const char *host_restore_by(host_t *h, sluice_source_t *source,
                            sluice_restore_way_t way) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .data = h,
                                      .way = way,
                                      .must_map = way != SLUICE_RESTORE_EAGER,
                                      .verified = on_restored};
  sluice_restore_t *restore;
  int r;

  open_engine(h);
  r = sluice_restore_begin(&restore, h->engine, h->registry, source, &o,
                           on_restored, NULL);
  if (r < 0) {
    sluice_source_free(source);
    close_engine(h);
    return sluice_strerror(r);
  }
  return run(h);
}

const char *host_restore(host_t *h, sluice_source_t *source) {
  return host_restore_by(h, source, SLUICE_RESTORE_EAGER);
}

static int swallow(void *self, const void *data, size_t len, uint64_t offset,
                   sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)data;
  (void)len;
  (void)offset;
  (void)cb;
  (void)ctx;
  return 1;
}

sluice_sink_t *host_null_sink(void) {
  static const sluice_sink_ops_t ops = {.size = sizeof(ops), .write = swallow};
  sluice_sink_t *sink = NULL;

  must(sluice_sink_custom(&sink, &ops, NULL), "sluice_sink_custom");
  return sink;
}
