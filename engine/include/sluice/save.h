/* save.h - saving the sections of a registry while the host runs.
 *
 *   BEGIN --> LIVE --> PAUSED --> FINISH --> over
 *      \        |         |          |        ^
 *       +-------+---------+----------+--------+  first error or cancel
 *
 * BEGIN declares every section; LIVE lets live sections send until the policy
 * says that what is left is small enough; then the host is paused and the rest
 * follows; index, trailer, flush and sync are written with the host resumed.
 *
 * That is mode CONVERGE: the image is the state at the pause. In mode CUT it is
 * the state of one instant, and the host is never paused:
 *
 *   BEGIN --> the instant --> LIVE --> FINISH --> over
 *
 * The instant is inside sluice_save_begin(), unless a section has to be armed
 * for it (write-protected memory): then it comes a little later, from the loop,
 * and `options.cut` tells. What the host changes afterwards is saved first as
 * it was. Sections that are not live are kept in memory from the instant on
 * until they are written, within `max_memory`: they are to be small.
 *
 * In mode AUTO, which fits files, it is a CUT where every section can be cut
 * now, else CONVERGE: sluice_save_stats() says which, and why. An image that
 * somebody waits for at the other end of a stream is better sent by CONVERGE.
 *
 * What comes again in CONVERGE takes its former place where the sink can
 * overwrite (a file, a descriptor of one, memory, a host's own sink with
 * `patch`) and the image has an index: it is as long as the state. A stream
 * keeps every copy; sluice_save_totals() says how much of it is superseded.
 *
 * Pages that were restored by mapping (restore.h) and that nobody has verified
 * are verified while they are saved, from the image's file, of which a
 * descriptor is kept; the save does not end before. A page is judged by what
 * the file has, whatever the host has written over it: a part of it may still
 * be the file's. Damaged ones make the save fail with SLUICE_ECORRUPT, naming
 * section, region and offset, and so does a file that was changed meanwhile; or
 * see `write_damaged`. So no image has a good checksum for a damaged page.
 *
 * A save's callback runs exactly once, from the loop, never from inside a call,
 * and after it nothing of the save is under way. */
#ifndef SLUICE_SAVE_H
#define SLUICE_SAVE_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/alloc.h>
#include <sluice/engine.h>
#include <sluice/error.h>
#include <sluice/export.h>
#include <sluice/item.h>
#include <sluice/progress.h>
#include <sluice/registry.h>
#include <sluice/sink.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_save_s sluice_save_t;

/* A round ends when as many bytes have been sent as were left when it began, or
 * when every live section is clean. */
typedef struct sluice_round_s {
  uint32_t number;      /* from 1 */
  uint64_t bytes_start; /* left when it began */
  uint64_t bytes_sent;
  uint64_t bytes_left; /* left now: what was dirtied meanwhile */
  uint64_t duration_us;
  uint64_t bytes_per_s; /* sent */
  uint64_t dirty_per_s; /* bytes dirtied */
  uint64_t downtime_us; /* bytes_left at this rate */
  uint64_t downtime_limit_us;
} sluice_round_t;

typedef enum sluice_verdict_e {
  SLUICE_GO_ON = 0,  /* another round; all clean: wait until woken */
  SLUICE_SWITCH = 1, /* pause the host and finish */
  SLUICE_GIVE_UP = 2 /* fail with SLUICE_ENOCONVERGE */
} sluice_verdict_t;

typedef void (*sluice_save_cb)(sluice_save_t *save, int status);
typedef sluice_verdict_t (*sluice_policy_cb)(sluice_save_t *save,
                                             const sluice_round_t *round);

