/* decoder.h - what the decoder and its dialects share.
 *
 * decoder.c owns input, errors and the life of the object; a dialect turns the
 * window into items and knows one format. */
#ifndef SLUICE_STREAM_DECODER_H
#define SLUICE_STREAM_DECODER_H

#include <stdbool.h>

#include <sluice/decoder.h>

#include "stream/window.h"

/* `next` returns SLUICE__ITEM (an item was made), SLUICE__STARVED (more input
 * is needed), SLUICE__WHOLE (the stream is complete) or a negative code from
 * sluice__decoder_fail(). Before each call what was lent for the last item is
 * given back: `next` itself takes it off the window. */
enum { SLUICE__WHOLE = 0, SLUICE__ITEM = 1, SLUICE__STARVED = 2 };

typedef struct sluice__decode_ops_s {
  sluice_format_t format;
  int (*open)(sluice_decoder_t *d);   /* sets d->state; 0 or a negative code */
  void (*close)(sluice_decoder_t *d); /* also after a failed open */
  int (*next)(sluice_decoder_t *d, sluice_item_t *item);
  void (*consume)(sluice_decoder_t *d, size_t len);
  void (*cut)(sluice_decoder_t *d);
} sluice__decode_ops_t;

struct sluice_decoder_s {
  sluice_alloc_t alloc;
  sluice_decoder_options_t options; /* defaults filled in */
  sluice__window_t window;
  const sluice__decode_ops_t *ops; /* NULL until the signature was seen */
  void *state;                     /* the dialect's */
  sluice_error_t error;            /* latched */
  bool is_whole;                   /* TRAILER was delivered */
};

extern const sluice__decode_ops_t sluice__decode_native;
extern const sluice__decode_ops_t sluice__decode_qemu3;
extern const sluice__decode_ops_t sluice__decode_qemu2;

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
