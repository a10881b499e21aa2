/* world.c - see world.h: sections, and how they are made and taken down. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "fault.h"

enum { KEYS = 5, KEY_BYTES = 2500 };

/* ---- one place ---- */

static int get_doc(void *data, const void **out, size_t *out_len,
                   sluice_error_t *err) {
  place_t *p = data;

  (void)err;
  p->doc_lent++;
  *out = p->doc;
  *out_len = DOC_BYTES;
  return 0;
}

static void done_doc(void *data) {
  ((place_t *)data)->doc_lent--;
}

static int get_tape(void *data, const void **out, size_t *out_len,
                    sluice_error_t *err) {
  place_t *p = data;

  (void)err;
  p->tape_lent++;
  *out = p->tape;
  *out_len = TAPE_BYTES;
  return 0;
}

static void done_tape(void *data) {
  ((place_t *)data)->tape_lent--;
}

static int check_doc(void *data, const void *bytes, size_t len,
                     uint32_t version, sluice_error_t *err) {
  (void)data;
  (void)bytes;
  (void)version;
  return len == DOC_BYTES ? 0 : sluice_fail(err, SLUICE_ECORRUPT, "no doc");
}

static void take_doc(void *data, void *bytes, size_t len, uint32_t version) {
  (void)version;
  memcpy(((place_t *)data)->doc, bytes, len < DOC_BYTES ? len : DOC_BYTES);
  free(bytes);
}

static void take_tape(void *data, void *bytes, size_t len, uint32_t version) {
  (void)version;
  memcpy(((place_t *)data)->tape, bytes, len < TAPE_BYTES ? len : TAPE_BYTES);
  free(bytes);
}

static int add_blobs(place_t *p) {
  sluice_blob_options_t o = {.size = sizeof(o),
                             .data = p,
                             .get = get_doc,
                             .done = done_doc,
                             .check = check_doc,
                             .take = take_doc};
  int r = sluice_blob_new(&p->doc_blob, p->registry, "doc", NULL, &o, NULL);

  o.get = get_tape;
  o.done = done_tape;
  o.check = NULL;
  o.take = take_tape;
  o.is_live = 1;
  return r < 0 ? r
               : sluice_blob_new(&p->tape_blob, p->registry, "tape", NULL, &o,
                                 NULL);
}

static int add_ram(place_t *p) {
  const sluice_ram_options_t o = {.size = sizeof(o),
                                  .tracker = (p->parts & WORLD_WP) != 0
                                                 ? SLUICE_RAM_WRITE_PROTECT
                                                 : SLUICE_RAM_COOPERATIVE};
  int r = sluice_ram_new(&p->ram, p->registry, "ram", NULL, &o, NULL);

  if (r == 0) {
    r = sluice_ram_add_region(p->ram, "low", p->low, LOW_PAGES * PAGE, 0, NULL);
  }
  if (r == 0) {
    r = sluice_ram_add_region(p->ram, "high", p->high, HIGH_PAGES * PAGE,
                              SLUICE_RAM_REMAP, NULL);
  }
  return r;
}

static const char *key_of(int i) {
  static const char *const keys[KEYS] = {"a", "bb", "ccc", "dddd", "eeeee"};

  return keys[i];
}

static int add_table(place_t *p, unsigned seed) {
  const table_options_t o = {.buckets = 4};
  uint8_t value[KEY_BYTES];
  int r = table_new(&p->table, p->registry, "table", &o, NULL);

  for (int i = 0; i < KEYS && r == 0; i++) {
    memset(value, (int)seed + i, sizeof(value));
    r = table_set(p->table, key_of(i), value, sizeof(value) / (size_t)(i + 1));
  }
  return r;
}

static int add_rigged(place_t *p, unsigned seed) {
  const sluice_section_options_t first = {.priority = 5};
  unsigned kind = (p->parts & WORLD_ARMS) != 0
                      ? RIGGED_LIVE | RIGGED_ARMS | RIGGED_RELEASES
                      : RIGGED_LIVE;
  int r;

  rigged_init(&p->live, "live", kind, seed);
  rigged_init(&p->still, "still", 0, seed + 1);
  r = sluice_registry_add(p->registry, "live", &p->live.handler, &p->live,
                          &first, NULL, NULL);
  return r < 0 ? r
               : sluice_registry_add(p->registry, "still", &p->still.handler,
                                     &p->still, NULL, NULL, NULL);
}

