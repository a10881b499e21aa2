/* test_kvd_heap.c - the region and its blocks, against a model. */
#include "alloc.h"
#include "heap.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvd_support.h"
#include "suite.h"

enum { RESERVE = 64 << 20, BLOCKS = 300, ROUNDS = 20000 };

static heap_t heap;

static void setup(void) {
  ck_assert_int_eq(heap_reserve(&heap, RESERVE), 0);
  ck_assert_int_eq(heap_format(&heap, 1), 0);
  ck_assert_int_eq(alloc_init(&heap), 0);
}

static void teardown(void) {
  heap_release(&heap);
}

typedef struct model_s {
  ref_t block;
  size_t len;
  unsigned char byte;
} model_t;

static void fill(model_t *m) {
  memset(heap_edit(&heap, m->block, m->len), m->byte, m->len);
}

/* One check a block: each tells the parent process where it is. */
static void check_content(const model_t *m) {
  const unsigned char *p = heap_get(&heap, m->block);
  size_t same = 0;

  while (same < m->len && p[same] == m->byte) {
    same++;
  }
  ck_assert_msg(same == m->len, "byte %zu of %zu has changed", same, m->len);
}

/* Mostly small, some large: all kinds of size class. */
static size_t random_size(uint64_t *rng) {
  switch (kvd_random(rng) % 8) {
  case 0: return kvd_random(rng) % 200000;
  case 1: return kvd_random(rng) % 20000;
  default: return kvd_random(rng) % 600;
  }
}

static void step(model_t *m, uint64_t *rng) {
  if (m->block == 0) {
    m->len = random_size(rng);
    m->byte = (unsigned char)kvd_random(rng);
    m->block = alloc_take(&heap, m->len);
    ck_assert(m->block % 16 == 0);
    if (m->block != 0) {
      ck_assert_uint_ge(alloc_size(&heap, m->block), m->len);
      fill(m);
    }
    return;
  }
  check_content(m);
  if (kvd_random(rng) % 4 == 0) {
    size_t more = m->len + kvd_random(rng) % 1000;

    if (alloc_extend(&heap, m->block, more)) {
      ck_assert_uint_ge(alloc_size(&heap, m->block), more);
      m->len = more;
      fill(m);
    }
    return;
  }
  alloc_free(&heap, m->block);
  m->block = 0;
}

START_TEST(blocks_keep_their_bytes_through_random_operations) {
  static model_t model[BLOCKS];
  uint64_t rng = kvd_seed((uint64_t)_i);

  memset(model, 0, sizeof(model));
  for (int i = 0; i < ROUNDS; i++) {
    step(&model[kvd_random(&rng) % BLOCKS], &rng);
    if (i % 500 == 0) {
      ck_assert_int_eq(alloc_check(&heap, NULL, NULL), 0);
    }
    if (i == ROUNDS / 2) {
      kvd_move_heap(&heap, RESERVE);
    }
  }
  for (int i = 0; i < BLOCKS; i++) {
    if (model[i].block != 0) {
      check_content(&model[i]);
      alloc_free(&heap, model[i].block);
    }
  }
  ck_assert_int_eq(alloc_check(&heap, NULL, NULL), 0);
  ck_assert_uint_eq(alloc_used(&heap), 0);
}
END_TEST

START_TEST(all_memory_comes_back_as_one_block) {
  ref_t a;
  ref_t all;

  for (int i = 0; i < 100; i++) {
    ck_assert(alloc_take(&heap, 1000) != 0);
  }
  teardown();
  setup();
  a = alloc_take(&heap, RESERVE / 2);
  ck_assert(a != 0);
  alloc_free(&heap, a);
  all = alloc_take(&heap, RESERVE - (1 << 20));
  ck_assert_msg(all != 0, "the freed half was not joined with what follows");
}
END_TEST

START_TEST(a_large_block_finds_its_old_place_again) {
  uint64_t top;
  ref_t a = alloc_take(&heap, 5000000);
  ref_t b = alloc_take(&heap, 5000000);

  alloc_free(&heap, a);
  a = alloc_take(&heap, 5000000);
  top = heap_header(&heap)->top;
  for (int i = 0; i < 10; i++) {
    alloc_free(&heap, i % 2 == 0 ? a : b);
    *(i % 2 == 0 ? &a : &b) = alloc_take(&heap, 5000000);
  }
  ck_assert_uint_eq(heap_header(&heap)->top, top);
}
END_TEST

START_TEST(a_full_heap_refuses_and_stays_whole) {
  ref_t first = alloc_take(&heap, 1 << 20);
  ref_t block = first;

  while (block != 0) {
    block = alloc_take(&heap, 1 << 20);
  }
  ck_assert_uint_gt(alloc_used(&heap), RESERVE - (4 << 20));
  ck_assert_int_eq(alloc_check(&heap, NULL, NULL), 0);
  alloc_free(&heap, first);
  ck_assert(alloc_take(&heap, 1 << 20) != 0);
}
END_TEST

START_TEST(sizes_without_a_block_are_refused) {
  ck_assert(alloc_take(&heap, UINT64_MAX) == 0);
  ck_assert(alloc_take(&heap, UINT64_MAX - 7) == 0);
  ck_assert(alloc_take(&heap, HEAP_RESERVE_MAX) == 0);
  ck_assert(alloc_take(&heap, HEAP_RESERVE_MAX - 1) == 0);
}
END_TEST

START_TEST(reservations_without_sense_are_refused) {
  heap_t h;

  ck_assert_int_lt(heap_reserve(&h, 0), 0);
  ck_assert_int_lt(heap_reserve(&h, HEAP_RESERVE_MAX + 1), 0);
}
END_TEST

/* Each row breaks one field of a good header. */
static const struct {
  const char *what;
  size_t at;
  uint64_t word;
} damaged[] = {
    {"magic", 0, 0},
    {"version", offsetof(heap_header_t, version), 99},
    {"top over what is committed", offsetof(heap_header_t, top), 1u << 30},
    {"top not whole pages", offsetof(heap_header_t, top), 4097},
    {"top within the header", offsetof(heap_header_t, top), 0},
    {"root over the top", offsetof(heap_header_t, root), 1u << 29},
    {"root misaligned", offsetof(heap_header_t, root), 9001},
};

START_TEST(a_damaged_header_is_refused) {
  ck_assert_int_eq(heap_check(&heap), 0);
  memcpy(heap.base + damaged[_i].at, &damaged[_i].word, 8);
  ck_assert_msg(heap_check(&heap) < 0, "%s", damaged[_i].what);
}
END_TEST

Suite *kvd_heap_suite(void) {
  Suite *s = suite_create("kvd_heap");
  TCase *core = tcase_create("core");
  TCase *damage = tcase_create("damage");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_loop_test(core, blocks_keep_their_bytes_through_random_operations,
                      0, 8);
  tcase_add_test(core, all_memory_comes_back_as_one_block);
  tcase_add_test(core, a_large_block_finds_its_old_place_again);
  tcase_add_test(core, a_full_heap_refuses_and_stays_whole);
  tcase_add_test(core, sizes_without_a_block_are_refused);
  tcase_add_test(core, reservations_without_sense_are_refused);
  suite_add_tcase(s, core);
  tcase_add_checked_fixture(damage, setup, teardown);
  tcase_add_loop_test(damage, a_damaged_header_is_refused, 0,
                      sizeof(damaged) / sizeof(damaged[0]));
  suite_add_tcase(s, damage);
  return s;
}
