/* soundness.c - see soundness.h. */
#include "soundness/soundness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "io/file_job.h"

enum { WORD = 64, RUNS_FIRST = 64, REGIONS_FIRST = 4 };

/* ---- memory ---- */

static void *get(sluice__soundness_t *s, size_t bytes) {
  return s->alloc.alloc(s->alloc.ctx, bytes, _Alignof(max_align_t));
}

static void put_back(sluice__soundness_t *s, void *p, size_t bytes) {
  if (p != NULL) {
    s->alloc.release(s->alloc.ctx, p, bytes, _Alignof(max_align_t));
  }
}

/* A longer copy of `count` elements; NULL, and the old one stays. */
static void *grown(sluice__soundness_t *s, void *old, size_t count, size_t cap,
                   size_t element) {
  void *p = get(s, cap * element);

  if (p != NULL && count > 0) {
    memcpy(p, old, count * element);
  }
  if (p != NULL) {
    put_back(s, old, count * element);
  }
  return p;
}

static size_t map_bytes(const sluice__soundness_t *s) {
  return (size_t)(s->pages / WORD + 1) * sizeof(*s->damaged);
}

static void close_file(sluice__soundness_t *s) {
  int fd = s->file.fd;

  s->file.fd = -1;
  if (fd >= 0) {
    (void)close(fd);
  }
}

/* All is known: nobody will look at the file again. */
static void let_file_go(sluice__soundness_t *s) {
  if (sluice__soundness_is_known(s) && s->readers == 0) {
    close_file(s);
  }
}

/* ---- making ---- */

sluice__soundness_t *sluice__soundness_new(const sluice_alloc_t *alloc) {
  sluice__soundness_t *s =
      alloc->alloc(alloc->ctx, sizeof(*s), _Alignof(max_align_t));

  if (s != NULL) {
    memset(s, 0, sizeof(*s));
    s->alloc = *alloc;
    s->owners = 1;
    s->file.fd = -1;
  }
  return s;
}

static int add_region(sluice__soundness_t *s,
                      const sluice__sound_pages_t *pages) {
  sluice__sound_region_t *region;

  if (s->region_count == s->region_cap) {
    uint32_t cap = s->region_cap == 0 ? REGIONS_FIRST : s->region_cap * 2;
    void *p = grown(s, s->regions, s->region_cap, cap, sizeof(*s->regions));

    if (p == NULL) {
      return UV_ENOMEM;
    }
    s->regions = p;
    s->region_cap = cap;
  }
  region = &s->regions[s->region_count++];
  memset(region, 0, sizeof(*region));
  region->number = pages->region;
  region->page_size = pages->page_size;
  region->begin = s->run_count;
  region->end = s->run_count;
  strncpy(region->name, pages->region_name, sizeof(region->name) - 1);
  return 0;
}

static bool joins(const sluice__soundness_t *s, const sluice__sound_run_t *last,
                  const sluice__sound_pages_t *pages) {
  uint64_t bytes = (uint64_t)last->count * pages->page_size;

  return s->regions[last->region].number == pages->region &&
         last->offset + bytes == pages->offset &&
         last->data + bytes == pages->data &&
         last->hashes + (uint64_t)last->count * sizeof(uint64_t) ==
             pages->hashes &&
         pages->bytes / pages->page_size <= UINT32_MAX - last->count;
}

static int add_run(sluice__soundness_t *s) {
  size_t cap = s->run_cap == 0 ? RUNS_FIRST : s->run_cap * 2;
  void *p;

  if (s->run_count < s->run_cap) {
    return 0;
  }
  p = grown(s, s->runs, s->run_cap, cap, sizeof(*s->runs));
  if (p == NULL) {
    return UV_ENOMEM;
  }
  s->runs = p;
  s->run_cap = cap;
  return 0;
}

static int append_run(sluice__soundness_t *s,
                      const sluice__sound_pages_t *pages) {
  bool is_new = s->region_count == 0 ||
                s->regions[s->region_count - 1].number != pages->region;
  int r = is_new ? add_region(s, pages) : 0;

  r = r == 0 ? add_run(s) : r;
  if (r < 0) {
    return r;
  }
  s->runs[s->run_count++] = (sluice__sound_run_t){
      .offset = pages->offset,
      .data = pages->data,
      .hashes = pages->hashes,
      .first = s->pages,
      .count = (uint32_t)(pages->bytes / pages->page_size),
      .region = s->region_count - 1};
  s->regions[s->region_count - 1].end = s->run_count;
  return 0;
}

