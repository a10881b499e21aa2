/* decode_all.h - drives a decoder over bytes in memory. */
#ifndef SLUICE_TESTS_DECODE_ALL_H
#define SLUICE_TESTS_DECODE_ALL_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/decoder.h>

typedef void (*decode_cb)(void *ctx, const sluice_item_t *item);

/* Feeds `len` bytes, at most `step` at a time (0: as much as is taken), then
 * the end of input. `on_item` may be NULL; `alloc` and `options` as for
 * sluice_decoder_new(). Returns what the decoder ended with: SLUICE_DONE or a
 * negative code, which a further call must repeat. `out_offset` (may be NULL)
 * is the decoder's offset then. */
int decode_all(const uint8_t *data, size_t len, size_t step,
               const sluice_decoder_options_t *options,
               const sluice_alloc_t *alloc, decode_cb on_item, void *ctx,
               sluice_error_t *err, uint64_t *out_offset);

/* Appends one line for `item` to the text at `*to`, which is grown with
 * realloc(). PAGES are shown page by page, BYTES byte by byte up to 16, so how
 * input was cut does not show. */
void describe_item(char **to, const sluice_item_t *item);

#endif
