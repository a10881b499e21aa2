/* odd_executor.h - an executor that does what executors may do: threads that
 * take jobs in any order, jobs that come late or at once, and refusals. */
#ifndef SLUICE_TESTS_ODD_EXECUTOR_H
#define SLUICE_TESTS_ODD_EXECUTOR_H

#include <sluice/executor.h>

typedef enum odd_way_e {
  ODD_NOBODY,  /* there is no executor */
  ODD_POOL,    /* libuv's */
  ODD_AT_ONCE, /* inside of submit */
  ODD_THREADS, /* two of them, in random order */
  ODD_FICKLE,  /* so, and every other job is refused */
  ODD_REFUSES, /* every one is */
  ODD_LATE,    /* none is run before odd_executor_close() */
  ODD_WAYS
} odd_way_t;

/* One at a time. */
const sluice_executor_t *odd_executor_open(odd_way_t way, uint64_t seed);
/* Runs what is left, and ends the threads. */
void odd_executor_close(void);

/* Jobs that threads, or submit, have run. */
unsigned odd_executor_count(void);

#endif
