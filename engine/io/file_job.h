/* file_job.h - one piece of work on a file, on libuv's pool.
 *
 * For readers by position: they have a descriptor, a few of their own buffers,
 * and one job at a time. `done` comes once for each start, from the loop, also
 * when the job was taken back. Loop thread. */
#ifndef SLUICE_IO_FILE_JOB_H
#define SLUICE_IO_FILE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <uv.h>

/* Embedded by its owner; `loop`, `done` and `ctx` are set once. */
typedef struct sluice__file_job_s {
  uv_loop_t *loop;
  void (*done)(void *ctx);
  void *ctx;
  uv_work_t work;
  void (*run)(void *self);
  void *self;
  bool is_busy;
} sluice__file_job_t;

/* Runs `run(self)` on the pool: 0 or a UV_E* code. */
int sluice__file_job_start(sluice__file_job_t *job, void (*run)(void *self),
                           void *self);
/* It need not run any more. */
void sluice__file_job_cancel(sluice__file_job_t *job);

/* Blocks. Reads `len` bytes at `at`: how many there were (fewer only at the end
 * of the file), or a UV_E* code. */
ptrdiff_t sluice__file_read(int fd, void *buf, size_t len, uint64_t at);

/* Does not block: is the file as large, and as old, as it was? */
bool sluice__file_holds(int fd, uint64_t size, const struct timespec *changed);

#endif
