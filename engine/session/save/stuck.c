/* stuck.c - a save that waits for nobody ends by name, it does not hang.
 *
 * A turn that waits is woken by what is under way: the sink, a thread, the host
 * that was asked to pause, a delay. When nothing is, whatever is still half
 * done will stay so: pages that were lent and that nobody copies, a chunk that
 * nobody completes, a section that has work and sleeps. A section that waits
 * and has none of these may be woken by its host at any time: that is no fault.
 *
 * All is quiet when this is asked, so it may cost a look at every section. */
#include "session/save/save.h"

#include <stddef.h>

static bool fail(sluice_save_t *save, const sluice_section_t *section,
                 const char *message) {
  sluice_error_t err = {.offset = SLUICE_OFFSET_NONE};

  (void)sluice_fail(&err, SLUICE_ELOSTWAKE, "%s", message);
  sluice__session_fail(&save->session, SLUICE_ELOSTWAKE, section,
                       save->session.bytes_done, &err);
  return true;
}

bool sluice__save_has_lost_wake(sluice_save_t *save) {
  sluice__cont_t *lost = sluice__queue_find_lost(&save->session.queue);

  return lost != NULL &&
         fail(
             save,
             (const sluice_section_t *)(const void *)((const char *)lost -
                                                      offsetof(sluice_section_t,
                                                               cont)),
             sluice_strerror(SLUICE_ELOSTWAKE));
}

static const sluice_section_t *find_lender(const sluice_save_t *save) {
  const sluice_section_t *at = save->session.registry->first;

  while (at != NULL &&
         sluice__copy_jobs_returned(&save->jobs, at) == at->lent) {
    at = at->next;
  }
  return at;
}

/* Somebody will wake the turn. */
static bool is_under_way(const sluice_save_t *save) {
  return save->is_sink_busy || save->is_held ||
         sluice__prove_is_busy(&save->prove) || save->direct.writes > 0 ||
         save->chunks.patches.is_busy || save->state == SLUICE__SAVE_PAUSING ||
         save->session.pace.armed ||
         !sluice__copy_jobs_are_quiet(&save->jobs) ||
         sluice__queue_is_runnable(&save->session.queue);
}

bool sluice__save_is_stuck(sluice_save_t *save) {
  const sluice_section_t *lender;

  if (is_under_way(save)) {
    return false;
  }
  lender = find_lender(save);
  if (lender != NULL) {
    return fail(save, lender, "its pages are lent, and nobody copies them");
  }
  if (sluice__chunks_are_held(&save->chunks)) {
    return fail(save, NULL, "a chunk waits for pages that nobody copies");
  }
  return sluice__save_has_lost_wake(save);
}
