/* write_job.h - one run of contiguous chunks, written by a thread of the pool.
 *
 * The part of pool_writer.h that runs outside the loop thread: it sees only the
 * job, and the job is not touched by the loop thread while it runs. */
#ifndef SLUICE_IO_WRITE_JOB_H
#define SLUICE_IO_WRITE_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "io/fifo.h"
#include "io/pool_writer.h"

enum {
  /* Larger requests gain nothing (measured: 1 MiB does as well as 8 in flight),
   * and the encoder would have to wait for its chunks. */
  SLUICE__JOB_BYTES = 1024 * 1024,
  SLUICE__JOB_CHUNKS = 8, /* small ones: what a save in its last phase makes */
  SLUICE__JOB_PIECES = 3 * SLUICE__JOB_CHUNKS /* head, middle, tail */
};

struct sluice__write_job_s {
  uv_work_t work; /* `data` is the pool writer */
  bool is_running;
  int fd;
  int direct_fd;
  bool use_offset;
  uint64_t offset; /* of what is still to be written */
  uint64_t end;    /* of the chunks added */
  int chunks_count;
  int pieces_count;
  struct iovec pieces[SLUICE__JOB_PIECES];
  bool is_direct[SLUICE__JOB_PIECES];
  sluice__chunk_list_t chunks;
  int status;          /* result */
  bool direct_refused; /* result: the file system changed its mind */
};

/* True when `chunk` can be added: there is room and it continues the run. */
bool sluice__write_job_takes(const sluice__write_job_t *job,
                             const sluice__chunk_t *chunk);

void sluice__write_job_add(sluice__write_job_t *job, sluice__chunk_t *chunk);

/* Writes everything; any thread. The result is in `status`. */
void sluice__write_job_run(sluice__write_job_t *job);

#endif
