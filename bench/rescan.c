/* rescan.c - see rescan.h. */
#include "rescan.h"

void rescan_2008(rescan_node_t *first, sluice__budget_t *b) {
  int all = SLUICE__DONE;

  for (rescan_node_t *n = first; n != NULL; n = n->next) {
    all |= n->cont.step(&n->cont, b);
  }
  (void)all; /* who called asks whether to walk again: always */
}

void rescan_72(rescan_node_t *first, sluice__budget_t *b) {
  for (rescan_node_t *n = first; n != NULL; n = n->next) {
    if (!n->is_active(n)) {
      continue;
    }
    (void)n->cont.step(&n->cont, b);
    if (!n->is_over) {
      return; /* not before this one is through */
    }
  }
}
