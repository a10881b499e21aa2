/* bench_peers.c - the same memory, the same sinks, and what else there is.
 *
 * Out, to a reader that is the same for all: plain writes, native, qemu3, a
 * fork whose child writes, and QEMU, which is given the very descriptor. Where
 * it takes none, it has the same kind of reader: `exec:` cat, and multifd one
 * for each channel. Into files, of the same size. In: QEMU's -incoming and
 * ours, the same stream. What is not installed, or not allowed, is left out and
 * said so. Redis and CRIU have their own rounds: they save their own memory, of
 * the same size. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

#include "bench.h"
#include "channel.h"
#include "host.h"
#include "memory.h"
#include "peer_process.h"
#include "qemu.h"

typedef enum way_e {
  WAY_PLAIN,
  WAY_NATIVE,
  WAY_QEMU3,
  WAY_FORK,
  WAY_QEMU,
  WAY_MULTIFD
} way_t;
enum {
  WAYS = WAY_MULTIFD + 1,
  INTO_FILE = -1,
  INTO_COMMAND = -2,
  MULTIFD_CHANNELS = 2
};

typedef struct peers_s {
  host_t host;
  uint8_t *memory;
  size_t bytes;
  qemu_t qemu;
  bool has_qemu;
  char path[512];    /* of a file to write */
  char command[600]; /* that reads */
  uint64_t fork_ns;  /* the longest */
} peers_t;

typedef struct job_s {
  peers_t *peers;
  way_t way;
  int channel; /* a channel_kind_t or INTO_... */
} job_t;

static const char *save(peers_t *p, sluice_format_t format, int fd) {
  const sluice_save_options_t options = {
      .size = sizeof(options), .format = format, .host = "none"};
  sluice_sink_t *sink;

  return sluice_sink_fd(&sink, fd) < 0 ? "no sink"
                                       : host_save(&p->host, sink, &options);
}

/* The parent is held while it forks, then the child writes what was. */
static const char *fork_and_write(peers_t *p, int fd) {
  uint64_t began;
  int status = 1;
  pid_t child;

  (void)madvise(p->memory, p->bytes, MADV_DOFORK);
  began = uv_hrtime();
  child = fork();
  if (child == 0) {
    _exit(channel_write(fd, p->memory, p->bytes) == 0 ? 0 : 1);
  }
  began = uv_hrtime() - began;
  p->fork_ns = began > p->fork_ns ? began : p->fork_ns;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  (void)madvise(p->memory, p->bytes, MADV_DONTFORK);
  return status == 0 ? NULL : "the child failed";
}

static const char *run_qemu(peers_t *p, int fd) {
  return qemu_give(&p->qemu, fd) && qemu_migrate(&p->qemu, "fd:bench") &&
                 qemu_await(&p->qemu)
             ? NULL
             : "QEMU failed";
}

static const char *write_to(const job_t *job, int fd) {
  peers_t *p = job->peers;

  switch (job->way) {
  case WAY_PLAIN:
    return channel_write(fd, p->memory, p->bytes) == 0 ? NULL : "write failed";
  case WAY_NATIVE: return save(p, SLUICE_FORMAT_NATIVE, fd);
  case WAY_QEMU3: return save(p, SLUICE_FORMAT_QEMU3, fd);
  case WAY_FORK: return fork_and_write(p, fd);
  case WAY_QEMU: return run_qemu(p, fd);
  case WAY_MULTIFD: break; /* makes its connections itself */
  }
  return NULL;
}

static int open_channel(const job_t *job, channel_t *c) {
  return job->channel == INTO_COMMAND
             ? channel_to_command(c, job->peers->command)
             : channel_to_reader(c, (channel_kind_t)job->channel);
}

static const char *run_channel(const job_t *job, bench_sample_t *out) {
  const char *error;
  channel_t c;

  if (open_channel(job, &c) != 0) {
    return strerror(errno);
  }
  bench_sample_begin(out);
  error = write_to(job, c.fd);
  if (channel_close(&c) != 0 && error == NULL) {
    error = "the reader failed";
  }
  bench_sample_end(out);
  return error;
}

/* QEMU connects by itself: the stream, and its channels for pages. */
static const char *run_multifd(const job_t *job, bench_sample_t *out) {
  qemu_t *q = &job->peers->qemu;
  const char *error = "QEMU failed";
  unsigned port;
  char uri[64];
  channel_t c;

  if (channel_to_readers(&c, 1 + MULTIFD_CHANNELS, &port) != 0) {
    return strerror(errno);
  }
  (void)snprintf(uri, sizeof(uri), "tcp:127.0.0.1:%u", port);
  bench_sample_begin(out);
  if (qemu_migrate(q, uri) && qemu_await(q)) {
    error = channel_close(&c) == 0 ? NULL : "a reader failed";
  } else {
    channel_kill(&c);
  }
  bench_sample_end(out);
  return error;
}

