/* test_queue_model.c - random work, step by step against the model of the rules
 * in support/queue_model.c.
 *
 * Every run has a seed of its own, printed by seed.h. */
#include "queue_against_model.h"

#include <check.h>

#include "seed.h"
#include "suite.h"

enum { SEEDS = 8, RUNS = 12, ROUNDS = 300 };

static uint64_t roll(void *ctx, uint64_t bound) {
  return seed_below(ctx, bound);
}

START_TEST(the_queue_does_what_the_model_does) {
  seed_t seed = seed_open(_i);
  model_dice_t dice = {roll, &seed};

  for (int i = 0; i < RUNS; i++) {
    queue_against_model(&dice, ROUNDS);
  }
}
END_TEST

Suite *queue_model_suite(void) {
  Suite *s = suite_create("queue_model");
  TCase *tc = tcase_create("core");

  tcase_add_loop_test(tc, the_queue_does_what_the_model_does, 0, SEEDS);
  suite_add_tcase(s, tc);
  return s;
}
