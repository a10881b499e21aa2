/* fifo.h - the chunks that a sink has accepted and not yet answered for.
 *
 * Knows neither descriptors nor threads. Nodes are recycled, so that a save in
 * full flow allocates nothing. The number of chunks is bounded by the session.
 *
 *   push --> queued --> (popped by a writer) --> delivered
 *
 * Invariant: `undelivered` counts every chunk from its push until just before
 * its callback; each callback runs exactly once, from sluice__fifo_deliver().
 * The fifo may be freed by the callback that makes it 0. Loop thread. */
#ifndef SLUICE_IO_FIFO_H
#define SLUICE_IO_FIFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/sink.h>

typedef struct sluice__chunk_s {
  const uint8_t *data; /* what is still to be written of it */
  size_t len;
  uint64_t offset; /* of `data` in the stream */
  int status;      /* told to `cb` */
  sluice_sink_cb cb;
  void *ctx;
  struct sluice__chunk_s *next;
  struct sluice__chunk_s *older; /* the fifo's own: all nodes that there are */
} sluice__chunk_t;

typedef struct sluice__chunk_list_s {
  sluice__chunk_t *first;
  sluice__chunk_t *last;
} sluice__chunk_list_t;

typedef struct sluice__fifo_s {
  sluice__chunk_list_t queued;
  sluice__chunk_t *spare;
  sluice__chunk_t *all;
  size_t undelivered;
  void (*on_quiet)(void *owner); /* set by sluice__fifo_when_quiet() */
  void *owner;
} sluice__fifo_t;

/* Accepts a chunk. 0 or UV_ENOMEM. */
int sluice__fifo_push(sluice__fifo_t *f, const sluice__chunk_t *chunk);

/* The oldest queued chunk, taken out; NULL when there is none. */
sluice__chunk_t *sluice__fifo_pop(sluice__fifo_t *f);

/* Appends `chunk` to `list`, with what its callback will be told. */
void sluice__chunk_retire(sluice__chunk_list_t *list, sluice__chunk_t *chunk,
                          int status);

/* Retires everything that is queued. */
void sluice__fifo_retire_all(sluice__fifo_t *f, sluice__chunk_list_t *list,
                             int status);

/* Calls the callbacks of `list`. From the loop only. `f` must not be touched
 * after it: the last callback may have freed it. */
void sluice__fifo_deliver(sluice__fifo_t *f, const sluice__chunk_list_t *list);

/* True when no callback is owed. Otherwise `on_quiet` is called, from the loop,
 * right after the last one. */
bool sluice__fifo_when_quiet(sluice__fifo_t *f, void (*on_quiet)(void *),
                             void *owner);

/* Frees the nodes, wherever they are; nobody may be about to deliver one. */
void sluice__fifo_done(sluice__fifo_t *f);

#endif
