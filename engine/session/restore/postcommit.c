/* postcommit.c - see postcommit.h. */
#include "session/restore/postcommit.h"

#include <stddef.h>
#include <uv.h>

#define FROM(member, type, field)                                              \
  ((type *)(void *)((char *)(member)-offsetof(type, field)))

static bool verifies(const sluice_restore_options_t *options) {
  return options->way == SLUICE_RESTORE_MAPPED_VERIFY;
}

bool sluice__postcommit_is_wanted(const sluice_restore_options_t *options) {
  return verifies(options) || options->filled != NULL;
}

const sluice__session_t *
sluice__postcommit_current(const sluice__postcommit_t *pc) {
  return pc->scrub.is_open ? &pc->scrub.session : pc->session;
}

void sluice__postcommit_stats(const sluice__postcommit_t *pc,
                              sluice_restore_stats_t *out) {
  sluice__demand_stats_t demand;

  if (pc->demand != NULL) {
    sluice__demand_stats(pc->demand, &demand);
    out->late_left = demand.left;
    out->late_faults = demand.faults;
    out->late_lost = demand.lost;
  }
  if (pc->scrub.is_open) {
    out->verified_bytes = pc->scrub.session.bytes_done;
  }
}

/* ---- what is told ---- */

/* The host may free it in what it is told next. */
static void end(sluice__postcommit_t *pc) {
  sluice__source_close(pc->source);
  pc->source = NULL;
  pc->is_owed = false;
  sluice__engine_part(pc->session->engine, &pc->guest);
  sluice__engine_left(pc->session->engine);
}

static void tell_damage(void *ctx, const sluice_damage_t *range) {
  sluice__postcommit_t *pc = ctx;

  pc->stats->damaged_bytes += range->bytes;
  if (pc->options->damaged != NULL) {
    pc->options->damaged(pc->restore, range);
  }
}

static void on_lost(void *ctx, const sluice__demand_pages_t *range) {
  const sluice__postcommit_t *pc = ctx;
  sluice_damage_t damage = sluice__region_names_damage(&pc->names, range);

  sluice__sound_list_damage(pc->sound, &damage);
  tell_damage(ctx, &damage);
}

static bool on_found(void *ctx, const sluice_damage_t *part) {
  const sluice__postcommit_t *pc = ctx;

  sluice__sound_list_damage(pc->sound, part);
  return sluice__region_names_was_lost(&pc->names, &pc->losses, part);
}

static void on_seen(void *ctx, uint64_t end) {
  const sluice__postcommit_t *pc = ctx;

  sluice__sound_list_scrubbed(pc->sound, end);
}

static void tell_progress(void *ctx, const sluice_progress_t *p) {
  const sluice__postcommit_t *pc = ctx;

  pc->options->progress(pc->restore, p);
}

/* The decoder's words, where the image does not hold together beyond pages. */
static void conclude(const sluice__postcommit_t *pc) {
  int code = pc->scrub.is_open ? pc->scrub.scrub.error.code : 0;

  if (code == SLUICE_ECORRUPT || code == SLUICE_ETRUNCATED ||
      code == SLUICE_ETRAILING || code == SLUICE_EFORMAT) {
    sluice__sound_list_refuse(pc->sound);
  }
}

static void tell_verified(void *ctx, int code) {
  sluice__postcommit_t *pc = ctx;

  conclude(pc);
  end(pc);
  pc->options->verified(pc->restore, code); /* last touch */
}

/* Where nothing was mapped all is verified. Else there is no session of its own
 * to say why it is not. */
static void end_unverified(sluice__postcommit_t *pc) {
  sluice_error_t *err = &pc->session->error;

  if (pc->scrub_code < 0) {
    *err = (sluice_error_t){0}; /* of lost pages, which were told */
    (void)sluice_fail(err, pc->scrub_code, "cannot verify the image: %s",
                      sluice_strerror(pc->scrub_code));
    err->phase = SLUICE_PHASE_VERIFY;
    err->offset = 0;
  }
  tell_verified(pc, pc->scrub_code);
}

