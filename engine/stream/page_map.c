/* page_map.c - see page_map.h. */
#include "stream/page_map.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>
#include <uv.h>

/* Stands for a block of pages that are all SLUICE__PAGE_ZERO. Never written. */
static uint64_t zero_block[1];

void sluice__page_map_init(sluice__page_map_t *m, const sluice_alloc_t *alloc) {
  memset(m, 0, sizeof(*m));
  m->alloc = *alloc;
}

static void release(sluice__page_map_t *m, void *p, size_t size) {
  if (p != NULL) {
    m->alloc.release(m->alloc.ctx, p, size, alignof(max_align_t));
  }
}

static void *zalloc(sluice__page_map_t *m, size_t size) {
  void *p = m->alloc.alloc(m->alloc.ctx, size, alignof(max_align_t));

  return p == NULL ? NULL : memset(p, 0, size);
}

static size_t block_bytes(void) {
  return SLUICE__PAGE_BLOCK * sizeof(uint64_t);
}

static size_t record_block_bytes(void) {
  return SLUICE__RECORD_BLOCK * sizeof(sluice__page_record_t);
}

/* The last region's last block. */
static void free_last_block(sluice__page_map_t *m) {
  sluice__page_blocks_t *r = &m->regions[m->region_count - 1];

  if (r->left > 0) {
    uint64_t *block = r->blocks[--r->left];

    release(m, block == zero_block ? NULL : block, block_bytes());
    return;
  }
  release(m, r->blocks, r->count * sizeof(*r->blocks));
  m->region_count--;
}

static void free_last_records(sluice__page_map_t *m) {
  size_t last = (m->record_count - 1) / SLUICE__RECORD_BLOCK;

  release(m, m->records[last], record_block_bytes());
  m->record_count = last * SLUICE__RECORD_BLOCK;
}

bool sluice__page_map_shrink(sluice__page_map_t *m, size_t blocks) {
  while (m->region_count > 0 || m->record_count > 0) {
    if (blocks-- == 0) {
      return false;
    }
    if (m->region_count > 0) {
      free_last_block(m);
    } else {
      free_last_records(m);
    }
  }
  return true;
}

void sluice__page_map_done(sluice__page_map_t *m) {
  (void)sluice__page_map_shrink(m, SIZE_MAX);
  release(m, m->regions, m->region_cap * sizeof(*m->regions));
  release(m, m->records, m->record_blocks * sizeof(*m->records));
}

/* Doubles an array; `*cap` elements of `size` bytes. NULL: no memory. */
static void *grow(sluice__page_map_t *m, void *old, size_t cap, size_t more,
                  size_t size) {
  void *p = zalloc(m, more * size);

  if (p != NULL && cap > 0) {
    memcpy(p, old, cap * size);
    release(m, old, cap * size);
  }
  return p;
}

static int grow_regions(sluice__page_map_t *m) {
  uint32_t more = m->region_cap == 0 ? 4 : m->region_cap * 2;
  void *p;

  if (m->region_count < m->region_cap) {
    return 0;
  }
  p = grow(m, m->regions, m->region_cap, more, sizeof(*m->regions));
  if (p == NULL) {
    return UV_ENOMEM;
  }
  m->regions = p;
  m->region_cap = more;
  return 0;
}

int sluice__page_map_region(sluice__page_map_t *m, uint64_t pages) {
  uint64_t count = (pages + SLUICE__PAGE_BLOCK - 1) / SLUICE__PAGE_BLOCK;
  sluice__page_blocks_t *r;

  if (count > SIZE_MAX / sizeof(*r->blocks) || grow_regions(m) < 0) {
    return UV_ENOMEM;
  }
  r = &m->regions[m->region_count];
  r->count = (size_t)count;
  r->left = r->count;
  r->pages = pages;
  r->blocks = zalloc(m, r->count * sizeof(*r->blocks));
  if (r->blocks == NULL) {
    return UV_ENOMEM;
  }
  m->region_count++;
  return 0;
}

