/* patch_job.h - overwrites bytes of a file, on libuv's pool.
 *
 * By the file's plain descriptor, also where the rest is written O_DIRECT: a
 * hash is smaller than any block, and pages one by one are slow on a disk that
 * the page cache could give them to in order. One job at a time. Loop thread.
 */
#ifndef SLUICE_IO_PATCH_JOB_H
#define SLUICE_IO_PATCH_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include <sluice/sink.h>

/* Embedded by its owner, zeroed. */
typedef struct sluice__patch_job_s {
  uv_work_t work;
  int fd;
  uint64_t base; /* where the stream begins in the file */
  const sluice_patch_t *patches;
  size_t count;
  bool is_running;
  int status;
  void (*on_over)(void *owner); /* set by sluice__patch_job_when_over() */
  void *owner;
  sluice_sink_cb cb;
  void *ctx;
  const char *name; /* for what is said; or NULL */
  sluice_error_t *err;
} sluice__patch_job_t;

/* `job` has its descriptor, base, name and err. As in sluice_sink_ops_t. */
int sluice__patch_job_start(sluice__patch_job_t *job, uv_loop_t *loop,
                            const sluice_patch_t *patches, size_t count,
                            sluice_sink_cb cb, void *ctx);

/* True when none is under way. Otherwise `on_over` is called, from the loop,
 * right after its callback. */
bool sluice__patch_job_when_over(sluice__patch_job_t *job,
                                 void (*on_over)(void *), void *owner);

#endif
