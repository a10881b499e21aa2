/* queue_rig.h - a queue whose time the test owns, and jobs that do as told.
 *
 * A job is a continuation with a letter for a name; the rig's log spells the
 * order in which steps ran. */
#ifndef SLUICE_TESTS_QUEUE_RIG_H
#define SLUICE_TESTS_QUEUE_RIG_H

#include "queue.h"

enum { RIG_LOG = 4096, RIG_MS = 1000 * 1000 };

typedef struct rig_s {
  sluice__queue_t queue;
  sluice__clock_t clock;
  uint64_t now_ns;
  uint64_t clock_reads;
  unsigned runnable_local; /* calls of the hook */
  unsigned runnable_remote;
  char log[RIG_LOG]; /* stays a string; what is too much is left out */
  size_t logged;
  sluice__cont_t *failed;
} rig_t;

typedef struct job_s job_t;

struct job_s {
  sluice__cont_t cont; /* first */
  rig_t *rig;
  char name;
  int result;        /* of every step */
  uint64_t charge;   /* bytes a step uses ... */
  bool fills;        /* ... or all that its budget has */
  uint64_t takes_ns; /* that the clock goes on by in a step */
  uint64_t pending;
  void (*act)(job_t *job, sluice__budget_t *b); /* optional; in the step */
  job_t *other;                                 /* for act */
  uint64_t used;                                /* bytes, so far */
  uint64_t seen_left;                           /* when the last step began */
  bool seen_yield;
  unsigned runs;
  unsigned cancels;
};

/* `config` may be NULL. The queue times no step alone unless told to. */
void rig_init(rig_t *rig, const sluice__queue_config_t *config);

/* A job that charges 1 byte a step and wants MORE; not woken. */
void rig_job(rig_t *rig, job_t *job, char name, sluice__class_t class_,
             uint32_t weight);

/* The same, in bulk with a weight of 100, and woken. */
void rig_bulk(rig_t *rig, job_t *job, char name);

/* One turn of `bytes` without a limit in time. */
int rig_drain(rig_t *rig, uint64_t bytes);

/* One turn with both. */
int rig_drain_timed(rig_t *rig, uint64_t bytes, uint64_t time_ns);

/* The log since it was last asked for. */
const char *rig_log(rig_t *rig);

#endif