/* Room for the pointer to one more block of records. */
static int grow_records(sluice__page_map_t *m, size_t block) {
  size_t more = m->record_blocks == 0 ? 16 : m->record_blocks * 2;
  void *p;

  if (block < m->record_blocks) {
    return 0;
  }
  p = grow(m, m->records, m->record_blocks, more, sizeof(*m->records));
  if (p == NULL) {
    return UV_ENOMEM;
  }
  m->records = p;
  m->record_blocks = more;
  return 0;
}

static int add_record_block(sluice__page_map_t *m, size_t block) {
  void *p;

  if (grow_records(m, block) < 0) {
    return UV_ENOMEM;
  }
  p = m->alloc.alloc(m->alloc.ctx, record_block_bytes(), alignof(max_align_t));
  m->records[block] = p;
  return p == NULL ? UV_ENOMEM : 0;
}

int sluice__page_map_record(sluice__page_map_t *m, uint64_t data,
                            uint64_t hashes) {
  size_t block = m->record_count / SLUICE__RECORD_BLOCK;
  size_t at = m->record_count % SLUICE__RECORD_BLOCK;

  if (at == 0 && add_record_block(m, block) < 0) {
    return UV_ENOMEM;
  }
  m->records[block][at].data = data;
  m->records[block][at].hashes = hashes;
  m->record_count++;
  return 0;
}

static const sluice__page_record_t *record_at(const sluice__page_map_t *m,
                                              size_t i) {
  return &m->records[i / SLUICE__RECORD_BLOCK][i % SLUICE__RECORD_BLOCK];
}

static uint64_t *new_block(sluice__page_map_t *m, uint64_t fill) {
  uint64_t *block = zalloc(m, block_bytes());

  if (block != NULL && fill != 0) {
    for (size_t i = 0; i < SLUICE__PAGE_BLOCK; i++) {
      block[i] = fill;
    }
  }
  return block;
}

uint64_t *sluice__page_map_slot(sluice__page_map_t *m, uint32_t region,
                                uint64_t page) {
  uint64_t **block = &m->regions[region].blocks[page / SLUICE__PAGE_BLOCK];

  if (*block == NULL || *block == zero_block) {
    uint64_t *fresh = new_block(m, *block == NULL ? 0 : SLUICE__PAGE_ZERO);

    if (fresh == NULL) {
      return NULL;
    }
    *block = fresh;
  }
  return &(*block)[page % SLUICE__PAGE_BLOCK];
}

uint64_t sluice__page_map_get(const sluice__page_map_t *m, uint32_t region,
                              uint64_t page) {
  const uint64_t *block = m->regions[region].blocks[page / SLUICE__PAGE_BLOCK];

  if (block == NULL) {
    return 0;
  }
  return block == zero_block ? SLUICE__PAGE_ZERO
                             : block[page % SLUICE__PAGE_BLOCK];
}

static int zero_page(sluice__page_map_t *m, uint32_t region, uint64_t page,
                     uint64_t *dropped) {
  uint64_t *slot = sluice__page_map_slot(m, region, page);

  if (slot == NULL) {
    return UV_ENOMEM;
  }
  *dropped += *slot > SLUICE__PAGE_ZERO;
  *slot = SLUICE__PAGE_ZERO;
  return 0;
}

/* Where page `page`'s block ends if it is of one kind throughout, else the next
 * page. */
static uint64_t next_page(const sluice__page_blocks_t *r, uint64_t page) {
  const uint64_t *block = r->blocks[page / SLUICE__PAGE_BLOCK];
  uint64_t next = page + 1;

  if (block == NULL || block == zero_block) {
    next = (page / SLUICE__PAGE_BLOCK + 1) * SLUICE__PAGE_BLOCK;
  }
  return next < r->pages ? next : r->pages;
}

uint64_t sluice__page_map_step(const sluice__page_map_t *m, uint32_t region,
                               uint64_t page) {
  return next_page(&m->regions[region], page);
}

