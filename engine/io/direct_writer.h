/* direct_writer.h - the one way into the sink of a save.
 *
 * Chunks are written in order, and stay until the sink has answered. While none
 * is under way the sink may take bytes at once, from wherever they are: pages
 * that do not change need not be copied then. How much of that there is the
 * mode says, which is chosen when the sink is open:
 *
 *   BUFFERED  nothing is taken at once
 *   IN_ORDER <--> DRAINING   a part may be; of what was offered last all was,
 *             or a rest is on its way, and nothing more should be made until
 *             that is out: the next can be taken at once again
 *   ANYWHERE  all, at any offset: pages before their record is whole
 *   SHUT      the sink is not to be used any more; what comes is dropped
 *
 * Invariant: the sink has been given all bytes before `offset`, but for those
 * that were put behind it. The first error is latched. Loop thread. */
#ifndef SLUICE_IO_DIRECT_WRITER_H
#define SLUICE_IO_DIRECT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/sink.h>

struct iovec;

typedef enum sluice__direct_mode_e {
  SLUICE__DIRECT_BUFFERED,
  SLUICE__DIRECT_IN_ORDER,
  SLUICE__DIRECT_DRAINING,
  SLUICE__DIRECT_ANYWHERE,
  SLUICE__DIRECT_SHUT
} sluice__direct_mode_t;

typedef struct sluice__direct_writer_s {
  sluice_sink_t *sink;
  sluice__direct_mode_t mode;
  uint64_t offset; /* of the stream: the next byte for the sink */
  size_t writes;   /* chunks that are with the sink */
  int code;        /* its first error */
} sluice__direct_writer_t;

void sluice__direct_writer_init(sluice__direct_writer_t *w,
                                sluice_sink_t *sink);
/* The sink is open: chooses the mode. */
void sluice__direct_writer_open(sluice__direct_writer_t *w);
/* Nothing goes to the sink any more; what it has it may still answer. */
void sluice__direct_writer_shut(sluice__direct_writer_t *w);
/* What is made next does not wait until the sink is drained. */
void sluice__direct_writer_hurry(sluice__direct_writer_t *w);

/* A chunk, the next bytes of the stream. 1: it is done with, 0: `cb` will be
 * called, and is to say so (_answered), < 0: what is latched. */
int sluice__direct_writer_write(sluice__direct_writer_t *w, const void *data,
                                size_t len, sluice_sink_cb cb, void *ctx);
void sluice__direct_writer_answered(sluice__direct_writer_t *w, int status);

/* May bytes be taken at once now? */
bool sluice__direct_writer_can_take(const sluice__direct_writer_t *w);
/* The next bytes of the stream: how many were taken, or what is latched. */
ptrdiff_t sluice__direct_writer_offer(sluice__direct_writer_t *w,
                                      const struct iovec *pieces, int count);

/* May bytes be put anywhere now? */
static inline bool
sluice__direct_writer_can_put(const sluice__direct_writer_t *w) {
  return w->mode == SLUICE__DIRECT_ANYWHERE &&
         sluice__direct_writer_can_take(w);
}
/* All of them, where they belong, which is not before `offset`. 0 or what is
 * latched. */
int sluice__direct_writer_put(sluice__direct_writer_t *w,
                              const struct iovec *pieces, int count,
                              uint64_t offset);
/* The bytes up to `end` have all been put. */
void sluice__direct_writer_pass(sluice__direct_writer_t *w, uint64_t end);

/* Replaces bytes that the sink has, one call at a time. 1: they are done with,
 * 0: `cb` will be called, and is to say so (_patched), < 0: what is latched. */
int sluice__direct_writer_patch(sluice__direct_writer_t *w,
                                const sluice_patch_t *patches, size_t count,
                                sluice_sink_cb cb, void *ctx);
void sluice__direct_writer_patched(sluice__direct_writer_t *w, int status);

/* May a record wait for what the next step writes? Not if the sink would take
 * it at once, as soon as it is whole. */
static inline bool
sluice__direct_writer_may_linger(const sluice__direct_writer_t *w) {
  return w->mode != SLUICE__DIRECT_IN_ORDER &&
         w->mode != SLUICE__DIRECT_DRAINING;
}

#endif
