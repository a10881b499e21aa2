/* soundness.h - which pages of a section are proved to be what was written?
 *
 * A section that was restored by mapping has pages that nobody has compared
 * with their hashes. Each is one of three:
 *
 *   unverified --> sound     its hash in the file is right
 *              \-> damaged   it is not, or the page could not be had
 *
 * The verdict is of the page in the file, whatever the host has written over it
 * since: a write of eight bytes makes a page the host's, and the rest of it is
 * still the file's.
 *
 * The object has what it takes to look: a descriptor of its own, and where each
 * page and its hash stand. It is shared, by count: by the section, until all is
 * sound or the section is restored anew or goes, and by those who find verdicts
 * (the restore, for what its scrub and its postcopy see; a save that proves
 * it). Memory is a run's, not a page's, but for a bit a page. Loop thread; a
 * job on the pool reads `fd` and the runs, which stay as they are while it
 * runs. */
#ifndef SLUICE_SOUNDNESS_SOUNDNESS_H
#define SLUICE_SOUNDNESS_SOUNDNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <sluice/alloc.h>
#include <sluice/damage.h>

/* Pages one behind the other in the region, in the file, and their hashes. */
typedef struct sluice__sound_run_s {
  uint64_t offset; /* in the region */
  uint64_t data;   /* in the file, as the next */
  uint64_t hashes;
  uint64_t first; /* pages in the runs before */
  uint32_t count; /* pages */
  uint32_t region;
} sluice__sound_run_t;

typedef struct sluice__sound_region_s {
  uint32_t number; /* in the stream */
  uint32_t page_size;
  size_t begin; /* of its runs */
  size_t end;
  char name[64];
} sluice__sound_region_t;

/* What its maker says of each run. */
typedef struct sluice__sound_pages_s {
  uint32_t region;
  const char *region_name;
  uint32_t page_size;
  uint64_t offset;
  uint64_t bytes;
  uint64_t data;
  uint64_t hashes;
} sluice__sound_pages_t;

/* The file, as it was when it was mapped. */
typedef struct sluice__sound_file_s {
  int fd;
  uint64_t size;
  struct timespec changed;
} sluice__sound_file_t;

typedef struct sluice__soundness_s sluice__soundness_t;

struct sluice__soundness_s {
  sluice_alloc_t alloc;
  unsigned owners;
  unsigned readers;          /* jobs that read the file */
  sluice__soundness_t *next; /* of the same restore */
  void *section;             /* until the commit; the restore's */
  sluice__sound_file_t file; /* `fd` is its own; negative: closed */
  sluice__sound_region_t *regions;
  uint32_t region_count;
  uint32_t region_cap;
  sluice__sound_run_t *runs; /* ascending, by region and offset */
  size_t run_count;
  size_t run_cap;
  uint64_t pages;
  uint64_t bytes;
  uint64_t *damaged; /* a bit a page */
  uint64_t damaged_bytes;
  uint64_t scrubbed; /* pages that end before this byte of the file are known */
  size_t proved_run; /* and so are those before this place */
  uint32_t proved_page;
};

/* One owner. NULL: no memory. */
sluice__soundness_t *sluice__soundness_new(const sluice_alloc_t *alloc);
/* Ascending. 0 or UV_ENOMEM. */
int sluice__soundness_add(sluice__soundness_t *s,
                          const sluice__sound_pages_t *pages);
/* All are there; `file` is duplicated. 0, UV_ENOMEM, or what the kernel says.
 */
int sluice__soundness_seal(sluice__soundness_t *s,
                           const sluice__sound_file_t *file);

sluice__soundness_t *sluice__soundness_keep(sluice__soundness_t *s);
/* NULL-safe. The last owner's frees it. */
void sluice__soundness_drop(sluice__soundness_t *s);

/* ---- verdicts ---- */

/* So many bytes that the file has at `at` for `offset` of a region are damaged:
 * pages that they are part of. Others than those that stand there are not meant
 * (an older copy of a page). */
void sluice__soundness_damage(sluice__soundness_t *s, uint64_t offset,
                              uint64_t at, uint64_t bytes);
/* What ends before this byte of the file is known by now. */
void sluice__soundness_scrubbed(sluice__soundness_t *s, uint64_t end);
/* The image does not hold together: what is not known yet is damaged. */
void sluice__soundness_refuse(sluice__soundness_t *s);
/* Verified up to this page of this run. */
void sluice__soundness_proved(sluice__soundness_t *s, size_t run,
                              uint32_t page);
/* A job reads the file from now on; and it is over. */
void sluice__soundness_lend(sluice__soundness_t *s);
void sluice__soundness_return(sluice__soundness_t *s);
/* This page of a run is damaged. */
void sluice__soundness_spoil(sluice__soundness_t *s,
                             const sluice__sound_run_t *run, uint32_t page);

/* ---- what is known ---- */

typedef struct sluice__sound_sums_s {
  uint64_t sound; /* bytes, of those that stood in the file as pages */
  uint64_t unverified;
  uint64_t damaged;
} sluice__sound_sums_t;

/* NULL-safe: zeros. Takes a look at each run. */
void sluice__soundness_sums(const sluice__soundness_t *s,
                            sluice__sound_sums_t *out);
bool sluice__soundness_is_known(const sluice__soundness_t *s);
/* Known, and none is damaged. */
bool sluice__soundness_is_sound(const sluice__soundness_t *s);
bool sluice__soundness_is_damaged(const sluice__soundness_t *s,
                                  const char *region, uint64_t offset);
/* The first damaged range; there is one. Of section and instance nothing is
 * said. */
void sluice__soundness_first(const sluice__soundness_t *s,
                             sluice_damage_t *out);
/* Does not block: the file is as large and as old as it was. */
bool sluice__soundness_file_holds(const sluice__soundness_t *s);

static inline uint32_t sluice__sound_page_size(const sluice__soundness_t *s,
                                               const sluice__sound_run_t *run) {
  return s->regions[run->region].page_size;
}

#endif
