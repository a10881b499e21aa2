/* fills.h - the records of a save whose pages other threads put in.
 *
 * Between the encoder, which lays records out and gives a fill for each, the
 * crew, which fills them in any order, and the chunks, which go to the sink in
 * order once all of theirs is there.
 *
 *   take --> BUILT --> (go) --> GIVEN --> OVER --> collected, in order
 *               \--> (drop)
 *
 * Invariant: while a fill is GIVEN, the pages it reads are lent and its chunk
 * stays. Loop thread, but for the filling.
 *
 * Where there is no crew there may be a *still* fill, one at a time and within
 * one call of the encoder's: the chunks have the sink take its pages from where
 * they are (session/save/chunks.c). It is in no list. */
#ifndef SLUICE_SESSION_SAVE_FILLS_H
#define SLUICE_SESSION_SAVE_FILLS_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/mem.h"
#include "session/crew.h"
#include "session/registry.h"
#include "session/save/chunks.h"
#include "stream/fill.h"

typedef struct sluice__save_fill_s sluice__save_fill_t;

typedef struct sluice__fills_s {
  sluice__crew_t *crew; /* NULL: nothing is given away */
  sluice__mem_t *mem;
  sluice__chunks_t *chunks;
  sluice__filler_t filler;    /* for the encoder */
  sluice_section_t *section;  /* whose pages are being lent */
  sluice__save_fill_t *first; /* in order of layout */
  sluice__save_fill_t *last;
  sluice__save_fill_t *idle;
  sluice__fill_t still;
  /* Some are over, and to be collected. */
  void (*on_over)(void *ctx);
  void *ctx;
} sluice__fills_t;

void sluice__fills_init(sluice__fills_t *f, sluice__crew_t *crew,
                        sluice__mem_t *mem, sluice__chunks_t *chunks);
/* None is left but idle ones. */
void sluice__fills_done(sluice__fills_t *f);

/* None is GIVEN. */
bool sluice__fills_are_quiet(const sluice__fills_t *f);

/* Of the pages that `section` has lent: so many, from the first on, have been
 * read. */
uint64_t sluice__fills_returned(const sluice__fills_t *f,
                                const sluice_section_t *section);

/* Lets go of what is over: chunks go out, and handlers are told unless
 * `is_silent`. Not inside of a handler's call. */
void sluice__fills_collect(sluice__fills_t *f, bool is_silent);
/* Tells the handler of `section` if more of its pages are back. */
void sluice__fills_tell(const sluice__fills_t *f, sluice_section_t *section);

/* Fills the oldest here and now that nobody has begun and that was given before
 * `ns`; how many bytes that were, 0: there is none. */
uint64_t sluice__fills_run_late(sluice__fills_t *f, uint64_t ns);

/* Nobody needs them any more: takes back what nobody has begun. */
void sluice__fills_abandon(sluice__fills_t *f);

#endif
