/* queue_rig.c - see queue_rig.h. Checks nothing itself. */
#include "queue_rig.h"

#include <string.h>

static uint64_t read_clock(void *ctx) {
  rig_t *rig = ctx;

  rig->clock_reads++;
  return rig->now_ns;
}

static void on_runnable(void *ctx, bool remote) {
  rig_t *rig = ctx;

  if (remote) {
    rig->runnable_remote++;
  } else {
    rig->runnable_local++;
  }
}

void rig_init(rig_t *rig, const sluice__queue_config_t *config) {
  memset(rig, 0, sizeof(*rig));
  sluice__queue_init(&rig->queue, config);
  rig->queue.exact_steps = 0;
  rig->queue.on_runnable = on_runnable;
  rig->queue.runnable_ctx = rig;
  rig->clock = (sluice__clock_t){read_clock, rig};
  rig->now_ns = 1000;
}

static void write_log(rig_t *rig, char name) {
  if (rig->logged < RIG_LOG - 1) {
    rig->log[rig->logged++] = name;
    rig->log[rig->logged] = '\0';
  }
}

static int job_step(sluice__cont_t *c, sluice__budget_t *b) {
  job_t *job = (job_t *)c;
  uint64_t bytes;

  job->runs++;
  job->seen_left = sluice__budget_left(b);
  job->seen_yield = sluice__budget_should_yield(b);
  bytes = job->fills ? job->seen_left : job->charge;
  job->used += bytes;
  sluice__budget_charge(b, bytes);
  job->rig->now_ns += job->takes_ns;
  write_log(job->rig, job->name);
  if (job->act != NULL) {
    job->act(job, b);
  }
  return job->result;
}

static uint64_t job_pending(const sluice__cont_t *c) {
  return ((const job_t *)c)->pending;
}

static void job_cancelled(sluice__cont_t *c) {
  job_t *job = (job_t *)c;

  job->cancels++;
  write_log(job->rig, '-');
  write_log(job->rig, job->name);
}

void rig_job(rig_t *rig, job_t *job, char name, sluice__class_t class_,
             uint32_t weight) {
  memset(job, 0, sizeof(*job));
  job->rig = rig;
  job->name = name;
  job->result = SLUICE__MORE;
  job->charge = 1;
  job->cont.pending = job_pending;
  job->cont.on_cancel = job_cancelled;
  sluice__cont_init(&job->cont, &rig->queue, job_step, class_, weight);
}

void rig_bulk(rig_t *rig, job_t *job, char name) {
  rig_job(rig, job, name, SLUICE__BULK, 100);
  sluice__queue_wake(&job->cont);
}

int rig_drain_timed(rig_t *rig, uint64_t bytes, uint64_t time_ns) {
  sluice__budget_t b;

  sluice__budget_open(&b, &rig->clock, bytes, time_ns);
  rig->failed = NULL;
  return sluice__queue_drain(&rig->queue, &b, &rig->failed);
}

int rig_drain(rig_t *rig, uint64_t bytes) {
  return rig_drain_timed(rig, bytes, UINT64_MAX);
}

const char *rig_log(rig_t *rig) {
  static char copy[RIG_LOG];

  memcpy(copy, rig->log, sizeof(copy));
  rig->logged = 0;
  rig->log[0] = '\0';
  return copy;
}
