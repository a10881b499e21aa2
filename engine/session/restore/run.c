/* run.c - the states of a restore, one function each.
 *
 * Input is read only when a continuation is starved of it: the decoder's window
 * is all that is ever held, so a slow restore holds back its sender. */
#include "session/restore/restore.h"

#include <stddef.h>
#include <uv.h>

#include "io/source.h"

enum { NS_PER_US = 1000 };

#define FROM(member, type, field)                                              \
  ((type *)(void *)((char *)(member)-offsetof(type, field)))

void sluice__restore_enter(sluice_restore_t *restore,
                           sluice__restore_state_t state,
                           sluice_phase_t phase) {
  restore->state = state;
  restore->session.phase = phase;
}

static void wake_starved(sluice_restore_t *restore) {
  sluice__cont_t *c = restore->starved;

  restore->starved = NULL;
  if (c != NULL) {
    sluice__queue_wake(c);
  }
  sluice__session_wake(&restore->session);
}

static void opened(sluice_restore_t *restore) {
  bool is_eager = restore->options.way == SLUICE_RESTORE_EAGER;

  sluice__restore_enter(
      restore, is_eager ? SLUICE__RESTORE_LOAD : SLUICE__RESTORE_SURVEY,
      is_eager ? SLUICE_PHASE_LOAD : SLUICE_PHASE_BEGIN);
}

static void take_input(sluice_restore_t *restore, ptrdiff_t got) {
  sluice__session_t *s = &restore->session;

  if (got < 0) {
    sluice__session_fail(s, (int)got, restore->reading, s->bytes_done,
                         &restore->source_error);
  } else if (got == 0) {
    restore->is_at_end = true;
    sluice_decoder_eof(restore->decoder);
  } else {
    sluice__session_moved(s);
  }
  wake_starved(restore);
}

void sluice__restore_on_source(void *ctx, ptrdiff_t got) {
  sluice_restore_t *restore = ctx;

  restore->is_source_busy = false;
  if (restore->state == SLUICE__RESTORE_OPENING && got >= 0) {
    opened(restore);
    sluice__session_wake(&restore->session);
  } else if (restore->state == SLUICE__RESTORE_OPENING) {
    sluice__session_fail(&restore->session, (int)got, NULL, 0,
                         &restore->source_error);
  } else if (got == UV_EAGAIN && restore->is_placing) {
    sluice__session_wake(&restore->session); /* it may be asked again */
  } else {
    if (got > 0) {
      sluice_decoder_fill(restore->decoder, (size_t)got);
    }
    take_input(restore, got);
  }
}

static int open_source(sluice_restore_t *restore) {
  int r;

  sluice__restore_enter(restore, SLUICE__RESTORE_OPENING, SLUICE_PHASE_BEGIN);
  r = sluice__source_open(restore->source, restore->session.engine->pump.loop,
                          sluice__restore_on_source, restore,
                          &restore->source_error);
  restore->is_source_busy = r == 0;
  if (r < 0) {
    sluice__session_fail(&restore->session, r, NULL, 0, &restore->source_error);
  } else if (r == 1) {
    opened(restore);
  }
  return r == 1 ? SLUICE__MORE : SLUICE__WAIT;
}

/* MORE: input came at once. */
static int read_more(sluice_restore_t *restore) {
  ptrdiff_t got;

  if (restore->is_source_busy || restore->is_at_end ||
      sluice__session_is_paced(&restore->session)) {
    return SLUICE__WAIT;
  }
  got = sluice__restore_pull(restore);
  if (got == 0) {
    return SLUICE__WAIT;
  }
  take_input(restore, got == UV_EOF ? 0 : got);
  return SLUICE__MORE;
}

static int check_step(sluice__cont_t *c, sluice__budget_t *b) {
  sluice_section_t *section = FROM(c, sluice_section_t, cont);
  sluice_restore_t *restore = section->session;
  sluice_error_t err = {0};
  int r = SLUICE_DONE;

  restore->session.current = section;
  sluice__budget_charge(b, 0);
  if (section->handler->restore_check != NULL) {
    r = section->handler->restore_check(section->self, &err);
  }
  if (r >= SLUICE_WAIT) {
    r = SLUICE_EHANDLER;
  }
  if (r < 0) {
    sluice__session_fail(&restore->session, r, section, SLUICE_OFFSET_NONE,
                         &err);
  } else if (r == SLUICE_DONE) {
    section->stage = SLUICE__SECTION_CHECKED;
  }
  return r;
}

static void prime_checks(sluice_restore_t *restore) {
  sluice__session_t *s = &restore->session;

  sluice__restore_enter(restore, SLUICE__RESTORE_CHECK, SLUICE_PHASE_CHECK);
  sluice__queue_cancel_all(&s->queue);
  for (sluice_section_t *at = s->registry->first; at != NULL; at = at->next) {
    if (at->stage == SLUICE__SECTION_LOADED) {
      sluice__cont_init(&at->cont, &s->queue, check_step, SLUICE__BULK,
                        at->options.weight);
      sluice__queue_wake(&at->cont);
    }
  }
}

