/* decode_base.h - what every dialect stands on: the decoder's struct, its
 * window of input, and the latch for its first error.
 *
 *   decoder.c                 the public calls; finds the dialect
 *     native/ qemu/           a dialect: turns the window into items
 *       decode_base.c         (this)
 *         window.c
 *
 * For decoder.c and the dialects only; everybody else has decoder.h.
 * Invariant: after the first error no dialect runs again. */
#ifndef SLUICE_STREAM_DECODE_BASE_H
#define SLUICE_STREAM_DECODE_BASE_H

#include <stdbool.h>
#include <sys/uio.h>

#include <sluice/decoder.h>

#include "stream/decode_hooks.h"
#include "stream/window.h"

/* `next` returns SLUICE__ITEM (an item was made), SLUICE__STARVED (more input
 * is needed), SLUICE__WHOLE (the stream is complete) or a negative code from
 * sluice__decoder_fail(). Before each call what was lent for the last item is
 * given back: `next` itself takes it off the window. */
enum { SLUICE__WHOLE = 0, SLUICE__ITEM = 1, SLUICE__STARVED = 2 };

/* Inside a dialect: a step that made no item and wants to be called again. */
enum { SLUICE__AGAIN = 3 };

typedef struct sluice__decode_ops_s {
  sluice_format_t format;
  int (*open)(sluice_decoder_t *d);   /* sets d->state; 0 or a negative code */
  void (*close)(sluice_decoder_t *d); /* also after a failed open */
  int (*next)(sluice_decoder_t *d, sluice_item_t *item);
  void (*consume)(sluice_decoder_t *d, size_t len);
  void (*end_payload)(sluice_decoder_t *d);
  /* Optional: with an empty window a record, or the like, would begin. */
  bool (*is_between)(const sluice_decoder_t *d);
  /* Optional, both: see sluice__decoder_places() in decoder.h. */
  int (*places)(sluice_decoder_t *d, struct iovec *out, int max, size_t most);
  void (*placed)(sluice_decoder_t *d, size_t len);
} sluice__decode_ops_t;

struct sluice_decoder_s {
  sluice_alloc_t alloc;
  sluice_decoder_options_t options; /* defaults filled in */
  sluice__decode_hooks_t hooks;
  bool skips_pages; /* may change between two items */
  sluice__window_t window;
  const sluice__decode_ops_t *ops; /* NULL until the signature was seen */
  void *state;                     /* the dialect's */
  sluice_error_t error;            /* latched */
  bool is_whole;                   /* TRAILER was delivered */
};

extern const sluice__decode_ops_t sluice__decode_native;
extern const sluice__decode_ops_t sluice__decode_qemu3;
extern const sluice__decode_ops_t sluice__decode_qemu2;

static inline bool sluice__is_page_size(uint32_t n) {
  return n >= SLUICE_PAGE_MIN && n <= SLUICE_PAGE_MAX && (n & (n - 1)) == 0;
}

/* Latches a failure at stream offset `offset` in `section` ("" for none) and
 * returns `code`. */
int sluice__decoder_fail(sluice_decoder_t *d, int code, uint64_t offset,
                         const char *section, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Why a peek returned NULL: SLUICE__STARVED, or the failure: input is over
 * inside `what`, or no memory for it. */
int sluice__decoder_starve(sluice_decoder_t *d, const char *section,
                           const char *what);

#endif
