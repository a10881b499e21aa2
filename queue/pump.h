/* pump.h - turns the iterations of a libuv loop into budgeted drains.
 *
 * A no-op idle handle keeps poll from blocking while something is runnable; a
 * check handle drains right after I/O, so that errors and cancels raised by I/O
 * callbacks are seen before anything is spent; a timer serves continuations
 * that are paced; one async handle serves other threads. All are off when
 * nothing is runnable: an idle engine costs nothing and the loop may sleep.
 *
 * The only file of queue/ that knows libuv. */
#ifndef SLUICE_QUEUE_PUMP_H
#define SLUICE_QUEUE_PUMP_H

#include <uv.h>

#include "queue.h"
#include "slice.h"

typedef struct sluice__pump_s sluice__pump_t;

/* One paced continuation: woken at a time. Owned by whoever embeds it: zeroed,
 * with `cont` set, before its first use; undelayed before either is freed. */
typedef struct sluice__delay_s {
  sluice__cont_t *cont;
  uint64_t due_ns;
  struct sluice__delay_s *next;
  bool armed;
} sluice__delay_t;

typedef struct sluice__pump_config_s {
  uint64_t slice_ns;            /* time a turn may take; 0: 500 us */
  uint64_t slice_min_ns;        /* with a busy host; 0: 50 us */
  uint64_t slice_bytes;         /* bytes a turn may move; 0: 1 MiB */
  const sluice__clock_t *clock; /* NULL: uv_hrtime */
  sluice__queue_config_t queue;
} sluice__pump_config_t;

typedef struct sluice__pump_stats_s {
  uint64_t turns;
  uint64_t longest_turn_ns;
  uint64_t busy_ns; /* sum of all turns */
} sluice__pump_stats_t;

struct sluice__pump_s {
  uv_loop_t *loop;
  uv_idle_t idle;
  uv_check_t check;
  uv_timer_t timer;
  uv_async_t async;
  sluice__queue_t queue;
  sluice__clock_t clock;
  sluice__slice_t slice;
  uint64_t slice_bytes; /* of the longest slice */
  uint64_t left_ns;     /* when the last turn ended; 0: the loop slept since */
  uint64_t owned_ns;    /* own_ns() at that time */
  sluice__delay_t *delays; /* soonest first */
  unsigned handles_open;
  unsigned refs;
  uv_thread_t thread; /* that the loop ran on, once it has turned */
  bool has_turned;
  bool is_spinning; /* idle and check are on */
  bool is_closing;
  /* Set by the owner after sluice__pump_init(); each is optional and may do
   * anything, closing the pump included. An error ends its turn only: the other
   * continuations go on in the next one. on_lost is called in debug builds when
   * the pump goes quiet although a continuation that no delay will wake says
   * that it could work. */
  void (*on_error)(sluice__pump_t *p, sluice__cont_t *failed, int code);
  void (*on_lost)(sluice__pump_t *p, sluice__cont_t *lost);
  void (*on_closed)(sluice__pump_t *p);
  /* Optional. All the time that callbacks of the owner's own have taken on the
   * loop so far, outside of turns: it is not the host's. */
  uint64_t (*own_ns)(sluice__pump_t *p);
  sluice__pump_stats_t stats;
  void *data;
};

/* `config` is copied, its clock too; NULL: all defaults. Returns 0 or a UV_E*
 * code; after a failure nothing needs closing. */
int sluice__pump_init(sluice__pump_t *p, uv_loop_t *loop,
                      const sluice__pump_config_t *config);

/* Wakes `d->cont` once `due_ns` (of the pump's clock) has passed, to the
 * millisecond above; at once if it has. Takes the place of an earlier delay.
 * No-op when the pump is closing. */
void sluice__pump_delay(sluice__pump_t *p, sluice__delay_t *d, uint64_t due_ns);
void sluice__pump_undelay(sluice__pump_t *p, sluice__delay_t *d);

/* Keeps the loop alive, or not; every ref needs its unref. A loop that nothing
 * keeps alive does not iterate, so nothing runs there either. */
void sluice__pump_ref(sluice__pump_t *p);
void sluice__pump_unref(sluice__pump_t *p);

uint64_t sluice__pump_now(const sluice__pump_t *p);

/* True also while nothing keeps the loop alive: it may go to another thread
 * then. */
bool sluice__pump_is_on_loop(const sluice__pump_t *p);

/* Cancels what is queued and closes the handles; `on_closed` (may be NULL) is
 * the last touch, from the loop. From any callback or step. The owner sees to
 * it that no other thread posts from here on: libuv forbids uv_async_send() on
 * a handle that is closing. */
void sluice__pump_close(sluice__pump_t *p, void (*on_closed)(sluice__pump_t *));

#endif
