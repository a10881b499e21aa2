/* pool_writer.h - writes chunks to something that blocks, on libuv's pool.
 *
 * Several jobs may be under way; contiguous chunks that queue up meanwhile go
 * out in one. With a position of its own (`use_offset`) each chunk lands at its
 * stream offset; without, the descriptor's position is used and there is one
 * job at a time, so that order holds.
 *
 * With a second descriptor opened O_DIRECT, all that is aligned in address,
 * offset and length goes through that one, and odd heads and tails through the
 * first: they never share a page.
 *
 * A file in memory (tmpfs) waits for no disk: it can be written on the loop's
 * thread as well, straight from the host's pages.
 *
 * Invariant: queued chunks imply a job under way, so their callbacks come from
 * the loop without further ado. After an error nothing new is started. The
 * thread pool is the host's too: keep `jobs_max` small. Loop thread. */
#ifndef SLUICE_IO_POOL_WRITER_H
#define SLUICE_IO_POOL_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/uio.h>
#include <uv.h>

#include <sluice/sink.h>

#include "io/fifo.h"

enum { SLUICE__DIRECT_ALIGN = 4096 };

typedef struct sluice__write_job_s sluice__write_job_t;

/* Embedded by its owner. Descriptors are borrowed. */
typedef struct sluice__pool_writer_s {
  uv_loop_t *loop;
  int fd;
  int direct_fd; /* -1: none, or the file system refused after all */
  bool use_offset;
  bool is_in_memory;
  uint32_t jobs_max;
  sluice__write_job_t *jobs;
  sluice__fifo_t fifo;
  int error; /* latched */
  const char *name;
  sluice_error_t *err;
  sluice_sink_cb abort_cb;
  void *abort_ctx;
} sluice__pool_writer_t;

typedef struct sluice__pool_target_s {
  int fd;
  int direct_fd; /* -1: none */
  bool use_offset;
  bool is_in_memory;   /* sluice__file_is_in_memory() */
  uint32_t jobs_max;   /* 1.. ; 1 without use_offset */
  const char *name;    /* of a file, for what is said; or NULL */
  sluice_error_t *err; /* takes what is said of a failed write; or NULL */
} sluice__pool_target_t;

/* 0 or UV_ENOMEM; after a failure nothing needs sluice__pool_writer_done(). */
int sluice__pool_writer_init(sluice__pool_writer_t *w, uv_loop_t *loop,
                             const sluice__pool_target_t *target);

/* As in sluice_sink_ops_t. */
int sluice__pool_writer_write(sluice__pool_writer_t *w, const void *data,
                              size_t len, uint64_t offset, sluice_sink_cb cb,
                              void *ctx);

/* As in sluice_sink_ops_t; UV_ENOTSUP: it is no file in memory. */
ptrdiff_t sluice__pool_writer_write_now(sluice__pool_writer_t *w,
                                        const struct iovec *pieces, int count,
                                        uint64_t offset);

/* As in sluice_sink_ops_t: stops as soon as the running jobs are over. */
int sluice__pool_writer_abort(sluice__pool_writer_t *w, sluice_sink_cb cb,
                              void *ctx);

/* Nothing may be under way, but in a forked child, where nobody does it; a
 * zeroed one is fine. */
void sluice__pool_writer_done(sluice__pool_writer_t *w);

#endif
