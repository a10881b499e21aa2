/* tracker.h - how a ram section learns which pages were written.
 *
 * A tracker sees addresses and bytes; it knows nothing of sections, bitmaps or
 * streams. Its life in one save:
 *
 *   begin  arm (each region)  look...  disarm (each armed region)  end
 *
 * A mode other than ASKED has none of the functions. Loop thread. */
#ifndef SLUICE_RAM_TRACKER_H
#define SLUICE_RAM_TRACKER_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

typedef enum sluice__tracker_mode_e {
  SLUICE__TRACKER_TOLD,  /* the host tells of each write: no mark, no write */
  SLUICE__TRACKER_ASKED, /* only look() finds out */
  SLUICE__TRACKER_NEVER  /* nothing is written */
} sluice__tracker_mode_t;

typedef struct sluice__span_s {
  uint64_t from; /* bytes of the region, whole pages of the kernel's */
  uint64_t to;
} sluice__span_t;

/* One look at a part of a region, and what came of it. */
typedef struct sluice__look_s {
  uint8_t *base; /* in: of the region */
  uint64_t from; /* in: bytes of the region */
  uint64_t to;
  uint64_t reached;            /* out: looked at up to here; past `from` */
  const sluice__span_t *spans; /* out: written since the look before;
                                  borrowed until the next call */
  size_t span_count;
} sluice__look_t;

typedef struct sluice__tracker_s {
  sluice__tracker_mode_t mode;
  /* Finds out whether the machine can do it; UV_ENOTSUP with the reason. */
  int (*open)(void **out_state, sluice_error_t *err);
  void (*close)(void *state);
  int (*begin)(void *state, sluice_error_t *err);
  int (*arm)(void *state, uint8_t *base, uint64_t bytes, sluice_error_t *err);
  /* Takes what was written and starts anew for it, as one. After `arm` all
   * counts as written. Bounded: returns within a millisecond. */
  int (*look)(void *state, sluice__look_t *look, sluice_error_t *err);
  void (*disarm)(void *state, uint8_t *base, uint64_t bytes);
  void (*end)(void *state);
} sluice__tracker_t;

extern const sluice__tracker_t sluice__tracker_cooperative;
extern const sluice__tracker_t sluice__tracker_static;
extern const sluice__tracker_t sluice__tracker_wp;

#endif
