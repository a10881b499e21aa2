/* queue_model.h - what a queue should do, said again as plainly as possible.
 *
 * Numbers for continuations, arrays for lists, no time: a model of the rules in
 * queue.h to hold the queue against. It foretells step by step; the test tells
 * it what each step did. */
#ifndef SLUICE_TESTS_QUEUE_MODEL_H
#define SLUICE_TESTS_QUEUE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_NODES = 12, MODEL_CLASSES = 3, MODEL_LOG = 64 };

typedef enum model_state_e {
  MODEL_IDLE,
  MODEL_READY,
  MODEL_RUNNING,
  MODEL_PARKED
} model_state_t;

typedef enum model_phase_e {
  MODEL_FLOOR,
  MODEL_CAPPED,
  MODEL_UNCAPPED,
  MODEL_FORCED,
  MODEL_OVER
} model_phase_t;

typedef struct model_list_s {
  int id[MODEL_NODES];
  int count;
} model_list_t;

typedef struct model_node_s {
  model_state_t state;
  int class_;
  uint32_t weight;
  int64_t deficit;
  bool is_due;
  bool is_posted;
} model_node_t;

typedef struct model_s {
  uint64_t quantum_min;
  uint64_t share; /* percent */
  model_node_t node[MODEL_NODES];
  model_list_t ready[MODEL_CLASSES];
  model_list_t parked;
  model_list_t posted;
  model_list_t cancelled; /* on_cancel calls since the test emptied it */
  unsigned passed_over[MODEL_CLASSES];

  /* Of the turn. */
  model_phase_t phase;
  int class_now;
  bool is_entered;
  int running; /* -1: none */
  bool is_woken;
  bool is_cancelled;
  int64_t run_deficit;
  bool has_run;
  uint64_t bytes;
  uint64_t used;
  uint64_t limit;
  uint64_t class_bytes;
  uint64_t weight[MODEL_CLASSES];
  uint64_t count[MODEL_CLASSES];
  bool was_served[MODEL_CLASSES];
} model_t;

void model_init(model_t *m, uint64_t quantum_min, uint64_t share);
void model_node(model_t *m, int id, int class_, uint32_t weight);

void model_wake(model_t *m, int id);
void model_post(model_t *m, int id);
void model_cancel(model_t *m, int id);
void model_cancel_all(model_t *m);
void model_reclass(model_t *m, int id, int class_);

/* Begins a turn. */
void model_open(model_t *m, uint64_t bytes);

/* The number whose step comes next and the bytes it is given; -1: none. */
int model_next(model_t *m, uint64_t *left);

/* The step that was foretold last is returning. */
void model_finish(model_t *m, int result, uint64_t used);

/* Ends the turn; what the drain returns, unless that is an error. */
int model_close(model_t *m);

#endif
