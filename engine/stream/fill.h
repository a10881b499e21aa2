/* fill.h - the pages of one PAGES record, to be put in later, by any thread.
 *
 * A record's checksum does not cover its pages or their hashes, so a record can
 * be laid out and sealed while both are still missing. A fill says where the
 * pages are and where they go; nobody else writes to those bytes meanwhile.
 *
 * The pages may be changing: such a copy may be torn, which is harmless, for
 * whoever lent it sends the page again, and the last word counts. Its hash is
 * made from the copy, so the record is sound in any case. */
#ifndef SLUICE_STREAM_FILL_H
#define SLUICE_STREAM_FILL_H

#include <stddef.h>
#include <stdint.h>

enum { SLUICE__FILL_PAGES_MAX = 352 }; /* a record has fewer */

typedef struct sluice__fill_page_s {
  const uint8_t *from; /* NULL: page and hash are there */
  uint64_t place;      /* what the hash is bound to */
} sluice__fill_page_t;

typedef struct sluice__fill_s {
  uint32_t page_size;
  uint32_t count;
  uint8_t *data;   /* the first page's slot */
  uint8_t *hashes; /* the first hash's */
  sluice__fill_page_t pages[SLUICE__FILL_PAGES_MAX];
} sluice__fill_t;

/* Who has them filled. A fill that was taken is either given (`go`) or
 * dropped. */
typedef struct sluice__filler_s {
  void *ctx;
  /* For a record in the lent buffer `base`. NULL: there is none to be had. */
  sluice__fill_t *(*take)(void *ctx, uint8_t *base);
  void (*go)(void *ctx, sluice__fill_t *fill);
  void (*drop)(void *ctx, sluice__fill_t *fill);
} sluice__filler_t;

void sluice__fill_run(const sluice__fill_t *fill);

/* Copies a page that somebody may be writing to. `len` is a multiple of 64. */
void sluice__copy_changing(uint8_t *to, const uint8_t *from, size_t len);

#endif
