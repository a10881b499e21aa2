/* snapshot.h - what a ram section knows while its image is that of one instant.
 *
 *   ram_snapshot.c        begin, the instant, steps, end
 *   ram_snapshot_write.c  what is about to be written, by whom, and what then
 *   ram_snapshot_arm.c    protecting memory in slices before, releasing it
 * after
 *
 *   begin  [ARM: arm...]  --the instant-->  SNAPSHOT: step...  [RELEASE...] end
 *
 * While armed, before the instant, a written page is let go and noted as early,
 * in `pending`, which the instant sets for all pages. From then on a bit says:
 * not saved yet. Whoever clears it has seen to the page: the loop by sending
 * it, whoever is about to write by putting it into the store first.
 *
 * What the loop sends it lends: a page may be read later, by another thread,
 * and is saved when it has been returned. Until then its bit is in `borrowed`,
 * and it is as unsaved as one in `pending` to whoever is about to write it: the
 * pre-image comes later in the stream, so what was read meanwhile does not
 * count. Loans are returned in order.
 *
 * Where memory is protected, faults come from another thread: `lock` covers
 * this struct but for the loans, both bitmaps, the number of pending bits, and
 * the section's state. Only the loop changes that one, and so reads it freely.
 * Lent pages stay protected until they are returned or preserved. */
#ifndef SLUICE_RAM_SNAPSHOT_H
#define SLUICE_RAM_SNAPSHOT_H

#include <pthread.h>
#include <stdint.h>

#include <sluice/handler.h>
#include <sluice/ram.h>

#include "fault_handler.h"
#include "preimage.h"
#include "section.h"

/* A run that is borrowed. */
typedef struct sluice__ram_loan_s {
  sluice__ram_span_t run;
  uint64_t end; /* pages borrowed in all, these included */
} sluice__ram_loan_t;

/* More than staging has room for, unless runs are short; then the rest is not
 * lent but copied at once. */
enum { SLUICE__RAM_LOANS_MAX = 256 };

struct sluice__ram_snapshot_s {
  pthread_mutex_t lock;
  sluice__fault_handler_t *faults; /* NULL: the host tells, or nothing is
                                      written */
  sluice__preimages_t store;
  uint64_t limit; /* bytes in the store, for who can be put off */
  int is_sending; /* the oldest of the store */
  int is_holding; /* a writer is held until the store has room */
  int code;       /* why the image is lost; 0: it is not */
  sluice__ram_loan_t loans[SLUICE__RAM_LOANS_MAX]; /* a ring, oldest first */
  uint32_t loan_first;
  uint32_t loan_count;
  uint64_t borrowed_pages; /* in all */
  int is_wanted;           /* the host waits for `wanted` to be saved */
  sluice__ram_span_t wanted;

  uint64_t early;            /* bits set in `pending` before the instant */
  sluice__ram_place_t armed; /* up to here */
  int passes;                /* over all regions, that are over */
};

/* ram_snapshot.c. After a failure nothing is held. */
int sluice__ram_snapshot_begin(sluice_ram_t *ram, sluice_error_t *err);
/* Would a cut have what it needs of the kernel, and room for all pre-images
 * that there can be, or a policy for where there is none? 0, or why not. */
int sluice__ram_snapshot_is_possible(sluice_ram_t *ram, sluice_error_t *err);
/* The instant. */
int sluice__ram_snapshot_take(sluice_ram_t *ram, sluice_error_t *err);
int sluice__ram_snapshot_step(sluice_ram_t *ram, sluice_writer_t *w,
                              sluice_error_t *err);
uint64_t sluice__ram_snapshot_pending(sluice_ram_t *ram);
/* So many of the pages that were lent are back. */
void sluice__ram_snapshot_returned(sluice_ram_t *ram, uint64_t pages);
/* True: the host waits to be told that it may write. */
int sluice__ram_snapshot_end(sluice_ram_t *ram);
void sluice__ram_snapshot_stats(const sluice_ram_t *ram,
                                sluice_ram_stats_t *out);

/* ram_snapshot_write.c. The host is about to write pages. */
void sluice__ram_snapshot_preserve(sluice_ram_t *ram,
                                   const sluice__ram_span_t *span);
/* True: it may, and they are preserved. */
int sluice__ram_snapshot_may_write(sluice_ram_t *ram,
                                   const sluice__ram_span_t *span);
/* For sluice__fault_handler_open(). */
void sluice__ram_snapshot_on_fault(void *ctx, sluice__fault_handler_t *faults,
                                   uint8_t *at, int is_owner);
/* The store has given room: those who wait for it may try again. `lock` is
 * held. */
void sluice__ram_snapshot_made_room(sluice_ram_t *ram);
/* Nobody is held any more, nor will be. `lock` is not held. */
void sluice__ram_snapshot_let_go(sluice_ram_t *ram);
/* Tells the host that what it waits for is over. `lock` is not held. */
void sluice__ram_snapshot_tell_writable(sluice_ram_t *ram);

/* ram_snapshot_arm.c. A slice a call: DONE or MORE. */
int sluice__ram_snapshot_arm(sluice_ram_t *ram, sluice_error_t *err);
/* Protects what was written early. `lock` is held, so faults wait. */
int sluice__ram_snapshot_protect_early(sluice_ram_t *ram, sluice_error_t *err);
/* The kernel need not know this memory any more. */
void sluice__ram_snapshot_forget(sluice_ram_t *ram, uint8_t *at,
                                 uint64_t bytes);

#endif
