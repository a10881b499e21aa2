/* chunks.h - the buffers between a save's encoder and its sink.
 *
 * Chunks are lent to the encoder, written by the sink, and come back. One that
 * is held (parts of it are still being filled in) waits, and those behind it
 * wait too: the sink gets them in order. Their bytes on the way are what
 * back-pressure is measured by: above the high mark no handler is called.
 *
 * When none is on the way, a chunk may have still pages (stream/fill.h): of it
 * the sink takes what it can at once, from where the pages are; what it does
 * not take is copied and goes the usual way, and then nothing more is made
 * until that is out: the next pages can be taken at once again. A sink that
 * takes them in any order gets pages before their record is whole.
 *
 * Knows no section and no state machine: it reports by two callbacks. */
#ifndef SLUICE_SESSION_SAVE_CHUNKS_H
#define SLUICE_SESSION_SAVE_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/encoder.h>
#include <sluice/sink.h>

#include "memory/mem.h"
#include "stream/fill.h"

typedef struct sluice__chunk_s sluice__chunk_t;

typedef struct sluice__chunks_s {
  sluice__mem_t *mem;
  sluice_sink_t *sink;
  sluice__chunk_t *idle;  /* ready to be lent */
  size_t chunk_count;     /* that exist */
  size_t chunk_bytes;     /* of each */
  sluice__chunk_t *first; /* emitted, but it or one before it is held */
  sluice__chunk_t *last;
  size_t flying_bytes; /* emitted, and not yet taken by the sink */
  size_t writes;       /* chunks that are with the sink */
  size_t high_bytes;   /* no more is made above this */
  bool is_draining;    /* no more is made while any are flying */
  bool takes_nothing;  /* the sink has said that it takes nothing at once */
  const sluice__fill_t *still; /* of the chunk emitted next */
  uint64_t offset;             /* of the next byte for the sink */
  int code;                    /* first error of the sink */
  bool is_cut;                 /* drop what comes: the sink is not to be used */
  /* A write was completed, or failed. Called from the loop. */
  void (*on_written)(void *ctx, int status);
  /* The sink has taken something at once. */
  void (*on_taken)(void *ctx);
  void *ctx;
} sluice__chunks_t;

void sluice__chunks_init(sluice__chunks_t *c, sluice__mem_t *mem,
                         sluice_sink_t *sink, size_t high_bytes);
/* Before the first is lent: other sizes than SLUICE_CHUNK_BYTES and what was
 * said then. */
void sluice__chunks_resize(sluice__chunks_t *c, size_t chunk_bytes,
                           size_t high_bytes);
/* Frees the buffers; none is under way. */
void sluice__chunks_done(sluice__chunks_t *c);

/* The encoder's output. */
sluice_output_t sluice__chunks_output(sluice__chunks_t *c);

/* The chunk of the lent buffer `base` is not to go out before it was released
 * as often as it was held. */
sluice__chunk_t *sluice__chunks_hold(sluice__chunks_t *c, uint8_t *base);
void sluice__chunks_release(sluice__chunks_t *c, sluice__chunk_t *chunk);

/* May the chunk emitted next have still pages? Those of `fill`, then. */
bool sluice__chunks_can_take_now(const sluice__chunks_t *c);
void sluice__chunks_lend_still(sluice__chunks_t *c, const sluice__fill_t *fill);
/* The sink takes pages before their record is whole. See sluice__filler_t. */
bool sluice__chunks_can_put(const sluice__chunks_t *c);
void sluice__chunks_put_still(sluice__chunks_t *c, sluice__fill_t *fill,
                              uint64_t offset);
/* May a record wait for what the next step writes? Not if the sink would take
 * it at once, as soon as it is whole. */
bool sluice__chunks_may_linger(const sluice__chunks_t *c);

/* One was emitted that the sink does not have: it, or one before it, is held. */
static inline bool sluice__chunks_are_held(const sluice__chunks_t *c) {
  return c->first != NULL;
}

static inline bool sluice__chunks_are_full(const sluice__chunks_t *c) {
  return c->flying_bytes >= c->high_bytes ||
         (c->is_draining && c->flying_bytes > 0);
}

#endif
