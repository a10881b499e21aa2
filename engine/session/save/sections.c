/* sections.c - calls the handlers of a save and keeps their contract.
 *
 * The continuation of a section is primed once, by begin; from then on it is
 * called only when it has work. Every error is latched with its section. */
#include "session/save/save.h"

#include <stddef.h>

#include "session/hook.h"
#include "stream/encoder.h"

#define FROM(member, type, field)                                              \
  ((type *)(void *)((char *)(member)-offsetof(type, field)))

void sluice__save_fail_encoder(sluice_save_t *save,
                               const sluice_section_t *section) {
  const sluice_error_t *e = sluice_encoder_error(save->encoder);
  const sluice_error_t *said =
      &save->sink_error; /* it may have been the sink */

  sluice__session_fail(&save->session, e->code, section, e->offset,
                       said->code == e->code ? said : e);
}

static void lend_writer(sluice_save_t *save, sluice_writer_t *w,
                        sluice_section_t *section, sluice__budget_t *b,
                        sluice_item_kind_t kind, bool is_open) {
  sluice__writer_lend(w, save->encoder, section, b, kind, is_open,
                      save->options.format == SLUICE_FORMAT_QEMU3);
  w->jobs = &save->jobs;
}

/* Judges what `hook` returned and what the writer thinks of it. */
static int check_step(sluice_save_t *save, sluice_section_t *section,
                      const sluice_writer_t *w, const char *hook, int r,
                      sluice_error_t *err) {
  sluice__session_t *s = &save->session;
  uint64_t offset = sluice_encoder_offset(save->encoder);
  bool moved = w->worked > 0 || offset != s->bytes_done;

  s->bytes_done = offset;
  s->current = section;
  save->worked += w->worked;
  r = sluice__hook_count(section, s, hook, moved, r, err);
  if (sluice_encoder_error(save->encoder)->code != 0) {
    sluice__save_fail_encoder(save, section);
  } else if (r < 0 || w->status < 0) {
    sluice__session_fail(s, r < 0 ? r : w->status, section, offset, err);
  }
  return s->error.code != 0 ? s->error.code : r;
}

/* What goes on in the next step may do so in the same record: who maps the
 * image needs a mapping a record. A section that parks leaves nothing half
 * done, or it would wait for pages that nobody copies. */
static int leave_payload(sluice_save_t *save, const sluice_section_t *section,
                         int r) {
  bool goes_on =
      r == SLUICE_MORE && sluice__direct_writer_may_linger(&save->direct);

  if (r >= 0 &&
      sluice__encoder_leave(save->encoder, section->id, goes_on) < 0) {
    sluice__save_fail_encoder(save, section);
    r = save->session.error.code;
  }
  sluice__copy_jobs_start(&save->jobs);
  return r;
}

static int call_start(const sluice_section_t *section, sluice_writer_t *w,
                      sluice_error_t *err) {
  const sluice_handler_t *h = section->handler;

  return h->save_start == NULL
             ? 0
             : sluice__hook_check("save_start",
                                  h->save_start(section->self, w, err), 0, err);
}

/* START of a live section: declared even when the handler writes nothing. */
static int declare(sluice_save_t *save, sluice_section_t *section,
                   sluice__budget_t *b) {
  sluice_decl_t decl = sluice__section_decl(section);
  sluice_error_t err = {0};
  sluice_writer_t w;
  int r;

  if (sluice_encoder_open(save->encoder, SLUICE_ITEM_SECTION, &decl) < 0) {
    sluice__save_fail_encoder(save, section);
    return save->session.error.code;
  }
  lend_writer(save, &w, section, b, SLUICE_ITEM_SECTION, true);
  r = call_start(section, &w, &err);
  r = check_step(save, section, &w, "save_start", r, &err);
  return leave_payload(save, section, r);
}

