/* queue_against_model.h - work drawn from dice, step by step against the model
 * of the rules in queue_model.c.
 *
 * Aborts, with a word why, where they differ: for tests and fuzz targets. One
 * at a time: its state is static. */
#ifndef SLUICE_TESTS_QUEUE_AGAINST_MODEL_H
#define SLUICE_TESTS_QUEUE_AGAINST_MODEL_H

#include <stdint.h>

/* `roll` gives 0..bound-1. */
typedef struct model_dice_s {
  uint64_t (*roll)(void *ctx, uint64_t bound);
  void *ctx;
} model_dice_t;

/* A fresh queue, and so many turns of it. */
void queue_against_model(const model_dice_t *dice, int rounds);

#endif
