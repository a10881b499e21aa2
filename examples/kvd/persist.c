/* persist.c - saves the heap while the server serves.
 *
 *   begin --> [a section over the heap as large as it is now] --> cut --> over
 *
 * Invariant: db->heap.before_write is ours exactly while a save runs. The cut
 * is inside of sluice_save_begin(): nothing has to be armed for a tracker that
 * is told of every write. */
#include "persist.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* After one that failed, if --save-every is longer: as Redis does. */
static const uint64_t retry_ns = (uint64_t)5000000000;

/* --- deleting old images, beside the loop --- */

static void delete_old(uv_work_t *work) {
  const persist_t *p = work->data;

  images_delete(p->options->dir, p->options->file_name, p->oldest);
}

static void on_deleted(uv_work_t *work, int status);

static void start_deleting(persist_t *p) {
  p->oldest = images_retire(&p->images, p->options->keep);
  p->work.data = p;
  p->is_deleting =
      uv_queue_work(p->loop, &p->work, delete_old, on_deleted) == 0;
}

static void on_deleted(uv_work_t *work, int status) {
  persist_t *p = work->data;
  bool again = p->is_newer && status == 0;

  p->is_deleting = false;
  p->is_newer = false;
  if (again) {
    start_deleting(p);
  }
}

/* An image that is saved while old ones are being deleted makes another one
 * old: that is for the next round. */
static void retire(persist_t *p) {
  if (p->is_deleting) {
    p->is_newer = true;
  } else {
    start_deleting(p);
  }
}

/* --- one save --- */

static void on_write(void *ctx, uint64_t at, uint64_t len) {
  const sluice_ram_marks_t *marks = ctx;

  sluice_ram_mark(marks, at, len);
}

static void free_section(persist_t *p) {
  (void)sluice_registry_free(p->registry);
  (void)sluice_ram_free(p->ram);
  p->registry = NULL;
  p->ram = NULL;
}

static sluice_ram_options_t ram_options(const persist_t *p) {
  return (sluice_ram_options_t){.size = sizeof(sluice_ram_options_t),
                                .tracker = SLUICE_RAM_COOPERATIVE,
                                .page_size = HEAP_PAGE,
                                .max_preimage = p->options->preimage_bytes,
                                .preimage_policy = p->options->preimage_policy,
                                .spill_dir = p->options->dir,
                                .writable = p->hooks.writable,
                                .data = p->hooks.data};
}

/* A section over the heap as it is now. One for each save, because the heap
 * grows and a region does not. */
static int make_section(persist_t *p, sluice_error_t *err) {
  const sluice_ram_options_t options = ram_options(p);
  int r = sluice_registry_new(&p->registry, NULL);

  if (r == 0) {
    r = sluice_ram_new(&p->ram, p->registry, "heap", NULL, &options, err);
  }
  if (r == 0) {
    r = sluice_ram_add_region(p->ram, "heap", p->db->heap.base,
                              heap_header(&p->db->heap)->top, 0, NULL);
  }
  if (r == 0) {
    r = persist_inherit(p, p->ram);
  }
  if (r == 0) {
    r = sluice_ram_marks(p->ram, 0, &p->marks, sizeof(p->marks));
  }
  return r;
}

int persist_inherit(const persist_t *p, sluice_ram_t *ram) {
  return p->origin == NULL ? 0 : sluice_ram_inherit(ram, p->origin);
}

/* What is damaged in the image is in use. An image of that would push out the
 * last good ones: there will be none, and these stay. */
static int check_sound(const persist_t *p, sluice_error_t *err) {
  sluice_soundness_t s;

  sluice_ram_soundness(p->origin, &s, sizeof(s));
  return s.unsound_bytes == 0
             ? 0
             : sluice_fail(err, SLUICE_ECORRUPT,
                           "image %llu, which is in use, is damaged: %llu "
                           "bytes; it is not saved over good ones",
                           (unsigned long long)p->restored,
                           (unsigned long long)s.unsound_bytes);
}

