/* world.c - see world.h: the loop, the engine, and what the host writes. */
#include "world.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

enum { KEY_BYTES = 2500 };

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
  case 0: (void)table_write(p->table, place_key(i), len, &byte, 1); break;
  case 1: (void)table_delete(p->table, place_key(i)); break;
  default:
    memset(value, byte, len);
    (void)table_set(p->table, place_key(i), value, len);
  }
}

void world_change(world_t *w) {
  place_t *p = &w->source;

  w->changes++;
  if ((p->parts & WORLD_RAM) != 0) {
    change_page(w, roll(w, RAM_PAGES));
  }
  if ((p->parts & WORLD_TABLE) != 0) {
    change_key(w, (int)roll(w, PLACE_KEYS));
  }
  p->sample.u32++;
  if (p->doc_lent == 0) {
    p->doc[roll(w, DOC_BYTES)]++;
  }
  rigged_touch(&p->live, roll(w, RIGGED_BYTES));
  rigged_touch(&p->still, roll(w, RIGGED_BYTES));
  world_wake(w);
}

/* Memory that is a file's, while the file is verified. */
static void change_restored(world_t *w) {
  place_t *p = &w->target;
  uint64_t at = roll(w, LOW_PAGES * PAGE);

  if ((p->parts & WORLD_RAM) != 0 && !w->is_destroyed && !w->is_cut) {
    sluice_ram_dirty(p->ram, 0, at, 1);
    p->low[at]++;
  }
}

/* Sections may be woken at any time, for nothing. */
void world_wake(world_t *w) {
  rigged_t *rigged[] = {&w->source.live, &w->source.still, &w->target.live,
                        &w->target.still};

  for (int i = 0; i < 4; i++) {
    if (rigged[i]->section != NULL && !rigged[i]->is_asleep) {
      sluice_section_wake(rigged[i]->section);
      sluice_section_urgent(rigged[i]->section);
    }
  }
}

void world_change_all(world_t *w) {
  place_t *p = &w->source;

  for (uint32_t i = 0; i < RAM_PAGES && (p->parts & WORLD_RAM) != 0; i++) {
    change_page(w, i);
  }
  for (int i = 0; i < PLACE_KEYS && (p->parts & WORLD_TABLE) != 0; i++) {
    change_key(w, i);
  }
  for (size_t i = 0; i < TAPE_BYTES; i++) {
    p->tape[i]++;
  }
  world_change(w);
}

/* ---- the world ---- */

/* Turns are counted while nobody else is at work: a thread may be without a
 * processor for as many as you like, and the loop turns faster for it. */
static void count_turn(world_t *w) {
  enum { TURNS_MAX = 200000, TURN_NS = 1000000 };

  if (rig_time_is_pool_busy()) { /* whose time is real */
    (void)sched_yield();
    return;
  }
  rig_time_pass(TURN_NS);
  if (w->turns++ > TURNS_MAX) {
    fault_die("runs for ever");
  }
}

static void on_turn(uv_prepare_t *prepare) {
  world_t *w = prepare->data;

  count_turn(w);
  if (!w->is_frozen && (w->source.parts & WORLD_STILL) == 0 &&
      (w->save != NULL || w->restore != NULL)) {
    world_change(w);
  }
  if (w->is_behind) {
    change_restored(w);
  }
  world_chance(w);
  rig_executor_turn(w->save == NULL);
}

static void on_engine_gone(void *data) {
  world_t *w = data;

  w->engine_gone = 1;
  w->engine = NULL;
}

const sluice_alloc_t *world_provider;

int world_open_engine(world_t *w) {
  sluice_engine_options_t o = {
      .size = sizeof(o),
      .alloc = world_provider != NULL ? world_provider : rig_allocator(),
      .clock = rig_clock};

  if ((w->parts & WORLD_CREW) != 0) {
    o.executor = rig_executor();
  }
  w->engine_gone = 0;
  return sluice_engine_new(&w->engine, &w->loop, &o, NULL);
}

int world_open(world_t *w, unsigned parts) {
  int r;

  memset(w, 0, sizeof(*w));
  w->dice = 1;
  w->parts = parts;
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

  world_wake(w); /* after the end, too */
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
  free(w->side_data);
  r = uv_loop_close(&w->loop);
  rig_time_watch(NULL);
  return r != 0 ? "the loop cannot be closed" : complaint;
}

void world_close_engine(world_t *w) {
  if (w->engine != NULL && !w->engine_gone) {
    (void)sluice_engine_close(w->engine, on_engine_gone, w);
  }
}
