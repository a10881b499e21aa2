/* handoff.c - see handoff.h. */
#include "handoff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include "fault.h"
#include "handoff_parts.h"

enum { PREPARE_MS = 1000 };

static handoff_t *of_handover(const sluice_handover_t *handover) {
  return sluice_handover_data(handover);
}

static handoff_t *of_takeover(const sluice_takeover_t *takeover) {
  return sluice_takeover_data(takeover);
}

/* ---- what the hosts do ---- */

static void on_second_gone(void *data) {
  handoff_t *h = data;

  h->is_second_gone = 1;
  h->second = NULL;
}

static void close_engine(handoff_t *h, handoff_side_t side) {
  if (side == OLD_SIDE) {
    world_close_engine(&h->world);
  } else if (h->second != NULL) {
    (void)sluice_engine_close(h->second, on_second_gone, h);
  }
}

static void cancel(handoff_t *h) {
  if (h->plan->side == OLD_SIDE && h->handover != NULL) {
    sluice_handover_cancel(h->handover);
  }
  if (h->plan->side == NEW_SIDE && h->takeover != NULL) {
    sluice_takeover_cancel(h->takeover);
  }
}

static void chance(handoff_t *h) {
  const fault_t *f;

  if (h->handover == NULL && h->takeover == NULL) {
    return;
  }
  f = fault_hits(FAULT_HOST);
  if (f == NULL) {
    return;
  }
  if (f->style == STYLE_CANCEL || f->style == STYLE_TWICE) {
    cancel(h);
  }
  if (f->style == STYLE_TWICE) {
    cancel(h);
  }
  if (f->style == STYLE_CLOSE || f->style == STYLE_TWICE) {
    close_engine(h, h->plan->side);
  }
  if (f->style == STYLE_SWITCH && h->handover != NULL) {
    sluice_handover_switch(h->handover);
  }
}

/* The host that has nothing to do with it any more frees all of it. */
static void destroy(handoff_t *h, handoff_side_t side) {
  place_t *p = side == OLD_SIDE ? &h->world.source : &h->world.target;

  if (!h->plan->destroys) {
    return;
  }
  fault_hold();
  if (place_complaint(p) != NULL) {
    h->complaint = place_complaint(p);
  }
  if (place_close(p) != 0) {
    h->complaint = "the registry is still in use in the callback";
  }
  memset(p, 0, sizeof(*p));
  handoff_parts_free(h, side);
  close_engine(h, side);
  h->has_destroyed[side] = 1;
  fault_release();
}

/* ---- what they are called back for ---- */

static void note_over(handoff_t *h, handoff_end_t *end, int status,
                      const sluice_error_t *error) {
  if (h->in_begin) {
    fault_die("called back from inside of begin");
  }
  end->done++;
  end->status = status;
  end->error = *error;
  chance(h);
}

static void on_handed_over(sluice_handover_t *handover, int status) {
  handoff_t *h = of_handover(handover);

  note_over(h, &h->old, status, sluice_handover_error(handover));
  h->handover = NULL;
  if (sluice_handover_free(handover) != 0) {
    fault_die("a hand-over that is over cannot be freed");
  }
  destroy(h, OLD_SIDE);
}

static void on_taken_over(sluice_takeover_t *takeover, int status) {
  handoff_t *h = of_takeover(takeover);

  note_over(h, &h->new, status, sluice_takeover_error(takeover));
  h->takeover = NULL;
  if (sluice_takeover_free(takeover) != 0) {
    fault_die("a takeover that is over cannot be freed");
  }
  if (status != 0) {
    destroy(h, NEW_SIDE);
  }
}

static void on_pause(sluice_handover_t *handover) {
  handoff_t *h = of_handover(handover);

  h->pauses++;
  h->is_paused = 1;
  h->world.instant = place_digest(&h->world.source);
  h->shared_instant = XXH3_64bits(h->memory[0], SHARED_BYTES);
  chance(h);
  sluice_handover_paused(handover);
  chance(h);
}

static void on_resume(sluice_handover_t *handover) {
  handoff_t *h = of_handover(handover);

  h->resumes++;
  h->is_paused = 0;
  chance(h);
}