static void end_demand(sluice__postcommit_t *pc, int code) {
  sluice__postcommit_stats(pc, pc->stats);
  if (pc->stats->late_lost > 0) {
    sluice__demand_take_losses(pc->demand, &pc->losses);
  }
  sluice__demand_free(pc->demand);
  pc->demand = NULL;
  if (code < 0) {
    (void)sluice_fail(&pc->session->error, code,
                      "%llu bytes of pages could not be read after the commit",
                      (unsigned long long)pc->stats->late_lost);
  }
}

/* All pages are there, or lost. */
static void go_on_filled(sluice__postcommit_t *pc, int code) {
  if (!verifies(pc->options)) {
    end(pc);
    pc->options->filled(pc->restore, code); /* last touch */
    return;
  }
  if (pc->options->filled != NULL) {
    pc->options->filled(pc->restore, code); /* not freed here */
  }
  if (pc->scrub.is_open) {
    sluice__scrub_session_release(&pc->scrub);
  } else {
    end_unverified(pc);
  }
}

static void on_filled(void *ctx, int code) {
  end_demand(ctx, code);
  go_on_filled(ctx, code);
}

/* ---- life ---- */

static int open_scrub(sluice__postcommit_t *pc) {
  const sluice_restore_options_t *o = pc->options;
  const sluice__scrub_owner_t owner = {.ctx = pc,
                                       .tell = tell_damage,
                                       .found = on_found,
                                       .seen = on_seen,
                                       .progress = tell_progress,
                                       .over = tell_verified};
  const sluice__session_config_t config = {
      .engine = pc->session->engine,
      .alloc = o->alloc,
      .max_memory = pc->session->mem.cap,
      .weight = o->weight,
      .bandwidth = o->bandwidth,
      .stall_ms = o->stall_ms,
      .wants_ticks = o->progress != NULL,
  };

  return sluice__scrub_session_open(&pc->scrub, &config, &owner, pc->fd,
                                    pc->stats->file_bytes);
}

/* The engine closes: not before all is there. The scrub is asked itself. */
static void on_leave(sluice__guest_t *guest) {
  (void)guest;
}

/* The restore is over but for this, and the host's to free no sooner: so it
 * goes with it. */
static void on_abandon(sluice__guest_t *guest) {
  sluice__postcommit_t *pc = FROM(guest, sluice__postcommit_t, guest);

  sluice__engine_part(pc->session->engine, guest);
  if (pc->scrub.is_open) {
    sluice__session_abandon(&pc->scrub.session);
  }
  if (pc->demand != NULL) {
    sluice__demand_abandon(pc->demand);
  }
  sluice__source_abandon(pc->source);
  pc->is_owed = false;
  pc->free(pc->restore);
}

static void join(sluice__postcommit_t *pc) {
  pc->guest.leave = on_leave;
  pc->guest.abandon = on_abandon;
  sluice__engine_join(pc->session->engine, &pc->guest);
}

void sluice__postcommit_begin(sluice__postcommit_t *pc) {
  pc->is_begun = true;
  pc->is_owed = true;
  join(pc);
  if (verifies(pc->options) && pc->fd >= 0) {
    pc->scrub_code = open_scrub(pc);
  }
  if (pc->scrub.is_open) {
    sluice__scrub_session_start(&pc->scrub, pc->demand != NULL);
  }
}

void sluice__postcommit_go_on(sluice__postcommit_t *pc) {
  const sluice__demand_owner_t owner = {
      .ctx = pc, .lost = on_lost, .filled = on_filled};

  if (pc->demand != NULL) {
    sluice__demand_keep(pc->demand, &owner);
  } else {
    go_on_filled(pc, 0);
  }
}

void sluice__postcommit_cancel(sluice__postcommit_t *pc) {
  if (pc->scrub.is_open) {
    sluice__session_cancel(&pc->scrub.session);
  }
}

void sluice__postcommit_close(sluice__postcommit_t *pc) {
  sluice__scrub_session_close(&pc->scrub);
  if (pc->losses.list != NULL) {
    sluice__demand_close_losses(&pc->losses);
  }
  sluice__region_names_close(&pc->names);
}
