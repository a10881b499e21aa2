/* bench_save.c - how fast does a save go, beside a plain loop of write()s?
 *
 * The same memory to the same kind of sink, in turn: by 1 MiB writes straight
 * from the memory, as a native stream (by the loop's thread alone, and with the
 * pool's), as QEMU's. GB/s are of state; what a
 * stream adds to it counts against us. Processor time is that of both ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>
#ifdef BENCH_XXHASH_DISPATCH
#include <xxh_x86dispatch.h> /* as the library does */
#endif

#include "bench.h"
#include "channel.h"
#include "host.h"
#include "memory.h"

typedef enum way_e {
  WAY_PLAIN,
  WAY_STAGED,
  WAY_NATIVE,
  WAY_POOL,
  WAY_QEMU3
} way_t;
enum { WAYS = WAY_QEMU3 + 1, PAGE = 4096, STAGE = 256 * 1024 };

typedef enum place_e {
  PLACE_NULL,
  PLACE_PIPE,
  PLACE_UNIX,
  PLACE_TCP,
  PLACE_NEW_FILE,
  PLACE_OLD_FILE,
  PLACE_SYNCED
} place_t;

/* What one variant does. */
typedef struct job_s {
  way_t way;
  place_t place;
  host_t *host;
  const uint8_t *data;
  size_t bytes;
  const char *path;
} job_t;

enum { STAGED = 1 << 20 };

/* What is between the memory and nothing: a copy that stays in cache. */
static void copy_away(const job_t *job) {
  static uint8_t *stage;
  volatile uint8_t *sight;

  if (stage == NULL) {
    stage = memory_new(STAGED);
  }
  sight = stage;
  for (size_t at = 0; at < job->bytes; at += STAGED) {
    memcpy(stage, job->data + at, STAGED);
    (void)sight[at % STAGED];
  }
}

static const char *save_to(const job_t *job, sluice_sink_t *sink) {
  const sluice_save_options_t options = {.size = sizeof(options),
                                         .format = job->way == WAY_QEMU3
                                                       ? SLUICE_FORMAT_QEMU3
                                                       : SLUICE_FORMAT_NATIVE,
                                         .host = "pc"};

  host_use_pool(job->host, job->way == WAY_POOL);
  return host_save(job->host, sink, &options);
}

/* Fills `stage` page by page, with a checksum of each as it is there. */
static uint64_t stage_pages(uint8_t *stage, const uint8_t *from, size_t len) {
  uint64_t sum = 0;

  for (size_t at = 0; at < len; at += PAGE) {
    memcpy(stage + at, from + at, PAGE);
    sum ^= XXH3_64bits(stage + at, PAGE);
  }
  return sum;
}

/* The least that copying once and checksumming can cost: no stream, no loop. */
static int write_staged(const job_t *job, int fd) {
  static uint8_t *stage;
  static volatile uint64_t sum; /* so that the hash is not left out */

  if (stage == NULL) {
    stage = memory_new(STAGE);
  }
  for (size_t at = 0; at < job->bytes; at += STAGE) {
    sum += stage_pages(stage, job->data + at, STAGE);
    if (fd >= 0 && channel_write(fd, stage, STAGE) != 0) {
      return -1;
    }
  }
  (void)sum; /* else clang finds it unused */
  return 0;
}

static bool is_ours(const job_t *job) {
  return job->way != WAY_PLAIN && job->way != WAY_STAGED;
}

static int write_plain(const job_t *job, int fd) {
  return job->way == WAY_STAGED ? write_staged(job, fd)
                                : channel_write(fd, job->data, job->bytes);
}

static const char *save_to_fd(const job_t *job, int fd) {
  sluice_sink_t *sink;

  if (!is_ours(job)) {
    return write_plain(job, fd) == 0 ? NULL : strerror(errno);
  }
  return sluice_sink_fd(&sink, fd) < 0 ? "no sink" : save_to(job, sink);
}

static const char *run_null(const job_t *job, bench_sample_t *out) {
  const char *error = NULL;

  bench_sample_begin(out);
  if (is_ours(job)) {
    error = save_to(job, host_null_sink());
  } else if (job->way == WAY_STAGED) {
    (void)write_staged(job, -1);
  } else {
    copy_away(job);
  }
  bench_sample_end(out);
  return error;
}

static const char *run_channel(const job_t *job, channel_kind_t kind,
                               bench_sample_t *out) {
  const char *error;
  channel_t c;

  if (channel_to_reader(&c, kind) != 0) {
    return strerror(errno);
  }
  bench_sample_begin(out);
  error = save_to_fd(job, c.fd);
  if (channel_close(&c) != 0 && error == NULL) {
    error = "the reader failed";
  }
  bench_sample_end(out);
  return error;
}

