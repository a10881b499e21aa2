/* prove.h - no save makes a good page of a damaged one.
 *
 * Sections that were restored by mapping may have pages that nobody has
 * verified (soundness.h). While the save sends them they are verified from the
 * file; it may not end before. Damaged ones make it fail by name; or, where the
 * host wants that, they are written so that every reader finds them damaged:
 * then all is verified before anything is sent.
 *
 * Where all sections are sound this costs a look at each section at the begin.
 * Loop thread. */
#ifndef SLUICE_SESSION_SAVE_PROVE_H
#define SLUICE_SESSION_SAVE_PROVE_H

#include "session/session.h"
#include "soundness/proof.h"

typedef struct sluice__prove_s {
  sluice__session_t *session;
  bool may_write; /* damaged pages, as such */

  bool is_pending;        /* not all sections are known yet */
  bool has_unsound;       /* there are some that were not sound at the begin */
  sluice_section_t *next; /* to be proved */
  sluice__proof_t proof;
} sluice__prove_t;

/* `session` and `may_write` are set, the rest is zero. */
void sluice__prove_begin(sluice__prove_t *p);
/* A slice. SLUICE__DONE: nothing is pending; SLUICE__WAIT (for a job, which
 * wakes the session), SLUICE__MORE. Errors are latched. */
int sluice__prove_run(sluice__prove_t *p, sluice__budget_t *b);
/* At the end: nothing was found damaged since. False: it was, which is latched.
 */
bool sluice__prove_holds(sluice__prove_t *p);
/* A job is at work. */
bool sluice__prove_is_busy(const sluice__prove_t *p);
void sluice__prove_cancel(sluice__prove_t *p);
void sluice__prove_close(sluice__prove_t *p);

#endif