int sluice__save_begin_section(sluice_save_t *save, sluice_section_t *section) {
  sluice_error_t err = {0};
  int r = section->handler->save_begin(section->self, section, &err);

  r = sluice__hook_check("save_begin", r, 0, &err);
  save->begun++;
  if (r < 0) {
    sluice__session_fail(&save->session, r, section,
                         sluice_encoder_offset(save->encoder), &err);
    return r;
  }
  section->stage = SLUICE__SECTION_BEGUN;
  save->live += sluice__section_is_live(section);
  return 0;
}

static int start_section(sluice_save_t *save, sluice_section_t *section,
                         sluice__budget_t *b) {
  int r = declare(save, section, b);

  if (r < 0) {
    return r;
  }
  section->stage = SLUICE__SECTION_LIVE;
  return SLUICE__MORE;
}

static int begin_section(sluice_save_t *save, sluice_section_t *section,
                         sluice__budget_t *b) {
  int r = sluice__save_begin_section(save, section);

  if (r < 0) {
    return r;
  }
  sluice__budget_charge(b, 0);
  return sluice__section_is_live(section) ? start_section(save, section, b)
                                          : SLUICE__DONE;
}

static int end_live(sluice_save_t *save, const sluice_section_t *section) {
  sluice_decl_t decl = sluice__section_decl(section);

  if (sluice_encoder_open(save->encoder, SLUICE_ITEM_END, &decl) < 0 ||
      sluice_encoder_close(save->encoder) < 0) {
    sluice__save_fail_encoder(save, section);
    return save->session.error.code;
  }
  return SLUICE_DONE;
}

/* A section whose snapshot is written has nothing to wait for. */
static int end_snapshot(sluice_save_t *save, const sluice_section_t *section) {
  if (save->options.mode != SLUICE_CUT) {
    return SLUICE_DONE;
  }
  save->ended++;
  save->session.sections_done++;
  return end_live(save, section);
}

/* With threads they copy all that may be read later. Without, pages of a live
 * section need no copy while they are stable: no record is open any more when
 * the hook's call is over. Not while the host is paused: what is copied ahead
 * need not be waited for. */
static sluice__page_kind_t kind_of_pages(const sluice_save_t *save,
                                         const sluice_section_t *section) {
  if (sluice__copy_jobs_have_threads(&save->jobs)) {
    return SLUICE__PAGES_BORROWED;
  }
  return section->handler->payload == SLUICE_PAYLOAD_PAGES &&
                 sluice__section_is_live(section)
             ? SLUICE__PAGES_STABLE
             : SLUICE__PAGES_CHANGING;
}

static int step_section(sluice_save_t *save, sluice_section_t *section,
                        sluice__budget_t *b) {
  sluice_error_t err = {0};
  sluice_writer_t w;
  int r;

  lend_writer(save, &w, section, b, SLUICE_ITEM_PART, false);
  w.pages = kind_of_pages(save, section);
  r = section->handler->save_step(section->self, &w, &err);
  r = sluice__hook_check("save_step", r, SLUICE_WAIT, &err);
  r = check_step(save, section, &w, "save_step", r, &err);
  r = leave_payload(save, section, r);
  if (r >= 0) {
    sluice__copy_jobs_collect(&save->jobs, false);
    sluice__copy_jobs_tell(&save->jobs, section);
  }
  if (r == SLUICE_DONE) {
    section->stage = SLUICE__SECTION_CLEAN;
    r = end_snapshot(save, section);
  }
  return r;
}

int sluice__save_step_section(sluice__cont_t *c, sluice__budget_t *b) {
  sluice_section_t *section = FROM(c, sluice_section_t, cont);

  sluice__queue_reclass(c, SLUICE__BULK); /* urgent is for one step */
  switch (section->stage) {
  case SLUICE__SECTION_PRIMED:
    return begin_section(section->session, section, b);
  case SLUICE__SECTION_CUT: return start_section(section->session, section, b);
  case SLUICE__SECTION_LIVE: return step_section(section->session, section, b);
  case SLUICE__SECTION_IDLE:
  case SLUICE__SECTION_ARMING:
  case SLUICE__SECTION_BEGUN:
  case SLUICE__SECTION_CLEAN:
  case SLUICE__SECTION_LOADED:
  case SLUICE__SECTION_CHECKED:
  case SLUICE__SECTION_RELEASING:
  case SLUICE__SECTION_OVER: break; /* woken by another thread, too late */
  }
  return SLUICE__DONE;
}

