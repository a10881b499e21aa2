/* handoff_judge.c - how a hand-over may end, and what each side has then. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "fault.h"
#include "handoff_parts.h"
#include "scenario.h"

static uint64_t digest_shared(const handoff_t *h, handoff_side_t side) {
  return XXH3_64bits(h->memory[side], SHARED_BYTES);
}

static const char *check_calls(const handoff_t *h) {
  const handoff_end_t *ends[2] = {&h->old, &h->new};

  for (int i = 0; i < 2; i++) {
    if (ends[i]->done != (ends[i]->begun == 0 ? 1u : 0u)) {
      return ends[i]->done > 1 ? "called back twice" : "never called back";
    }
    if (ends[i]->done == 1 && ends[i]->status < 0 &&
        (ends[i]->error.code != ends[i]->status ||
         ends[i]->error.message[0] == '\0')) {
      return "the error does not say what happened";
    }
  }
  return NULL;
}

/* The pipe's bytes are there for whoever serves, once. */
static const char *check_pipe(int fd) {
  char got[8] = {0};

  return read(fd, got, sizeof(got)) == 5 && memcmp(got, "token", 5) == 0
             ? NULL
             : "the pipe is not what it was";
}

static const char *judge_new(const handoff_t *h) {
  place_t target = h->world.target;

  if (h->pauses != 1 || h->resumes != 0) {
    return "the old host was not paused once and for all";
  }
  if (place_digest(&target) != h->world.instant) {
    return "what was handed over is not right";
  }
  if (digest_shared(h, NEW_SIDE) != h->shared_instant) {
    return "the memory that was handed over is not right";
  }
  return h->arrived < 0 ? "no pipe has arrived" : check_pipe(h->arrived);
}

/* It goes on: its next save has everything, of the memfd, too. */
static const char *judge_old(handoff_t *h) {
  world_t *w = &h->world;
  const char *bad;

  if (h->pauses != h->resumes) {
    return "the old host was not resumed once";
  }
  bad = check_pipe(h->pipe);
  if (bad != NULL || h->has_destroyed[OLD_SIDE] || h->has_destroyed[NEW_SIDE]) {
    return bad;
  }
  (void)sluice_registry_remove(w->source.registry, "pipes", 0);
  (void)sluice_registry_remove(w->target.registry, "descriptors", 0);
  handoff_parts_change(h);
  bad = scenario_check_next(w, SLUICE_FORMAT_NATIVE);
  if (bad == NULL && digest_shared(h, OLD_SIDE) != digest_shared(h, NEW_SIDE)) {
    bad = "the next image has not the memory of the memfd";
  }
  return bad;
}

static const char *judge_sections(const handoff_t *h) {
  const char *bad = place_complaint(&h->world.source);

  return bad != NULL ? bad : place_complaint(&h->world.target);
}

const char *handoff_judge(handoff_t *h) {
  const char *bad = check_calls(h);
  bool has_old = h->old.begun != 0 || h->old.status != 0;
  bool has_new = h->new.begun == 0 && h->new.status == 0;

  if (bad == NULL) {
    bad = h->complaint != NULL ? h->complaint : judge_sections(h);
  }
  if (bad != NULL) {
    return bad;
  }
  if (has_old == has_new) {
    return has_old ? "both serve" : "nobody serves";
  }
  return has_new ? judge_new(h) : judge_old(h);
}
