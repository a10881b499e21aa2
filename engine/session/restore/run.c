/* run.c - the states of a restore, one function each.
 *
 * Input is read only when a continuation is starved of it: the decoder's window
 * is all that is ever held, so a slow restore holds back its sender. */
#include "session/restore/restore.h"

#include <fcntl.h>
#include <stddef.h>
#include <uv.h>

enum { NS_PER_US = 1000 };

#include "session/hook.h"

#define FROM(member, type, field)                                              \
  ((type *)(void *)((char *)(member)-offsetof(type, field)))

static void enter(sluice_restore_t *restore, sluice__restore_state_t state,
                  sluice_phase_t phase) {
  restore->state = state;
  restore->session.phase = phase;
}

static int fail(sluice_restore_t *restore, int code,
                const sluice_error_t *err) {
  sluice__session_fail(&restore->session, code, NULL, 0, err);
  return SLUICE__WAIT;
}

static int fail_part(sluice_restore_t *restore, int code,
                     const sluice__fault_t *fault) {
  sluice__session_fail(&restore->session, code, fault->section, fault->offset,
                       &fault->error);
  return SLUICE__WAIT;
}

/* ---- input ---- */

static void opened(sluice_restore_t *restore) {
  if (restore->options.way == SLUICE_RESTORE_EAGER) {
    enter(restore, SLUICE__RESTORE_LOAD, SLUICE_PHASE_LOAD);
  } else {
    restore->file.probe.fd = sluice__source_file(restore->stream.source);
    enter(restore, SLUICE__RESTORE_PROBE, SLUICE_PHASE_BEGIN);
  }
}

static void take_input(sluice_restore_t *restore, ptrdiff_t got) {
  sluice__session_t *s = &restore->session;

  if (got < 0) {
    sluice__session_fail(s, (int)got, restore->load.reading, s->bytes_done,
                         &restore->source_error);
  } else if (got == 0) {
    restore->is_at_end = true;
    sluice_decoder_eof(restore->decoder);
  } else {
    sluice__session_moved(s);
  }
  sluice__restore_load_feed(&restore->load);
}

void sluice__restore_on_input(void *ctx, ptrdiff_t got) {
  sluice_restore_t *restore = ctx;

  if (restore->state != SLUICE__RESTORE_OPENING) {
    take_input(restore, got);
  } else if (got < 0) {
    sluice__session_fail(&restore->session, (int)got, NULL, 0,
                         &restore->source_error);
  } else {
    opened(restore);
  }
  sluice__session_wake(&restore->session);
}

void sluice__restore_wake(void *ctx) {
  sluice_restore_t *restore = ctx;

  sluice__session_wake(&restore->session);
}

static int open_source(sluice_restore_t *restore) {
  int r;

  enter(restore, SLUICE__RESTORE_OPENING, SLUICE_PHASE_BEGIN);
  r = sluice__input_stream_open(&restore->stream,
                                restore->session.engine->pump.loop,
                                &restore->source_error);
  if (r < 0) {
    return fail(restore, r, &restore->source_error);
  }
  if (r == 1) {
    opened(restore);
  }
  return r == 1 ? SLUICE__MORE : SLUICE__WAIT;
}

/* MORE: input came at once. */
static int read_more(sluice_restore_t *restore) {
  ptrdiff_t got;

  if (restore->is_at_end || sluice__session_is_paced(&restore->session)) {
    return SLUICE__WAIT;
  }
  got = restore->input->ops->pull(restore->input);
  if (got == 0) {
    return SLUICE__WAIT;
  }
  take_input(restore, got == UV_EOF ? 0 : got);
  return SLUICE__MORE;
}

/* ---- a file that is to be mapped ---- */

/* Eagerly, then. */
static int decline(sluice_restore_t *restore) {
  const char *reason = restore->file.probe.reason;
  sluice_error_t err = {0};

  if (restore->options.must_map) {
    (void)sluice_fail(&err, UV_ENOTSUP, "cannot be mapped: %s", reason);
    return fail(restore, UV_ENOTSUP, &err);
  }
  if (restore->file.probe.fd >= 0) {
    sluice__image_file_advise(&restore->file, POSIX_FADV_SEQUENTIAL);
  }
  restore->stats.way = SLUICE_RESTORE_EAGER;
  restore->stats.reason = reason;
  enter(restore, SLUICE__RESTORE_LOAD, SLUICE_PHASE_LOAD);
  return SLUICE__MORE;
}

static int open_image(sluice_restore_t *restore) {
  int r = sluice__input_image_open(&restore->image);

  if (r < 0) {
    return fail(restore, r, NULL);
  }
  restore->is_mapped = true;
  restore->input = &restore->image.input;
  restore->load.skips_pages = true;
  restore->stats.file_bytes = restore->file.probe.size;
  sluice__map_open(&restore->map, restore->decoder);
  if (restore->options.way == SLUICE_RESTORE_VERIFY_MAPPED) {
    enter(restore, SLUICE__RESTORE_SCRUB, SLUICE_PHASE_VERIFY);
  } else {
    enter(restore, SLUICE__RESTORE_LOAD, SLUICE_PHASE_LOAD);
  }
  return SLUICE__MORE;
}

static int probe_turn(sluice_restore_t *restore) {
  int r = sluice__image_file_probe(&restore->file);

  if (r < 0) {
    return fail(restore, r, NULL);
  }
  if (r != SLUICE__DONE) {
    return r;
  }
  return restore->file.probe.reason != NULL ? decline(restore)
                                            : open_image(restore);
}