static uint64_t section_pending(const sluice__cont_t *c) {
  const sluice_section_t *section =
      (const sluice_section_t *)(const void *)((const char *)c -
                                               offsetof(sluice_section_t,
                                                        cont));

  return section->stage == SLUICE__SECTION_LIVE &&
                 section->handler->save_pending != NULL
             ? section->handler->save_pending(section->self)
             : 0;
}

/* Ids begin with 1: QEMU takes a part of section 0 for one of any section whose
 * beginning it has not seen. */
void sluice__save_bind(sluice_save_t *save, sluice_section_t *section,
                       uint32_t number,
                       int (*step)(sluice__cont_t *, sluice__budget_t *)) {
  section->session = save;
  section->stage = SLUICE__SECTION_PRIMED;
  section->id = number + 1;
  sluice__hook_reset(section);
  section->lent = 0;
  section->returned = 0;
  section->cont.pending = section_pending;
  section->cont.on_cancel = NULL;
  sluice__cont_init(&section->cont, &save->session.queue, step, SLUICE__BULK,
                    section->options.weight);
}

void sluice__save_prime(sluice_save_t *save) {
  uint32_t id = 0;

  for (sluice_section_t *at = save->session.registry->first; at != NULL;
       at = at->next) {
    sluice__save_bind(save, at, id++, sluice__save_step_section);
    sluice__queue_wake(&at->cont);
  }
}

uint64_t sluice__save_pending(const sluice_save_t *save) {
  uint64_t sum = 0;

  for (const sluice_section_t *at = save->session.registry->first; at != NULL;
       at = at->next) {
    if (at->stage == SLUICE__SECTION_LIVE &&
        at->handler->save_pending != NULL) {
      sum += at->handler->save_pending(at->self);
    }
  }
  return sum;
}

static int call_finish(const sluice_section_t *section, sluice_writer_t *w,
                       sluice_error_t *err) {
  int r = section->handler->save_finish(section->self, w, err);

  return sluice__hook_check("save_finish", r, SLUICE_MORE, err);
}

/* Opens what the finish hook writes to. A live section's rest goes into PARTs,
 * opened at the first byte; another is declared here, complete at its close. */
static int open_finish(sluice_save_t *save, sluice_section_t *section,
                       sluice_writer_t *w, sluice__budget_t *b,
                       sluice_error_t *err) {
  sluice_decl_t decl = sluice__section_decl(section);

  if (save->is_finishing_live) {
    lend_writer(save, w, section, b, SLUICE_ITEM_PART, false);
    return 0;
  }
  lend_writer(save, w, section, b, SLUICE_ITEM_SECTION, true);
  if (save->is_payload_open) {
    return 0;
  }
  save->is_payload_open = true;
  w->status = sluice_encoder_open(save->encoder, SLUICE_ITEM_SECTION, &decl);
  return w->status < 0 ? w->status : call_start(section, w, err);
}

static int finish_section(sluice_save_t *save, sluice_section_t *section,
                          sluice__budget_t *b) {
  sluice_error_t err = {0};
  sluice_writer_t w;
  int r = open_finish(save, section, &w, b, &err);

  if (r >= 0) {
    r = call_finish(section, &w, &err);
  }
  r = check_step(save, section, &w, "save_finish", r, &err);
  if (save->is_finishing_live || r == SLUICE_DONE) {
    r = leave_payload(save, section, r);
    save->is_payload_open = false;
  }
  if (r == SLUICE_DONE && save->is_finishing_live) {
    r = end_live(save, section);
  }
  return r;
}

