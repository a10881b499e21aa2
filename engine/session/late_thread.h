/* late_thread.h - what late.c and its thread share. */
#ifndef SLUICE_SESSION_LATE_THREAD_H
#define SLUICE_SESSION_LATE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "session/late.h"

enum { SLUICE__LATE_BUFFER = 64 * 1024 };

typedef struct sluice__late_piece_s {
  uint8_t *to;
  uint64_t at;
  uint64_t bytes;
  uint64_t gap;
  uint64_t done; /* bytes from its start that are there */
} sluice__late_piece_t;

struct sluice__late_s {
  sluice__guest_t guest;
  sluice_engine_t *engine;
  sluice__late_piece_t *list; /* ascending by address; the thread's */
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
  bool is_over;
  bool is_closing;
  void (*cb)(void *ctx, int code);
  void *ctx;

  size_t cursor; /* the thread's: what is filled next */
  size_t first;  /* all before it are there */
  atomic_uint_fast64_t left, faults, lost;
  atomic_int code;
};

int sluice__late_open_fds(sluice__late_t *late);
void sluice__late_close_fds(sluice__late_t *late);
int sluice__late_register(sluice__late_t *late);
void sluice__late_stop(sluice__late_t *late);
void *sluice__late_run(void *arg);

#endif
