/* bench_mapped.c - how long until a host can serve, eagerly and by mapping?
 *
 *   bench_mapped [--mapped|--saved|--scattered[=PAGES]] [DIR [GIB...]]
 *                                                       /dev/shm, 1 2 8
 *
 * From begin to commit, into fresh memory, then one page is read, then 10 000
 * at random places. The state that is saved is 64 MiB mapped again and again,
 * so a large image needs memory once, not twice. Cold: the image was put out of
 * the page cache, which is not to be had in memory. --mapped leaves out what
 * takes seconds. --scattered: every second page is zero, or PAGES have data and
 * as many have not, a power of two. Where there are more runs than the kernel
 * allows mappings, what is over comes before the commit or, with late pages,
 * behind it; or all is read eagerly, unless mapping is insisted on (must_map),
 * which is measured turn about with it. 1000 pages are read at the commit, and
 * the time until all is there counts from it. --saved: how long a save of the
 * restored memory takes that has to verify its pages, turn about with one where
 * all was verified before. Not of the harness: a run is
 * milliseconds, or seconds. */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <uv.h>

#include <sluice/ram.h>
#include <sluice/sluice.h>

#include "memory.h"

enum { RUNS = 5, READS = 10000, EARLY_READS = 1000, PAGE = 4096 };
#define TILE ((size_t)64 << 20)
#define GIB  ((size_t)1 << 30)

static uv_loop_t loop;
static sluice_engine_t *engine;
static sluice_restore_stats_t stats;
static bool is_scattered, is_brief, is_saved;
static size_t run_pages = 1; /* if it is scattered */

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

static void fill_tile(uint8_t *p) {
  memory_fill(p, TILE, 1);
  for (size_t at = 0; is_scattered && at < TILE; at += 2 * run_pages * PAGE) {
    memset(p + at, 0, run_pages * PAGE);
  }
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
  fill_tile(p);
  return p;
}

static void on_saved(sluice_save_t *save, int status) {
  must(status, sluice_save_error(save)->message);
  (void)sluice_save_free(save);
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
  (void)sluice_ram_free(s->ram);
}

static void save_state(const char *path, const state_t *s) {
  const sluice_file_options_t file = {
      .size = sizeof(file), .no_sync = 1, .no_direct = 1};
  sluice_sink_t *sink;
  sluice_save_t *op;

  must(sluice_sink_file(&sink, path, &file), path);
  must(sluice_save_begin(&op, engine, s->registry, sink, NULL, on_saved, NULL),
       "save");
  (void)uv_run(&loop, UV_RUN_DEFAULT);
}

static void save(const char *path, size_t bytes) {
  uint8_t *base = tiled(bytes);
  state_t s;

  open_state(&s, base, bytes);
  save_state(path, &s);
  close_state(&s);
  (void)munmap(base, bytes);
}

typedef struct sample_s {
  uint8_t *base;
  size_t bytes;
  uint64_t load_ns, map_ns, over_ns; /* when these phases began; the commit */
  double commit_ms;
  double walk_ms; /* of it: over the records, */
  double map_ms;  /* and what follows */
  double first_us;
  double early_us; /* a random page, at the commit */
  double reads_us; /* ... when nothing more comes */
  double behind_s; /* verified, or all there, after the commit */
  double save_ms;  /* of the memory, afterwards */
} sample_t;

static double read_some(const sample_t *s, int count, uint64_t seed) {
  uint64_t begin = uv_hrtime();
  volatile unsigned sum = 0;

  for (int i = 0; i < count; i++) {
    sum += s->base[memory_random(&seed) % s->bytes];
  }
  (void)sum;
  return (double)(uv_hrtime() - begin) / 1e3 / count;
}

static void on_restored(sluice_restore_t *restore, int status) {
  sample_t *s = sluice_restore_data(restore);

  must(status, sluice_restore_error(restore)->message);
  s->over_ns = uv_hrtime();
  sluice_restore_stats(restore, &stats, sizeof(stats));
  s->first_us = read_some(s, 1, 7);
  s->early_us = is_scattered ? read_some(s, EARLY_READS, 8) : 0;
  (void)sluice_restore_free(restore); /* busy: on_behind() frees it */
}

static void on_progress(sluice_restore_t *restore,
                        const sluice_progress_t *progress) {
  sample_t *s = sluice_restore_data(restore);

  if (progress->phase == SLUICE_PHASE_LOAD && s->load_ns == 0) {
    s->load_ns = uv_hrtime();
  } else if (progress->phase == SLUICE_PHASE_MAP && s->map_ns == 0) {
    s->map_ns = uv_hrtime();
  }
}

