/* write_job.c - see write_job.h.
 *
 *        offset                                          end
 *          |  head  |        middle, aligned        | tail |
 *          |  plain |           direct              | plain|
 *
 * Neighbouring pieces of one kind go out in one system call. */
#include "io/write_job.h"

#include "io/quiet_write.h"

bool sluice__write_job_takes(const sluice__write_job_t *job,
                             const sluice__chunk_t *chunk) {
  if (job->chunks_count == 0) {
    return true;
  }
  return job->chunks_count < SLUICE__JOB_CHUNKS && job->end == chunk->offset &&
         job->end - job->offset + chunk->len <= SLUICE__JOB_BYTES;
}

static void add_piece(sluice__write_job_t *job, const uint8_t *data, size_t len,
                      bool is_direct) {
  if (len == 0) {
    return;
  }
  job->pieces[job->pieces_count].iov_base = (void *)(uintptr_t)data;
  job->pieces[job->pieces_count].iov_len = len;
  job->is_direct[job->pieces_count] = is_direct;
  job->pieces_count++;
}

/* Bytes of `chunk` in front of the first aligned one; all of them when address
 * and offset do not agree. */
static size_t head_of(const sluice__chunk_t *chunk) {
  size_t skew = (size_t)(chunk->offset % SLUICE__DIRECT_ALIGN);
  size_t head = (SLUICE__DIRECT_ALIGN - skew) % SLUICE__DIRECT_ALIGN;

  if ((uintptr_t)chunk->data % SLUICE__DIRECT_ALIGN != skew ||
      head > chunk->len) {
    return chunk->len;
  }
  return head;
}

void sluice__write_job_add(sluice__write_job_t *job, sluice__chunk_t *chunk) {
  size_t head = job->direct_fd < 0 ? chunk->len : head_of(chunk);
  size_t rest = chunk->len - head;
  size_t tail = rest % SLUICE__DIRECT_ALIGN;

  if (job->chunks_count == 0) {
    job->offset = chunk->offset;
    job->end = chunk->offset;
  }
  add_piece(job, chunk->data, head, false);
  add_piece(job, chunk->data + head, rest - tail, true);
  add_piece(job, chunk->data + head + rest - tail, tail, false);
  job->end += chunk->len;
  job->chunks_count++;
  sluice__chunk_retire(&job->chunks, chunk, 0);
}

static ssize_t put(sluice__write_job_t *job, const struct iovec *iov, int count,
                   bool is_direct) {
  ssize_t n = UV_EINVAL;

  if (!job->use_offset) {
    return sluice__quiet_write(job->fd, iov, count);
  }
  if (is_direct && !job->direct_refused) {
    n = sluice__quiet_pwrite(job->direct_fd, iov, count, job->offset);
    job->direct_refused = n == UV_EINVAL; /* odd block size; say so once */
  }
  return n != UV_EINVAL
             ? n
             : sluice__quiet_pwrite(job->fd, iov, count, job->offset);
}

/* Writes the first `count` pieces of `iov`, all of one kind. What is left of a
 * short direct write may be unaligned, so the plain way takes it from there. */
static int put_run(sluice__write_job_t *job, struct iovec *iov, int count,
                   bool is_direct) {
  while (count > 0) {
    ssize_t n = put(job, iov, count, is_direct);

    if (n < 0) {
      return (int)n;
    }
    job->offset += (size_t)n;
    sluice__iov_advance(&iov, &count, (size_t)n);
    is_direct = false;
  }
  return 0;
}

static int run_length(const sluice__write_job_t *job, int from) {
  int to = from;

  while (to < job->pieces_count && job->is_direct[to] == job->is_direct[from]) {
    to++;
  }
  return to - from;
}

void sluice__write_job_run(sluice__write_job_t *job) {
  int done = 0;

  job->status = 0;
  while (done < job->pieces_count && job->status == 0) {
    int count = run_length(job, done);

    job->status = put_run(job, job->pieces + done, count, job->is_direct[done]);
    done += count;
  }
}
