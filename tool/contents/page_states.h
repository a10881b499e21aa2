/* page_states.h - what every page of a region is by now: absent, zeros or data.
 *
 * Two bits a page, and those only where pages of one block of 32 768 differ: a
 * region may be declared far larger than what is in the stream. Invariant: the
 * three counts add up to the number of pages. */
#ifndef SLUICE_TOOL_CONTENTS_PAGE_STATES_H
#define SLUICE_TOOL_CONTENTS_PAGE_STATES_H

#include <stddef.h>
#include <stdint.h>

typedef enum page_state_e {
  PAGE_ABSENT = 0,
  PAGE_ZERO = 1,
  PAGE_DATA = 2
} page_state_t;

enum { PAGE_STATES = 3 };

struct page_block;

typedef struct page_states_s {
  uint64_t pages;
  uint64_t count[PAGE_STATES]; /* pages in each state */
  size_t block_count;
  struct page_block **blocks; /* NULL: all its pages are `uniform` */
  uint8_t *uniform;           /* page_state_t of each block */
} page_states_t;

/* All pages are absent. 0, or -1: no memory. */
int page_states_init(page_states_t *s, uint64_t pages);
void page_states_done(page_states_t *s);

/* The pages must exist. 0, or -1: no memory. */
int page_states_set(page_states_t *s, uint64_t first, uint64_t count,
                    page_state_t state);
page_state_t page_states_get(const page_states_t *s, uint64_t page);

#endif