static void fill_bytes(place_t *p, unsigned seed) {
  seed_t dice = {seed};

  for (int i = 0; i < LOW_PAGES; i++) {
    memset(p->low + i * PAGE, i % 3 == 2 ? 0 : (int)seed + i, PAGE);
  }
  for (int i = 0; i < HIGH_PAGES; i++) {
    memset(p->high + i * PAGE, i % 3 == 1 ? 0 : (int)seed + 100 + i, PAGE);
  }
  memset(p->doc, (int)seed + 1, DOC_BYTES);
  memset(p->tape, (int)seed + 2, TAPE_BYTES);
  sample_fill(&p->sample, &dice);
}

static uint8_t *map(size_t pages) {
  uint8_t *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (at == MAP_FAILED) {
    fault_die("no memory for the tests");
  }
  return at;
}

static int place_open(place_t *p, unsigned parts, unsigned seed) {
  int r;

  p->parts = parts;
  fault_hold();
  p->low = map(LOW_PAGES);
  p->high = map(HIGH_PAGES);
  fill_bytes(p, seed);
  fault_release();
  r = sluice_registry_new(&p->registry, rig_allocator());
  if (r == 0 && (parts & WORLD_RAM) != 0) {
    r = add_ram(p);
  }
  if (r == 0 && (parts & WORLD_BLOBS) != 0) {
    r = add_blobs(p);
  }
  if (r == 0 && (parts & WORLD_FIELDS) != 0) {
    r = sluice_fields_new(&p->fields, p->registry, "fields", NULL,
                          &sample_table, &p->sample, NULL);
  }
  if (r == 0 && (parts & WORLD_TABLE) != 0) {
    r = add_table(p, seed);
  }
  if (r == 0 && (parts & WORLD_RIGGED) != 0) {
    r = add_rigged(p, seed);
  }
  return r;
}

/* 0, or why the registry cannot go. */
static int place_close(place_t *p) {
  int r = sluice_registry_free(p->registry);

  sluice_ram_free(p->ram);
  sluice_blob_free(p->doc_blob);
  sluice_blob_free(p->tape_blob);
  sluice_fields_free(p->fields);
  table_free(p->table);
  sample_done(&p->sample);
  (void)munmap(p->low, LOW_PAGES * PAGE);
  (void)munmap(p->high, HIGH_PAGES * PAGE);
  return r;
}

const char *place_complaint(const place_t *p) {
  if (p->doc_lent != 0 || p->tape_lent != 0) {
    return "a blob's bytes were not given back once";
  }
  if (p->live.is_broken || p->still.is_broken) {
    return "a hook was called out of order";
  }
  if (p->live.begins != p->live.ends || p->still.begins != p->still.ends) {
    return "an end hook was not called once";
  }
  return NULL;
}

static uint64_t mix(uint64_t sum, const void *bytes, size_t len) {
  return XXH3_64bits_withSeed(bytes, len, sum);
}

static uint64_t digest_fields(uint64_t sum, place_t *p) {
  uint8_t *bytes = NULL;
  size_t len = 0;

  if (sluice_fields_encode(&sample_table, SLUICE_FORMAT_NATIVE, &p->sample,
                           &bytes, &len, NULL) != 0) {
    fault_die("the fields cannot be looked at");
  }
  sum = mix(sum, bytes, len);
  free(bytes);
  return sum;
}

static uint64_t digest_table(uint64_t sum, const place_t *p) {
  for (int i = 0; i < KEYS; i++) {
    size_t len = 0;
    const void *value = table_get(p->table, key_of(i), &len);

    sum = value == NULL ? mix(sum, "-", 1) : mix(sum, value, len);
  }
  return sum;
}

uint64_t place_digest(place_t *p) {
  uint64_t sum = 0;

  fault_hold();
  if ((p->parts & WORLD_RAM) != 0) {
    sum = mix(mix(sum, p->low, LOW_PAGES * PAGE), p->high, HIGH_PAGES * PAGE);
  }
  if ((p->parts & WORLD_BLOBS) != 0) {
    sum = mix(mix(sum, p->doc, DOC_BYTES), p->tape, TAPE_BYTES);
  }
  if ((p->parts & WORLD_FIELDS) != 0) {
    sum = digest_fields(sum, p);
  }
  if ((p->parts & WORLD_TABLE) != 0) {
    sum = digest_table(sum, p);
  }
  if ((p->parts & WORLD_RIGGED) != 0) {
    sum = mix(mix(sum, p->live.bytes, RIGGED_BYTES), p->still.bytes,
              RIGGED_BYTES);
  }
  fault_release();
  return sum;
}