/* Is the block at `page` wholly inside of the run? The last block of a region
 * may be short. */
static bool is_whole_block(const sluice__page_blocks_t *r, uint64_t page,
                           uint64_t end) {
  uint64_t block_end = page + SLUICE__PAGE_BLOCK;

  block_end = block_end < r->pages ? block_end : r->pages;
  return page % SLUICE__PAGE_BLOCK == 0 && block_end <= end;
}

int sluice__page_map_zero(sluice__page_map_t *m, uint32_t region, uint64_t page,
                          uint64_t count, uint64_t *dropped) {
  sluice__page_blocks_t *r = &m->regions[region];
  uint64_t end = page + count;

  while (page < end) {
    uint64_t **block = &r->blocks[page / SLUICE__PAGE_BLOCK];

    if (*block == zero_block ||
        (*block == NULL && is_whole_block(r, page, end))) {
      *block = zero_block;
      page = next_page(r, page);
      continue;
    }
    if (zero_page(m, region, page, dropped) < 0) {
      return UV_ENOMEM;
    }
    page++;
  }
  return 0;
}

uint64_t sluice__page_map_hash(const sluice__page_map_t *m, uint64_t data,
                               uint32_t page_size) {
  size_t low = 0;
  size_t high = m->record_count;

  assert(high > 0 && record_at(m, 0)->data <= data);
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;

    if (record_at(m, middle)->data <= data) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return record_at(m, low)->hashes +
         (data - record_at(m, low)->data) / page_size * sizeof(uint64_t);
}

static uint64_t data_of(uint64_t value) {
  return value == SLUICE__PAGE_ZERO ? 0 : value;
}

/* Data of different records is never adjacent: each begins with a header. */
static uint64_t expected(const sluice__page_run_t *run, uint64_t page,
                         uint32_t page_size) {
  return run->data == 0 ? 0 : run->data + (page - run->page) * page_size;
}

/* Does the page at the walk's place, whose number is `value`, end the run at
 * hand? Else the walk moves past it. */
static bool ends_run(const sluice__page_blocks_t *r, sluice__page_walk_t *walk,
                     uint64_t value, uint32_t page_size) {
  sluice__page_run_t *run = &walk->run;
  uint64_t next = next_page(r, walk->page);

  if (run->count > 0 &&
      (value == 0 || data_of(value) != expected(run, walk->page, page_size))) {
    return true;
  }
  if (value != 0 && run->count == 0) {
    run->page = walk->page;
    run->data = data_of(value);
  }
  run->count += value == 0 ? 0 : next - walk->page;
  walk->page = next;
  return false;
}

sluice__page_found_t sluice__page_map_walk(const sluice__page_map_t *m,
                                           uint32_t region, uint32_t page_size,
                                           sluice__page_walk_t *walk,
                                           uint64_t *looks,
                                           sluice__page_run_t *out) {
  const sluice__page_blocks_t *r = &m->regions[region];
  bool is_run = false;

  while (!is_run && walk->page<r->pages && * looks> 0) {
    *looks -= 1;
    is_run = ends_run(r, walk, sluice__page_map_get(m, region, walk->page),
                      page_size);
  }
  if (!is_run && walk->page < r->pages) {
    return SLUICE__PAGES_LATER;
  }
  if (walk->run.count == 0) {
    return SLUICE__PAGES_OVER;
  }
  *out = walk->run;
  walk->run.count = 0;
  return SLUICE__PAGES_RUN;
}

bool sluice__page_map_next(const sluice__page_map_t *m, uint32_t region,
                           uint32_t page_size, uint64_t from,
                           sluice__page_run_t *out) {
  sluice__page_walk_t walk = {.page = from};
  uint64_t looks = UINT64_MAX;

  return sluice__page_map_walk(m, region, page_size, &walk, &looks, out) ==
         SLUICE__PAGES_RUN;
}