/* Walks the sections twice: the live ones' ENDs first, then the others. */
static sluice_section_t *next_to_finish(sluice_save_t *save) {
  while (save->finishing != NULL || save->is_finishing_live) {
    sluice_section_t *at = save->finishing;

    if (at == NULL) {
      save->is_finishing_live = false;
      save->finishing = save->session.registry->first;
    } else if (sluice__section_is_live(at) == save->is_finishing_live) {
      return at;
    } else {
      save->finishing = at->next;
    }
  }
  return NULL;
}

int sluice__save_finish_sections(sluice_save_t *save, sluice__budget_t *b) {
  sluice_section_t *at;

  while ((at = next_to_finish(save)) != NULL) {
    int r = finish_section(save, at, b);

    if (r < 0) {
      return r;
    }
    if (r == SLUICE_DONE) {
      save->finishing = at->next;
      save->session.sections_done++;
    }
    if (sluice__budget_should_yield(b)) {
      return SLUICE_MORE;
    }
  }
  return SLUICE_DONE;
}

/* At the instant there is no turn to be bounded by: all of it, in one go. */
static int write_all(sluice_save_t *save, sluice_section_t *section,
                     sluice_writer_t *w, sluice_error_t *err) {
  int r = call_start(section, w, err);

  r = r < 0 ? r : SLUICE_MORE;
  while (r == SLUICE_MORE && w->status == 0) {
    uint64_t before = w->worked;

    r = call_finish(section, w, err);
    r = sluice__hook_count(section, &save->session, "save_finish",
                           w->worked != before, r, err);
  }
  return r;
}

int sluice__save_keep_section(sluice_save_t *save, sluice_section_t *section) {
  sluice__budget_t unlimited;
  sluice_error_t err = {0};
  sluice_writer_t w;

  sluice__budget_open(&unlimited, &save->session.engine->pump.clock, UINT64_MAX,
                      UINT64_MAX);
  lend_writer(save, &w, section, &unlimited, SLUICE_ITEM_SECTION, true);
  w.kept = &section->stash;
  w.mem = &save->session.mem;
  return check_step(save, section, &w, "save_finish",
                    write_all(save, section, &w, &err), &err);
}

static void end_section(sluice_section_t *section, int status) {
  section->stage = SLUICE__SECTION_IDLE;
  section->handler->save_end(section->self, status);
}

void sluice__save_end_sections(sluice_save_t *save, int status) {
  save->releasing = save->session.registry->first;
  for (sluice_section_t *at = save->releasing; at != NULL; at = at->next) {
    sluice__section_stage_t stage = at->stage;

    at->session = NULL;
    at->stage = SLUICE__SECTION_IDLE;
    if (stage == SLUICE__SECTION_IDLE || stage == SLUICE__SECTION_PRIMED) {
      continue;
    }
    if (at->handler->save_release != NULL) {
      at->stage = SLUICE__SECTION_RELEASING;
      sluice__hook_reset(at);
    } else {
      end_section(at, status);
    }
  }
}

/* A section that never ends this is told that it has: the image stands, but
 * what became of the host's memory is not known. */
static int release_section(sluice_save_t *save, sluice_section_t *section) {
  sluice_error_t err = {.offset = SLUICE_OFFSET_NONE};
  int r = section->handler->save_release(section->self);

  r = sluice__hook_check("save_release", r, SLUICE_MORE, &err);
  r = sluice__hook_count(section, &save->session, "save_release", false, r,
                         &err);
  if (r < 0) {
    sluice__session_blame(&save->session, r, section, &err);
  }
  return r;
}

bool sluice__save_release_sections(sluice_save_t *save) {
  while (save->releasing != NULL) {
    sluice_section_t *at = save->releasing;

    if (at->stage == SLUICE__SECTION_RELEASING) {
      if (release_section(save, at) == SLUICE_MORE) {
        return false;
      }
      end_section(at, save->session.error.code);
    }
    save->releasing = at->next;
  }
  return true;
}
