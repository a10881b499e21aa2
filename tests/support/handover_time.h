/* handover_time.h - the time of a host that is handed over, in a process of its
 * own.
 *
 * A machine may be as busy as it likes: what is a deadline here is never
 * reached by waiting. When the other side hangs, the test says so by a signal,
 * and from then on every deadline is over as soon as it is set. */
#ifndef SLUICE_TESTS_HANDOVER_TIME_H
#define SLUICE_TESTS_HANDOVER_TIME_H

#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

enum { BOX_DEADLINE_MS = 1000000 }; /* for all that a host may wait for */

/* Of the loop of the process; also its engine's clock. */
void box_open_time(uv_loop_t *loop);
void box_close_time(void);
uint64_t box_now(void *ctx);

/* For the test: before the processes begin, and of one whose peer hangs. */
void box_prepare_time(void);
void box_end_time(pid_t pid);

#endif