static void note_end(persist_t *p, int status) {
  const sluice_error_t *e = sluice_save_error(p->save);
  sluice_engine_stats_t stats;

  sluice_engine_stats(p->engine, &stats, sizeof(stats));
  sluice_save_progress(p->save, &p->last.progress, sizeof(p->last.progress));
  sluice_ram_stats(p->ram, &p->last.ram, sizeof(p->last.ram));
  p->last.status = status;
  p->last.slices = stats.turns - p->turns_at_begin;
  p->last.longest_ns = p->turn->longest_ns;
  p->last.longest_cpu_ns = p->turn->longest_cpu_ns;
  p->last.error[0] = '\0';
  if (status < 0) {
    snprintf(p->last.error, sizeof(p->last.error), "%s: %s",
             sluice_err_name(status), e->message);
  }
}

static void count_end(persist_t *p, int status) {
  p->last_try_ns = uv_hrtime();
  if (status == UV_ECANCELED) {
    return; /* somebody wanted it so */
  }
  if (status < 0) {
    p->failures++;
    printf("kvd: image %llu was not saved: %s\n", (unsigned long long)p->number,
           p->last.error);
  } else {
    p->failures = 0;
    p->saves++;
    p->last_save = (int64_t)time(NULL);
    p->changes_saved = p->changes_at_cut;
    images_add(&p->images, p->number);
    printf("kvd: image %llu saved: %.1f MiB in %.2f s\n",
           (unsigned long long)p->number,
           (double)p->last.progress.bytes_done / (1 << 20),
           (double)p->last.progress.elapsed_ms / 1000);
  }
  fflush(stdout);
}

/* Whoever waits for a save that was put off waits on. */
static persist_cb take_waiter(persist_t *p, int status) {
  persist_cb done = p->done;

  if (p->is_put_off && status == UV_ECANCELED) {
    return NULL;
  }
  p->is_wanted = false;
  p->done = NULL;
  return done;
}

static void on_saved(sluice_save_t *save, int status) {
  persist_t *p = sluice_save_data(save);
  persist_cb done = take_waiter(p, status);

  p->db->heap.before_write = NULL;
  note_end(p, status);
  count_end(p, status);
  (void)sluice_save_free(save);
  free_section(p);
  p->save = NULL;
  turn_reset(p->turn, false);
  if (status == 0) {
    retire(p);
  }
  p->hooks.writable(p->hooks.data);
  if (done != NULL) {
    done(p->done_ctx, status);
  }
  p->hooks.over(p->hooks.data);
}

static int begin(persist_t *p, sluice_error_t *err) {
  const sluice_save_options_t options = {.size = sizeof(options),
                                         .mode = SLUICE_CUT,
                                         .host = "kvd",
                                         .host_version = "1",
                                         .data = p};
  sluice_sink_t *sink = NULL;
  char path[PATH_MAX];
  int r;

  p->number = images_next(&p->images);
  r = images_path(&p->images, p->number, path);
  if (r == 0) {
    r = sluice_sink_file(&sink, path, NULL);
  }
  if (r == 0) {
    r = sluice_save_begin(&p->save, p->engine, p->registry, sink, &options,
                          on_saved, err);
  }
  if (r != 0) {
    sluice_sink_free(sink);
  }
  return r;
}

static void note_refusal(persist_t *p, int code, const sluice_error_t *err) {
  p->failures++;
  p->last.status = code;
  snprintf(p->last.error, sizeof(p->last.error), "%s: %s",
           sluice_err_name(code),
           err->code != 0 ? err->message : sluice_strerror(code));
}

