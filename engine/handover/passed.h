/* passed.h - descriptors of sections: gathered into messages on one side, kept
 * until their section asks for them on the other.
 *
 * A PASS message has an entry for each of its descriptors, in order:
 *
 *   0  2  length n of the section's name, 1 to 255
 *   2  2  length t of the tag, 1 to 255; bit 15: the successor must take it,
 *         for nothing of it is in the stream
 *   4  4  the section's instance
 *   8     the name, n bytes; the tag, t bytes; no NUL in them
 *
 * Knows no sockets. */
#ifndef SLUICE_HANDOVER_PASSED_H
#define SLUICE_HANDOVER_PASSED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

#include "handover/frame.h"

enum { SLUICE__PASSED_MAX = 1024 * 1024 }; /* in one hand-over */

typedef struct sluice__pass_s {
  const char *section;
  uint32_t instance;
  const char *tag;
  bool must_take;
} sluice__pass_t;

/* What goes into the next message. Descriptors are borrowed. */
typedef struct sluice__batch_s {
  uint32_t count;
  size_t len;
  int fds[SLUICE__FRAME_FDS];
  uint8_t entries[SLUICE__FRAME_FDS * SLUICE__FRAME_ENTRY];
} sluice__batch_t;

/* There is room: count < SLUICE__FRAME_FDS; name and tag fit their lengths. */
void sluice__batch_add(sluice__batch_t *batch, const sluice__pass_t *pass,
                       int fd);

typedef struct sluice__passed_s sluice__passed_t;

/* What has arrived; zeroed: nothing. Its descriptors are its own. */
typedef struct sluice__arrivals_s {
  sluice__passed_t *first;
  sluice__passed_t *last;
  uint32_t count; /* all that ever came */
} sluice__arrivals_t;

/* Takes the entry at `*at` of `len` bytes, and `fd`, on success. ECORRUPT,
 * ELIMIT, UV_ENOMEM. */
int sluice__arrivals_add(sluice__arrivals_t *a, const uint8_t *entries,
                         size_t len, size_t *at, int fd, sluice_error_t *err);
/* Which section a name in the stream is of. */
typedef const void *(*sluice__owner_fn)(void *ctx, const char *section,
                                        uint32_t instance);

/* The oldest of that owner and tag; the caller's now. -1: none. */
int sluice__arrivals_take(sluice__arrivals_t *a, sluice__owner_fn owner_of,
                          void *ctx, const void *owner, const char *tag);
/* The next of those that must be taken and were not, from `*at` on (NULL: from
 * the first). False: there is none. Lent. */
bool sluice__arrivals_left(const sluice__arrivals_t *a,
                           const sluice__passed_t **at, sluice__pass_t *out);
/* Closes what nobody took. */
void sluice__arrivals_drop(sluice__arrivals_t *a);

#endif
