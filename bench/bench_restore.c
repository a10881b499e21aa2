/* bench_restore.c - how fast is a restore, beside the least it can cost?
 *
 * The same stream into the same memory, in turn: by a reader that only puts the
 * pages where they belong (plain_reader.h), and restored, every checksum looked
 * at. Then as QEMU's stream, for which there is no such reader here. Memory is
 * touched, or as fresh from mmap(); in place, or beside and then moved in.
 *
 * Pages of zeros: beside memset(). By mapping: until the commit, and until each
 * page has been read once, for that is when a mapping pays. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "channel.h"
#include "host.h"
#include "memory.h"
#include "plain_reader.h"

typedef enum way_e {
  WAY_PLAIN,
  WAY_NATIVE,
  WAY_QEMU3,
  STREAMS,
  WAY_MEMSET = STREAMS
} way_t;
enum { FROM_FILE = -1, PAGE = 4096 };

typedef struct stage_s {
  int files[STREAMS]; /* the streams, on tmpfs; the plain reader's is native */
  const uint8_t *state;
  uint8_t *target;
  size_t bytes;
} stage_t;

typedef struct job_s {
  const stage_t *stage;
  host_t *host;
  way_t way;
  int channel; /* a channel_kind_t or FROM_FILE */
  bool is_fresh;
  bool is_anew; /* touched, but not before this run */
  bool is_read; /* each page, afterwards */
  sluice_restore_way_t by;
} job_t;

static const char *restore_from(const job_t *job, int fd) {
  sluice_source_t *source;

  if (job->way == WAY_PLAIN) {
    return plain_read(fd, job->stage->target, job->stage->bytes) == 0
               ? NULL
               : "the plain reader failed";
  }
  return sluice_source_fd(&source, fd) < 0
             ? "no source"
             : host_restore_by(job->host, source, job->by);
}

static void read_pages(const uint8_t *data, size_t bytes) {
  for (size_t at = 0; at < bytes; at += PAGE) {
    (void)*(const volatile uint8_t *)(data + at);
  }
}

static const char *run_file(const job_t *job, bench_sample_t *out) {
  int file = job->stage->files[job->way];
  const char *error;

  (void)lseek(file, 0, SEEK_SET);
  bench_sample_begin(out);
  error = restore_from(job, file);
  if (job->is_read) {
    read_pages(job->stage->target, job->stage->bytes);
  }
  bench_sample_end(out);
  return error;
}

static void run_memset(const job_t *job, bench_sample_t *out) {
  bench_sample_begin(out);
  memset(job->stage->target, 0, job->stage->bytes);
  bench_sample_end(out);
}

/* The clock starts when the writer has begun. */
static const char *run_channel(const job_t *job, bench_sample_t *out) {
  const char *error;
  struct pollfd ready;
  channel_t c;

  if (channel_to_writer(&c, (channel_kind_t)job->channel,
                        job->stage->files[job->way]) != 0) {
    return strerror(errno);
  }
  ready = (struct pollfd){.fd = c.fd, .events = POLLIN};
  (void)poll(&ready, 1, -1);
  bench_sample_begin(out);
  error = restore_from(job, c.fd);
  if (channel_close(&c) != 0 && error == NULL) {
    error = "the writer failed";
  }
  bench_sample_end(out);
  return error;
}

static void prepare(const job_t *job) {
  const stage_t *stage = job->stage;

  if (job->is_fresh) {
    memory_renew(stage->target, stage->bytes);
  } else if (job->is_anew) {
    memory_renew(stage->target, stage->bytes);
    memset(stage->target, 0xa5, stage->bytes);
  }
}

static const char *run_job(void *ctx, uint64_t count, bench_sample_t *out) {
  const job_t *job = ctx;
  const char *error = NULL;

  (void)count; /* whole runs: always 1 */
  prepare(job);
  if (job->way == WAY_MEMSET) {
    run_memset(job, out);
  } else if (job->channel == FROM_FILE) {
    error = run_file(job, out);
  } else {
    error = run_channel(job, out);
  }
  out->longest_ns = job->way == WAY_NATIVE || job->way == WAY_QEMU3
                        ? job->host->longest_turn_ns
                        : 0;
  return error;
}

