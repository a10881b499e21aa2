/* scenario.c - see scenario.h. */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "image.h"

enum { STALL_MS = 3000, FORMER_BYTES = 6 };

static const char former[FORMER_BYTES + 1] = "former";

static void complain(outcome_t *out, const char *what) {
  if (out->complaint[0] == '\0') {
    (void)snprintf(out->complaint, sizeof(out->complaint), "%s", what);
  }
}

static void reset(world_t *w) {
  w->done = 0;
  w->status = 0;
  w->pauses = 0;
  w->resumes = 0;
  w->cuts = 0;
  w->verifies = 0;
  memset(&w->error, 0, sizeof(w->error));
}

/* ---- restoring beside, without faults ---- */

static int restore_into_target(world_t *w, const void *data, size_t len) {
  const sluice_restore_options_t o = {.size = sizeof(o), .data = w};
  sluice_source_t *source;
  int r = sluice_source_memory(&source, data, len);

  if (r == 0) {
    r = sluice_restore_begin(&w->restore, w->engine, w->target.registry, source,
                             &o, world_on_restored, NULL);
  }
  if (r == 0) {
    w->is_frozen = 1;
    world_run(w);
    w->is_frozen = 0;
    r = w->status;
  }
  return r;
}

static const char *check_image(world_t *w, const void *data, size_t len,
                               uint64_t expect) {
  static char text[160];
  int r;

  if (w->engine == NULL && world_open_engine(w) != 0) {
    return "no new engine";
  }
  r = restore_into_target(w, data, len);
  if (r != 0) {
    (void)snprintf(text, sizeof(text), "the image does not load: %s, %.100s",
                   sluice_err_name(r), w->error.message);
    return text;
  }
  return place_digest(&w->target) == expect ? NULL : "the image is not right";
}

/* ---- saving ---- */

int scenario_begin_save(const scenario_t *s, world_t *w, sluice_sink_t *sink) {
  sluice_save_options_t o = {.size = sizeof(o),
                             .mode = s->mode,
                             .format = s->format,
                             .host = "test",
                             .max_memory = fault_cap(),
                             .stall_ms = STALL_MS};
  sluice_save_t *save = NULL;
  int r;

  world_set_hooks(w, &o);
  fault_begin();
  w->in_begin = 1;
  r = sluice_save_begin(&save, w->engine, w->source.registry, sink, &o,
                        world_on_saved, NULL);
  w->in_begin = 0;
  w->save = r == 0 ? save : NULL;
  return r;
}

/* ---- what came of it ---- */

static void check_called(const world_t *w, outcome_t *out, unsigned wanted) {
  if (w->done != wanted) {
    complain(out, w->done > wanted ? "called back twice" : "never called back");
  }
  if (w->pauses != w->resumes || w->is_frozen) {
    complain(out, "the host was not resumed once");
  }
}

/* Under its name is the former image, or the whole of the new one. */
static void check_former(const scenario_t *s, world_t *w, end_t *e,
                         outcome_t *out) {
  const void *data;
  size_t len;

  if (s->end != END_FILE) {
    return;
  }
  end_collect(e, &data, &len);
  if (len == FORMER_BYTES && memcmp(data, former, len) == 0) {
    return;
  }
  out->is_new_there = 1;
  if (check_image(w, data, len, w->instant) != NULL) {
    complain(out, "the former image was lost");
  }
}

static void judge_save(const scenario_t *s, world_t *w, end_t *e,
                       outcome_t *out) {
  const void *data;
  size_t len;
  const char *bad;

  if (out->status != 0) {
    check_former(s, w, e, out);
    return;
  }
  end_collect(e, &data, &len);
  out->expect = w->instant;
  bad = check_image(w, data, len, w->instant);
  if (bad != NULL) {
    complain(out, bad);
  }
}

/* ---- a restore beside the save ---- */

static void begin_mate(const scenario_t *s, world_t *w, end_t *e,
                       outcome_t *out) {
  const image_t *image = image_find(s);
  const sluice_restore_options_t o = {
      .size = sizeof(o), .data = w, .stall_ms = STALL_MS};
  sluice_source_t *source = NULL;
  int r = end_source(e, END_CUSTOM, &w->loop, image->data, image->len, &source);

  if (r == 0) {
    r = sluice_restore_begin(&w->mate, w->engine, w->target.registry, source,
                             &o, world_on_mate, NULL);
    if (r < 0) {
      w->mate = NULL;
      sluice_source_free(source);
    }
  }
  out->mate_begun = r;
}

static void judge_mate(const scenario_t *s, world_t *w, uint64_t before,
                       outcome_t *out) {
  uint64_t expect;

  out->mate_status = out->mate_begun == 0 ? w->mate_status : out->mate_begun;
  expect = out->mate_status == 0 ? image_find(s)->digest : before;
  if (w->mate_done != (out->mate_begun == 0)) {
    complain(out, "the restore beside was not called back once");
  }
  if (place_digest(&w->target) != expect) {
    complain(out, "the restore beside is not right");
  }
}

static int start_save(const scenario_t *s, world_t *w, end_t *e) {
  sluice_sink_t *sink = NULL;
  int r;

  if (s->end == END_FILE) {
    fault_hold();
    ends_write_file(former, FORMER_BYTES);
    fault_release();
  }
  r = end_sink(e, s->end, &w->loop, &sink);
  if (r == 0) {
    r = scenario_begin_save(s, w, sink);
    if (r < 0) {
      sluice_sink_free(sink);
    }
  }
  return r;
}

