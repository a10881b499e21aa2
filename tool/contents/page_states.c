/* page_states.c - see page_states.h. Must know no stream. */
#include "contents/page_states.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 512, WORD_PAGES = 64, BLOCK_PAGES = WORDS * WORD_PAGES };

/* A bit for each state but ABSENT; at most one of a page's is set. */
struct page_block {
  uint64_t bits[PAGE_STATES - 1][WORDS];
};

int page_states_init(page_states_t *s, uint64_t pages) {
  *s = (page_states_t){.pages = pages};
  s->count[PAGE_ABSENT] = pages;
  s->block_count = (size_t)((pages + BLOCK_PAGES - 1) / BLOCK_PAGES);
  s->blocks = calloc(s->block_count, sizeof(*s->blocks));
  s->uniform = calloc(s->block_count, sizeof(*s->uniform));
  return s->blocks == NULL || s->uniform == NULL ? -1 : 0;
}

void page_states_done(page_states_t *s) {
  for (size_t i = 0; s->blocks != NULL && i < s->block_count; i++) {
    free(s->blocks[i]);
  }
  free(s->blocks);
  free(s->uniform);
  *s = (page_states_t){0};
}

static struct page_block *split(page_states_t *s, size_t at) {
  struct page_block *b = s->blocks[at];

  if (b == NULL) {
    b = calloc(1, sizeof(*b));
    if (b != NULL && s->uniform[at] != PAGE_ABSENT) {
      memset(b->bits[s->uniform[at] - 1], 0xff, sizeof(b->bits[0]));
    }
    s->blocks[at] = b;
  }
  return b;
}

/* Moves the pages of `mask` in word `w` to `state`. */
static void set_word(page_states_t *s, struct page_block *b, size_t w,
                     uint64_t mask, page_state_t state) {
  uint64_t total = (uint64_t)__builtin_popcountll(mask);
  uint64_t present = 0;

  for (int i = 0; i < PAGE_STATES - 1; i++) {
    uint64_t n = (uint64_t)__builtin_popcountll(b->bits[i][w] & mask);

    s->count[i + 1] -= n;
    present += n;
    b->bits[i][w] &= ~mask;
  }
  s->count[PAGE_ABSENT] -= total - present;
  s->count[state] += total;
  if (state != PAGE_ABSENT) {
    b->bits[state - 1][w] |= mask;
  }
}

static void set_some(page_states_t *s, struct page_block *b, size_t first,
                     size_t count, page_state_t state) {
  while (count > 0) {
    size_t bit = first % WORD_PAGES;
    size_t n = count < WORD_PAGES - bit ? count : WORD_PAGES - bit;
    uint64_t mask = n == WORD_PAGES ? UINT64_MAX : (UINT64_C(1) << n) - 1;

    set_word(s, b, first / WORD_PAGES, mask << bit, state);
    first += n;
    count -= n;
  }
}

static void set_whole(page_states_t *s, size_t at, page_state_t state) {
  uint64_t rest = s->pages - (uint64_t)at * BLOCK_PAGES;
  size_t count = rest < BLOCK_PAGES ? (size_t)rest : BLOCK_PAGES;

  if (s->blocks[at] != NULL) {
    set_some(s, s->blocks[at], 0, count, state);
    free(s->blocks[at]);
    s->blocks[at] = NULL;
  } else {
    s->count[s->uniform[at]] -= count;
    s->count[state] += count;
  }
  s->uniform[at] = (uint8_t)state;
}

static int set_part(page_states_t *s, size_t at, size_t first, size_t count,
                    page_state_t state) {
  struct page_block *b;

  if (s->blocks[at] == NULL && s->uniform[at] == state) {
    return 0;
  }
  b = split(s, at);
  if (b == NULL) {
    return -1;
  }
  set_some(s, b, first, count, state);
  return 0;
}

static bool ends_block(const page_states_t *s, uint64_t page) {
  return page % BLOCK_PAGES == 0 || page == s->pages;
}

int page_states_set(page_states_t *s, uint64_t first, uint64_t count,
                    page_state_t state) {
  while (count > 0) {
    size_t at = (size_t)(first / BLOCK_PAGES);
    size_t page = (size_t)(first % BLOCK_PAGES);
    uint64_t n = count < BLOCK_PAGES - page ? count : BLOCK_PAGES - page;

    if (page == 0 && ends_block(s, first + n)) {
      set_whole(s, at, state);
    } else if (set_part(s, at, page, (size_t)n, state) < 0) {
      return -1;
    }
    first += n;
    count -= n;
  }
  return 0;
}

page_state_t page_states_get(const page_states_t *s, uint64_t page) {
  size_t at = (size_t)(page / BLOCK_PAGES);
  size_t word = (size_t)(page % BLOCK_PAGES) / WORD_PAGES;
  uint64_t mask = UINT64_C(1) << page % WORD_PAGES;
  const struct page_block *b = s->blocks[at];

  if (b == NULL) {
    return (page_state_t)s->uniform[at];
  }
  for (int i = 0; i < PAGE_STATES - 1; i++) {
    if ((b->bits[i][word] & mask) != 0) {
      return (page_state_t)(i + 1);
    }
  }
  return PAGE_ABSENT;
}