static void check(bench_t *b, const stage_t *stage, const char *name) {
  if (memcmp(stage->state, stage->target, stage->bytes) != 0) {
    (void)fprintf(stderr, "%s: restored something else\n", name);
    b->failed = 1;
  }
}

static void bench_jobs(bench_t *b, const char *name,
                       const bench_variant_t *variants, size_t count) {
  const job_t *job = variants->ctx;
  const bench_case_t c = {.name = name,
                          .bytes = (double)job->stage->bytes,
                          .is_whole = true,
                          .variants = variants,
                          .variant_count = count};

  if (bench_wants(b, name)) {
    memset(job->stage->target, 0xa5, job->stage->bytes);
    bench_run(b, &c);
    check(b, job->stage, name);
  }
}

/* `first` is what the others are beside. */
static void bench_from(bench_t *b, const char *name, const job_t *model,
                       way_t first) {
  job_t jobs[] = {*model, *model, *model};
  const bench_variant_t variants[] = {
      {first == WAY_PLAIN ? "plain" : "memset", run_job, &jobs[0]},
      {"native", run_job, &jobs[1]},
      {"qemu3", run_job, &jobs[2]}};

  jobs[0].way = first;
  jobs[1].way = WAY_NATIVE;
  jobs[2].way = WAY_QEMU3;
  bench_jobs(b, name, variants, sizeof(variants) / sizeof(*variants));
}

/* An image from a file, in all ways that there are. */
static void bench_ways(bench_t *b, const char *name, const job_t *model) {
  job_t jobs[] = {*model, *model, *model, *model, *model};
  const bench_variant_t variants[] = {{"plain", run_job, &jobs[0]},
                                      {"eager", run_job, &jobs[1]},
                                      {"mapped", run_job, &jobs[2]},
                                      {"verify-mapped", run_job, &jobs[3]},
                                      {"mapped-verify", run_job, &jobs[4]}};

  for (size_t i = 1; i < sizeof(jobs) / sizeof(*jobs); i++) {
    jobs[i].way = WAY_NATIVE;
  }
  jobs[2].by = SLUICE_RESTORE_MAPPED;
  jobs[3].by = SLUICE_RESTORE_VERIFY_MAPPED;
  jobs[4].by = SLUICE_RESTORE_MAPPED_VERIFY;
  bench_jobs(b, name, variants, sizeof(variants) / sizeof(*variants));
}

static void bench_mapping(bench_t *b, const stage_t *stage) {
  static const char *const names[] = {"mapped, fresh", "mapped, touched",
                                      "mapped, fresh, each page read",
                                      "mapped, touched, each page read"};
  const host_config_t config = {.base = stage->target,
                                .bytes = stage->bytes,
                                .region_flags =
                                    SLUICE_RAM_IN_PLACE | SLUICE_RAM_REMAP,
                                .tracker = SLUICE_RAM_STATIC};
  host_t host;

  host_open(&host, &config);
  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
    const job_t job = {.stage = stage,
                       .host = &host,
                       .channel = FROM_FILE,
                       .is_fresh = i % 2 == 0,
                       .is_anew = true,
                       .is_read = i >= 2};

    bench_ways(b, names[i], &job);
  }
  host_close(&host);
  memory_renew(stage->target, stage->bytes); /* the file's no longer */
}

static void bench_zeros(bench_t *b, const stage_t *stage) {
  const host_config_t config = {.base = stage->target,
                                .bytes = stage->bytes,
                                .region_flags = SLUICE_RAM_IN_PLACE,
                                .tracker = SLUICE_RAM_STATIC};
  host_t host;
  job_t job = {
      .stage = stage, .host = &host, .channel = FROM_FILE, .is_anew = true};

  host_open(&host, &config);
  bench_from(b, "zero pages, tmpfs, touched", &job, WAY_MEMSET);
  job.is_fresh = true;
  bench_from(b, "zero pages, tmpfs, fresh", &job, WAY_MEMSET);
  host_close(&host);
}