static void on_behind(sluice_restore_t *restore, int status) {
  sample_t *s = sluice_restore_data(restore);

  must(status, sluice_restore_error(restore)->message);
  s->behind_s = (double)(uv_hrtime() - s->over_ns) / 1e9;
  sluice_restore_stats(restore, &stats, sizeof(stats));
  (void)sluice_restore_free(restore);
}

/* What is measured. */
typedef struct plan_s {
  const char *name;
  sluice_restore_way_t way;
  bool is_late;
  bool is_cold;
  bool must_map;
  int runs;
} plan_t;

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

static void tell_phases(sample_t *s, uint64_t begin) {
  uint64_t map_ns = s->map_ns == 0 ? s->over_ns : s->map_ns;

  s->commit_ms = (double)(s->over_ns - begin) / 1e6;
  s->walk_ms = (double)(map_ns - s->load_ns) / 1e6;
  s->map_ms = (double)(s->over_ns - map_ns) / 1e6;
}

/* Beside the image, which it does not replace. */
static double save_again(const char *path, const state_t *s) {
  uint64_t begin = uv_hrtime();
  char again[4200];
  double ms;

  (void)snprintf(again, sizeof(again), "%s.again", path);
  save_state(again, s);
  ms = (double)(uv_hrtime() - begin) / 1e6;
  (void)unlink(again);
  return ms;
}

static sample_t measure(const char *path, size_t bytes, const plan_t *plan) {
  sample_t out = {.base = reserve(bytes), .bytes = bytes};
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = plan->way,
                                      .data = &out,
                                      .must_map = plan->must_map,
                                      .progress = on_progress,
                                      .verified = on_behind,
                                      .filled =
                                          plan->is_late ? on_behind : NULL};
  sluice_restore_t *op;
  sluice_source_t *source;
  uint64_t begin;
  state_t s;

  open_state(&s, out.base, bytes);
  must(sluice_source_file(&source, path), path);
  begin = uv_hrtime();
  must(sluice_restore_begin(&op, engine, s.registry, source, &o, on_restored,
                            NULL),
       "restore");
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  tell_phases(&out, begin);
  out.reads_us = read_some(&out, READS, 9);
  if (memcmp(out.base + bytes - TILE, out.base, TILE) != 0) {
    must(SLUICE_ECORRUPT, "restored something else");
  }
  out.save_ms = is_saved ? save_again(path, &s) : 0;
  close_state(&s);
  (void)munmap(out.base, bytes);
  return out;
}

static int compare(const void *a, const void *b) {
  const sample_t *x = a;
  const sample_t *y = b;

  return is_saved
             ? (x->save_ms > y->save_ms) - (x->save_ms < y->save_ms)
             : (x->commit_ms > y->commit_ms) - (x->commit_ms < y->commit_ms);
}

static void tell_behind(const sample_t *m, sluice_restore_way_t way) {
  if (way == SLUICE_RESTORE_MAPPED_VERIFY) {
    (void)printf("  verified after %.2f s", m->behind_s);
  }
  if (is_scattered) {
    (void)printf("  at the commit %5.2f us  read before %llu MiB", m->early_us,
                 (unsigned long long)(stats.read_bytes >> 20));
  }
  if (stats.late_bytes > 0) {
    (void)printf("  late %llu MiB, filled after %.2f s, %llu waits",
                 (unsigned long long)(stats.late_bytes >> 20), m->behind_s,
                 (unsigned long long)stats.late_faults);
  }
  if (way != SLUICE_RESTORE_EAGER && stats.way == SLUICE_RESTORE_EAGER) {
    (void)printf("  eagerly: %s", stats.reason);
  }
  if (stats.late_reason != NULL) {
    (void)printf("  not late: %s", stats.late_reason);
  }
}

static sample_t measure_once(const char *path, size_t gib, const plan_t *plan) {
  if (plan->is_cold) {
    evict(path);
  }
  return measure(path, gib * GIB, plan);
}

static void tell(sample_t *samples, size_t gib, const plan_t *plan) {
  const sample_t *m = &samples[plan->runs / 2];

  qsort(samples, (size_t)plan->runs, sizeof(*samples), compare);
  (void)printf("%3zu GiB %-16s commit %8.2f ms (%.2f - %.2f)  walk %.2f  "
               "map %.2f  first read %6.1f us  a random page %5.2f us  "
               "mappings %llu",
               gib, plan->name, m->commit_ms, samples[0].commit_ms,
               samples[plan->runs - 1].commit_ms, m->walk_ms, m->map_ms,
               m->first_us, m->reads_us, (unsigned long long)stats.mappings);
  tell_behind(m, plan->way);
  if (is_saved) {
    (void)printf("  saved in %.0f ms (%.0f - %.0f)", m->save_ms,
                 samples[0].save_ms, samples[plan->runs - 1].save_ms);
  }
  (void)printf("\n");
  (void)fflush(stdout);
}