static sluice_verdict_t on_round(sluice_save_t *save,
                                 const sluice_round_t *round) {
  chance(sluice_save_data(save));
  return round->number >= 2 ? SLUICE_SWITCH : SLUICE_GO_ON;
}

static int on_offered(sluice_takeover_t *takeover, const void *offer,
                      size_t len, sluice_error_t *err) {
  handoff_t *h = of_takeover(takeover);

  chance(h);
  return len == 5 && memcmp(offer, "offer", 5) == 0
             ? 0
             : sluice_fail(err, SLUICE_EKIND, "that is not what was offered");
}

static int on_check(sluice_takeover_t *takeover, sluice_error_t *err) {
  (void)err;
  chance(of_takeover(takeover));
  return 0;
}

static void on_turn(uv_prepare_t *turn) {
  handoff_t *h = turn->data;

  if (!h->is_paused && h->handover != NULL) {
    fault_hold();
    world_change(&h->world);
    handoff_parts_change(h);
    fault_release();
  }
  chance(h);
}

/* ---- from begin to end ---- */

void handoff_open(handoff_t *h, const handoff_plan_t *plan) {
  const sluice_engine_options_t o = {
      .size = sizeof(o), .alloc = rig_allocator(), .clock = rig_clock};

  memset(h, 0, sizeof(*h));
  h->plan = plan;
  if (world_open(&h->world, plan->parts | WORLD_STILL) != 0 ||
      sluice_engine_new(&h->second, &h->world.loop, &o, NULL) != 0 ||
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, h->sockets) != 0) {
    fault_die("no world");
  }
  handoff_parts_open(h);
  (void)uv_prepare_init(&h->world.loop, &h->turn);
  h->turn.data = h;
  (void)uv_prepare_start(&h->turn, on_turn);
  uv_unref((uv_handle_t *)&h->turn);
}

static void drop_socket(handoff_t *h, handoff_side_t side) {
  (void)close(h->sockets[side]);
  h->sockets[side] = -1;
}

static void begin_old(handoff_t *h) {
  const sluice_save_options_t save = {.size = sizeof(save),
                                      .policy = on_round,
                                      .data = h,
                                      .max_memory = fault_cap()};
  const sluice_handover_options_t o = {
      .size = sizeof(o),
      .save = &save,
      .data = h,
      .timeout_ms = h->timeout_ms,
      .prepare_ms = h->timeout_ms != 0 ? h->timeout_ms : PREPARE_MS,
      .offer = "offer",
      .offer_len = 5,
      .copy_memory = h->plan->copies,
      .pause = on_pause,
      .resume = on_resume};

  h->old.begun = sluice_handover_begin(&h->handover, h->world.engine,
                                       h->world.source.registry, h->sockets[0],
                                       &o, on_handed_over, NULL);
  if (h->old.begun == 0) {
    h->sockets[0] = -1;
  } else {
    h->handover = NULL;
    drop_socket(h, OLD_SIDE);
  }
}

static void begin_new(handoff_t *h) {
  const sluice_takeover_options_t o = {.size = sizeof(o),
                                       .max_memory = fault_cap(),
                                       .data = h,
                                       .timeout_ms = h->timeout_ms,
                                       .offered = on_offered,
                                       .check = on_check};

  h->new.begun =
      sluice_takeover_begin(&h->takeover, h->second, h->world.target.registry,
                            h->sockets[1], &o, on_taken_over, NULL);
  if (h->new.begun == 0) {
    h->sockets[1] = -1;
  } else {
    h->takeover = NULL;
    drop_socket(h, NEW_SIDE);
  }
}

void handoff_run(handoff_t *h) {
  h->in_begin = 1;
  fault_begin();
  begin_old(h);
  begin_new(h);
  h->in_begin = 0;
  world_run(&h->world);
}

const char *handoff_close(handoff_t *h) {
  const char *left;

  uv_close((uv_handle_t *)&h->turn, NULL);
  if (h->second != NULL) {
    close_engine(h, NEW_SIDE);
    world_run(&h->world);
  }
  left = world_close(&h->world);
  handoff_parts_free(h, OLD_SIDE);
  handoff_parts_free(h, NEW_SIDE);
  handoff_parts_close(h);
  return left != NULL        ? left
         : h->is_second_gone ? NULL
                             : "the second engine did not close";
}