/* Through the whole file, before anything else of it is used. */
static int scrub_turn(sluice_restore_t *restore, sluice__budget_t *b) {
  sluice__session_t *s = &restore->session;
  int r =
      sluice__image_file_scrub(&restore->file, &s->mem_alloc, s->mem.cap, b);

  s->bytes_done = restore->file.scrubbed;
  restore->stats.verified_bytes = restore->file.scrubbed;
  sluice__session_moved(s);
  if (r < 0) {
    return fail(restore, r, &restore->file.scrub.error);
  }
  if (r == SLUICE__DONE) {
    enter(restore, SLUICE__RESTORE_LOAD, SLUICE_PHASE_LOAD);
    return SLUICE__MORE;
  }
  return r;
}

/* ---- from the stream to the commit ---- */

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
  r = sluice__hook_check("restore_check", r, SLUICE_MORE, &err);
  r = sluice__hook_count(section, &restore->session, "restore_check", false, r,
                         &err);
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

  enter(restore, SLUICE__RESTORE_CHECK, SLUICE_PHASE_CHECK);
  sluice__queue_cancel_all(&s->queue);
  for (sluice_section_t *at = s->registry->first; at != NULL; at = at->next) {
    if (at->stage == SLUICE__SECTION_LOADED) {
      sluice__cont_init(&at->cont, &s->queue, check_step, SLUICE__BULK,
                        at->options.weight);
      sluice__queue_wake(&at->cont);
    }
  }
}

static int loaded(sluice_restore_t *restore) {
  if (!restore->is_mapped) {
    prime_checks(restore);
    return SLUICE__MORE;
  }
  enter(restore, SLUICE__RESTORE_MAP, SLUICE_PHASE_MAP);
  sluice__queue_cancel_all(&restore->session.queue);
  return SLUICE__MORE;
}

static int load_once(sluice_restore_t *restore, sluice__budget_t *b) {
  sluice__session_t *s = &restore->session;
  int r = sluice__restore_load_run(&restore->load, b);

  s->bytes_done = sluice__decoder_read(restore->decoder);
  if (r < 0) {
    return fail_part(restore, r, &restore->load.fault);
  }
  if (s->error.code != 0) { /* a handler has cancelled it */
    return SLUICE__WAIT;
  }
  switch (r) {
  case SLUICE__DONE: return loaded(restore);
  case SLUICE__MORE: return SLUICE__MORE;
  default: return read_more(restore);
  }
}

/* Where pages are passed over input comes a header at a time: many a turn. */
static int load_turn(sluice_restore_t *restore, sluice__budget_t *b) {
  int r;

  do {
    r = load_once(restore, b);
  } while (r == SLUICE__MORE && restore->is_mapped &&
           restore->state == SLUICE__RESTORE_LOAD &&
           !sluice__budget_should_yield(b));
  return r;
}

static int map_turn(sluice_restore_t *restore, sluice__budget_t *b) {
  int r = sluice__map_run(&restore->map, b);

  if (r < 0) {
    return fail_part(restore, r, &restore->map.fault);
  }
  if (r != SLUICE__DONE || restore->session.error.code != 0) {
    return r;
  }
  r = sluice__sound_list_seal(&restore->sound, &restore->file.probe);
  if (r < 0) {
    return fail(restore, r, NULL);
  }
  prime_checks(restore);
  return SLUICE__MORE;
}

static void commit_section(sluice_restore_t *restore,
                           sluice_section_t *section) {
  if (section->stage != SLUICE__SECTION_CHECKED) {
    return;
  }
  if (section->handler->restore_commit != NULL) {
    section->handler->restore_commit(section->self);
  }
  sluice__sound_list_commit(&restore->sound, section);
}

/* Every section has passed: now all of them, in one go. */
static void commit(sluice_restore_t *restore) {
  enter(restore, SLUICE__RESTORE_COMMITTED, SLUICE_PHASE_COMMIT);
  for (sluice_section_t *at = restore->session.registry->first; at != NULL;
       at = at->next) {
    commit_section(restore, at);
  }
  restore->stats.commit_us = (sluice__pump_now(&restore->session.engine->pump) -
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

/* The file is what it was; else the restore has failed. */
static bool file_holds(sluice_restore_t *restore) {
  sluice_error_t err = {0};

  if (!restore->is_mapped || sluice__probe_holds(&restore->file.probe)) {
    return true;
  }
  (void)sluice_fail(&err, SLUICE_ECORRUPT,
                    "the image was changed while it was restored");
  (void)fail(restore, SLUICE_ECORRUPT, &err);
  return false;
}

static int check_turn(sluice_restore_t *restore, sluice__budget_t *b) {
  int r = check_all(restore, b);

  if (restore->session.error.code == 0 && r == SLUICE__DONE &&
      file_holds(restore)) {
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
  case SLUICE__RESTORE_PROBE: return probe_turn(restore);
  case SLUICE__RESTORE_SCRUB: return scrub_turn(restore, b);
  case SLUICE__RESTORE_LOAD: return load_turn(restore, b);
  case SLUICE__RESTORE_MAP: return map_turn(restore, b);
  case SLUICE__RESTORE_CHECK: return check_turn(restore, b);
  case SLUICE__RESTORE_CHECKED: return checked_turn(restore);
  case SLUICE__RESTORE_COMMITTED: return SLUICE__MORE;
  }
  return SLUICE__WAIT;
}