/* ---- the host writes ---- */

static uint32_t roll(world_t *w, uint32_t bound) {
  w->dice = w->dice * 1664525u + 1013904223u;
  return (uint32_t)(((uint64_t)w->dice * bound) >> 32);
}

static void change_page(world_t *w, uint32_t page) {
  place_t *p = &w->source;
  uint32_t region = page >= LOW_PAGES;
  uint64_t at = (uint64_t)(region ? page - LOW_PAGES : page) * PAGE;

  at += roll(w, PAGE);
  if ((p->parts & WORLD_WP) == 0) {
    sluice_ram_dirty(p->ram, region, at, 1);
  }
  (region ? p->high : p->low)[at]++;
}

static void change_key(world_t *w, int i) {
  place_t *p = &w->source;
  uint8_t byte = (uint8_t)roll(w, 256);
  uint8_t value[KEY_BYTES];
  size_t len = roll(w, KEY_BYTES);

  switch (roll(w, 3)) {
  case 0: (void)table_write(p->table, key_of(i), len, &byte, 1); break;
  case 1: (void)table_delete(p->table, key_of(i)); break;
  default:
    memset(value, byte, len);
    (void)table_set(p->table, key_of(i), value, len);
  }
}

void world_change(world_t *w) {
  place_t *p = &w->source;

  w->changes++;
  if ((p->parts & WORLD_RAM) != 0) {
    change_page(w, roll(w, RAM_PAGES));
  }
  if ((p->parts & WORLD_TABLE) != 0) {
    change_key(w, (int)roll(w, KEYS));
  }
  p->sample.u32++;
  if (p->doc_lent == 0) {
    p->doc[roll(w, DOC_BYTES)]++;
  }
  rigged_touch(&p->live, roll(w, RIGGED_BYTES));
  rigged_touch(&p->still, roll(w, RIGGED_BYTES));
}

void world_change_all(world_t *w) {
  place_t *p = &w->source;

  for (uint32_t i = 0; i < RAM_PAGES && (p->parts & WORLD_RAM) != 0; i++) {
    change_page(w, i);
  }
  for (int i = 0; i < KEYS && (p->parts & WORLD_TABLE) != 0; i++) {
    change_key(w, i);
  }
  for (size_t i = 0; i < TAPE_BYTES; i++) {
    p->tape[i]++;
  }
  world_change(w);
}

/* ---- the world ---- */

static void on_turn(uv_prepare_t *prepare) {
  world_t *w = prepare->data;
  enum { TURNS_MAX = 200000, TURN_NS = 1000000 };

  if (!rig_time_is_pool_busy()) { /* whose time is real */
    rig_time_pass(TURN_NS);
  }
  if (w->turns++ > TURNS_MAX) {
    fault_die("runs for ever");
  }
  if (!w->is_frozen && (w->source.parts & WORLD_STILL) == 0 &&
      (w->save != NULL || w->restore != NULL)) {
    world_change(w);
  }
  world_chance(w);
}

static void on_engine_gone(void *data) {
  world_t *w = data;

  w->engine_gone = 1;
  w->engine = NULL;
}

int world_open_engine(world_t *w) {
  const sluice_engine_options_t o = {.alloc = rig_allocator(),
                                     .clock = rig_clock};

  w->engine_gone = 0;
  return sluice_engine_new(&w->engine, &w->loop, &o);
}

int world_open(world_t *w, unsigned parts) {
  int r;

  memset(w, 0, sizeof(*w));
  w->dice = 1;
  fault_hold();
  rig_time_watch(&w->loop);
  if (uv_loop_init(&w->loop) != 0) {
    fault_die("no loop");
  }
  (void)uv_prepare_init(&w->loop, &w->prepare);
  w->prepare.data = w;
  (void)uv_prepare_start(&w->prepare, on_turn);
  uv_unref((uv_handle_t *)&w->prepare);
  fault_release();
  r = world_open_engine(w);
  if (r == 0) {
    r = place_open(&w->source, parts, 1);
  }
  if (r == 0) {
    r = place_open(&w->target, parts & ~(unsigned)WORLD_WP, 50);
  }
  return r;
}