static int load_once(sluice_restore_t *restore, sluice__budget_t *b) {
  sluice__session_t *s = &restore->session;
  sluice__cont_t *failed = NULL;
  int r = sluice__queue_drain(&s->queue, b, &failed);

  s->bytes_done = sluice__decoder_read(restore->decoder);
  if (s->error.code != 0) {
    return SLUICE__WAIT;
  }
  if (restore->is_loaded) {
    if (restore->file.is_walking) {
      sluice__restore_begin_map(restore);
    } else {
      prime_checks(restore);
    }
    return SLUICE__MORE;
  }
  return r == SLUICE__MORE ? SLUICE__MORE : read_more(restore);
}

/* Where pages are passed over input comes a header at a time: many a turn. */
static int load_turn(sluice_restore_t *restore, sluice__budget_t *b) {
  int r;

  do {
    r = load_once(restore, b);
  } while (r == SLUICE__MORE && restore->file.is_walking &&
           restore->state == SLUICE__RESTORE_LOAD &&
           !sluice__budget_should_yield(b));
  return r;
}

static int map_turn(sluice_restore_t *restore, sluice__budget_t *b) {
  int r = sluice__restore_map_turn(restore, b);

  if (r != SLUICE__DONE || restore->session.error.code != 0) {
    return r;
  }
  prime_checks(restore);
  return SLUICE__MORE;
}

/* Every section has passed: now all of them, in one go. */
static void commit(sluice_restore_t *restore) {
  sluice__restore_enter(restore, SLUICE__RESTORE_COMMITTED,
                        SLUICE_PHASE_COMMIT);
  for (sluice_section_t *at = restore->session.registry->first; at != NULL;
       at = at->next) {
    if (at->stage == SLUICE__SECTION_CHECKED &&
        at->handler->restore_commit != NULL) {
      at->handler->restore_commit(at->self);
    }
  }
  restore->file.stats.commit_us =
      (sluice__pump_now(&restore->session.engine->pump) -
       restore->session.begun_ns) /
          NS_PER_US +
      1;
  sluice__restore_end_sections(restore, 0);
  sluice__session_finish(&restore->session);
}

/* All may commit; does the host want to say when? */
static int ask_host(sluice_restore_t *restore) {
  restore->session.stall_ns = 0; /* no byte is owed any more */
  restore->state = SLUICE__RESTORE_CHECKED;
  restore->may_commit = restore->options.checked == NULL;
  if (!restore->may_commit) {
    restore->options.checked(restore); /* may answer in here */
  }
  return SLUICE__MORE;
}

/* Checks are small, and one section may have thousands: many a turn. */
static int check_all(sluice_restore_t *restore, sluice__budget_t *b) {
  sluice__session_t *s = &restore->session;
  sluice__cont_t *failed = NULL;
  int r;

  do {
    r = sluice__queue_drain(&s->queue, b, &failed);
  } while (r == SLUICE__MORE && s->error.code == 0 &&
           !sluice__budget_should_yield(b));
  return r;
}

static int check_turn(sluice_restore_t *restore, sluice__budget_t *b) {
  int r = check_all(restore, b);

  if (restore->session.error.code == 0 && r == SLUICE__DONE &&
      sluice__restore_file_holds(restore)) {
    return ask_host(restore);
  }
  return restore->session.error.code != 0 ? SLUICE__WAIT : SLUICE__MORE;
}

static int checked_turn(sluice_restore_t *restore) {
  if (!restore->may_commit) {
    return SLUICE__WAIT;
  }
  commit(restore);
  return SLUICE__MORE;
}

int sluice__restore_run(sluice__session_t *s, sluice__budget_t *b) {
  sluice_restore_t *restore = (sluice_restore_t *)s;

  switch (restore->state) {
  case SLUICE__RESTORE_OPEN: return open_source(restore);
  case SLUICE__RESTORE_OPENING: return SLUICE__WAIT;
  case SLUICE__RESTORE_SURVEY: return sluice__restore_survey_turn(restore);
  case SLUICE__RESTORE_VERIFY: return sluice__restore_verify_turn(restore, b);
  case SLUICE__RESTORE_LOAD: return load_turn(restore, b);
  case SLUICE__RESTORE_MAP: return map_turn(restore, b);
  case SLUICE__RESTORE_CHECK: return check_turn(restore, b);
  case SLUICE__RESTORE_CHECKED: return checked_turn(restore);
  case SLUICE__RESTORE_COMMITTED: return SLUICE__MORE;
  }
  return SLUICE__WAIT;
}
