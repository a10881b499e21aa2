/* bench_mapped.c - how long until a host can serve, eagerly and by mapping?
 *
 *   bench_mapped [--mapped] [DIR [GIB...]]     /dev/shm, 1 2 8
 *
 * From begin to commit, into fresh memory, then one page is read, then 10 000
 * at random places. The state that is saved is 64 MiB mapped again and again,
 * so a large image needs memory once, not twice. Cold: the image was put out of
 * the page cache, which is not to be had in memory. --mapped leaves out what
 * takes seconds. Not of the harness: a run is milliseconds, or seconds. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include <uv.h>

#include <sluice/ram.h>
#include <sluice/sluice.h>

#include "memory.h"

enum { RUNS = 5, READS = 10000, PAGE = 4096 };
#define TILE ((size_t)64 << 20)
#define GIB  ((size_t)1 << 30)

static uv_loop_t loop;
static sluice_engine_t *engine;
static sluice_restore_stats_t stats;
static uint64_t over_ns, verified_ns;
static uint64_t load_ns, map_ns; /* when these phases began */

static void must(int r, const char *what) {
  if (r < 0) {
    (void)fprintf(stderr, "%s: %s\n", what, sluice_strerror(r));
    exit(1);
  }
}

static uint8_t *reserve(size_t bytes) {
  uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  must(p == MAP_FAILED ? UV_ENOMEM : 0, "mmap");
  return p;
}

/* Memory of any size that takes TILE bytes. */
static uint8_t *tiled(size_t bytes) {
  int fd = memfd_create("state", MFD_CLOEXEC);
  uint8_t *p = reserve(bytes);

  must(ftruncate(fd, (off_t)TILE), "ftruncate");
  for (size_t at = 0; at < bytes; at += TILE) {
    must(mmap(p + at, TILE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
              0) == MAP_FAILED
             ? UV_ENOMEM
             : 0,
         "mmap");
  }
  (void)close(fd);
  memory_fill(p, TILE, 1);
  return p;
}

static void on_saved(sluice_save_t *save, int status) {
  must(status, sluice_save_error(save)->message);
  (void)sluice_save_free(save);
}

static void on_restored(sluice_restore_t *restore, int status) {
  must(status, sluice_restore_error(restore)->message);
  over_ns = uv_hrtime();
  sluice_restore_stats(restore, &stats);
  (void)sluice_restore_free(restore); /* busy: verified() frees it */
}

static void on_progress(sluice_restore_t *restore,
                        const sluice_progress_t *progress) {
  (void)restore;
  if (progress->phase == SLUICE_PHASE_LOAD && load_ns == 0) {
    load_ns = uv_hrtime();
  } else if (progress->phase == SLUICE_PHASE_MAP && map_ns == 0) {
    map_ns = uv_hrtime();
  }
}

static void on_verified(sluice_restore_t *restore, int status) {
  must(status, sluice_restore_error(restore)->message);
  verified_ns = uv_hrtime();
  (void)sluice_restore_free(restore);
}

typedef struct state_s {
  sluice_registry_t *registry;
  sluice_ram_t *ram;
} state_t;

static void open_state(state_t *s, uint8_t *base, size_t bytes) {
  const sluice_ram_options_t o = {.size = sizeof(o),
                                  .tracker = SLUICE_RAM_STATIC};

  must(sluice_registry_new(&s->registry, NULL), "registry");
  must(sluice_ram_new(&s->ram, s->registry, "ram", NULL, &o, NULL), "ram");
  must(sluice_ram_add_region(s->ram, "main", base, bytes,
                             SLUICE_RAM_IN_PLACE | SLUICE_RAM_REMAP, NULL),
       "region");
}

static void close_state(state_t *s) {
  must(sluice_registry_free(s->registry), "registry");
  sluice_ram_free(s->ram);
}

static void save(const char *path, size_t bytes) {
  const sluice_file_options_t file = {.no_sync = 1, .no_direct = 1};
  uint8_t *base = tiled(bytes);
  sluice_sink_t *sink;
  sluice_save_t *op;
  state_t s;

  open_state(&s, base, bytes);
  must(sluice_sink_file(&sink, path, &file), path);
  must(sluice_save_begin(&op, engine, s.registry, sink, NULL, on_saved),
       "save");
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  close_state(&s);
  (void)munmap(base, bytes);
}

typedef struct sample_s {
  double commit_ms;
  double load_ms; /* of it: the walk over the records, */
  double map_ms;  /* and what follows */
  double first_us;
  double reads_us; /* a random page */
  double verify_s;
} sample_t;

static double read_some(const uint8_t *base, size_t bytes, int count) {
  uint64_t seed = 7;
  uint64_t begin = uv_hrtime();
  volatile unsigned sum = 0;

  for (int i = 0; i < count; i++) {
    sum += base[memory_random(&seed) % bytes];
  }
  (void)sum;
  return (double)(uv_hrtime() - begin) / 1e3;
}

