/* page_list.h - the pages of one PAGES record that are not in its chunk.
 *
 * A record's checksum does not cover its pages or their hashes, so a record can
 * be laid out and sealed while both are still missing. The list says where the
 * pages are and where they belong; nobody else writes to those bytes meanwhile.
 *
 * Borrowed pages may be changing: such a copy may be torn, which is harmless,
 * for whoever lent it sends the page again, and the last word counts. Its hash
 * is made from the copy, so the record is sound in any case.
 *
 * Stable pages are hashed where they are, and the sink may have taken them from
 * there before anything is copied. Theirs is a list within one record, and
 * never outlives the encoder's call that ends it. */
#ifndef SLUICE_STREAM_PAGE_LIST_H
#define SLUICE_STREAM_PAGE_LIST_H

#include <stddef.h>
#include <stdint.h>

struct iovec;

enum {
  SLUICE__LIST_PAGES_MAX = 1024, /* a record has no more */
  /* What precedes the pages, each of them, and what follows. */
  SLUICE__LIST_PIECES = SLUICE__LIST_PAGES_MAX + 2
};

typedef struct sluice__listed_page_s {
  const uint8_t *from; /* NULL: page and hash are there */
  uint64_t place;      /* what the hash is bound to; stable: not used */
} sluice__listed_page_t;

typedef struct sluice__page_list_s {
  uint32_t page_size;
  uint32_t count;
  uint32_t out;    /* stable: so many of the pages are in the sink already */
  uint8_t *data;   /* the first page's slot */
  uint8_t *hashes; /* the first hash's; borrowed only */
  sluice__listed_page_t pages[SLUICE__LIST_PAGES_MAX];
} sluice__page_list_t;

/* Borrowed: copies what is missing, and hashes the copies. Any thread. */
void sluice__page_list_fill(const sluice__page_list_t *list);

/* Stable: the bytes from..to of the buffer that the record is in, as they are
 * meant: pages where they are, what is side by side in one piece; without those
 * that are `out`. Returns how many pieces, at most SLUICE__LIST_PIECES. */
int sluice__page_list_gather(const sluice__page_list_t *list, uint8_t *from,
                             uint8_t *to, struct iovec *out);

/* Stable: puts the pages into their slots, but for bytes before `from`, which
 * nobody needs any more. */
void sluice__page_list_copy(const sluice__page_list_t *list,
                            const uint8_t *from);

/* Copies a page that somebody may be writing to. `len` is a multiple of 64. */
void sluice__copy_changing(uint8_t *to, const uint8_t *from, size_t len);

#endif
