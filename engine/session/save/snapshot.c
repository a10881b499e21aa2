/* snapshot.c - the point-in-time snapshot of mode CUT, and what is kept of it.
 *
 * Sections are begun inside sluice_save_begin(). Those that have to be armed
 * are so by their continuations, a slice a turn; when the last one is, all are
 * cut in one go, with no other call of the host's in between. The bytes of a
 * section that is not live are taken at the instant and written when every live
 * section has ended, so that a stream has them in the usual order.
 *
 * Invariant: before the instant nothing of a section is in the stream. */
#include "session/save/save.h"

#include <stddef.h>
#include <uv.h>

#include "session/hook.h"
#include "stream/encoder.h"

enum { KEPT_UNIT = 64 * 1024 };

static bool can_snapshot(const sluice_section_t *section) {
  return sluice__section_is_live(section)
             ? section->handler->save_cut != NULL
             : section->handler->payload == SLUICE_PAYLOAD_BYTES;
}

int sluice__save_check_snapshot(const sluice_registry_t *registry,
                                sluice_error_t *err) {
  for (const sluice_section_t *at = registry->first; at != NULL;
       at = at->next) {
    if (!can_snapshot(at)) {
      return sluice_fail(err, UV_ENOTSUP, "section '%s' cannot be cut: it %s",
                         sluice__section_name(at),
                         sluice__section_is_live(at)
                             ? "is live and lacks save_cut"
                             : "is of pages and not live");
    }
  }
  return 0;
}

static void fail_section(sluice_save_t *save, const sluice_section_t *section,
                         int code, const sluice_error_t *err) {
  sluice__session_fail(&save->session, code, section,
                       sluice_encoder_offset(save->encoder), err);
}

static int arm_section(sluice_save_t *save, sluice_section_t *section) {
  sluice_error_t err = {0};
  int r = section->handler->save_arm(section->self, &err);

  r = sluice__hook_check("save_arm", r, SLUICE_MORE, &err);
  r = sluice__hook_count(section, &save->session, "save_arm", false, r, &err);
  if (r < 0) {
    fail_section(save, section, r, &err);
  } else if (r == SLUICE_DONE) {
    section->stage = SLUICE__SECTION_BEGUN;
    save->arming--;
  }
  return r;
}

static int arm_or_step(sluice__cont_t *c, sluice__budget_t *b) {
  sluice_section_t *section =
      (sluice_section_t *)(void *)((char *)c -
                                   offsetof(sluice_section_t, cont));

  return section->stage == SLUICE__SECTION_ARMING
             ? arm_section(section->session, section)
             : sluice__save_step_section(c, b);
}

void sluice__save_prime_snapshot(sluice_save_t *save) {
  sluice_section_t *first = save->session.registry->first;
  uint32_t id = 0;

  for (sluice_section_t *at = first; at != NULL; at = at->next) {
    sluice__save_bind(save, at, id++, arm_or_step);
  }
  for (sluice_section_t *at = first; at != NULL; at = at->next) {
    if (sluice__save_begin_section(save, at) < 0) {
      return;
    }
    if (at->handler->save_arm != NULL) {
      at->stage = SLUICE__SECTION_ARMING;
      save->arming++;
      sluice__queue_wake(&at->cont);
    }
  }
  if (save->arming == 0) {
    sluice__save_take_snapshot(save);
  }
}

void sluice__save_rearm(sluice_save_t *save) {
  for (sluice_section_t *at = save->session.registry->first; at != NULL;
       at = at->next) {
    if (at->handler->save_arm == NULL) {
      continue;
    }
    save->arming++;
    at->stage = SLUICE__SECTION_ARMING;
    if (arm_section(save, at) == SLUICE_MORE) {
      sluice__queue_wake(&at->cont);
    }
  }
}

static int snapshot_section(sluice_save_t *save, sluice_section_t *section) {
  sluice_error_t err = {0};
  int r;

  if (!sluice__section_is_live(section)) {
    return sluice__save_keep_section(save, section);
  }
  r = section->handler->save_cut(section->self, &err);
  r = sluice__hook_check("save_cut", r, 0, &err);
  if (r < 0) {
    fail_section(save, section, r, &err);
    return r;
  }
  section->stage = SLUICE__SECTION_CUT;
  sluice__queue_wake(&section->cont);
  return 0;
}

void sluice__save_take_snapshot(sluice_save_t *save) {
  for (sluice_section_t *at = save->session.registry->first; at != NULL;
       at = at->next) {
    if (snapshot_section(save, at) < 0) {
      return;
    }
  }
  if (save->options.cut != NULL) {
    save->options.cut(save);
  }
}

static int open_kept(sluice_save_t *save, const sluice_section_t *section) {
  sluice_decl_t decl = sluice__section_decl(section);

  save->kept_out = 0;
  save->is_payload_open = true;
  return sluice_encoder_open(save->encoder, SLUICE_ITEM_SECTION, &decl);
}

static int write_unit(sluice_save_t *save, const sluice__stash_t *kept,
                      sluice__budget_t *b) {
  size_t left = kept->len - save->kept_out;
  size_t n = left < KEPT_UNIT ? left : (size_t)KEPT_UNIT;
  int r = n == 0 ? 0
                 : sluice_encoder_bytes(save->encoder,
                                        kept->base + save->kept_out, n);

  save->kept_out += n;
  save->session.bytes_done = sluice_encoder_offset(save->encoder);
  sluice__budget_charge(b, n);
  return r;
}

static int close_kept(sluice_save_t *save, sluice_section_t *section) {
  sluice__stash_free(&save->session.mem, &section->stash);
  save->is_payload_open = false;
  save->session.sections_done++;
  save->finishing = section->next;
  return sluice_encoder_close(save->encoder);
}

/* One unit of the section at hand. */
static int move_kept(sluice_save_t *save, sluice_section_t *section,
                     sluice__budget_t *b) {
  int r = save->is_payload_open ? 0 : open_kept(save, section);

  save->session.current = section;
  if (r == 0) {
    r = write_unit(save, &section->stash, b);
  }
  if (r == 0 && save->kept_out == section->stash.len) {
    r = close_kept(save, section);
  }
  if (r < 0) {
    sluice__save_fail_encoder(save, section);
  }
  return r;
}

int sluice__save_write_kept(sluice_save_t *save, sluice__budget_t *b) {
  while (save->finishing != NULL) {
    int r = 0;

    if (sluice__section_is_live(save->finishing)) {
      save->finishing = save->finishing->next;
    } else {
      r = move_kept(save, save->finishing, b);
    }
    if (r < 0) {
      return r;
    }
    if (sluice__budget_should_yield(b)) {
      return SLUICE_MORE;
    }
  }
  return SLUICE_DONE;
}

sluice_save_mode_t sluice_section_mode(const sluice_section_t *section) {
  const sluice_save_t *save = section != NULL ? section->session : NULL;

  return save == NULL ? SLUICE_CONVERGE : save->options.mode;
}
