/* fills.c - see fills.h. */
#include "session/save/fills.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <uv.h>

typedef enum fill_state_e { BUILT, GIVEN, OVER } fill_state_t;

struct sluice__save_fill_s {
  sluice__task_t task; /* first */
  sluice__fill_t fill;
  sluice__fills_t *owner;
  sluice__save_fill_t *next;
  sluice__chunk_t *chunk;
  sluice_section_t *section;
  uint64_t lent_before; /* pages that the section had lent before these */
  uint64_t given_ns;
  fill_state_t state;
};

static sluice__save_fill_t *of_fill(sluice__fill_t *fill) {
  return (sluice__save_fill_t *)(void *)((char *)fill -
                                         offsetof(sluice__save_fill_t, fill));
}

static void run_fill(sluice__task_t *task) {
  sluice__fill_run(&((sluice__save_fill_t *)task)->fill);
}

static void fill_is_over(sluice__task_t *task) {
  sluice__save_fill_t *fill = (sluice__save_fill_t *)task;

  fill->state = OVER;
  fill->owner->on_over(fill->owner->ctx);
}

static sluice__save_fill_t *new_fill(sluice__fills_t *f) {
  sluice__save_fill_t *fill = f->idle;

  if (fill != NULL) {
    f->idle = fill->next;
    return fill;
  }
  fill = sluice__mem_alloc(f->mem, sizeof(*fill));
  if (fill != NULL) {
    fill->task.run = run_fill;
    fill->task.over = fill_is_over;
    fill->owner = f;
  }
  return fill;
}

static void append(sluice__fills_t *f, sluice__save_fill_t *fill) {
  fill->next = NULL;
  if (f->last == NULL) {
    f->first = fill;
  } else {
    f->last->next = fill;
  }
  f->last = fill;
}

static void put(void *ctx, sluice__fill_t *fill, uint64_t offset) {
  sluice__fills_t *f = ctx;

  sluice__chunks_put_still(f->chunks, fill, offset);
}

static sluice__fill_t *take(void *ctx, uint8_t *base, bool is_still) {
  sluice__fills_t *f = ctx;
  sluice__save_fill_t *fill;

  if (is_still && f->crew == NULL && sluice__chunks_can_take_now(f->chunks)) {
    f->still.is_still = true;
    f->still.out = 0;
    return &f->still;
  }
  fill = f->crew == NULL ? NULL : new_fill(f);
  if (fill == NULL) {
    return NULL; /* no memory for a second thread, but one will do */
  }
  fill->fill.is_still = false;
  fill->state = BUILT;
  fill->section = f->section;
  fill->lent_before = f->section->lent;
  fill->chunk = sluice__chunks_hold(f->chunks, base);
  append(f, fill);
  return &fill->fill;
}

static void go(void *ctx, sluice__fill_t *fill) {
  sluice__fills_t *f = ctx;
  sluice__save_fill_t *given;

  if (fill->is_still) {
    sluice__chunks_lend_still(f->chunks, fill);
    return;
  }
  given = of_fill(fill);
  if ((uint64_t)fill->count * fill->page_size < f->crew->executor.min_bytes) {
    sluice__fill_run(fill);
    given->state = OVER;
    return;
  }
  given->state = GIVEN;
  given->given_ns = sluice__pump_now(f->crew->pump);
  sluice__crew_put(f->crew, &given->task);
}

static void retire(sluice__fills_t *f, sluice__save_fill_t *fill) {
  fill->next = f->idle;
  f->idle = fill;
}

/* A record is dropped when the save gives up, which it does not before all
 * others are back: so it is the only one. */
static void drop(void *ctx, sluice__fill_t *fill) {
  sluice__fills_t *f = ctx;
  sluice__save_fill_t *dropped;

  if (fill->is_still) {
    return;
  }
  dropped = of_fill(fill);
  assert(dropped == f->first && dropped == f->last && dropped->state == BUILT);
  f->first = NULL;
  f->last = NULL;
  sluice__chunks_release(f->chunks, dropped->chunk);
  retire(f, dropped);
}

void sluice__fills_init(sluice__fills_t *f, sluice__crew_t *crew,
                        sluice__mem_t *mem, sluice__chunks_t *chunks) {
  memset(f, 0, sizeof(*f));
  f->crew = sluice__crew_is_staffed(crew) ? crew : NULL;
  f->mem = mem;
  f->chunks = chunks;
  f->filler = (sluice__filler_t){
      .ctx = f, .take = take, .go = go, .put = put, .drop = drop};
}

void sluice__fills_done(sluice__fills_t *f) {
  assert(f->first == NULL);
  while (f->idle != NULL) {
    sluice__save_fill_t *fill = f->idle;

    f->idle = fill->next;
    sluice__mem_free(f->mem, fill, sizeof(*fill));
  }
}

bool sluice__fills_are_quiet(const sluice__fills_t *f) {
  for (const sluice__save_fill_t *at = f->first; at != NULL; at = at->next) {
    if (at->state == GIVEN) {
      return false;
    }
  }
  return true;
}

uint64_t sluice__fills_returned(const sluice__fills_t *f,
                                const sluice_section_t *section) {
  for (const sluice__save_fill_t *at = f->first; at != NULL; at = at->next) {
    if (at->section == section && at->state != OVER) {
      return at->lent_before;
    }
  }
  return section->lent;
}

void sluice__fills_tell(const sluice__fills_t *f, sluice_section_t *section) {
  uint64_t returned = sluice__fills_returned(f, section);

  if (returned != section->returned) {
    section->returned = returned;
    if (section->handler->save_returned != NULL) {
      section->handler->save_returned(section->self, returned);
    }
  }
}

void sluice__fills_collect(sluice__fills_t *f, bool is_silent) {
  while (f->first != NULL && f->first->state == OVER) {
    sluice__save_fill_t *fill = f->first;

    f->first = fill->next;
    f->last = fill->next == NULL ? NULL : f->last;
    if (!is_silent) {
      sluice__fills_tell(f, fill->section);
    }
    sluice__chunks_release(f->chunks, fill->chunk);
    retire(f, fill);
  }
}

uint64_t sluice__fills_run_late(sluice__fills_t *f, uint64_t ns) {
  for (sluice__save_fill_t *at = f->first; at != NULL; at = at->next) {
    if (at->state == GIVEN && at->given_ns <= ns &&
        sluice__crew_take_back(f->crew, &at->task)) {
      sluice__fill_run(&at->fill);
      at->state = OVER;
      return (uint64_t)at->fill.count * at->fill.page_size;
    }
  }
  return 0;
}

void sluice__fills_abandon(sluice__fills_t *f) {
  for (sluice__save_fill_t *at = f->first; at != NULL; at = at->next) {
    if (at->state == GIVEN && sluice__crew_take_back(f->crew, &at->task)) {
      at->state = OVER;
    }
  }
}
