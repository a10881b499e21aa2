/* thread.h - what late.c, its thread and lost.c share. */
#ifndef SLUICE_SESSION_RESTORE_LATE_THREAD_H
#define SLUICE_SESSION_RESTORE_LATE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "session/restore/late/late.h"

enum { SLUICE__LATE_BUFFER = 64 * 1024 };

typedef struct sluice__late_piece_s {
  sluice__late_pages_t pages;
  uint64_t first; /* number of its first page, among all of the list */
  uint64_t done;  /* bytes from its start that are there; the thread's */
} sluice__late_piece_t;

struct sluice__late_s {
  sluice__guest_t guest;
  sluice_engine_t *engine;
  sluice__late_piece_t *list; /* ascending by address; fixed once started */
  size_t count;
  size_t cap;
  uint64_t bytes;
  int fd;
  int uffd;
  int stop; /* eventfd */
  uint8_t *buf;
  pthread_t thread;
  uv_async_t async;
  bool is_started;
  bool is_kept;
  bool is_closing;
  sluice__late_owner_t owner;
  uint64_t *told_map; /* pages that the owner was told of; the loop's */
  uint64_t told;      /* bytes */

  size_t cursor;                  /* the thread's: what is filled next */
  size_t first;                   /* all before it are there */
  atomic_uint_fast64_t *lost_map; /* a bit for each page */
  atomic_uint_fast64_t left, faults, lost;
  atomic_int code;
  atomic_bool is_over; /* the last that the thread does but one */
};

uint64_t sluice__late_page(void); /* bytes of one of the kernel's */

int sluice__late_open_fds(sluice__late_t *late);
void sluice__late_close_fds(sluice__late_t *late);
int sluice__late_register(sluice__late_t *late);
void sluice__late_stop(sluice__late_t *late);
void *sluice__late_run(void *arg);

/* The piece that holds `at`, or the first behind it. */
size_t sluice__late_find(const sluice__late_piece_t *list, size_t count,
                         const uint8_t *at);

/* lost.c; the first before the thread begins, the second is the thread's,
 * the third the loop's: true when all that was lost so far was told. */
int sluice__late_open_maps(sluice__late_t *late);
void sluice__late_note_lost(sluice__late_t *late,
                            const sluice__late_piece_t *piece, uint64_t from);
bool sluice__late_tell_lost(sluice__late_t *late);

#endif