void world_run(world_t *w) {
  (void)uv_run(&w->loop, UV_RUN_DEFAULT);
}

const char *world_close(world_t *w) {
  const char *complaint = NULL;
  int r;

  if (place_close(&w->source) != 0 || place_close(&w->target) != 0) {
    complaint = "a registry is still in use";
  }
  if (w->engine != NULL) {
    (void)sluice_engine_close(w->engine, on_engine_gone, w);
    world_run(w);
    complaint = w->engine_gone ? complaint : "the engine did not close";
  }
  uv_close((uv_handle_t *)&w->prepare, NULL);
  world_run(w);
  r = uv_loop_close(&w->loop);
  rig_time_watch(NULL);
  return r != 0 ? "the loop cannot be closed" : complaint;
}

/* ---- callbacks ---- */

static void close_engine(world_t *w) {
  if (w->engine != NULL && !w->engine_gone) {
    (void)sluice_engine_close(w->engine, on_engine_gone, w);
  }
}

static void cancel(world_t *w) {
  if (w->save != NULL) {
    sluice_save_cancel(w->save);
  }
  if (w->restore != NULL) {
    sluice_restore_cancel(w->restore);
  }
}

void world_chance(world_t *w) {
  const fault_t *f;

  if (w->save == NULL && w->restore == NULL) {
    return;
  }
  f = fault_hits(FAULT_HOST);
  if (f == NULL) {
    return;
  }
  if (f->style == STYLE_CANCEL) {
    cancel(w);
  } else if (f->style == STYLE_CLOSE) {
    close_engine(w);
  } else if (f->style == STYLE_SWITCH && w->save != NULL) {
    sluice_save_switch(w->save);
  } else if (f->style == STYLE_FILL) {
    rig_pool_fill(&w->loop);
  } else if (f->style == STYLE_TWICE) {
    cancel(w);
    cancel(w);
    close_engine(w);
  }
}

static void note_over(world_t *w, int status, const sluice_error_t *error) {
  if (w->in_begin) {
    fault_die("called back from inside of begin");
  }
  w->done++;
  w->status = status;
  w->error = *error;
  world_chance(w);
  rig_pool_empty();
  if (w->on_over != NULL) {
    w->on_over(w);
  }
}

void world_on_saved(sluice_save_t *save, int status) {
  world_t *w = sluice_save_data(save);

  sluice_save_progress(save, &w->progress);
  note_over(w, status, sluice_save_error(save));
  w->save = NULL;
  if (sluice_save_free(save) != 0) {
    fault_die("a save that is over cannot be freed");
  }
}

void world_on_restored(sluice_restore_t *restore, int status) {
  world_t *w = sluice_restore_data(restore);

  sluice_restore_progress(restore, &w->progress);
  note_over(w, status, sluice_restore_error(restore));
  w->restore = NULL;
  if (sluice_restore_free(restore) != 0) {
    fault_die("a restore that is over cannot be freed");
  }
}

static void on_pause(sluice_save_t *save) {
  world_t *w = sluice_save_data(save);

  w->pauses++;
  w->is_frozen = 1;
  w->instant = place_digest(&w->source);
  sluice_save_paused(save);
  world_chance(w);
}

static void on_resume(sluice_save_t *save) {
  world_t *w = sluice_save_data(save);

  w->resumes++;
  w->is_frozen = 0;
  world_chance(w);
}

static void on_cut(sluice_save_t *save) {
  world_t *w = sluice_save_data(save);

  w->cuts++;
  w->instant = place_digest(&w->source);
  w->save = save; /* it may be inside of begin */
  world_chance(w);
}

static void on_progress(sluice_save_t *save, const sluice_progress_t *p) {
  (void)p;
  world_chance(sluice_save_data(save));
}

static sluice_verdict_t on_round(sluice_save_t *save,
                                 const sluice_round_t *round) {
  world_chance(sluice_save_data(save));
  return round->number >= 2 ? SLUICE_SWITCH : SLUICE_GO_ON;
}

void world_set_hooks(world_t *w, sluice_save_options_t *o) {
  o->data = w;
  o->pause = on_pause;
  o->resume = on_resume;
  o->cut = on_cut;
  o->progress = on_progress;
  o->policy = on_round;
}