static int begin_now(persist_t *p) {
  sluice_engine_stats_t stats;
  sluice_error_t err = {0};
  int r;

  p->last_try_ns = uv_hrtime();
  r = check_sound(p, &err);
  if (r == 0) {
    r = make_section(p, &err);
  }
  if (r == 0) {
    r = begin(p, &err);
  }
  if (r != 0) {
    free_section(p);
    note_refusal(p, r, &err);
    return r;
  }
  p->db->heap.before_write = on_write;
  p->db->heap.before_write_ctx = &p->marks;
  p->changes_at_cut = p->db->changes;
  sluice_engine_stats(p->engine, &stats, sizeof(stats));
  p->turns_at_begin = stats.turns;
  turn_reset(p->turn, true);
  return 0;
}

int persist_begin_save(persist_t *p, persist_cb done, void *ctx) {
  int r = 0;

  if (persist_is_saving(p)) {
    return UV_EALREADY;
  }
  if (p->is_put_off) {
    p->is_wanted = true;
  } else {
    r = begin_now(p);
  }
  if (r == 0) {
    p->done = done;
    p->done_ctx = ctx;
  }
  return r;
}

void persist_put_off(persist_t *p) {
  p->is_put_off = true;
  p->is_wanted = p->is_wanted || p->save != NULL;
  persist_cancel(p);
}

void persist_go_on(persist_t *p) {
  persist_cb done = p->done;
  int r;

  p->is_put_off = false;
  if (!p->is_wanted) {
    return;
  }
  p->is_wanted = false;
  if (p->save != NULL) {
    return; /* it is still being ended: it was cancelled, then */
  }
  r = begin_now(p);
  if (r != 0) {
    p->done = NULL;
    if (done != NULL) {
      done(p->done_ctx, r);
    }
  }
}

void persist_forget(persist_t *p, const void *ctx) {
  if (p->done_ctx == ctx) {
    p->done = NULL;
    p->done_ctx = NULL;
  }
}

void persist_cancel(persist_t *p) {
  if (p->save != NULL) {
    sluice_save_cancel(p->save);
  }
}

static bool is_time(const persist_t *p) {
  uint64_t wait = (uint64_t)p->options->save_every * 1000000000u;

  if (p->options->save_every == 0 || persist_is_saving(p) || p->is_put_off ||
      p->db->changes == p->changes_saved) {
    return false;
  }
  if (p->failures > 0 && wait > retry_ns) {
    wait = retry_ns;
  }
  return uv_hrtime() - p->last_try_ns >= wait;
}

void persist_tick(persist_t *p) {
  if (is_time(p)) {
    (void)persist_begin_save(p, NULL, NULL); /* INFO says what became of it */
  }
}

/* --- beginning and end --- */

int persist_find_images(persist_t *p) {
  return images_find(&p->images, p->options->dir, p->options->file_name);
}

int persist_init(persist_t *p, uv_loop_t *loop, db_t *db, turn_t *turn,
                 const options_t *options, const persist_hooks_t *hooks) {
  sluice_error_t err;
  int r;

  memset(p, 0, sizeof(*p));
  p->loop = loop;
  p->db = db;
  p->turn = turn;
  p->options = options;
  p->hooks = *hooks;
  p->last_save = (int64_t)time(NULL);
  p->last_try_ns = uv_hrtime();
  images_clean(options->dir, options->file_name);
  r = persist_find_images(p);
  if (r == 0) {
    r = sluice_engine_new(&p->engine, loop, NULL, &err);
    if (r != 0) {
      fprintf(stderr, "kvd: no engine: %s\n", err.message);
    }
  }
  return r;
}

void persist_close(persist_t *p) {
  if (p->engine != NULL) {
    p->done = NULL;
    (void)sluice_engine_close(p->engine, NULL, NULL);
    (void)sluice_registry_free(p->origin_registry);
    (void)sluice_ram_free(p->origin);
    p->origin_registry = NULL;
    p->origin = NULL;
    p->engine = NULL;
  }
}

const char *persist_strerror(int code) {
  return code == UV_EALREADY ? "Background save already in progress"
                             : sluice_strerror(code);
}
