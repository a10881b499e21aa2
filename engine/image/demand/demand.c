/* demand.c - see demand.h: life, on the loop. */
#include "image/demand/demand.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "image/demand/pager.h"

int sluice__demand_new(sluice__demand_t **out, uv_loop_t *loop, int fd,
                       void (*gone)(void *ctx), void *ctx) {
  sluice__demand_t *demand = calloc(1, sizeof(*demand));

  if (demand == NULL) {
    return UV_ENOMEM;
  }
  demand->loop = loop;
  demand->gone = gone;
  demand->ctx = ctx;
  demand->fd = fd;
  demand->uffd = -1;
  demand->stop = -1;
  *out = demand;
  return 0;
}

void sluice__demand_free(sluice__demand_t *demand) {
  free(demand->list);
  free(demand->buf);
  free(demand->lost_map);
  free(demand->told_map);
  free(demand);
}

void sluice__demand_abandon(sluice__demand_t *demand) {
  sluice__demand_close_fds(demand);
  sluice__demand_free(demand);
}

int sluice__demand_add(sluice__demand_t *demand,
                       const sluice__demand_pages_t *pages) {
  if (demand->count == demand->cap) {
    size_t cap = demand->cap == 0 ? 1024 : demand->cap * 2;
    void *list = realloc(demand->list, cap * sizeof(*demand->list));

    if (list == NULL) {
      return UV_ENOMEM;
    }
    demand->list = list;
    demand->cap = cap;
  }
  demand->list[demand->count++] = (sluice__demand_extent_t){.pages = *pages};
  demand->bytes += pages->bytes;
  return 0;
}

void sluice__demand_stats(const sluice__demand_t *demand,
                          sluice__demand_stats_t *out) {
  out->bytes = demand->bytes;
  out->left = atomic_load(&demand->left);
  out->faults = atomic_load(&demand->faults);
  out->lost = atomic_load(&demand->lost);
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle) {
  sluice__demand_t *demand = handle->data;

  if (demand->is_kept) {
    demand->owner.filled(demand->owner.ctx, atomic_load(&demand->code));
  } else {
    demand->gone(demand->ctx);
    sluice__demand_free(demand);
  }
}

static void close_demand(sluice__demand_t *demand) {
  if (!demand->is_closing) {
    demand->is_closing = true;
    (void)pthread_join(demand->thread, NULL);
    sluice__demand_close_fds(demand);
    uv_close((uv_handle_t *)&demand->async, on_closed);
  }
}

/* Pages were lost, or the thread has ended. Before anybody relies on it nobody
 * wants to know. */
static void on_news(uv_async_t *async) {
  sluice__demand_t *demand = async->data;
  bool is_over = atomic_load(&demand->is_over); /* before what it lost */

  if (!demand->is_kept) {
    return;
  }
  if (!sluice__demand_tell_lost(demand)) {
    (void)uv_async_send(&demand->async);
  } else if (is_over) {
    close_demand(demand);
  }
}

static int compare(const void *a, const void *b) {
  const sluice__demand_extent_t *x = a;
  const sluice__demand_extent_t *y = b;

  return x->pages.to < y->pages.to ? -1 : x->pages.to > y->pages.to;
}

/* Signals are for the host's threads. */
static int start_thread(sluice__demand_t *demand) {
  sigset_t all, before;
  int r;

  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  r = pthread_create(&demand->thread, NULL, sluice__demand_thread, demand);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return -r;
}

static int open_parts(sluice__demand_t *demand) {
  int r;

  demand->buf = malloc(SLUICE__DEMAND_BUFFER);
  if (demand->buf == NULL) {
    return UV_ENOMEM;
  }
  qsort(demand->list, demand->count, sizeof(*demand->list), compare);
  r = sluice__demand_open_maps(demand);
  if (r == 0) {
    r = sluice__demand_open_fds(demand);
  }
  return r < 0 ? r : sluice__demand_register(demand);
}

int sluice__demand_start(sluice__demand_t *demand) {
  int r = open_parts(demand);

  if (r == 0) {
    r = uv_async_init(demand->loop, &demand->async, on_news);
  }
  if (r < 0) {
    sluice__demand_close_fds(demand);
    return r;
  }
  demand->async.data = demand;
  demand->is_started = true;
  atomic_store(&demand->left, demand->bytes);
  r = start_thread(demand);
  if (r < 0) {
    demand->is_closing = true; /* without a thread */
    sluice__demand_close_fds(demand);
    uv_close((uv_handle_t *)&demand->async, on_closed);
  }
  return r;
}

void sluice__demand_keep(sluice__demand_t *demand,
                         const sluice__demand_owner_t *owner) {
  demand->owner = *owner;
  demand->is_kept = true;
  (void)uv_async_send(&demand->async); /* of what there is already */
}

bool sluice__demand_drop(sluice__demand_t *demand) {
  if (!demand->is_started) {
    sluice__demand_free(demand);
    return true;
  }
  if (!demand->is_closing) {
    sluice__demand_stop(demand);
    close_demand(demand);
  }
  return false;
}
