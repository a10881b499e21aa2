/* chunks.h - the buffers between a save's encoder and its sink.
 *
 * Chunks are lent to the encoder, written to the sink, and come back. One that
 * copy jobs still have to fill waits, and those behind it wait too: the sink
 * gets them in order. What replaces bytes of the stream does so in a chunk that
 * waits, and else in the sink, when that has answered what is replaced. Their
 * bytes on the way are what back-pressure is measured by: above the high mark
 * no handler is called.
 *
 * Knows no section and no state machine: it reports by a callback. */
#ifndef SLUICE_SESSION_SAVE_CHUNKS_H
#define SLUICE_SESSION_SAVE_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/encoder.h>

#include "io/direct_writer.h"
#include "memory/mem.h"
#include "session/save/patches.h"
#include "stream/copy_queue.h"

typedef struct sluice__save_chunk_s sluice__save_chunk_t;

typedef struct sluice__chunks_s {
  sluice__mem_t *mem;
  sluice__direct_writer_t *writer;
  const sluice__copy_queue_t *jobs; /* who still fills chunks */
  sluice__save_chunk_t *all;
  sluice__save_chunk_t *idle;  /* ready to be lent */
  size_t chunk_bytes;          /* of each */
  sluice__save_chunk_t *first; /* emitted, but it or one before it waits */
  sluice__save_chunk_t *last;
  sluice__save_chunk_t *written; /* with the sink; newest first */
  sluice__patches_t patches;     /* of what the sink has */
  size_t flying_bytes;           /* emitted, and not yet taken by the sink */
  size_t high_bytes;             /* no more is made above this */
  /* A write was completed, or failed. Called from the loop. */
  void (*on_written)(void *ctx, int status);
  void *ctx;
} sluice__chunks_t;

void sluice__chunks_init(sluice__chunks_t *c, sluice__mem_t *mem,
                         sluice__direct_writer_t *writer,
                         const sluice__copy_queue_t *jobs, size_t high_bytes);
/* Before the first is lent: other sizes than SLUICE_CHUNK_BYTES and what was
 * said then. */
void sluice__chunks_resize(sluice__chunks_t *c, size_t chunk_bytes,
                           size_t high_bytes);
/* Frees the buffers, wherever they are: nobody uses one any more. */
void sluice__chunks_done(sluice__chunks_t *c);

/* The encoder's output. */
sluice_output_t sluice__chunks_output(sluice__chunks_t *c);

/* A job was collected: those go out that wait for none any more. */
void sluice__chunks_go_on(sluice__chunks_t *c);

/* All of it is to be with the sink: what replaces bytes there, too. */
void sluice__chunks_flush(sluice__chunks_t *c);

/* On the way to the sink, and not yet taken by it. */
static inline size_t sluice__chunks_flying(const sluice__chunks_t *c) {
  return c->flying_bytes + c->patches.flying_bytes;
}

/* One was emitted that the sink does not have: it, or one before it, waits. */
static inline bool sluice__chunks_are_held(const sluice__chunks_t *c) {
  return c->first != NULL;
}

static inline bool sluice__chunks_are_full(const sluice__chunks_t *c) {
  return sluice__chunks_flying(c) >= c->high_bytes ||
         (c->writer->mode == SLUICE__DIRECT_DRAINING && c->flying_bytes > 0);
}

#endif
