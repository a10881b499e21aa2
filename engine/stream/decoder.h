/* decoder.h - what the engine asks of a decoder beside <sluice/decoder.h>.
 *
 * The struct is decode_base.h's and the dialects'. As for the public calls: one
 * thread at a time. */
#ifndef SLUICE_STREAM_DECODER_H
#define SLUICE_STREAM_DECODER_H

#include <stdbool.h>
#include <sys/uio.h>

#include <sluice/decoder.h>

#include "stream/decode_hooks.h"

/* In place of what was set before; copied. Before the first region. */
void sluice__decoder_set_hooks(sluice_decoder_t *d,
                               const sluice__decode_hooks_t *hooks);

/* Regions that are declared from now on, and their pages: no PAGES and no ZEROS
 * item is made of them, and the data is no input: see
 * sluice__decoder_position(). May change between two items; native only. */
void sluice__decoder_skip_pages(sluice_decoder_t *d, bool on);
bool sluice__decoder_skips_pages(const sluice_decoder_t *d);

/* Where in the stream the next input must come from. */
uint64_t sluice__decoder_position(const sluice_decoder_t *d);

/* Where hook `place` wants the next input, in order, if it is the data of
 * pages: at most `most` bytes; then, behind the last page of a record, room for
 * what follows it. How many places, of `max` at most; 0: input goes to
 * sluice_decoder_space(), which it may at any time. Only when the decoder waits
 * for input: what it lent before has been used. */
int sluice__decoder_places(sluice_decoder_t *d, struct iovec *out, int max,
                           size_t most);
/* `len` bytes were put there. Pages come as PAGES items as ever, when they were
 * verified, with `data` where they stand. */
void sluice__decoder_placed(sluice_decoder_t *d, size_t len);

/* So many more bytes are needed, at least. */
size_t sluice__decoder_missing(const sluice_decoder_t *d);

/* The next input is the start of a record. */
bool sluice__decoder_is_between(const sluice_decoder_t *d);

/* As sluice_decoder_offset(), without what was skipped. */
uint64_t sluice__decoder_read(const sluice_decoder_t *d);

#endif
