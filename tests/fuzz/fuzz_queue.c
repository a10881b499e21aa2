/* fuzz_queue.c - fuzz target: operations on a queue, against its model.
 *
 *   input   bytes, the dice of queue_against_model.h: as many for each roll as
 *           the bound needs, little-endian
 *
 * Turns go on as long as the input does. */
#include <string.h>

#include "fuzz.h"
#include "queue_against_model.h"

typedef struct input_s {
  const uint8_t *data;
  size_t left;
} input_t;

/* 0 when the input is over. */
static uint64_t roll(void *ctx, uint64_t bound) {
  input_t *in = ctx;
  uint64_t v = 0;

  for (uint64_t rest = bound - 1; rest > 0; rest >>= 8) {
    if (in->left == 0) {
      return 0;
    }
    v = v << 8 | *in->data++;
    in->left--;
  }
  return v % bound;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input_t in = {data, size};
  const model_dice_t dice = {roll, &in};

  queue_against_model(&dice, (int)(size / 8));
  return 0;
}
