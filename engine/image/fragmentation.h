/* fragmentation.h - is an image too scattered to be mapped?
 *
 * A mapping costs the kernel 5 us however short it is, and 2 more when it is
 * touched; reading costs 0.8 us a run and 0.9 us a page. So runs of less than
 * SLUICE__FRAGMENTATION_LEAST are cheaper to read, and what is read beside
 * mappings costs twice what it costs to read all of an image, in large pieces
 * into huge pages. Hence the rule: where more than half would be read, all is.
 *
 * Believes what the index says without looking at a checksum: an image that
 * lies is only restored by the slower way. Blocks: for the pool. */
#ifndef SLUICE_IMAGE_FRAGMENTATION_H
#define SLUICE_IMAGE_FRAGMENTATION_H

#include <stdbool.h>
#include <stdint.h>

enum {
  SLUICE__FRAGMENTATION_PAGE = 4096,
  SLUICE__FRAGMENTATION_SIZES = 1025, /* in such pages; the last: more */
  SLUICE__FRAGMENTATION_LEAST = 6,    /* pages */
  SLUICE__FRAGMENTATION_FEW = 8 * 1024 * 1024, /* bytes: 10 ms, however read */
  SLUICE__FRAGMENTATION_LOOK =
      64 * 1024 * 1024 /* of the index, the beginning */
};

typedef struct sluice__fragmentation_s {
  uint64_t count; /* runs of pages with data */
  uint64_t gaps;  /* of these, behind something else */
  uint64_t bytes;
  uint64_t large; /* bytes of the runs of the last size */
  uint64_t sizes[SLUICE__FRAGMENTATION_SIZES];
} sluice__fragmentation_t;

/* The INDEX records from `from` to `end` of the file; what cannot be read is
 * not there. */
void sluice__fragmentation_look(sluice__fragmentation_t *out, int fd,
                                uint64_t from, uint64_t end);

/* Mappings that may be made for so many runs: `asked`, or 0 and what the kernel
 * leaves. */
uint64_t sluice__fragmentation_most(uint64_t asked, uint64_t left,
                                    uint64_t count, uint64_t gaps);

/* Of `most` mappings, the largest: would most be read all the same? */
bool sluice__fragmentation_is_too_much(const sluice__fragmentation_t *s,
                                       uint64_t most);

#endif
