/* busy_pool.h - threads of libuv's pool that are busy with nothing, until they
 * are let go. One pool a process. */
#ifndef SLUICE_TESTS_BUSY_POOL_H
#define SLUICE_TESTS_BUSY_POOL_H

#include <check.h>
#include <uv.h>

enum { BUSY_MAX = 64 }; /* more than the pool has, unless it is asked for */

static struct {
  uv_work_t work[BUSY_MAX];
  uv_sem_t go;
  unsigned count;
} busy;

static inline void busy_wait(uv_work_t *work) {
  (void)work;
  uv_sem_wait(&busy.go);
}

static inline void on_busy_over(uv_work_t *work, int status) {
  (void)work;
  ck_assert_int_eq(status, 0);
}

/* So many threads, or as many as there are. */
static inline void busy_pool(uv_loop_t *loop, unsigned count) {
  ck_assert_uint_le(count, BUSY_MAX);
  ck_assert_int_eq(uv_sem_init(&busy.go, 0), 0);
  for (busy.count = 0; busy.count < count; busy.count++) {
    ck_assert_int_eq(
        uv_queue_work(loop, &busy.work[busy.count], busy_wait, on_busy_over),
        0);
  }
}

static inline void busy_pool_go(void) {
  for (; busy.count > 0; busy.count--) {
    uv_sem_post(&busy.go);
  }
}

#endif
