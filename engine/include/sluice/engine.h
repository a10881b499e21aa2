/* engine.h - one per loop: gives sessions their slices.
 *
 * Between the host's own callbacks the engine runs at most one slice a loop
 * iteration, shared by all its sessions; with nothing to do it costs nothing
 * and lets the loop sleep. A slice is short while the host's callbacks have
 * much to do and grows while they have not. No threads of its own
 * (executor.h), no global state.
 *
 * What is said to be for the loop's thread is for the thread on which the loop
 * has turned last; a debug build ends with the name of a call from another. A
 * loop, with its engine, may go to another thread while no session runs. */
#ifndef SLUICE_ENGINE_H
#define SLUICE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/alloc.h>
#include <sluice/error.h>
#include <sluice/executor.h>
#include <sluice/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct uv_loop_s uv_loop_t; /* of <uv.h> */

typedef struct sluice_engine_s sluice_engine_t;
typedef void (*sluice_engine_close_cb)(void *data);

typedef struct sluice_engine_options_s {
  uint32_t size;                /* sizeof(sluice_engine_options_t) */
  uint32_t slice_us;            /* time a slice may take; 0: 500 */
  uint32_t slice_min_us;        /* and while the host is busy; 0: 50. As much
                                   as slice_us or more: always slice_us. */
  uint32_t slice_bytes;         /* bytes a slice of slice_us may move, shorter
                                   ones their part; 0: 1 MiB */
  const sluice_alloc_t *alloc;  /* copied; NULL: the C library's */
  uint64_t (*clock)(void *ctx); /* ns, monotonic; NULL: uv_hrtime() */
  void *clock_ctx;
  /* Who copies pages and computes their checksums; copied. NULL: libuv's pool,
   * all of its threads but one, where there are more than two processors. */
  const sluice_executor_t *executor;
} sluice_engine_options_t;

typedef struct sluice_engine_stats_s {
  uint64_t turns;
  uint64_t busy_ns;         /* spent in slices */
  uint64_t longest_turn_ns; /* how long the loop was held at most */
  uint64_t overruns;        /* steps that took over twice their slice */
  uint64_t slice_ns;        /* what the next slice may take */
} sluice_engine_stats_t;

/* `loop` is borrowed until the engine is closed; `options` may be NULL.
 * UV_EINVAL (options, executor, no loop), UV_ENOMEM, UV_EMFILE; `err` (may be
 * NULL; cleared first) names what is wrong. Loop thread.
 *
 * The loop has handles of the engine's from now on, and of what runs on it. A
 * host that closes every handle that uv_walk() shows must leave these out:
 * sluice_engine_close() closes them. */
SLUICE_EXTERN int sluice_engine_new(sluice_engine_t **out, uv_loop_t *loop,
                                    const sluice_engine_options_t *options,
                                    sluice_error_t *err);

/* Cancels what runs (each callback gets UV_ECANCELED), closes the handles and
 * frees the engine once the executor has run all its jobs; then `cb` (may be
 * NULL), the last touch, from the loop. UV_EALREADY when it is closing. Loop
 * thread, from any callback. */
SLUICE_EXTERN int sluice_engine_close(sluice_engine_t *engine,
                                      sluice_engine_close_cb cb, void *data);

/* For a child that is forked while the engine exists; the only call on anything
 * of Sluice's that is allowed there.
 *
 * Frees the engine and whatever runs on it (saves, restores, hand-overs, what
 * follows a restore's commit) with the sinks and sources that these took, and
 * closes the descriptors that those opened. Nothing else happens: no loop is
 * touched, no file is written, renamed or removed, no lock given up, no peer
 * learns of it, and nobody is called, neither a handler, nor a callback, nor a
 * sink, source or executor of the host's own; only the allocator, to free.
 *
 * The child must never run or close the loop, neither before nor after: its
 * handles are in memory that is freed here, and the kernel shares what it polls
 * with the parent. Nor does it come back from a callback or hook of Sluice's
 * that it was forked in. Pointers to the engine, and to what ran on it, are not
 * to be used again.
 *
 * What is the host's stays as it is, for the child to leave alone: registries,
 * sections and handlers; sinks and sources that no operation has taken, or that
 * are of its own; saves and the like that are over and were not freed; the
 * loop, with handles that are closing. A descriptor that one of libuv's threads
 * was about to open or close stays open, as all do until exec() (they are
 * O_CLOEXEC).
 *
 * Before fork() nothing is needed, and in the parent nothing changes. It is the
 * loop's thread that forks, at any time, in any callback; the child of another
 * thread, which may find the engine in the middle of a step, does not call
 * this. Nor need a child that only calls exec() or _exit(). The allocator has
 * to work in a forked child, as malloc() of glibc and jemalloc do. NULL is
 * fine. */
SLUICE_EXTERN void sluice_engine_abandon(sluice_engine_t *engine);

SLUICE_EXTERN uv_loop_t *sluice_engine_loop(const sluice_engine_t *engine);

/* Fills `size` bytes of `*out`: sizeof(sluice_engine_stats_t) as the host knows
 * it. Zeros for an engine that is NULL. */
SLUICE_EXTERN void sluice_engine_stats(const sluice_engine_t *engine,
                                       sluice_engine_stats_t *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif
