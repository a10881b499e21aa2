/* decoder.h - what the decoder and its dialects share.
 *
 * decoder.c owns input, errors and the life of the object; a dialect turns the
 * window into items and knows one format. */
#ifndef SLUICE_STREAM_DECODER_H
#define SLUICE_STREAM_DECODER_H

#include <stdbool.h>
#include <sys/uio.h>

#include <sluice/decoder.h>
#include <sluice/restore.h>

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
  /* Optional: with an empty window a record, or the like, would begin. */
  bool (*is_between)(const sluice_decoder_t *d);
  /* Optional, both: see sluice__decoder_places(). */
  int (*places)(sluice_decoder_t *d, struct iovec *out, int max, size_t most);
  void (*placed)(sluice_decoder_t *d, size_t len);
} sluice__decode_ops_t;

/* Pages one behind the other in the stream and in a region, as the index has
 * them. */
typedef struct sluice__index_run_s {
  uint32_t section_id;
  uint32_t region;
  const char *region_name; /* the decoder's */
  uint32_t page_size;
  uint64_t offset; /* bytes in the region */
  uint64_t bytes;
  uint64_t at; /* stream offset; 0: zeros */
} sluice__index_run_t;

/* For readers that can go about in the stream; native only. */
typedef struct sluice__decode_hooks_s {
  void *ctx;
  /* May be changed between two items. Regions that are declared from now on,
   * and their pages: no PAGES and no ZEROS item is made of them, and the data
   * is no input: see sluice__decoder_position(). */
  bool skips_pages;
  /* Such pages, as the index says; 0 or a negative code. */
  int (*on_index_run)(void *ctx, const sluice__index_run_t *run);
  /* A page's hash is wrong. With this hook it is lent all the same. */
  void (*on_damage)(void *ctx, const sluice_damage_t *page);
  /* Pages that come next (`data` and `len` are not set): where are they to go?
   * NULL: into the window. Asked again for pages that were put there; then the
   * same must be said as before. */
  uint8_t *(*place)(void *ctx, const sluice_run_t *run);
  /* It is not asked about records of fewer bytes of pages. */
  uint32_t place_least;
} sluice__decode_hooks_t;

struct sluice_decoder_s {
  sluice_alloc_t alloc;
  sluice__decode_hooks_t hooks;
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