typedef struct sluice_save_options_s {
  uint32_t size;           /* sizeof(sluice_save_options_t) */
  sluice_save_mode_t mode; /* CONVERGE (0), AUTO, or CUT, which has no rounds,
                              no policy, no pause. Without options to a file
                              (sluice_sink_file) it is AUTO. */
  sluice_format_t format;  /* NATIVE (default) or QEMU3 */
  const char *host;        /* name (native) or machine (QEMU); copied */
  const char *host_version;
  const uint8_t *image_id;     /* 16 bytes; NULL: random */
  void *data;                  /* for sluice_save_data() */
  const sluice_alloc_t *alloc; /* NULL: the engine's; copied */

  uint64_t bandwidth;             /* bytes a second at most; 0: no limit */
  uint64_t downtime_us;           /* aim for the pause; 0: 50 000 */
  uint32_t max_rounds;            /* then `at_max_rounds`; 0: 30 */
  sluice_verdict_t at_max_rounds; /* SWITCH or GIVE_UP; 0: SWITCH */
  size_t max_memory;              /* held by the session; 0: 256 MiB.
                                An index takes 2 MiB a GiB of pages. */
  int no_index;                   /* native: nobody will seek in it */
  /* Bytes in flight to the sink; 0: 3 chunks, of 1 MiB each, or for a file of
   * up to 4 MiB: a 64th of max_memory. */
  size_t staging;
  uint32_t weight;   /* share among sessions, 1..1000; 0: 100 */
  uint32_t stall_ms; /* no byte taken for so long: UV_ETIMEDOUT; 0: never */
  /* A section that says MORE so often in a row, and for five seconds, without a
   * byte taken or given: SLUICE_ESTUCK. 0: 1 000 000; UINT32_MAX: never. */
  uint32_t max_idle_steps;
  /* The host has been asked to pause and does not answer, or is paused and no
   * byte is moved, while the loop ran for so long: SLUICE_ESTUCK. Counted in
   * ticks of 100 ms that the loop has seen. 0: 30 000; UINT32_MAX: never. */
  uint32_t pause_ms;

  /* Optional. NULL: switch when the rest fits the downtime. */
  sluice_policy_cb policy;
  /* Optional. The host stops changing its state, then calls
   * sluice_save_paused(), in here or later. NULL: it need not stop. */
  void (*pause)(sluice_save_t *save);
  /* Optional. The host may go on: everything is in the stream, or the save
   * failed after `pause`. Once for each `pause`. */
  void (*resume)(sluice_save_t *save);
  /* Optional, CUT. This is the instant of the image; the host may run anything
   * but free the save. At most once; inside sluice_save_begin() or from the
   * loop. */
  void (*cut)(sluice_save_t *save);
  /* Optional. About every 100 ms, and at each change of phase. */
  void (*progress)(sluice_save_t *save, const sluice_progress_t *progress);
  /* Not 0: pages whose image was found damaged (see above) are written, with
   * what is in memory, as pages that every reader finds damaged; the save
   * succeeds. Nothing is sent before all is verified. Native; a hand-over, and
   * QEMU's format, which has no checksums, fail as without. */
  int write_damaged;
  /* CONVERGE: what the pause may take at most, by the engine's clock, from the
   * call of `pause` to that of `resume`; 0: any time. A save of which it is
   * expected to take longer (after `max_rounds`, whatever `at_max_rounds` says;
   * not asked where the host has a policy, or switches itself), or does, ends
   * with SLUICE_ENOCONVERGE, in the phase LIVE or PAUSED, and the host goes on.
   * Success so means that it was kept. Less than downtime_us: it is the aim. */
  uint64_t downtime_max_us;
} sluice_save_options_t;

/* Primes the queue with one continuation for each section of `registry` and
 * returns; the work happens in the loop. On success `sink` belongs to the save
 * and `registry` is in use until `cb` has been called. `options` may be NULL
 * and is copied. On failure nothing was started, `cb` will not be called,
 * everything still belongs to the caller, and `err` (may be NULL; cleared
 * first) names what is wrong:
 *
 *   UV_EINVAL      no section, bad option, handler that cannot save, a NULL
 *                  that may not be one
 *   UV_EBUSY       the registry is in use, the sink another save's
 *   UV_ENOTSUP     CUT, and a section cannot be cut: it is live without
 *                  save_cut, or of pages and not live
 *   UV_ENOMEM      no memory for the session
 *   SLUICE_ELIMIT  max_memory is too little to begin with
 *   SLUICE_ESTATE  the engine is closing
 * What a handler's hook says when the instant is in here ends the save like any
 * other error: 0 is returned, `cb` gets the code. */
SLUICE_EXTERN int sluice_save_begin(sluice_save_t **out,
                                    sluice_engine_t *engine,
                                    sluice_registry_t *registry,
                                    sluice_sink_t *sink,
                                    const sluice_save_options_t *options,
                                    sluice_save_cb cb, sluice_error_t *err);

/* Loop thread, from any callback. The host has stopped changing its state. */
SLUICE_EXTERN void sluice_save_paused(sluice_save_t *save);

/* Switch now, whatever the policy says; no-op after LIVE. */
SLUICE_EXTERN void sluice_save_switch(sluice_save_t *save);

/* Ends it with UV_ECANCELED; `cb` comes later, once. No-op when it is over, and
 * from when on the sink makes the image last: what that says is the outcome. */
SLUICE_EXTERN void sluice_save_cancel(sluice_save_t *save);

/* Frees a save that is over; allowed inside its `cb`. UV_EBUSY before; NULL is
 * fine. */
SLUICE_EXTERN int sluice_save_free(sluice_save_t *save);

SLUICE_EXTERN void *sluice_save_data(const sluice_save_t *save);

/* At any time; `size` bytes of `*out` are filled: sizeof(sluice_progress_t) as
 * the host knows it. Zeros for a save that is NULL. */
SLUICE_EXTERN void sluice_save_progress(const sluice_save_t *save,
                                        sluice_progress_t *out, size_t size);

/* What ended it: section, phase, offset, message. Code 0 before and after
 * success. Valid until the save is freed. */
SLUICE_EXTERN const sluice_error_t *
sluice_save_error(const sluice_save_t *save);

typedef struct sluice_save_stats_s {
  sluice_save_mode_t mode; /* CONVERGE or CUT: what it is */
  /* AUTO: why not CUT, and which section it is; NULL: not AUTO, or it is CUT.
   * Valid until the save is freed. */
  const char *reason;
} sluice_save_stats_t;

/* From sluice_save_begin() on. As sluice_save_progress(). */
SLUICE_EXTERN void sluice_save_stats(const sluice_save_t *save,
                                     sluice_save_stats_t *out, size_t size);

/* Of the stream: final once the callback has been called with 0. As
 * sluice_save_progress(). */
SLUICE_EXTERN void sluice_save_totals(const sluice_save_t *save,
                                      sluice_totals_t *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif
