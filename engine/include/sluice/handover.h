/* handover.h - a running host hands itself over to its successor.
 *
 * Both are on one machine and hold one end each of a connected unix stream
 * socket. The state converges through it while the old host serves; when that
 * is done, and the successor has filled its registry (PREPARED), the old one is
 * paused, the rest follows, and the two switch:
 *
 *   old   ... rest, END, trailer           COMMIT           (gives up)
 *   new   shadows ...          check  READY       commit  RUNNING  (serves)
 *
 * Beside the stream sections pass open descriptors (sluice/descriptors.h, and
 * memory that is a memfd: sluice/ram.h).
 *
 * Whatever fails, at any moment, and whichever side is killed:
 *
 *  - Before RUNNING was said the old host goes on as if nothing had happened,
 *    if it lives: it is resumed, its state was not touched.
 *  - The new host serves nothing before its callback says 0; it says so only
 *    when the kernel has taken RUNNING, or when the old one is dead, paused
 *    and with nothing left to say.
 *  - Whether RUNNING was said in time is decided once, by the kernel: the old
 *    host closes its ear before it looks for the last time, and from then on
 *    the new one cannot say it.
 *  - An old host that goes on says so (FAIL) before it closes the socket; so
 *    its end without that word means that it is dead.
 *  - Of a successor that dies after it said RUNNING nobody takes over: it may
 *    have answered already. That is the crash of a running server.
 *
 * The old host keeps its connections and listening sockets open and does not
 * touch them from the pause until it knows. A child process must not inherit
 * the socket (close-on-exec does), or the death of its parent is not seen.
 *
 * Loop thread. */
#ifndef SLUICE_HANDOVER_H
#define SLUICE_HANDOVER_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/engine.h>
#include <sluice/error.h>
#include <sluice/export.h>
#include <sluice/registry.h>
#include <sluice/restore.h>
#include <sluice/save.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SLUICE_OFFER_MAX = 64 * 1024 };

/* ---- the old side ---- */

typedef struct sluice_handover_s sluice_handover_t;
typedef void (*sluice_handover_cb)(sluice_handover_t *handover, int status);

typedef struct sluice_handover_options_s {
  uint32_t size; /* sizeof(sluice_handover_options_t) */
  /* Of the save: host, host_version, alloc, bandwidth, downtime_us (0: 5000),
   * max_rounds, at_max_rounds, max_memory, staging, weight, policy, progress
   * and data (for these two). The rest is the hand-over's own. Copied; NULL:
   * none of them. */
  const sluice_save_options_t *save;
  void *data;          /* for sluice_handover_data() */
  uint32_t timeout_ms; /* a successor that does not answer, or takes no byte,
                          for so long has failed; 0: 1000 */
  uint32_t prepare_ms; /* but `offered` may take it so long; the host serves
                          meanwhile. 0: 30 000, UINT32_MAX: for ever */
  /* What the successor must know before it can fill its registry: at most
   * SLUICE_OFFER_MAX bytes, copied. */
  const void *offer;
  size_t offer_len;
  int copy_memory; /* never pass a memfd, copy its pages */
  /* Optional. The host stops changing its state and touching what it hands
   * over, then calls sluice_handover_paused(), in here or later. */
  void (*pause)(sluice_handover_t *handover);
  /* Optional. It failed after `pause`: the host goes on. Before the callback.
   */
  void (*resume)(sluice_handover_t *handover);
} sluice_handover_options_t;

/* Waits for the successor's greeting on `socket`, then hands over. `socket` is
 * taken on success and closed; `registry` is in use until `cb`, which comes
 * once, from the loop: 0: the successor runs, nothing that was handed over may
 * be touched any more; else the host goes on. What a host does on 0 may keep
 * the successor, which has its clients to take just then, from a processor: it
 * had better sleep for some milliseconds before it gives its memory back.
 * `options` may be NULL and is copied. UV_EINVAL (not a unix stream socket, too
 * large an offer, ...), and as sluice_save_begin(), `err` too. */
SLUICE_EXTERN int
sluice_handover_begin(sluice_handover_t **out, sluice_engine_t *engine,
                      sluice_registry_t *registry, int socket,
                      const sluice_handover_options_t *options,
                      sluice_handover_cb cb, sluice_error_t *err);

