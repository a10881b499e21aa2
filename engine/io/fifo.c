/* fifo.c - see fifo.h. */
#include "io/fifo.h"

#include <assert.h>
#include <stdlib.h>

#include <uv.h>

static void append(sluice__chunk_list_t *list, sluice__chunk_t *chunk) {
  chunk->next = NULL;
  if (list->first == NULL) {
    list->first = chunk;
  } else {
    list->last->next = chunk;
  }
  list->last = chunk;
}

static sluice__chunk_t *take_first(sluice__chunk_t **first) {
  sluice__chunk_t *chunk = *first;

  if (chunk != NULL) {
    *first = chunk->next;
  }
  return chunk;
}

static sluice__chunk_t *find_node(sluice__fifo_t *f) {
  sluice__chunk_t *node = take_first(&f->spare);

  if (node == NULL) {
    node = malloc(sizeof(*node));
    if (node != NULL) {
      node->older = f->all;
      f->all = node;
    }
  }
  return node;
}

int sluice__fifo_push(sluice__fifo_t *f, const sluice__chunk_t *chunk) {
  sluice__chunk_t *node = find_node(f);
  sluice__chunk_t *older;

  if (node == NULL) {
    return UV_ENOMEM;
  }
  older = node->older;
  *node = *chunk;
  node->older = older;
  append(&f->queued, node);
  f->undelivered++;
  return 0;
}

sluice__chunk_t *sluice__fifo_pop(sluice__fifo_t *f) {
  return take_first(&f->queued.first);
}

void sluice__chunk_retire(sluice__chunk_list_t *list, sluice__chunk_t *chunk,
                          int status) {
  chunk->status = status;
  append(list, chunk);
}

void sluice__fifo_retire_all(sluice__fifo_t *f, sluice__chunk_list_t *list,
                             int status) {
  sluice__chunk_t *chunk;

  while ((chunk = sluice__fifo_pop(f)) != NULL) {
    sluice__chunk_retire(list, chunk, status);
  }
}

/* Everything needed after the callback is read before it: the callback of the
 * last chunk may close the sink, and `f` with it, unless somebody waits for
 * quiet: then the sink is being aborted and lives until that is told. */
static void deliver_one(sluice__fifo_t *f, sluice__chunk_t *chunk) {
  const sluice__chunk_t done = *chunk;
  void (*on_quiet)(void *) = NULL;
  void *owner = f->owner;

  assert(f->undelivered > 0);
  f->undelivered--;
  if (f->undelivered == 0) {
    on_quiet = f->on_quiet;
  }
  chunk->next = f->spare;
  f->spare = chunk;
  done.cb(done.ctx, done.status);
  if (on_quiet != NULL) {
    on_quiet(owner);
  }
}

void sluice__fifo_deliver(sluice__fifo_t *f, const sluice__chunk_list_t *list) {
  sluice__chunk_t *rest = list->first;
  sluice__chunk_t *chunk;

  while ((chunk = take_first(&rest)) != NULL) {
    deliver_one(f, chunk);
  }
}

bool sluice__fifo_when_quiet(sluice__fifo_t *f, void (*on_quiet)(void *),
                             void *owner) {
  if (f->undelivered == 0) {
    return true;
  }
  f->on_quiet = on_quiet;
  f->owner = owner;
  return false;
}

void sluice__fifo_done(sluice__fifo_t *f) {
  sluice__chunk_t *chunk;

  while ((chunk = f->all) != NULL) {
    f->all = chunk->older;
    free(chunk);
  }
  f->spare = NULL;
}