int sluice__soundness_add(sluice__soundness_t *s,
                          const sluice__sound_pages_t *pages) {
  sluice__sound_run_t *last =
      s->run_count > 0 ? &s->runs[s->run_count - 1] : NULL;
  int r = 0;

  if (last != NULL && joins(s, last, pages)) {
    last->count += (uint32_t)(pages->bytes / pages->page_size);
  } else {
    r = append_run(s, pages);
  }
  if (r == 0) {
    s->pages += pages->bytes / pages->page_size;
    s->bytes += pages->bytes;
  }
  return r;
}

int sluice__soundness_seal(sluice__soundness_t *s,
                           const sluice__sound_file_t *file) {
  s->damaged = get(s, map_bytes(s));
  if (s->damaged == NULL) {
    return UV_ENOMEM;
  }
  memset(s->damaged, 0, map_bytes(s));
  s->file = *file;
  s->file.fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
  return s->file.fd < 0 ? uv_translate_sys_error(errno) : 0;
}

sluice__soundness_t *sluice__soundness_keep(sluice__soundness_t *s) {
  s->owners++;
  return s;
}

void sluice__soundness_drop(sluice__soundness_t *s) {
  sluice_alloc_t alloc;

  if (s == NULL || --s->owners > 0) {
    return;
  }
  close_file(s);
  put_back(s, s->damaged, map_bytes(s));
  put_back(s, s->runs, s->run_cap * sizeof(*s->runs));
  put_back(s, s->regions, s->region_cap * sizeof(*s->regions));
  alloc = s->alloc;
  alloc.release(alloc.ctx, s, sizeof(*s), _Alignof(max_align_t));
}

/* ---- verdicts ---- */

static bool has_bit(const sluice__soundness_t *s, uint64_t page) {
  return (s->damaged[page / WORD] >> page % WORD & 1) != 0;
}

void sluice__soundness_spoil(sluice__soundness_t *s,
                             const sluice__sound_run_t *run, uint32_t page) {
  uint64_t number = run->first + page;

  if (!has_bit(s, number)) {
    s->damaged[number / WORD] |= UINT64_C(1) << number % WORD;
    s->damaged_bytes += sluice__sound_page_size(s, run);
  }
}

