/* queue_against_model.c - see queue_against_model.h. */
#include "queue_against_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue.h"
#include "queue_model.h"

#define EXPECT(condition, ...)                                                 \
  do {                                                                         \
    if (!(condition)) {                                                        \
      (void)fprintf(stderr, __VA_ARGS__);                                      \
      (void)fputc('\n', stderr);                                               \
      abort();                                                                 \
    }                                                                          \
  } while (0)

typedef struct actor_s {
  sluice__cont_t cont; /* first */
  int id;
} actor_t;

static model_t model;
static sluice__queue_t queue;
static actor_t actors[MODEL_NODES];
static model_dice_t dice;
static model_list_t cancelled;
static int error;
static int failed_id;

static uint64_t stand_still(void *ctx) {
  (void)ctx;
  return 1;
}

static uint64_t roll(uint64_t bound) {
  return dice.roll(dice.ctx, bound);
}

static void check_list(const char *what, const sluice__cont_list_t *got,
                       const model_list_t *want) {
  const sluice__cont_t *c = got->first;
  uint64_t weight = 0;

  EXPECT(got->count == (uint64_t)want->count, "%s: count", what);
  for (int i = 0; i < want->count; i++, c = c->next) {
    int id = ((const actor_t *)c)->id;

    EXPECT(id == want->id[i], "%s: %d stands for %d", what, id, want->id[i]);
    EXPECT(c->deficit == model.node[id].deficit, "deficit of %d: %ld for %ld",
           id, (long)c->deficit, (long)model.node[id].deficit);
    weight += c->weight;
  }
  EXPECT(c == NULL, "%s: longer than the model\'s", what);
  EXPECT(got->weight == weight, "%s: weight", what);
}

static void check_all(void) {
  check_list("urgent", &queue.ready[0], &model.ready[0]);
  check_list("demand", &queue.ready[1], &model.ready[1]);
  check_list("bulk", &queue.ready[2], &model.ready[2]);
  check_list("parked", &queue.parked, &model.parked);
  for (int i = 0; i < MODEL_NODES; i++) {
    EXPECT((int)sluice__cont_state(&actors[i].cont) == (int)model.node[i].state,
           "state of %d", i);
  }
  EXPECT(cancelled.count == model.cancelled.count, "%d cancels for %d",
         cancelled.count, model.cancelled.count);
  EXPECT(memcmp(cancelled.id, model.cancelled.id,
                sizeof(int) * (size_t)cancelled.count) == 0,
         "order of cancels");
  cancelled.count = model.cancelled.count = 0;
}

/* The list is emptied after every act, and no act cancels a node twice. */
static void on_cancel(sluice__cont_t *c) {
  EXPECT(cancelled.count < MODEL_NODES, "too many cancels");
  cancelled.id[cancelled.count++] = ((actor_t *)c)->id;
}

static void act_at_random(void) {
  int id = (int)roll(MODEL_NODES);
  int class_ = (int)roll(MODEL_CLASSES);

  switch (roll(40)) {
  case 0:
    model_cancel_all(&model);
    sluice__queue_cancel_all(&queue);
    break;
  case 1:
  case 2:
  case 3:
    model_cancel(&model, id);
    sluice__queue_cancel(&actors[id].cont);
    break;
  case 4:
  case 5:
  case 6:
  case 7:
    model_reclass(&model, id, class_);
    sluice__queue_reclass(&actors[id].cont, (sluice__class_t)class_);
    break;
  case 8:
  case 9:
  case 10:
  case 11:
  case 12:
    model_post(&model, id);
    sluice__queue_post(&actors[id].cont);
    break;
  default:
    model_wake(&model, id);
    sluice__queue_wake(&actors[id].cont);
    break;
  }
  check_all();
}

static uint64_t roll_bytes(void) {
  return roll(4) == 0 ? 0 : roll((uint64_t)1 << roll(17));
}

static int roll_result(void) {
  static const int results[] = {SLUICE__MORE, SLUICE__MORE, SLUICE__MORE,
                                SLUICE__MORE, SLUICE__WAIT, SLUICE__WAIT,
                                SLUICE__DONE};

  return roll(50) == 0 ? -(int)roll(100) - 1 : results[roll(7)];
}

static int actor_step(sluice__cont_t *c, sluice__budget_t *b) {
  int id = ((actor_t *)c)->id;
  uint64_t left = 0;
  uint64_t used = roll_bytes();
  int result = roll_result();
  int want = model_next(&model, &left);

  EXPECT(want == id, "%d runs for %d", id, want);
  EXPECT(sluice__budget_left(b) == left, "%lu bytes for %lu",
         (unsigned long)sluice__budget_left(b), (unsigned long)left);
  check_all();
  for (uint64_t n = roll(4); n > 0; n--) {
    act_at_random();
  }
  sluice__budget_charge(b, used);
  failed_id = result < 0 && !model.is_cancelled ? id : failed_id;
  error = result < 0 && !model.is_cancelled ? result : error;
  model_finish(&model, result, used);
  return result;
}

static void drain_at_random(const sluice__clock_t *clock) {
  uint64_t bytes = roll_bytes();
  uint64_t unused;
  sluice__budget_t b;
  sluice__cont_t *failed = NULL;
  int want;
  int r;

  error = 0;
  sluice__budget_open(&b, clock, bytes, UINT64_MAX);
  model_open(&model, bytes);
  r = sluice__queue_drain(&queue, &b, &failed);
  if (error == 0) {
    EXPECT(model_next(&model, &unused) == -1, "a step was left out");
  } else {
    EXPECT(failed == &actors[failed_id].cont, "not %d failed", failed_id);
  }
  want = model_close(&model);
  want = error != 0 ? error : want;
  EXPECT(r == want, "%d returned for %d", r, want);
  EXPECT(b.bytes_used == model.used, "bytes of the turn");
  check_all();
}

static void set_up_at_random(void) {
  sluice__queue_config_t config = {.quantum_min =
                                       1 + roll(roll(2) == 0 ? 10 : 5000),
                                   .urgent_share = (uint32_t)(1 + roll(99))};

  memset(actors, 0, sizeof(actors));
  cancelled.count = 0;
  sluice__queue_init(&queue, &config);
  model_init(&model, config.quantum_min, config.urgent_share);
  for (int i = 0; i < MODEL_NODES; i++) {
    int class_ = (int)roll(MODEL_CLASSES);
    uint32_t weight = (uint32_t)(roll(2) == 0 ? 100 : 1 + roll(1000));

    actors[i].id = i;
    actors[i].cont.on_cancel = on_cancel;
    sluice__cont_init(&actors[i].cont, &queue, actor_step,
                      (sluice__class_t)class_, weight);
    model_node(&model, i, class_, weight);
  }
}

void queue_against_model(const model_dice_t *d, int rounds) {
  sluice__clock_t clock = {stand_still, NULL};

  dice = *d;
  set_up_at_random();
  for (int i = 0; i < rounds; i++) {
    for (uint64_t n = roll(8); n > 0; n--) {
      act_at_random();
    }
    drain_at_random(&clock);
  }
}
