/* prove.c - see prove.h. */
#include "session/save/prove.h"

#include <inttypes.h>

static void on_job(void *ctx) {
  sluice__prove_t *p = ctx;

  sluice__session_moved(p->session);
  sluice__session_wake(p->session);
}

/* Unless somebody may still tell that a page of it was lost. */
static void forget_sound(sluice_section_t *section) {
  if (sluice__soundness_is_sound(section->soundness) &&
      section->soundness->owners == 1) {
    sluice__soundness_drop(section->soundness);
    section->soundness = NULL;
  }
}

void sluice__prove_begin(sluice__prove_t *p) {
  sluice_section_t *at = p->session->registry->first;

  p->proof.mem = &p->session->mem;
  p->proof.job.loop = p->session->engine->pump.loop;
  p->proof.job.done = on_job;
  p->proof.job.ctx = p;
  p->next = at;
  for (; at != NULL; at = at->next) {
    p->is_pending |= at->soundness != NULL;
  }
  p->has_unsound = p->is_pending;
}

static int fail(sluice__prove_t *p, int code, const sluice_section_t *section,
                const sluice_error_t *err) {
  sluice__session_fail(p->session, code, section, SLUICE_OFFSET_NONE, err);
  return SLUICE__WAIT;
}

static int fail_damaged(sluice__prove_t *p, const sluice_section_t *section) {
  sluice_error_t err = {0};
  sluice_damage_t first;

  sluice__soundness_first(section->soundness, &first);
  (void)sluice_fail(&err, SLUICE_ECORRUPT,
                    "region '%s': the image that it was restored from is "
                    "damaged at byte %" PRIu64 " of the region",
                    first.region, first.offset);
  return fail(p, SLUICE_ECORRUPT, section, &err);
}

/* What is damaged in any case need not be looked at further. */
static bool is_refused(const sluice__prove_t *p,
                       const sluice_section_t *section) {
  return section->soundness->damaged_bytes > 0 &&
         (!p->may_write || p->session->passing != NULL);
}

/* SLUICE__DONE: this one is known. */
static int prove_section(sluice__prove_t *p, sluice_section_t *section) {
  sluice_error_t err = {0};
  int r;

  if (p->proof.of == NULL && is_refused(p, section)) {
    return fail_damaged(p, section);
  }
  r = sluice__proof_run(&p->proof, section->soundness, &err);
  if (r < 0) {
    return fail(p, r, section, &err);
  }
  if (r == SLUICE__DONE && is_refused(p, section)) {
    return fail_damaged(p, section);
  }
  if (r == SLUICE__DONE) {
    forget_sound(section);
  }
  return r;
}

int sluice__prove_run(sluice__prove_t *p, sluice__budget_t *b) {
  while (p->is_pending && p->next != NULL) {
    sluice_section_t *at = p->next;
    int r = at->soundness == NULL ? SLUICE__DONE : prove_section(p, at);

    if (r != SLUICE__DONE) {
      return r;
    }
    p->next = at->next;
    sluice__budget_charge(b, 0);
    if (sluice__budget_should_yield(b)) {
      return SLUICE__MORE;
    }
  }
  p->is_pending = false;
  return SLUICE__DONE;
}

/* Pages may be lost as late as this; by others that have been found sound. */
bool sluice__prove_holds(sluice__prove_t *p) {
  if (!p->has_unsound) {
    return true;
  }
  for (const sluice_section_t *at = p->session->registry->first; at != NULL;
       at = at->next) {
    if (at->soundness != NULL && is_refused(p, at)) {
      (void)fail_damaged(p, at);
      return false;
    }
  }
  return true;
}

bool sluice__prove_is_busy(const sluice__prove_t *p) {
  return p->proof.job.is_busy;
}

void sluice__prove_cancel(sluice__prove_t *p) {
  sluice__file_job_cancel(&p->proof.job);
}

void sluice__prove_close(sluice__prove_t *p) {
  sluice__proof_close(&p->proof);
}
