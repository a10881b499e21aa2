/* rounds.c - when is what is left small enough to pause the host for?
 *
 * A round is over when as much state was dealt with as was dirty at its start,
 * or when all is clean. Then the policy decides, from the round's figures. A
 * handler that has said too much would make a round without end: so from time
 * to time it is asked whether so much can still be left. */
#include "session/save/save.h"

#include <inttypes.h>

#include "stream/encoder.h"

/* Bytes until a round's size is doubted first; then at each doubling of them,
 * as all sections are asked for it. */
#define DOUBT_BYTES UINT64_C(1048576)

static void open_round(sluice_save_t *save) {
  sluice_round_t *r = &save->round;

  r->number++;
  r->bytes_start = sluice__save_pending(save);
  r->downtime_limit_us = save->options.downtime_us;
  save->round_worked = save->worked;
  save->round_doubt = DOUBT_BYTES;
  save->round_ns = sluice__save_now(save);
  save->is_round_open = true;
}

static uint64_t per_second(uint64_t bytes, uint64_t us) {
  return us == 0 ? bytes : (uint64_t)((double)bytes * 1e6 / (double)us);
}

static void close_round(sluice_save_t *save) {
  sluice_round_t *r = &save->round;
  uint64_t dirtied;

  r->bytes_sent = save->worked - save->round_worked;
  r->bytes_left = sluice__save_pending(save);
  r->duration_us = (sluice__save_now(save) - save->round_ns) / 1000;
  r->bytes_per_s = per_second(r->bytes_sent, r->duration_us);
  dirtied = r->bytes_left + r->bytes_sent;
  dirtied = dirtied > r->bytes_start ? dirtied - r->bytes_start : 0;
  r->dirty_per_s = per_second(dirtied, r->duration_us);
  r->downtime_us = 0;
  if (r->bytes_left > 0) {
    r->downtime_us =
        r->bytes_per_s == 0
            ? UINT64_MAX
            : (uint64_t)((double)r->bytes_left * 1e6 / (double)r->bytes_per_s);
  }
  save->is_round_open = false;
}

/* Without a policy of the host's: small enough, or too often tried; then no
 * pause is begun that would be longer than it may be. */
static sluice_verdict_t default_policy(const sluice_save_t *save) {
  const sluice_round_t *r = &save->round;

  if (r->downtime_us <= r->downtime_limit_us) {
    return SLUICE_SWITCH;
  }
  if (r->number < save->options.max_rounds) {
    return SLUICE_GO_ON;
  }
  return sluice__save_would_be_too_long(save, r->downtime_us)
             ? SLUICE_GIVE_UP
             : save->options.at_max_rounds;
}

static sluice_verdict_t decide(sluice_save_t *save) {
  if (save->options.policy != NULL) {
    return save->options.policy(save, &save->round);
  }
  return default_policy(save);
}

/* More than what is left now and what was done cannot have been there. */
static void doubt_round(sluice_save_t *save, uint64_t done) {
  uint64_t left;

  if (done < save->round_doubt) {
    return;
  }
  save->round_doubt = 2 * done;
  left = sluice__save_pending(save);
  if (left < save->round.bytes_start && save->round.bytes_start - left > done) {
    save->round.bytes_start = left + done;
  }
}

static bool is_round_over(sluice_save_t *save) {
  uint64_t done = save->worked - save->round_worked;

  doubt_round(save, done);
  return done >= save->round.bytes_start;
}

sluice_verdict_t sluice__save_judge(sluice_save_t *save, int drained) {
  bool is_clean = drained != SLUICE__MORE;
  bool is_held = save->is_held || save->prove.is_pending;

  if (save->begun < save->session.registry->count) {
    return SLUICE_GO_ON;
  }
  save->session.phase = SLUICE_PHASE_LIVE; /* all are declared */
  if (!is_held && (save->live == 0 || save->wants_switch)) {
    return SLUICE_SWITCH;
  }
  if (is_clean && sluice__save_has_lost_wake(save)) {
    return SLUICE_GO_ON;
  }
  if (!save->is_round_open) {
    open_round(save);
  }
  if (is_held || (!is_clean && !is_round_over(save))) {
    return SLUICE_GO_ON; /* a round goes on while nobody may switch */
  }
  close_round(save);
  return decide(save);
}

void sluice__save_fail_rounds(sluice_save_t *save) {
  const sluice_round_t *r = &save->round;
  sluice_error_t err = {.offset = SLUICE_OFFSET_NONE};

  (void)sluice_fail(&err, SLUICE_ENOCONVERGE,
                    "after %" PRIu32 " rounds %" PRIu64
                    " bytes are left, a pause of %" PRIu64 " us",
                    r->number, r->bytes_left, r->downtime_us);
  sluice__session_fail(&save->session, SLUICE_ENOCONVERGE, NULL,
                       sluice_encoder_offset(save->encoder), &err);
}
