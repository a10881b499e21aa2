/* host.h - a program that embeds Sluice: a loop, an engine, memory of pages.
 *
 * The smallest host there can be, so that what is measured is the library. */
#ifndef SLUICE_BENCH_HOST_H
#define SLUICE_BENCH_HOST_H

#include <uv.h>

#include <sluice/ram.h>
#include <sluice/sluice.h>

#include "bench.h"

typedef struct host_s {
  uv_loop_t loop;
  sluice_engine_t *engine; /* while an operation runs */
  sluice_registry_t *registry;
  sluice_ram_t *ram;
  int status; /* of the last operation */
  bool is_over;
  uint64_t bytes;           /* of the last stream */
  uint64_t longest_turn_ns; /* that it held the loop at most, not the host */
  char message[256];        /* of the last error */
  sluice_engine_options_t engine_options;
  void *data; /* whoever runs the operation's */
} host_t;

typedef struct host_config_s {
  void *base;        /* NULL: no memory, the registry stays empty */
  const char *block; /* the region's name; NULL: "pc.ram" */
  uint64_t bytes;
  uint32_t page_size; /* 0: 4096 */
  uint32_t region_flags;
  sluice_ram_tracker_t tracker;
  uint32_t slice_us;            /* as of the engine's options */
  uint32_t slice_bytes;         /* so, too */
  uint64_t max_preimage;        /* as of the ram section's */
  uint64_t (*clock)(void *ctx); /* NULL: the real one */
} host_config_t;

/* Exits when the library cannot even begin. */
void host_open(host_t *h, const host_config_t *config);
void host_close(host_t *h);

/* Operations to come may have libuv's pool do a part of the work. */
void host_use_pool(host_t *h, bool is_used);

/* Runs the loop until the operation is over: NULL, or what went wrong. `sink`
 * and `source` are taken. */
const char *host_save(host_t *h, sluice_sink_t *sink,
                      const sluice_save_options_t *options);
const char *host_restore(host_t *h, sluice_source_t *source);
/* The same, and fails where it cannot be done that way; MAPPED_VERIFY: until it
 * is verified. */
const char *host_restore_by(host_t *h, sluice_source_t *source,
                            sluice_restore_way_t way);

/* A sink that takes everything and keeps nothing. */
sluice_sink_t *host_null_sink(void);

#endif
