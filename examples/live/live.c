/* live.c - a program that saves its state while it goes on changing it.
 *
 *   live save FILE      256 MiB that a timer keeps writing to, saved meanwhile
 *   live restore FILE   the same state in a new process
 *
 * Both print a checksum of the state, which whoever runs it compares. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <uv.h>

#include <sluice/ram.h>
#include <sluice/sluice.h>

enum { STATE_BYTES = 256 << 20, WRITES_A_TICK = 500 };

static struct {
  uint64_t *words; /* the state */
  sluice_ram_t *ram;
  sluice_engine_t *engine;
  sluice_registry_t *registry;
  uv_timer_t timer;
  uint64_t seed, writes;
  uint64_t sum; /* of the state at the image's instant */
  int is_paused, status;
} host;

static uint64_t next_random(void) { /* Knuth's MMIX, the upper bits */
  host.seed = host.seed * 6364136223846793005u + 1442695040888963407u;
  return host.seed >> 16;
}

static uint64_t checksum(void) {
  uint64_t sum = 0;
  for (size_t i = 0; i < STATE_BYTES / 8; i++) {
    sum = sum * 31 + host.words[i];
  }
  return sum;
}

/* The program's own work: it never stops while it is saved. */
static void on_tick(uv_timer_t *timer) {
  (void)timer;
  for (int i = 0; i < WRITES_A_TICK && !host.is_paused; i++) {
    uint64_t at = next_random() % (STATE_BYTES / 8);

    sluice_ram_dirty(host.ram, 0, at * 8, 8); /* all that Sluice asks of it */
    host.words[at] = host.writes++;
  }
}

static void on_progress(sluice_save_t *save, const sluice_progress_t *p) {
  (void)save;
  printf(
      "  %-7s round %u: %6.1f MiB done, %6.1f MiB left, %llu writes so far\n",
      sluice_phase_name(p->phase), p->rounds, (double)p->bytes_done / (1 << 20),
      (double)p->bytes_left / (1 << 20), (unsigned long long)host.writes);
}

/* This is the image's instant. A host does nothing here; this one wants to know
 * what its state is. */
static void on_cut(sluice_save_t *save) {
  (void)save;
  host.sum = checksum();
}

/* Only if a section could not be cut: the state is sent until little is left,
 * and the timer stops for that. */
static void on_pause(sluice_save_t *save) {
  host.is_paused = 1;
  host.sum = checksum();
  sluice_save_paused(save);
}

static void on_resume(sluice_save_t *save) {
  (void)save;
  host.is_paused = 0;
}

/* An operation is over: says what went wrong, if anything did, and stops. */
static void stop(const sluice_error_t *e) {
  host.status = e->code;
  if (e->code < 0) {
    fprintf(stderr, "live: %s (section '%s', byte %llu): %s\n",
            sluice_err_name(e->code), e->section, (unsigned long long)e->offset,
            e->message);
  }
  uv_close((uv_handle_t *)&host.timer, NULL);
  (void)sluice_engine_close(host.engine, NULL, NULL);
}

static void on_saved(sluice_save_t *save, int status) {
  sluice_progress_t p;
  sluice_save_stats_t stats;

  sluice_save_progress(save, &p, sizeof(p));
  sluice_save_stats(save, &stats, sizeof(stats));
  if (status == 0) {
    printf("saved    %016llx  %.1f MiB in %llu ms, %s, paused for %.2f ms\n",
           (unsigned long long)host.sum, (double)p.bytes_done / (1 << 20),
           (unsigned long long)p.elapsed_ms,
           stats.mode == SLUICE_CUT ? "a cut" : stats.reason,
           (double)p.paused_us / 1000);
  }
  stop(sluice_save_error(save));
  (void)sluice_save_free(save);
}

static void on_restored(sluice_restore_t *restore, int status) {
  if (status == 0) {
    printf("restored %016llx\n", (unsigned long long)checksum());
  }
  stop(sluice_restore_error(restore));
  (void)sluice_restore_free(restore);
}

/* Each call is made only if all before it went well. */
#define THEN(r, call) ((r) < 0 ? (r) : (call))

static int begin(const char *verb, const char *path) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .mode = SLUICE_AUTO,
                                   .cut = on_cut,
                                   .pause = on_pause,
                                   .resume = on_resume,
                                   .progress = on_progress};
  sluice_source_t *source;
  sluice_restore_t *restore;
  sluice_sink_t *sink;
  sluice_save_t *save;
  int r;

  if (strcmp(verb, "save") == 0) {
    for (size_t i = 0; i < STATE_BYTES / 8; i++) {
      host.words[i] = next_random();
    }
    r = sluice_sink_file(&sink, path, NULL);
    return THEN(r, sluice_save_begin(&save, host.engine, host.registry, sink,
                                     &o, on_saved, NULL));
  }
  host.is_paused = 1; /* nothing runs before the state is here */
  r = sluice_source_file(&source, path);
  return THEN(r, sluice_restore_begin(&restore, host.engine, host.registry,
                                      source, NULL, on_restored, NULL));
}

int main(int argc, char **argv) {
  /* A cut keeps what is overwritten before it was written out: this host may be
   * faster than any disk, for all of its state. */
  const sluice_ram_options_t o = {.size = sizeof(o),
                                  .max_preimage = STATE_BYTES};
  uv_loop_t *loop = uv_default_loop();
  int r;

  if (argc != 3) {
    fprintf(stderr, "usage: live save|restore FILE\n");
    return 2;
  }
  host.words = mmap(NULL, STATE_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  r = uv_timer_init(loop, &host.timer);
  r = THEN(r, uv_timer_start(&host.timer, on_tick, 1, 1));
  r = THEN(r, sluice_engine_new(&host.engine, loop, NULL, NULL));
  r = THEN(r, sluice_registry_new(&host.registry, NULL));
  r = THEN(r,
           sluice_ram_new(&host.ram, host.registry, "state", NULL, &o, NULL));
  r = THEN(r, sluice_ram_add_region(host.ram, "words", host.words, STATE_BYTES,
                                    SLUICE_RAM_IN_PLACE, NULL));
  r = THEN(r, begin(argv[1], argv[2]));
  if (r < 0) {
    fprintf(stderr, "live: %s\n", sluice_strerror(r));
    return 1;
  }
  (void)uv_run(loop, UV_RUN_DEFAULT);
  (void)sluice_registry_free(host.registry);
  (void)sluice_ram_free(host.ram);
  return host.status == 0 ? 0 : 1;
}
