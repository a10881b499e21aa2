/* rig_executor.c - threads of the host's, as far as the library can tell.
 *
 * Jobs are run on the loop's own thread: every third inside of submit, others
 * one a turn, the last one first. So what happens is the same each time. Struck
 * are those that are asked for: refused, left until the operation is over, or
 * until the loop has nothing else to do. */
#include "rigs.h"

#include "fault.h"

enum { JOBS_MAX = 16 };

static sluice_job_t *ready[JOBS_MAX]; /* in the next turns */
static unsigned ready_count;
static sluice_job_t *late[JOBS_MAX]; /* when the operation is over */
static unsigned late_count;
static sluice_job_t *hung[JOBS_MAX]; /* when nothing else is left */
static unsigned hung_count;
static unsigned asked;

static void run_hung(void) {
  while (hung_count > 0) {
    sluice_job_run(hung[--hung_count]);
  }
}

static int keep(sluice_job_t **list, unsigned *count, sluice_job_t *job) {
  if (*count == JOBS_MAX) {
    fault_die("more jobs than were allowed");
  }
  list[(*count)++] = job;
  return 0;
}

static int submit(void *ctx, sluice_job_t *job) {
  const fault_t *f = fault_hits(FAULT_EXECUTOR);

  (void)ctx;
  if (f != NULL && f->style == STYLE_FAIL) {
    return f->code;
  }
  if (f != NULL && f->style == STYLE_HANG) {
    rig_on_quiet = run_hung;
    return keep(hung, &hung_count, job);
  }
  if (f != NULL && f->style == STYLE_LATE) {
    return keep(late, &late_count, job);
  }
  if (asked++ % 3 == 0) {
    sluice_job_run(job);
    return 0;
  }
  return keep(ready, &ready_count, job);
}

const sluice_executor_t *rig_executor(void) {
  static const sluice_executor_t executor = {.size = sizeof(executor),
                                             .jobs_max = 3,
                                             .min_bytes = 1,
                                             .submit = submit};

  asked = 0;
  return &executor;
}

void rig_executor_turn(int is_over) {
  if (ready_count > 0) {
    sluice_job_run(ready[--ready_count]);
  }
  while (is_over && late_count > 0) {
    sluice_job_run(late[--late_count]);
  }
}