/* Out of the page cache, if it is on a disk. */
static void evict(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);

  must(fd < 0 || fsync(fd) != 0 ||
               posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0
           ? UV_EIO
           : 0,
       path);
  (void)close(fd);
}

static sample_t measure(const char *path, size_t bytes,
                        sluice_restore_way_t way) {
  const sluice_restore_options_t o = {
      .way = way, .verified = on_verified, .progress = on_progress};
  uint8_t *base = reserve(bytes);
  sluice_restore_t *op;
  sluice_source_t *source;
  uint64_t begin;
  sample_t out;
  state_t s;

  open_state(&s, base, bytes);
  must(sluice_source_file(&source, path), path);
  load_ns = map_ns = 0;
  begin = uv_hrtime();
  must(sluice_restore_begin(&op, engine, s.registry, source, &o, on_restored),
       "restore");
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  out.commit_ms = (double)(over_ns - begin) / 1e6;
  map_ns = map_ns == 0 ? over_ns : map_ns;
  out.load_ms = (double)(map_ns - load_ns) / 1e6;
  out.map_ms = (double)(over_ns - map_ns) / 1e6;
  out.verify_s = (double)(verified_ns - over_ns) / 1e9;
  out.first_us = read_some(base, bytes, 1);
  out.reads_us = read_some(base, bytes, READS) / READS;
  if (memcmp(base + bytes - TILE, base, TILE) != 0) {
    must(SLUICE_ECORRUPT, "restored something else");
  }
  close_state(&s);
  (void)munmap(base, bytes);
  return out;
}

static int compare(const void *a, const void *b) {
  const sample_t *x = a;
  const sample_t *y = b;

  return (x->commit_ms > y->commit_ms) - (x->commit_ms < y->commit_ms);
}

static void bench(const char *path, size_t gib, const char *name,
                  sluice_restore_way_t way, int runs, int is_cold) {
  sample_t samples[RUNS];
  const sample_t *m = &samples[runs / 2];

  for (int i = 0; i < runs; i++) {
    if (is_cold) {
      evict(path);
    }
    samples[i] = measure(path, gib * GIB, way);
  }
  qsort(samples, (size_t)runs, sizeof(*samples), compare);
  (void)printf("%3zu GiB %-16s commit %8.2f ms (%.2f - %.2f)  walk %.2f  "
               "map %.2f  first read "
               "%6.1f us  a random page %5.2f us  mappings %llu",
               gib, name, m->commit_ms, samples[0].commit_ms,
               samples[runs - 1].commit_ms, m->load_ms, m->map_ms, m->first_us,
               m->reads_us, (unsigned long long)stats.mappings);
  if (way == SLUICE_RESTORE_MAPPED_VERIFY) {
    (void)printf("  verified after %.2f s", m->verify_s);
  }
  (void)printf("\n");
  (void)fflush(stdout);
}

static int is_in_memory(const char *path) {
  struct statfs st;

  return statfs(path, &st) == 0 && st.f_type == TMPFS_MAGIC;
}

static void bench_slow(const char *path, size_t gib) {
  int runs = gib > 2 ? 1 : 3;

  bench(path, gib, "mapped, verified", SLUICE_RESTORE_MAPPED_VERIFY, runs, 0);
  bench(path, gib, "verified, mapped", SLUICE_RESTORE_VERIFY_MAPPED, runs, 0);
  bench(path, gib, "eager", SLUICE_RESTORE_EAGER, runs, 0);
}

static void bench_size(const char *dir, size_t gib, int is_brief) {
  char path[4096];

  (void)snprintf(path, sizeof(path), "%s/sluice-bench.%ld.image", dir,
                 (long)getpid());
  save(path, gib * GIB);
  bench(path, gib, "mapped", SLUICE_RESTORE_MAPPED, RUNS, 0);
  if (!is_in_memory(path)) {
    bench(path, gib, "mapped, cold", SLUICE_RESTORE_MAPPED, RUNS, 1);
  }
  if (!is_brief) {
    bench_slow(path, gib);
  }
  (void)unlink(path);
}

int main(int argc, char **argv) {
  static const size_t sizes[] = {1, 2, 8};
  int is_brief = argc > 1 && strcmp(argv[1], "--mapped") == 0;
  int at = is_brief ? 2 : 1;
  const char *dir = argc > at ? argv[at] : "/dev/shm";

  must(uv_loop_init(&loop), "loop");
  must(sluice_engine_new(&engine, &loop, NULL), "engine");
  for (int i = at + 1; i < argc; i++) {
    bench_size(dir, strtoull(argv[i], NULL, 10), is_brief);
  }
  for (size_t i = 0; argc <= at + 1 && i < sizeof(sizes) / sizeof(*sizes);
       i++) {
    bench_size(dir, sizes[i], is_brief);
  }
  must(sluice_engine_close(engine, NULL, NULL), "engine");
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  return uv_loop_close(&loop) == 0 ? 0 : 1;
}
