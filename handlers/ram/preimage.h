/* preimage.h - pages as they were at the instant of a cut, until they are sent.
 *
 * A bounded first-in-first-out store: a ring of pages in memory of its own,
 * and, where a folder was given, an unlinked file for what the ring has no room
 * for. Knows pages and where they belong, nothing of writers, threads or
 * policies: one caller at a time.
 *
 * Its memory comes from mmap(): it must not lie in memory that is protected
 * against writing while the store is written. */
#ifndef SLUICE_RAM_PREIMAGE_H
#define SLUICE_RAM_PREIMAGE_H

#include <stddef.h>
#include <stdint.h>

typedef struct sluice__preimage_s {
  uint32_t region;
  uint64_t page;
} sluice__preimage_t;

/* Zeroed: closed. Fields are private but `held` and `peak`. */
typedef struct sluice__preimages_s {
  uint8_t *pages; /* `slots` of them, then one to read spilled ones into */
  sluice__preimage_t *places; /* of the slots */
  uint64_t slots;
  uint64_t head; /* slot of the oldest */
  uint64_t used; /* slots */
  uint32_t page_size;
  uint64_t held; /* bytes in the ring */
  uint64_t peak;

  int is_from_file;     /* the one that was given out last */
  int spill;            /* descriptor; -1: none */
  uint64_t spill_first; /* the oldest record that is not popped, counted */
  uint64_t spill_last;  /* one past the newest */
} sluice__preimages_t;

/* Room for `bytes` (at least a page) in memory. `spill_dir` NULL: no file.
 * UV_ENOMEM, or why there can be no file in `spill_dir`. */
int sluice__preimages_open(sluice__preimages_t *p, uint32_t page_size,
                           uint64_t bytes, const char *spill_dir);
/* Gives everything back. Of a closed one too. */
void sluice__preimages_close(sluice__preimages_t *p);

/* Copies a page in. SLUICE_ELIMIT: no room and no file, or `limit` bytes are
 * held and no file; or what writing to the file returned. */
int sluice__preimages_put(sluice__preimages_t *p, const sluice__preimage_t *at,
                          const uint8_t *data, uint64_t limit);

/* 1 and the oldest, `*out_data` valid until it is popped, 0 when there is none,
 * or what reading the file returned. Puts may come in between. */
int sluice__preimages_first(sluice__preimages_t *p, sluice__preimage_t *out,
                            const uint8_t **out_data);
void sluice__preimages_pop(sluice__preimages_t *p);

static inline uint64_t sluice__preimages_count(const sluice__preimages_t *p) {
  return p->used + (p->spill_last - p->spill_first);
}

#endif
