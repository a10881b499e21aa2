/* staging.h - where the pages of one region go while they are being restored.
 *
 * Either memory of its own beside the region, or the region itself (in place).
 * Tells which pages it was given: all others are zero once it is committed, be
 * they so by birth (fresh memory) or by sluice__staging_settle(). Knows nothing
 * of streams; the caller has checked that pages lie inside. */
#ifndef SLUICE_RAM_STAGING_H
#define SLUICE_RAM_STAGING_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

typedef struct sluice__staging_s {
  uint8_t *at;       /* the first page; NULL: not open */
  uint64_t *written; /* a bit for each page this restore has put bytes into */
  uint64_t pages;
  uint32_t page_shift;
  int is_own;        /* `at` is a mapping of ours */
  int is_fresh;      /* what is not `written` is zero */
  int is_mapped;     /* pages of this restore are a file's */
  uint64_t prepared; /* bytes; in place: discarded up to here */
  uint64_t settled;  /* pages; in place: zeroed up to here */
} sluice__staging_t;

/* Memory of its own, as large as the region at `base`. UV_ENOMEM. */
int sluice__staging_open(sluice__staging_t *staging, const uint8_t *base,
                         uint64_t pages, uint32_t page_shift);
/* The region itself. `can_discard`: its pages may be replaced. `is_blank`: they
 * are zeros, all of them. UV_ENOMEM. */
int sluice__staging_open_in_place(sluice__staging_t *staging, uint8_t *base,
                                  uint64_t pages, uint32_t page_shift,
                                  int can_discard, int is_blank);
/* Of what was never opened too. */
void sluice__staging_close(sluice__staging_t *staging);

/* Discards old pages, a slice of them a call; SLUICE_DONE or SLUICE_MORE.
 * Before the first page is put. */
int sluice__staging_prepare(sluice__staging_t *staging);

/* Where it will stand. Pages may be put there before they are given; until then
 * nothing is known of them. */
uint8_t *sluice__staging_place(const sluice__staging_t *staging, uint64_t page);
/* `data` may be just that place. */
void sluice__staging_put(sluice__staging_t *staging, uint64_t page,
                         const uint8_t *data, uint64_t count);
void sluice__staging_fill(sluice__staging_t *staging, uint64_t page,
                          uint64_t count, uint8_t byte);
/* Errors of sluice_delta_apply(). */
int sluice__staging_delta(sluice__staging_t *staging, uint64_t page,
                          const uint8_t *delta, size_t len,
                          sluice_error_t *err);

/* Private mapping of whole pages of the file; only where pages may be replaced.
 * SLUICE_DONE; SLUICE_MORE: not possible, nothing has changed; UV_ENOMEM. */
int sluice__staging_map(sluice__staging_t *staging, uint64_t page,
                        uint64_t count, int fd, uint64_t at);
/* Where these pages are, for somebody who puts them there later; NULL: not
 * whole pages of the kernel's, or there is something already. */
void *sluice__staging_late_place(sluice__staging_t *staging, uint64_t page,
                                 uint64_t count);
/* Whether staging of many mappings can be moved into place (Linux 6.17). */
int sluice__staging_can_move_mappings(void);
/* In place, failed: no page stays a file's. */
void sluice__staging_unmap(sluice__staging_t *staging);

/* Zeroes what was never given, a slice a call; SLUICE_DONE or SLUICE_MORE. */
int sluice__staging_settle(sluice__staging_t *staging);

/* Makes it the content of the region at `base`; `can_move`: by replacing its
 * pages. Only close may follow. */
void sluice__staging_commit(sluice__staging_t *staging, uint8_t *base,
                            int can_move);

#endif