/* As sluice_save_paused() and sluice_save_switch(). */
SLUICE_EXTERN void sluice_handover_paused(sluice_handover_t *handover);
SLUICE_EXTERN void sluice_handover_switch(sluice_handover_t *handover);

/* Ends it with UV_ECANCELED, unless the successor says that it runs. */
SLUICE_EXTERN void sluice_handover_cancel(sluice_handover_t *handover);

/* Frees one that is over; allowed inside its `cb`. UV_EBUSY before. NULL is
 * fine. */
SLUICE_EXTERN int sluice_handover_free(sluice_handover_t *handover);
SLUICE_EXTERN void *sluice_handover_data(const sluice_handover_t *handover);
SLUICE_EXTERN const sluice_error_t *
sluice_handover_error(const sluice_handover_t *handover);

typedef struct sluice_handover_stats_s {
  uint64_t bytes;       /* of the stream */
  uint64_t descriptors; /* passed beside it */
  /* The pause, in parts: from pausing the host to the last byte sent, from
   * there to READY, from there to RUNNING. 0: not come to that. */
  uint64_t rest_us;
  uint64_t ready_us;
  uint64_t running_us;
} sluice_handover_stats_t;

SLUICE_EXTERN void sluice_handover_stats(const sluice_handover_t *handover,
                                         sluice_handover_stats_t *out,
                                         size_t size);

/* ---- the new side ---- */

typedef struct sluice_takeover_s sluice_takeover_t;
typedef void (*sluice_takeover_cb)(sluice_takeover_t *takeover, int status);

typedef struct sluice_takeover_options_s {
  uint32_t size;    /* sizeof(sluice_takeover_options_t) */
  const char *host; /* refuse another host; NULL: any; borrowed */
  const sluice_alloc_t *alloc;
  size_t max_memory;
  void *data;
  uint32_t timeout_ms; /* for the old host's answers; 0: 1000. How long its
                          state takes to converge is the old host's affair. */
  uint32_t stall_ms;   /* but if it sends no byte of it for so long it hangs:
                          UV_ETIMEDOUT; 0: 30 000, UINT32_MAX: never */
  int copy_memory;     /* do not take a memfd, let its pages be copied */
  /* Optional. The old host's offer: the time to fill the registry, and to make
   * whatever room it takes: the old host is not paused before this has
   * returned. An error ends it. */
  int (*offered)(sluice_takeover_t *takeover, const void *offer, size_t len,
                 sluice_error_t *err);
  /* Optional. All has arrived and passed its checks; regions that are restored
   * in place can be read, but not written. The last chance to say no. */
  int (*check)(sluice_takeover_t *takeover, sluice_error_t *err);
} sluice_takeover_options_t;

/* `socket` is taken on success and closed. `registry` may be filled until the
 * end of `offered`; it is in use until `cb`, which comes once, from the loop.
 * 0: this is the host now: serve. Else: nothing may be served, and nothing
 * written to what was handed over. Where the sections have committed, and then
 * the old host went on after all, the state is here but is not this host's: end
 * the process. Errors and `err` as for sluice_handover_begin(). */
SLUICE_EXTERN int
sluice_takeover_begin(sluice_takeover_t **out, sluice_engine_t *engine,
                      sluice_registry_t *registry, int socket,
                      const sluice_takeover_options_t *options,
                      sluice_takeover_cb cb, sluice_error_t *err);

/* Ends it with UV_ECANCELED; no-op once it commits. */
SLUICE_EXTERN void sluice_takeover_cancel(sluice_takeover_t *takeover);
SLUICE_EXTERN int sluice_takeover_free(sluice_takeover_t *takeover);
SLUICE_EXTERN void *sluice_takeover_data(const sluice_takeover_t *takeover);
SLUICE_EXTERN const sluice_error_t *
sluice_takeover_error(const sluice_takeover_t *takeover);

typedef struct sluice_takeover_stats_s {
  uint64_t bytes;       /* of the stream */
  uint64_t descriptors; /* passed beside it */
} sluice_takeover_stats_t;

SLUICE_EXTERN void sluice_takeover_stats(const sluice_takeover_t *takeover,
                                         sluice_takeover_stats_t *out,
                                         size_t size);

#ifdef __cplusplus
}
#endif

#endif
