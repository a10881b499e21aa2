/* lists.h - the lists that continuations wait on.
 *
 * Inline because a drain moves two nodes a step and a step may be as short as
 * the call to it. Knows only how to link; when a node goes where is decided in
 * queue.c and drain.c.
 *
 * Invariant: nodes of a list stand in the order of their `turn`, since all are
 * appended with the queue's current one: those of older turns are a prefix. */
#ifndef SLUICE_QUEUE_LISTS_H
#define SLUICE_QUEUE_LISTS_H

#include "queue.h"

static inline void sluice__list_append(sluice__cont_list_t *l,
                                       sluice__cont_t *c) {
  c->next = NULL;
  c->prev = l->last;
  if (l->last == NULL) {
    l->first = c;
  } else {
    l->last->next = c;
  }
  l->last = c;
  l->weight += c->weight;
  l->count++;
}

static inline void sluice__list_remove(sluice__cont_list_t *l,
                                       sluice__cont_t *c) {
  if (c->prev == NULL) {
    l->first = c->next;
  } else {
    c->prev->next = c->next;
  }
  if (c->next == NULL) {
    l->last = c->prev;
  } else {
    c->next->prev = c->prev;
  }
  l->weight -= c->weight;
  l->count--;
}

static inline void sluice__list_put_ready(sluice__queue_t *q,
                                          sluice__cont_t *c) {
  c->state = SLUICE__CONT_READY;
  c->turn = q->turn;
  sluice__list_append(&q->ready[c->class_], c);
}

static inline void sluice__list_put_parked(sluice__queue_t *q,
                                           sluice__cont_t *c) {
  c->state = SLUICE__CONT_PARKED;
  c->turn = q->turn;
  sluice__list_append(&q->parked, c);
}

static inline bool sluice__list_has_ready(const sluice__queue_t *q) {
  return q->ready[SLUICE__URGENT].first != NULL ||
         q->ready[SLUICE__DEMAND].first != NULL ||
         q->ready[SLUICE__BULK].first != NULL;
}

#endif
