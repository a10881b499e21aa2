/* pager.h - what demand.c, its thread and lost.c share. */
#ifndef SLUICE_IMAGE_DEMAND_PAGER_H
#define SLUICE_IMAGE_DEMAND_PAGER_H

#include <pthread.h>
#include <stdatomic.h>

#include <uv.h>

#include "image/demand/extent.h"

enum { SLUICE__DEMAND_BUFFER = 64 * 1024 };

struct sluice__demand_s {
  uv_loop_t *loop;
  void (*gone)(void *ctx);
  void *ctx;                     /* of `gone` */
  sluice__demand_extent_t *list; /* ascending by address; fixed once started */
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
  sluice__demand_owner_t owner;
  uint64_t *told_map; /* pages that the owner was told of; the loop's */
  uint64_t told;      /* bytes */

  size_t cursor;                  /* the thread's: what is filled next */
  size_t first;                   /* all before it are there */
  atomic_uint_fast64_t *lost_map; /* a bit for each page */
  atomic_uint_fast64_t left, faults, lost;
  atomic_int code;
  atomic_bool is_over; /* the last that the thread does but one */
};

int sluice__demand_open_fds(sluice__demand_t *demand);
void sluice__demand_close_fds(sluice__demand_t *demand);
int sluice__demand_register(sluice__demand_t *demand);
void sluice__demand_stop(sluice__demand_t *demand);
void *sluice__demand_thread(void *arg);

/* lost.c; the first before the thread begins, the second is the thread's,
 * the third the loop's: true when all that was lost so far was told. */
int sluice__demand_open_maps(sluice__demand_t *demand);
void sluice__demand_note_lost(sluice__demand_t *demand,
                              const sluice__demand_extent_t *extent,
                              uint64_t from);
bool sluice__demand_tell_lost(sluice__demand_t *demand);

#endif