/* QEMU starts the command by itself. */
static const char *run_exec(const job_t *job, bench_sample_t *out) {
  qemu_t *q = &job->peers->qemu;
  char uri[700];
  bool is_good;

  (void)snprintf(uri, sizeof(uri), "exec:%s", job->peers->command);
  bench_sample_begin(out);
  is_good = qemu_migrate(q, uri) && qemu_await(q) && qemu_settle(q);
  bench_sample_end(out);
  return is_good ? NULL : "QEMU failed";
}

/* A new file, made durable where it is on a disk. */
static const char *run_file(const job_t *job, bench_sample_t *out) {
  const char *error;
  int fd;

  (void)unlink(job->peers->path);
  fd = open(job->peers->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return strerror(errno);
  }
  bench_sample_begin(out);
  error = write_to(job, fd);
  (void)fsync(fd);
  bench_sample_end(out);
  (void)close(fd);
  return error;
}

static const char *run_target(const job_t *job, bench_sample_t *out) {
  if (job->way == WAY_MULTIFD) {
    return run_multifd(job, out);
  }
  if (job->channel == INTO_FILE) {
    return run_file(job, out);
  }
  if (job->channel == INTO_COMMAND) {
    (void)unlink(job->peers->path);
    if (job->way == WAY_QEMU) {
      return run_exec(job, out);
    }
  }
  return run_channel(job, out);
}

static const char *run_job(void *ctx, uint64_t count, bench_sample_t *out) {
  const job_t *job = ctx;
  qemu_t *q = &job->peers->qemu;
  const char *error;
  uint64_t before;

  (void)count; /* whole runs: always 1 */
  if (job->way < WAY_QEMU) {
    return run_target(job, out);
  }
  if (!qemu_rewind(q) ||
      !qemu_set_channels(q, job->way == WAY_MULTIFD ? MULTIFD_CHANNELS : 0)) {
    return "QEMU does not go on";
  }
  before = qemu_cpu_ns(q);
  error = run_target(job, out);
  out->cpu_ns += qemu_cpu_ns(q) - before;
  return error;
}

static size_t ways_to(const peers_t *p, int channel) {
  if (!p->has_qemu) {
    return WAY_QEMU;
  }
  return channel == CHANNEL_TCP ? WAYS : WAY_MULTIFD;
}

static void bench_sink(bench_t *b, peers_t *p, const char *name, int channel) {
  job_t jobs[WAYS];
  bench_variant_t variants[WAYS] = {
      {"plain", run_job, &jobs[0]}, {"native", run_job, &jobs[1]},
      {"qemu3", run_job, &jobs[2]}, {"fork", run_job, &jobs[3]},
      {"QEMU", run_job, &jobs[4]},  {"multifd", run_job, &jobs[5]}};
  const bench_case_t c = {.name = name,
                          .bytes = (double)p->bytes,
                          .is_whole = true,
                          .variants = variants,
                          .variant_count = ways_to(p, channel)};

  for (size_t i = 0; i < WAYS; i++) {
    jobs[i] = (job_t){.peers = p, .way = (way_t)i, .channel = channel};
  }
  bench_run(b, &c);
  (void)unlink(p->path);
}

/* The pipe is of 64 KiB and the reader is cat, for all of them. */
static void bench_commands(bench_t *b, peers_t *p) {
  (void)snprintf(p->command, sizeof(p->command), "cat >/dev/null");
  bench_sink(b, p, "out: exec, null", INTO_COMMAND);
  (void)snprintf(p->command, sizeof(p->command), "cat >%s", p->path);
  bench_sink(b, p, "out: exec, tmpfs", INTO_COMMAND);
}

static void bench_sinks(bench_t *b, peers_t *p) {
  bench_sink(b, p, "out: pipe", CHANNEL_PIPE);
  bench_sink(b, p, "out: unix", CHANNEL_UNIX);
  bench_sink(b, p, "out: tcp", CHANNEL_TCP);
  (void)snprintf(p->path, sizeof(p->path), "/dev/shm/sluice-bench.%ld",
                 (long)getpid());
  bench_sink(b, p, "out: tmpfs", INTO_FILE);
  bench_commands(b, p);
  (void)snprintf(p->path, sizeof(p->path), "%.400s/sluice-bench.%ld", b->folder,
                 (long)getpid());
  bench_sink(b, p, "out: disk, fsync", INTO_FILE);
  if (p->fork_ns > 0) {
    bench_tell(b, "fork, the parent is held", "longest", "ms",
               (double)p->fork_ns / 1e6);
  }
}

/* ---- in ---- */

typedef struct incoming_s {
  peers_t *peers;
  int file; /* a stream of ours in QEMU's format, on tmpfs */
  bool is_socket;
} incoming_t;