/* The last run of the region that begins at `offset` or before; NULL: none. */
static const sluice__sound_run_t *find_run(const sluice__soundness_t *s,
                                           const sluice__sound_region_t *region,
                                           uint64_t offset) {
  size_t low = region->begin;
  size_t high = region->end;

  while (low < high) {
    size_t middle = low + (high - low) / 2;

    if (s->runs[middle].offset <= offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low > region->begin ? &s->runs[low - 1] : NULL;
}

/* The run that has `offset`, or NULL, and which page of it. */
static const sluice__sound_run_t *
find_page(const sluice__soundness_t *s, const sluice__sound_region_t *region,
          uint64_t offset, uint32_t *out_page) {
  const sluice__sound_run_t *run = find_run(s, region, offset);
  uint64_t page = run == NULL ? 0 : (offset - run->offset) / region->page_size;

  if (run == NULL || page >= run->count) {
    return NULL;
  }
  *out_page = (uint32_t)page;
  return run;
}

static void damage_in(sluice__soundness_t *s,
                      const sluice__sound_region_t *region, uint64_t offset,
                      uint64_t at) {
  uint32_t page;
  const sluice__sound_run_t *run = find_page(s, region, offset, &page);

  if (run != NULL && run->data + (offset - run->offset) == at) {
    sluice__soundness_spoil(s, run, page);
  }
}

/* A byte of the file belongs to one page: which region that is of need not be
 * said. */
void sluice__soundness_damage(sluice__soundness_t *s, uint64_t offset,
                              uint64_t at, uint64_t bytes) {
  for (uint32_t i = 0; i < s->region_count; i++) {
    const sluice__sound_region_t *region = &s->regions[i];

    for (uint64_t done = 0; done < bytes;
         done += region->page_size - (offset + done) % region->page_size) {
      damage_in(s, region, offset + done, at + done);
    }
  }
}

bool sluice__soundness_is_known(const sluice__soundness_t *s) {
  return s->scrubbed == UINT64_MAX || s->proved_run == s->run_count;
}

bool sluice__soundness_is_sound(const sluice__soundness_t *s) {
  return s->damaged_bytes == 0 && sluice__soundness_is_known(s);
}

void sluice__soundness_scrubbed(sluice__soundness_t *s, uint64_t end) {
  s->scrubbed = end > s->scrubbed ? end : s->scrubbed;
  let_file_go(s);
}

void sluice__soundness_proved(sluice__soundness_t *s, size_t run,
                              uint32_t page) {
  s->proved_run = run;
  s->proved_page = page;
  let_file_go(s);
}

void sluice__soundness_lend(sluice__soundness_t *s) {
  s->readers++;
}

void sluice__soundness_return(sluice__soundness_t *s) {
  s->readers--;
  let_file_go(s);
}

/* The first page of a run that neither was proved nor scrubbed. */
static uint32_t first_unknown(const sluice__soundness_t *s, size_t number) {
  const sluice__sound_run_t *run = &s->runs[number];
  uint64_t scrubbed =
      s->scrubbed <= run->data
          ? 0
          : (s->scrubbed - run->data) / sluice__sound_page_size(s, run);
  uint64_t proved = number < s->proved_run    ? run->count
                    : number == s->proved_run ? s->proved_page
                                              : 0;
  uint64_t known = scrubbed > proved ? scrubbed : proved;

  return known < run->count ? (uint32_t)known : run->count;
}

void sluice__soundness_refuse(sluice__soundness_t *s) {
  for (size_t i = 0; i < s->run_count; i++) {
    for (uint32_t page = first_unknown(s, i); page < s->runs[i].count; page++) {
      sluice__soundness_spoil(s, &s->runs[i], page);
    }
  }
  sluice__soundness_scrubbed(s, UINT64_MAX);
}

/* ---- what is known ---- */

/* Bits in [from, to). */
static uint64_t count_bits(const sluice__soundness_t *s, uint64_t from,
                           uint64_t to) {
  uint64_t n = 0;

  for (uint64_t at = from; at < to; at += WORD - at % WORD) {
    uint64_t word = s->damaged[at / WORD] >> at % WORD;
    uint64_t bits = to - at;

    n += (uint64_t)__builtin_popcountll(
        bits < WORD ? word & ((UINT64_C(1) << bits) - 1) : word);
  }
  return n;
}

void sluice__soundness_sums(const sluice__soundness_t *s,
                            sluice__sound_sums_t *out) {
  *out = (sluice__sound_sums_t){0};
  if (s == NULL || s->damaged == NULL) {
    return; /* it never came to be memory */
  }
  for (size_t i = 0; i < s->run_count; i++) {
    const sluice__sound_run_t *run = &s->runs[i];
    uint32_t from = first_unknown(s, i);

    out->unverified +=
        (run->count - from -
         count_bits(s, run->first + from, run->first + run->count)) *
        sluice__sound_page_size(s, run);
  }
  out->damaged = s->damaged_bytes;
  out->sound = s->bytes - out->unverified - out->damaged;
}

bool sluice__soundness_is_damaged(const sluice__soundness_t *s,
                                  const char *region, uint64_t offset) {
  uint32_t page;

  if (s->damaged_bytes == 0) {
    return false;
  }
  for (uint32_t i = 0; i < s->region_count; i++) {
    const sluice__sound_region_t *at = &s->regions[i];
    const sluice__sound_run_t *run;

    if (strncmp(at->name, region, sizeof(at->name) - 1) == 0) {
      run = find_page(s, at, offset, &page);
      if (run != NULL && has_bit(s, run->first + page)) {
        return true;
      }
    }
  }
  return false;
}

static uint32_t damaged_from(const sluice__soundness_t *s,
                             const sluice__sound_run_t *run, uint32_t page) {
  while (page < run->count && !has_bit(s, run->first + page)) {
    page++;
  }
  return page;
}

void sluice__soundness_first(const sluice__soundness_t *s,
                             sluice_damage_t *out) {
  const sluice__sound_run_t *run = s->runs;
  uint32_t page = damaged_from(s, run, 0);
  uint64_t size;

  while (page == run->count) {
    run++;
    page = damaged_from(s, run, 0);
  }
  size = sluice__sound_page_size(s, run);
  *out = (sluice_damage_t){.offset = run->offset + page * size,
                           .at = run->data + page * size};
  memcpy(out->region, s->regions[run->region].name, sizeof(out->region));
  while (page < run->count && has_bit(s, run->first + page)) {
    out->bytes += size;
    page++;
  }
}

bool sluice__soundness_file_holds(const sluice__soundness_t *s) {
  return sluice__file_holds(s->file.fd, s->file.size, &s->file.changed);
}
