/* late.c - see late.h: life, on the loop. */
#include "session/restore/late/late.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "session/restore/late/thread.h"

int sluice__late_new(sluice__late_t **out, sluice_engine_t *engine, int fd) {
  sluice__late_t *late = calloc(1, sizeof(*late));

  if (late == NULL) {
    return UV_ENOMEM;
  }
  late->engine = engine;
  late->fd = fd;
  late->uffd = -1;
  late->stop = -1;
  *out = late;
  return 0;
}

static void free_late(sluice__late_t *late) {
  free(late->list);
  free(late->buf);
  free(late->lost_map);
  free(late->told_map);
  free(late);
}

int sluice__late_add(sluice__late_t *late, const sluice__late_pages_t *pages) {
  if (late->count == late->cap) {
    size_t cap = late->cap == 0 ? 1024 : late->cap * 2;
    void *list = realloc(late->list, cap * sizeof(*late->list));

    if (list == NULL) {
      return UV_ENOMEM;
    }
    late->list = list;
    late->cap = cap;
  }
  late->list[late->count++] = (sluice__late_piece_t){.pages = *pages};
  late->bytes += pages->bytes;
  return 0;
}

void sluice__late_stats(const sluice__late_t *late, sluice__late_stats_t *out) {
  out->bytes = late->bytes;
  out->left = atomic_load(&late->left);
  out->faults = atomic_load(&late->faults);
  out->lost = atomic_load(&late->lost);
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle) {
  sluice__late_t *late = handle->data;
  int code = atomic_load(&late->code);

  if (late->is_kept) {
    late->owner.filled(late->owner.ctx, code);
  }
  sluice__engine_part(late->engine, &late->guest);
  free_late(late);
}

static void close_late(sluice__late_t *late) {
  if (!late->is_closing) {
    late->is_closing = true;
    (void)pthread_join(late->thread, NULL);
    sluice__late_close_fds(late);
    uv_close((uv_handle_t *)&late->async, on_closed);
  }
}

/* Pages were lost, or the thread has ended. Before anybody relies on it nobody
 * wants to know. */
static void on_news(uv_async_t *async) {
  sluice__late_t *late = async->data;
  bool is_over = atomic_load(&late->is_over); /* before what it lost */

  if (!late->is_kept) {
    return;
  }
  if (!sluice__late_tell_lost(late)) {
    (void)uv_async_send(&late->async);
  } else if (is_over) {
    close_late(late);
  }
}

/* The engine closes: not before all is there. */
static void on_leave(sluice__guest_t *guest) {
  (void)guest;
}

static int compare(const void *a, const void *b) {
  const sluice__late_piece_t *x = a;
  const sluice__late_piece_t *y = b;

  return x->pages.to < y->pages.to ? -1 : x->pages.to > y->pages.to;
}

/* Signals are for the host's threads. */
static int start_thread(sluice__late_t *late) {
  sigset_t all, before;
  int r;

  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  r = pthread_create(&late->thread, NULL, sluice__late_run, late);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return -r;
}

static int open_parts(sluice__late_t *late) {
  int r;

  late->buf = malloc(SLUICE__LATE_BUFFER);
  if (late->buf == NULL) {
    return UV_ENOMEM;
  }
  qsort(late->list, late->count, sizeof(*late->list), compare);
  r = sluice__late_open_maps(late);
  if (r == 0) {
    r = sluice__late_open_fds(late);
  }
  return r < 0 ? r : sluice__late_register(late);
}

int sluice__late_start(sluice__late_t *late) {
  int r = open_parts(late);

  if (r == 0) {
    r = uv_async_init(late->engine->pump.loop, &late->async, on_news);
  }
  if (r < 0) {
    sluice__late_close_fds(late);
    return r;
  }
  late->async.data = late;
  late->guest.leave = on_leave;
  sluice__engine_join(late->engine, &late->guest);
  late->is_started = true;
  atomic_store(&late->left, late->bytes);
  r = start_thread(late);
  if (r < 0) {
    late->is_closing = true; /* without a thread */
    sluice__late_close_fds(late);
    uv_close((uv_handle_t *)&late->async, on_closed);
  }
  return r;
}

void sluice__late_keep(sluice__late_t *late,
                       const sluice__late_owner_t *owner) {
  late->owner = *owner;
  late->is_kept = true;
  (void)uv_async_send(&late->async); /* of what there is already */
}

void sluice__late_drop(sluice__late_t *late) {
  if (late == NULL) {
    return;
  }
  if (!late->is_started) {
    free_late(late);
  } else if (!late->is_closing) {
    sluice__late_stop(late);
    close_late(late);
  }
}
