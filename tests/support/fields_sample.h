/* fields_sample.h - a structure with a field of every kind, and its table.
 *
 * Tests fill it from a seed, save it, restore it into another one and compare
 * with sample_equal(), which knows nothing of tables. Tables are made by
 * sample_table() so that a test may change its copy. */
#ifndef SLUICE_TESTS_FIELDS_SAMPLE_H
#define SLUICE_TESTS_FIELDS_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/fields.h>

#include "seed.h"

enum {
  SAMPLE_FIFO = 16,
  SAMPLE_LINES = 3,
  SAMPLE_OWNED_MAX = 40,
  SAMPLE_STRING_MAX = 60,
  SAMPLE_LIST_MAX = 20
};

typedef struct sample_line_s {
  uint16_t level;
  int32_t delta;
  char *label;
} sample_line_t;

typedef struct sample_node_s {
  uint32_t key;
  sample_line_t line;
  struct sample_node_s *next;
} sample_node_t;

typedef struct sample_s {
  uint8_t u8;
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;
  int8_t i8;
  int16_t i16;
  int32_t i32;
  int64_t i64;
  bool flag;
  float ratio;
  double angle;
  uint32_t lanes[4];
  uint16_t used;
  uint8_t fifo[SAMPLE_FIFO];
  int64_t marks[SAMPLE_FIFO]; /* counted by `used`, too */
  char text[24];
  char *name;
  uint32_t owned_count;
  uint16_t *owned;
  sample_line_t line;
  sample_line_t lines[SAMPLE_LINES];
  uint8_t more_count;
  sample_line_t *more;
  sample_line_t *maybe;
  sample_node_t *list; /* in order */
  uint32_t only_if_flag;
  uint8_t rare; /* a subsection when not 0 */
  uint32_t rare_value;
  void *untouched; /* in no table */
  unsigned loaded; /* calls of the hook */
} sample_t;

extern const sluice_table_t sample_table;
extern const sluice_table_t sample_line_table;

void sample_fill(sample_t *s, seed_t *seed);
bool sample_equal(const sample_t *a, const sample_t *b);
void sample_done(sample_t *s);

#endif