static void bench(const char *path, size_t gib, const plan_t *plan) {
  sample_t samples[RUNS];

  for (int i = 0; i < plan->runs; i++) {
    samples[i] = measure_once(path, gib, plan);
  }
  tell(samples, gib, plan);
}

/* Turn about: the machine is not the same a second later. */
static void bench_pair(const char *path, size_t gib, const plan_t *plans) {
  sample_t samples[2][RUNS];
  sluice_restore_stats_t seen[2];

  for (int i = 0; i < RUNS; i++) {
    for (int p = 0; p < 2; p++) {
      samples[p][i] = measure_once(path, gib, &plans[p]);
      seen[p] = stats;
    }
  }
  for (int p = 0; p < 2; p++) {
    stats = seen[p];
    tell(samples[p], gib, &plans[p]);
  }
}

static bool is_in_memory(const char *path) {
  struct statfs st;

  return statfs(path, &st) == 0 && st.f_type == TMPFS_MAGIC;
}

/* Takes seconds. */
static void bench_slow(const char *path, size_t gib) {
  const plan_t plans[] = {
      {.name = "mapped, verified", .way = SLUICE_RESTORE_MAPPED_VERIFY},
      {.name = "verified, mapped", .way = SLUICE_RESTORE_VERIFY_MAPPED},
      {.name = "eager", .way = SLUICE_RESTORE_EAGER}};

  for (size_t i = is_scattered ? 2 : 0; i < 3; i++) {
    plan_t plan = plans[i];

    plan.runs = gib > 2 ? 1 : 3;
    bench(path, gib, &plan);
  }
}

static void bench_scattered(const char *path, size_t gib) {
  const plan_t plans[2] = {
      {.name = "mapped", .way = SLUICE_RESTORE_MAPPED, .runs = RUNS},
      {.name = "mapped, must_map",
       .way = SLUICE_RESTORE_MAPPED,
       .must_map = true,
       .runs = RUNS}};
  plan_t plan = {.name = "mapped, late",
                 .way = SLUICE_RESTORE_MAPPED,
                 .is_late = true,
                 .runs = RUNS};

  bench_pair(path, gib, plans);
  bench(path, gib, &plan);
}

static void bench_mapped(const char *path, size_t gib) {
  plan_t plan = {.name = "mapped", .way = SLUICE_RESTORE_MAPPED, .runs = RUNS};

  bench(path, gib, &plan);
  if (!is_in_memory(path)) {
    plan.name = "mapped, cold";
    plan.is_cold = true;
    bench(path, gib, &plan);
  }
}

static void bench_saved(const char *path, size_t gib) {
  const plan_t plans[] = {
      {.name = "mapped", .way = SLUICE_RESTORE_MAPPED, .runs = RUNS},
      {.name = "mapped, verified",
       .way = SLUICE_RESTORE_MAPPED_VERIFY,
       .runs = RUNS}};

  bench_pair(path, gib, plans);
}

static void bench_size(const char *dir, size_t gib) {
  char path[4096];

  (void)snprintf(path, sizeof(path), "%s/sluice-bench.%ld.image", dir,
                 (long)getpid());
  save(path, gib * GIB);
  if (is_scattered) {
    bench_scattered(path, gib);
  } else if (is_saved) {
    bench_saved(path, gib);
  } else {
    bench_mapped(path, gib);
  }
  if (!is_brief) {
    bench_slow(path, gib);
  }
  (void)unlink(path);
}

static bool starts_with(const char *text, const char *start) {
  return strncmp(text, start, strlen(start)) == 0;
}

int main(int argc, char **argv) {
  static const size_t sizes[] = {1, 2, 8};
  const char *dir;

  is_scattered = argc > 1 && starts_with(argv[1], "--scattered");
  if (is_scattered && starts_with(argv[1], "--scattered=")) {
    run_pages = strtoull(argv[1] + strlen("--scattered="), NULL, 10);
  }
  is_saved = argc > 1 && strcmp(argv[1], "--saved") == 0;
  is_brief = is_saved || (argc > 1 && strcmp(argv[1], "--mapped") == 0);
  argc -= is_scattered || is_brief;
  argv += is_scattered || is_brief;
  dir = argc > 1 ? argv[1] : "/dev/shm";
  must(uv_loop_init(&loop), "loop");
  must(sluice_engine_new(&engine, &loop, NULL, NULL), "engine");
  for (int i = 2; i < argc; i++) {
    bench_size(dir, strtoull(argv[i], NULL, 10));
  }
  for (size_t i = 0; argc <= 2 && i < sizeof(sizes) / sizeof(*sizes); i++) {
    bench_size(dir, sizes[i]);
  }
  must(sluice_engine_close(engine, NULL, NULL), "engine");
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  return uv_loop_close(&loop) == 0 ? 0 : 1;
}
