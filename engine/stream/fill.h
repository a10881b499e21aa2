/* fill.h - the pages of one PAGES record, to be put in later, or never.
 *
 * A record's checksum does not cover its pages or their hashes, so a record can
 * be laid out and sealed while both are still missing. A fill says where the
 * pages are and where they go; nobody else writes to those bytes meanwhile.
 *
 * The pages may be changing: such a copy may be torn, which is harmless, for
 * whoever lent it sends the page again, and the last word counts. Its hash is
 * made from the copy, so the record is sound in any case.
 *
 * Those of a *still* fill do not change while it exists, which is no longer
 * than one call of the encoder's: they are hashed where they are, and the sink
 * may have taken them from there before anything is copied. */
#ifndef SLUICE_STREAM_FILL_H
#define SLUICE_STREAM_FILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iovec;

enum {
  /* Of still pages, between hashing and writing them, where that needs not wait
   * for the record's end: some 100 us of a new file on tmpfs. */
  SLUICE__STILL_BYTES = 256 * 1024,
  SLUICE__FILL_PAGES_MAX = 1024, /* a record has no more */
  /* What precedes the pages, each of them, and what follows. */
  SLUICE__FILL_PIECES = SLUICE__FILL_PAGES_MAX + 2
};

typedef struct sluice__fill_page_s {
  const uint8_t *from; /* NULL: page and hash are there */
  uint64_t place;      /* what the hash is bound to; still: not used */
} sluice__fill_page_t;

typedef struct sluice__fill_s {
  bool is_still; /* the hashes are there */
  uint32_t page_size;
  uint32_t count;
  uint32_t out;    /* still: so many of the pages are in the sink already */
  uint8_t *data;   /* the first page's slot */
  uint8_t *hashes; /* the first hash's */
  sluice__fill_page_t pages[SLUICE__FILL_PAGES_MAX];
} sluice__fill_t;

/* Who has them filled. A fill that was taken is either given (`go`) or
 * dropped. */
typedef struct sluice__filler_s {
  void *ctx;
  /* For a record in the lent buffer `base`, a still one if `is_still` and it
   * can be. NULL: there is none to be had. A still one, once it was given,
   * lives until the buffer is emitted, which is the next thing to be done. */
  sluice__fill_t *(*take)(void *ctx, uint8_t *base, bool is_still);
  void (*go)(void *ctx, sluice__fill_t *fill);
  /* Of a still one that is being built: what it has so far may be written now;
   * `offset` is where in the stream its first page belongs. */
  void (*put)(void *ctx, sluice__fill_t *fill, uint64_t offset);
  void (*drop)(void *ctx, sluice__fill_t *fill);
} sluice__filler_t;

/* Copies what is to be hashed, and hashes the copies. Of no still one. */
void sluice__fill_run(const sluice__fill_t *fill);

/* The bytes from..to of the buffer that the record is in, as they are meant:
 * pages of a still fill where they are, what is side by side in one piece;
 * without those that are `out`. Returns how many there are, at most
 * SLUICE__FILL_PIECES. */
int sluice__fill_gather(const sluice__fill_t *fill, uint8_t *from, uint8_t *to,
                        struct iovec *out);

/* Puts the pages of a still fill into their slots, but for bytes before `from`,
 * which nobody needs any more. */
void sluice__fill_copy(const sluice__fill_t *fill, const uint8_t *from);

/* Copies a page that somebody may be writing to. `len` is a multiple of 64. */
void sluice__copy_changing(uint8_t *to, const uint8_t *from, size_t len);

#endif