/* From every kind of source, into memory with `flags`. */
static void bench_memory(bench_t *b, const stage_t *stage, const char *kind,
                         uint32_t flags, bool is_fresh) {
  static const struct {
    const char *name;
    int channel;
  } from[] = {{"tmpfs", FROM_FILE},
              {"pipe", CHANNEL_PIPE},
              {"unix", CHANNEL_UNIX},
              {"tcp", CHANNEL_TCP}};
  const host_config_t config = {.base = stage->target,
                                .bytes = stage->bytes,
                                .region_flags = flags,
                                .tracker = SLUICE_RAM_STATIC};
  host_t host;
  char name[64];

  host_open(&host, &config);
  for (size_t i = 0; i < sizeof(from) / sizeof(*from); i++) {
    const job_t job = {.stage = stage,
                       .host = &host,
                       .channel = from[i].channel,
                       .is_fresh = is_fresh};

    (void)snprintf(name, sizeof(name), "%s, %s", from[i].name, kind);
    bench_from(b, name, &job, WAY_PLAIN);
  }
  host_close(&host);
}

static int make_file(const char *suffix) {
  char path[64];
  int fd;

  (void)snprintf(path, sizeof(path), "/dev/shm/sluice-bench.%ld.%s",
                 (long)getpid(), suffix);
  fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  (void)unlink(path);
  return fd;
}

static int save_as(host_t *host, sluice_format_t format, const char *suffix) {
  const sluice_save_options_t options = {
      .size = sizeof(options), .format = format, .host = "pc"};
  int fd = make_file(suffix);
  sluice_sink_t *sink;
  const char *error = "no file to read from";

  if (fd >= 0 && sluice_sink_fd(&sink, fd) == 0) {
    error = host_save(host, sink, &options);
  }
  if (error != NULL) {
    (void)fprintf(stderr, "%s\n", error);
    exit(1);
  }
  return fd;
}

static void make_streams(stage_t *stage, const host_config_t *config) {
  host_t host;

  host_open(&host, config);
  stage->files[WAY_NATIVE] = save_as(&host, SLUICE_FORMAT_NATIVE, "native");
  stage->files[WAY_QEMU3] = save_as(&host, SLUICE_FORMAT_QEMU3, "qemu3");
  stage->files[WAY_PLAIN] = stage->files[WAY_NATIVE];
  host_close(&host);
}

static void close_streams(const stage_t *stage) {
  (void)close(stage->files[WAY_NATIVE]);
  (void)close(stage->files[WAY_QEMU3]);
}

int main(int argc, char **argv) {
  bench_t b = {0};
  host_config_t config = {.tracker = SLUICE_RAM_STATIC};
  stage_t stage = {0};

  bench_open(&b, "restore", argc, argv);
  config.bytes = stage.bytes = (size_t)b.bytes;
  stage.state = config.base = memory_new(b.bytes);
  memory_fill(config.base, b.bytes, 1);
  stage.target = memory_new(b.bytes);
  make_streams(&stage, &config);
  bench_memory(&b, &stage, "touched, in place", SLUICE_RAM_IN_PLACE, false);
  bench_memory(&b, &stage, "fresh, in place", SLUICE_RAM_IN_PLACE, true);
  bench_memory(&b, &stage, "fresh, in place, remap",
               SLUICE_RAM_IN_PLACE | SLUICE_RAM_REMAP, true);
  bench_memory(&b, &stage, "touched, beside, remap", SLUICE_RAM_REMAP, false);
  bench_memory(&b, &stage, "touched, beside, copied", 0, false);
  bench_mapping(&b, &stage);
  close_streams(&stage);
  memset(config.base, 0, b.bytes);
  make_streams(&stage, &config);
  bench_zeros(&b, &stage);
  close_streams(&stage);
  return bench_close(&b);
}