/* A file of that size already: its pages are there to be written over. */
static const char *run_old_file(const job_t *job, bench_sample_t *out) {
  const char *error;
  int fd = open(job->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

  if (fd < 0) {
    return strerror(errno);
  }
  bench_sample_begin(out);
  error = save_to_fd(job, fd);
  bench_sample_end(out);
  (void)close(fd);
  return error;
}

static const char *write_new_file(const job_t *job) {
  const char *error = NULL;
  int fd = open(job->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

  if (fd < 0 || write_plain(job, fd) != 0 ||
      (job->place == PLACE_SYNCED && fsync(fd) != 0)) {
    error = strerror(errno);
  }
  (void)close(fd);
  return error;
}

static const char *run_new_file(const job_t *job, bench_sample_t *out) {
  const sluice_file_options_t options = {.size = sizeof(options),
                                         .no_sync = job->place != PLACE_SYNCED};
  const char *error;
  sluice_sink_t *sink;

  (void)unlink(job->path);
  if (sluice_sink_file(&sink, job->path, &options) < 0) {
    return "no sink";
  }
  bench_sample_begin(out);
  error = is_ours(job) ? save_to(job, sink) : write_new_file(job);
  bench_sample_end(out);
  if (!is_ours(job)) {
    sluice_sink_free(sink);
  }
  (void)unlink(job->path);
  return error;
}

static const char *run_job(void *ctx, uint64_t count, bench_sample_t *out) {
  const job_t *job = ctx;
  const char *error = NULL;

  (void)count; /* whole runs: always 1 */
  switch (job->place) {
  case PLACE_NULL: error = run_null(job, out); break;
  case PLACE_PIPE: error = run_channel(job, CHANNEL_PIPE, out); break;
  case PLACE_UNIX: error = run_channel(job, CHANNEL_UNIX, out); break;
  case PLACE_TCP: error = run_channel(job, CHANNEL_TCP, out); break;
  case PLACE_OLD_FILE: error = run_old_file(job, out); break;
  case PLACE_NEW_FILE:
  case PLACE_SYNCED: error = run_new_file(job, out); break;
  }
  out->longest_ns = is_ours(job) ? job->host->longest_turn_ns : 0;
  return error;
}

static void bench_place(bench_t *b, const char *name, const job_t *model) {
  job_t jobs[WAYS];
  bench_variant_t variants[WAYS] = {{"plain", run_job, &jobs[0]},
                                    {"staged", run_job, &jobs[1]},
                                    {"native", run_job, &jobs[2]},
                                    {"pool", run_job, &jobs[3]},
                                    {"qemu3", run_job, &jobs[4]}};
  const bench_case_t c = {.name = name,
                          .bytes = (double)model->bytes,
                          .is_whole = true,
                          .variants = variants,
                          .variant_count = WAYS};

  for (size_t i = 0; i < WAYS; i++) {
    jobs[i] = *model;
    jobs[i].way = (way_t)i;
  }
  if (model->place == PLACE_NULL) {
    variants[0].name = "memcpy";
  }
  bench_run(b, &c);
}

static void bench_places(bench_t *b, host_t *host, const uint8_t *data) {
  char shm[64];
  char disk[512];
  job_t job = {.host = host, .data = data, .bytes = b->bytes};

  (void)snprintf(shm, sizeof(shm), "/dev/shm/sluice-bench.%ld", (long)getpid());
  (void)snprintf(disk, sizeof(disk), "%.400s/sluice-bench.%ld", b->folder,
                 (long)getpid());
  bench_place(b, "null", &job);
  job.place = PLACE_PIPE;
  bench_place(b, "pipe", &job);
  job.place = PLACE_UNIX;
  bench_place(b, "unix", &job);
  job.place = PLACE_TCP;
  bench_place(b, "tcp", &job);
  job.path = shm;
  job.place = PLACE_OLD_FILE;
  bench_place(b, "tmpfs, overwritten", &job);
  (void)unlink(shm);
  job.place = PLACE_NEW_FILE;
  bench_place(b, "tmpfs, new", &job);
  job.path = disk;
  job.place = PLACE_SYNCED;
  bench_place(b, "disk, fsync", &job);
}

int main(int argc, char **argv) {
  bench_t b = {0};
  host_t host;
  host_config_t config = {.tracker = SLUICE_RAM_STATIC};

  bench_open(&b, "save", argc, argv);
  config.bytes = b.bytes;
  config.base = memory_new(b.bytes);
  memory_fill(config.base, b.bytes, 1);
  host_open(&host, &config);
  bench_places(&b, &host, config.base);
  host_close(&host);
  return bench_close(&b);
}
