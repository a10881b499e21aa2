/* world_calls.c - what operations call back, and what the host does then. See
 * world.h. */
#include "world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ends.h"
#include "fault.h"

static void cancel(world_t *w) {
  if (w->save != NULL) {
    sluice_save_cancel(w->save);
  }
  if (w->restore != NULL) {
    sluice_restore_cancel(w->restore);
  }
  if (w->mate != NULL) {
    sluice_restore_cancel(w->mate);
  }
}

static void on_side_over(sluice_save_t *save, int status) {
  world_t *w = sluice_save_data(save);

  w->side_done++;
  w->side_status = status;
  w->side = NULL;
  (void)sluice_save_free(save);
}

static int begin_side(world_t *w, sluice_registry_t *registry) {
  const sluice_save_options_t o = {.size = sizeof(o), .data = w};
  enum { MOST = 4 * 1024 * 1024 };
  sluice_sink_t *sink;
  int r;

  free(w->side_data);
  w->side_data = NULL;
  r = sluice_sink_memory(&sink, MOST, &w->side_data, &w->side_len);
  if (r == 0) {
    r = sluice_save_begin(&w->side, w->engine, registry, sink, &o, on_side_over,
                          NULL);
    if (r < 0) {
      sluice_sink_free(sink);
    }
  }
  return r;
}

/* What was restored from a damaged image is not saved as if it were good. */
static int side_expected(const world_t *w) {
  return w->restore != NULL && w->done > 0 && w->status == 0 &&
                 (w->parts & WORLD_SPOILT) != 0
             ? SLUICE_ECORRUPT
             : 0;
}

/* The registry in use is refused; the other one is saved beside it. */
static void begin_another(world_t *w) {
  bool is_save = w->save != NULL;
  sluice_registry_t *used = is_save ? w->source.registry : w->target.registry;
  sluice_registry_t *other = is_save ? w->target.registry : w->source.registry;

  if (w->side != NULL) {
    return;
  }
  if (w->done == 0 && begin_side(w, used) != UV_EBUSY) {
    w->complaint = "a registry in use was not refused";
  } else if (begin_side(w, w->done == 0 ? other : used) != 0) {
    w->complaint = "another save was refused";
  } else {
    w->side_begun++;
    w->side_expected = side_expected(w);
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
    world_close_engine(w);
  } else if (f->style == STYLE_SWITCH && w->save != NULL) {
    sluice_save_switch(w->save);
  } else if (f->style == STYLE_BEGIN) {
    begin_another(w);
  } else if (f->style == STYLE_FILL) {
    rig_pool_fill(&w->loop);
  } else if (f->style == STYLE_TRUNCATE) {
    w->is_cut = 1;
    ends_cut_file();
  } else if (f->style == STYLE_GROW) {
    ends_grow_file();
  } else if (f->style == STYLE_TWICE) {
    cancel(w);
    cancel(w);
    world_close_engine(w);
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
}

/* Nothing of the library's may touch any of it after the callback. */
static void destroy(world_t *w, place_t *p) {
  if ((p->parts & WORLD_DESTROYS) == 0 || w->is_destroyed) {
    return; /* what is checked afterwards is not part of it */
  }
  fault_hold();
  if (place_complaint(p) != NULL) {
    w->complaint = place_complaint(p);
  }
  if (place_close(p) != 0) {
    w->complaint = "the registry is still in use in the callback";
  }
  memset(p, 0, sizeof(*p));
  world_close_engine(w);
  w->is_destroyed = 1;
  fault_release();
}

void world_on_saved(sluice_save_t *save, int status) {
  world_t *w = sluice_save_data(save);

  sluice_save_progress(save, &w->progress, sizeof(w->progress));
  note_over(w, status, sluice_save_error(save));
  w->save = NULL;
  if (sluice_save_free(save) != 0) {
    fault_die("a save that is over cannot be freed");
  }
  destroy(w, &w->source);
}

static sigjmp_buf lost;

static void on_lost(int number) {
  siglongjmp(lost, number);
}

/* Where the file was cut short its pages are no more: restore.h says so. */
static void look_at_restored(world_t *w) {
  const struct sigaction watch = {.sa_handler = on_lost};
  struct sigaction before;

  (void)sigaction(SIGBUS, &watch, &before);
  if (sigsetjmp(lost, 1) == 0) {
    w->restored = place_digest(&w->target);
  } else {
    w->is_lost = 1;
    fault_release(); /* place_digest() did not come to it */
  }
  (void)sigaction(SIGBUS, &before, NULL);
}

static void drop_restore(world_t *w, sluice_restore_t *restore) {
  w->restore = NULL;
  if (sluice_restore_free(restore) != 0) {
    fault_die("a restore that is over cannot be freed");
  }
}

/* Where it goes on behind, the restore is freed there; all else is free now. */
void world_on_restored(sluice_restore_t *restore, int status) {
  world_t *w = sluice_restore_data(restore);
  bool goes_on = w->verifies && status == 0;

  sluice_restore_progress(restore, &w->progress, sizeof(w->progress));
  sluice_restore_stats(restore, &w->stats, sizeof(w->stats));
  look_at_restored(w);
  w->is_behind = goes_on;
  note_over(w, status, sluice_restore_error(restore));
  if (!goes_on) {
    drop_restore(w, restore);
  } else if (sluice_restore_free(restore) != UV_EBUSY) {
    fault_die("a restore that is still used can be freed");
  }
  destroy(w, &w->target);
}

void world_on_damage(sluice_restore_t *restore, const sluice_damage_t *damage) {
  world_t *w = sluice_restore_data(restore);

  if (w->done == 0 || w->verified > 0) {
    fault_die("damage is told at the wrong time");
  }
  w->damage = w->damages++ == 0 ? *damage : w->damage;
  world_chance(w);
}

void world_on_verified(sluice_restore_t *restore, int status) {
  world_t *w = sluice_restore_data(restore);

  if (w->done != 1 || !w->is_behind) {
    fault_die("verified at the wrong time");
  }
  w->verified++;
  w->verified_with = status;
  w->verified_error = *sluice_restore_error(restore);
  sluice_restore_stats(restore, &w->stats, sizeof(w->stats));
  world_chance(w);
  w->is_behind = 0;
  drop_restore(w, restore);
}

void world_on_mate(sluice_restore_t *restore, int status) {
  world_t *w = sluice_restore_data(restore);

  w->mate_done++;
  w->mate_status = status;
  w->mate_error = *sluice_restore_error(restore);
  w->restored = place_digest(&w->target);
  world_chance(w);
  w->mate = NULL;
  if (sluice_restore_free(restore) != 0) {
    fault_die("a restore that is over cannot be freed");
  }
}

static void note_spoilt(world_t *w) {
  memcpy(w->first_page, w->source.low, PAGE);
  w->source.low[0] ^= 1;
  w->instant_spoilt = place_digest(&w->source);
  w->source.low[0] ^= 1;
}

static void on_pause(sluice_save_t *save) {
  world_t *w = sluice_save_data(save);

  w->pauses++;
  w->is_frozen = 1;
  w->instant = place_digest(&w->source);
  if ((w->parts & WORLD_SPOILT) != 0) {
    note_spoilt(w);
  }
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