static void run_save(const scenario_t *s, world_t *w, outcome_t *out) {
  bool has_mate = (s->parts & WORLD_BESIDE) != 0;
  uint64_t before = place_digest(&w->target);
  end_t mate = {0};
  end_t e;

  out->begun = start_save(s, w, &e);
  if (has_mate) {
    begin_mate(s, w, &mate, out);
  }
  world_run(w);
  check_called(w, out, out->begun == 0 ? 1 : 0);
  out->status = out->begun == 0 ? w->status : out->begun;
  out->error = w->error;
  fault_hold();
  if (has_mate) {
    judge_mate(s, w, before, out);
    end_close(&mate);
  }
  judge_save(s, w, &e, out);
  fault_release();
  end_close(&e);
}

/* ---- restoring ---- */

static int begin_restore(const scenario_t *s, world_t *w,
                         sluice_source_t *source) {
  sluice_restore_options_t o = {.size = sizeof(o),
                                .data = w,
                                .way = s->way,
                                .max_memory = fault_cap(),
                                .stall_ms = STALL_MS};
  sluice_restore_t *restore = NULL;
  int r;

  if (s->way == SLUICE_RESTORE_MAPPED_VERIFY) {
    w->verifies = 1;
    o.verified = world_on_verified;
    o.damaged = world_on_damage;
  }
  fault_begin();
  w->in_begin = 1;
  r = sluice_restore_begin(&restore, w->engine, w->target.registry, source, &o,
                           world_on_restored, NULL);
  w->in_begin = 0;
  w->restore = r == 0 ? restore : NULL;
  return r;
}

static void judge_behind(world_t *w, outcome_t *out) {
  if (w->verified != (w->verifies && out->status == 0)) {
    complain(out, "it was not told once that the verification is over");
  }
}

/* What is restored in place is undefined after a failure. */
static void judge_restore(const scenario_t *s, world_t *w, outcome_t *out) {
  uint64_t found = w->done > 0 ? w->restored : place_digest(&w->target);

  judge_behind(w, out);
  if (out->status != 0 && (s->parts & WORLD_IN_PLACE) != 0) {
    return;
  }
  if (w->is_lost != 0 && (!w->is_cut || s->way == SLUICE_RESTORE_EAGER)) {
    complain(out, "memory was lost");
  }
  if (found != out->expect && w->is_lost == 0) {
    complain(out, out->status == 0 ? "what was restored is not right"
                                   : "a failed restore left something");
  }
}

static void run_restore(const scenario_t *s, world_t *w, outcome_t *out) {
  const image_t *image = image_find(s);
  uint64_t before = place_digest(&w->target);
  sluice_source_t *source = NULL;
  end_t e;
  int r = end_source(&e, s->end, &w->loop, image->data, image->len, &source);

  if (r == 0) {
    r = begin_restore(s, w, source);
    if (r < 0) {
      sluice_source_free(source);
    }
  }
  out->begun = r;
  world_run(w);
  check_called(w, out, r == 0 ? 1 : 0);
  out->status = r == 0 ? w->status : r;
  out->error = w->error;
  out->expect = out->status == 0 ? image->digest : before;
  judge_restore(s, w, out);
  end_close(&e);
}

/* ---- both ---- */

void scenario_run(const scenario_t *s, world_t *w, outcome_t *out) {
  memset(out, 0, sizeof(*out));
  reset(w);
  rigged_struck = "";
  switch (s->kind) {
  case SCENARIO_SAVE: run_save(s, w, out); break;
  case SCENARIO_RESTORE: run_restore(s, w, out); break;
  }
  if (w->complaint != NULL) {
    complain(out, w->complaint);
  }
  if (w->side_begun != w->side_done || w->side_status != w->side_expected) {
    complain(out, "the save beside it ended otherwise");
  }
  if (place_complaint(&w->source) != NULL) {
    complain(out, place_complaint(&w->source));
  }
  if (place_complaint(&w->target) != NULL) {
    complain(out, place_complaint(&w->target));
  }
}

/* Nobody writes version 2. */
const char *scenario_check_next(world_t *w, sluice_format_t format) {
  const scenario_t plain = {
      .format = format == SLUICE_FORMAT_QEMU2 ? SLUICE_FORMAT_NATIVE : format,
      .mode = SLUICE_CONVERGE};
  const char *bad = NULL;
  sluice_sink_t *sink = NULL;
  const void *data;
  size_t len;
  end_t e;

  if (w->is_destroyed) {
    return NULL;
  }
  if (w->engine == NULL && world_open_engine(w) != 0) {
    return "no new engine";
  }
  world_change_all(w);
  reset(w);
  if (end_sink(&e, END_MEMORY, &w->loop, &sink) != 0 ||
      scenario_begin_save(&plain, w, sink) != 0) {
    return "the next save does not begin";
  }
  world_run(w);
  if (w->done != 1 || w->status != 0) {
    bad = "the next save fails";
  } else {
    end_collect(&e, &data, &len);
    bad = check_image(w, data, len, w->instant);
  }
  end_close(&e);
  return bad;
}