/* Our end of what is read, from the first byte on. */
static int open_incoming(const incoming_t *in, channel_t *c) {
  if (!in->is_socket) {
    return (int)lseek(in->file, 0, SEEK_SET);
  }
  return channel_to_writer(c, CHANNEL_UNIX, in->file);
}

static const char *restore_ours(void *ctx, uint64_t count,
                                bench_sample_t *out) {
  const incoming_t *in = ctx;
  channel_t c = {.fd = in->file};
  sluice_source_t *source;
  const char *error = "no source";

  (void)count;
  if (open_incoming(in, &c) != 0) {
    return strerror(errno);
  }
  bench_sample_begin(out);
  if (sluice_source_fd(&source, c.fd) == 0) {
    error = host_restore(&in->peers->host, source);
  }
  bench_sample_end(out);
  if (in->is_socket) {
    (void)channel_close(&c);
  }
  return error;
}

static const char *restore_qemu(void *ctx, uint64_t count,
                                bench_sample_t *out) {
  static qemu_t q;
  const incoming_t *in = ctx;
  channel_t c = {.fd = in->file};
  const char *error = "QEMU failed";
  uint64_t before;

  (void)count;
  if (!qemu_open(&q, (unsigned)(in->peers->bytes >> 20), NULL, true) ||
      open_incoming(in, &c) != 0 || !qemu_give(&q, c.fd)) {
    return error;
  }
  before = qemu_cpu_ns(&q);
  bench_sample_begin(out);
  if (qemu_run(&q, "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":"
                   "\"fd:bench\"}}") &&
      qemu_await(&q)) {
    error = NULL;
  }
  bench_sample_end(out);
  out->cpu_ns += qemu_cpu_ns(&q) - before;
  qemu_close(&q);
  if (in->is_socket) {
    (void)channel_close(&c);
  }
  return error;
}

static int save_stream(peers_t *p) {
  int fd = memfd_create("sluice-bench", MFD_CLOEXEC);

  return fd >= 0 && save(p, SLUICE_FORMAT_QEMU3, fd) == NULL ? fd : -1;
}

static void bench_incoming(bench_t *b, peers_t *p) {
  static const char *const names[] = {"in: fd, a file on tmpfs",
                                      "in: fd, a unix socket"};
  incoming_t in = {.peers = p};
  const bench_variant_t variants[] = {{"QEMU", restore_qemu, &in},
                                      {"qemu3", restore_ours, &in}};
  bench_case_t c = {.bytes = (double)p->bytes,
                    .is_whole = true,
                    .variants = variants,
                    .variant_count = 2};
  FILE *table = b->table;

  b->table = NULL; /* these are beside QEMU, the plot's beside plain writes */
  in.file = bench_wants(b, names[0]) || bench_wants(b, names[1])
                ? save_stream(p)
                : -1;
  for (int i = 0; i < 2; i++) {
    in.is_socket = i == 1;
    c.name = names[i];
    bench_run(b, &c);
  }
  (void)close(in.file);
  b->table = table;
}

/* ---- all ---- */

static void open_host(peers_t *p) {
  const host_config_t config = {.base = p->memory,
                                .bytes = p->bytes,
                                .block = "ram",
                                .region_flags = SLUICE_RAM_IN_PLACE,
                                .tracker = SLUICE_RAM_STATIC};

  host_open(&p->host, &config);
}

/* QEMU's memory is to be as incompressible as ours. */
static bool open_qemu(peers_t *p) {
  char path[64];
  unsigned mib = (unsigned)(p->bytes >> 20);
  bool is_open = false;
  int fd;

  (void)snprintf(path, sizeof(path), "/dev/shm/sluice-bench.%ld.load",
                 (long)getpid());
  fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0 &&
      channel_write(fd, p->memory, (size_t)qemu_piece(mib) << 20) == 0) {
    is_open = qemu_open(&p->qemu, mib, path, false);
  }
  (void)close(fd);
  (void)unlink(path);
  return is_open;
}

int main(int argc, char **argv) {
  static peers_t p;
  bench_t b = {0};

  bench_open(&b, "peers", argc, argv);
  p.bytes = (size_t)b.bytes;
  p.memory = memory_new(p.bytes);
  memory_fill(p.memory, p.bytes, 1);
  open_host(&p);
  p.has_qemu = open_qemu(&p);
  if (!p.has_qemu) {
    bench_remark(&b, "left out: QEMU, there is none");
  }
  bench_sinks(&b, &p);
  if (p.has_qemu) {
    qemu_close(&p.qemu); /* its memory is the next one's */
    bench_incoming(&b, &p);
  }
  host_close(&p.host);
  peer_redis(&b);
  peer_criu(&b);
  return bench_close(&b);
}
