/* test_stage.c - the buffer that a stream is put together in. The output under
 * it checks alignment and that chunks come back once. */
#include "stream/stage.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "memory_output.h"
#include "seed.h"
#include "suite.h"

static memory_output_t m;
static sluice__stage_t s;

static void setup(void) {
  sluice_output_t output;

  memory_output_init(&m);
  output = memory_output_of(&m);
  sluice__stage_init(&s, &output);
}

static void teardown(void) {
  sluice__stage_done(&s);
  memory_output_done(&m);
}

START_TEST(nothing_is_lent_before_it_is_needed) {
  ck_assert_ptr_null(m.chunk);
  ck_assert_int_eq(sluice__stage_flush(&s), 0);
  ck_assert_uint_eq(m.calls, 0);
}
END_TEST

START_TEST(what_is_put_comes_out_at_flush) {
  ck_assert_int_eq(sluice__stage_put(&s, "hello", 5), 0);
  ck_assert_uint_eq(m.len, 0);
  ck_assert_uint_eq(sluice__stage_offset(&s), 5);
  ck_assert_int_eq(sluice__stage_flush(&s), 0);
  ck_assert_uint_eq(m.len, 5);
  ck_assert_mem_eq(m.data, "hello", 5);
}
END_TEST

START_TEST(a_full_chunk_is_emitted_at_once) {
  size_t room = sluice__stage_room(&s);

  ck_assert_uint_eq(room, SLUICE_CHUNK_BYTES);
  memset(sluice__stage_at(&s), 1, room);
  ck_assert_int_eq(sluice__stage_advance(&s, room), 0);
  ck_assert_uint_eq(m.len, SLUICE_CHUNK_BYTES);
  ck_assert_ptr_null(m.chunk);
}
END_TEST

START_TEST(a_held_full_chunk_waits_for_the_next_advance) {
  size_t room = sluice__stage_room(&s);

  sluice__stage_hold(&s, room);
  ck_assert_uint_eq(sluice__stage_offset(&s), room);
  ck_assert_uint_eq(m.len, 0);
  memset(sluice__stage_find(&s, 0), 1, room);
  ck_assert_int_eq(sluice__stage_advance(&s, 0), 0);
  ck_assert_uint_eq(m.len, room);
}
END_TEST

START_TEST(a_rewind_drops_what_was_held) {
  ck_assert_int_eq(sluice__stage_put(&s, "keep", 4), 0);
  ck_assert_int_eq(sluice__stage_put(&s, "drop", 4), 0);
  sluice__stage_rewind(&s, 4);
  ck_assert_uint_eq(sluice__stage_offset(&s), 4);
  ck_assert_int_eq(sluice__stage_flush(&s), 0);
  ck_assert_uint_eq(m.len, 4);
}
END_TEST

START_TEST(chunks_end_where_the_stream_crosses_their_size) {
  ck_assert_int_eq(sluice__stage_put(&s, "abc", 3), 0);
  ck_assert_int_eq(sluice__stage_flush(&s), 0);
  ck_assert_uint_eq(sluice__stage_room(&s), SLUICE_CHUNK_BYTES - 3);
  ck_assert_uint_eq((uintptr_t)sluice__stage_at(&s) % SLUICE_CHUNK_ALIGN, 3);
}
END_TEST

START_TEST(bytes_are_found_while_they_are_in_the_chunk) {
  ck_assert_int_eq(sluice__stage_put(&s, "abc", 3), 0);
  ck_assert_int_eq(sluice__stage_flush(&s), 0);
  ck_assert_int_eq(sluice__stage_put(&s, "def", 3), 0);
  ck_assert_ptr_null(sluice__stage_find(&s, 2));
  ck_assert_uint_eq(*sluice__stage_find(&s, 3), 'd');
  ck_assert_uint_eq(*sluice__stage_find(&s, 5), 'f');
  ck_assert_ptr_null(sluice__stage_find(&s, 6));
}
END_TEST

START_TEST(random_pieces_and_flushes_come_out_in_order) {
  seed_t random = seed_open(0);
  uint8_t *piece = malloc(600 * 1024);
  uint64_t put = 0;

  for (int i = 0; i < 100; i++) {
    size_t len = seed_pick(&random, i % 10 == 0 ? 600 * 1024 : 5000);

    for (size_t k = 0; k < len; k++, put++) {
      piece[k] = (uint8_t)(put * 31 + (put >> 9));
    }
    ck_assert_int_eq(sluice__stage_put(&s, piece, len), 0);
    ck_assert_uint_eq(sluice__stage_offset(&s), put);
    if (seed_pick(&random, 3) == 0) {
      ck_assert_int_eq(sluice__stage_flush(&s), 0);
    }
  }
  ck_assert_int_eq(sluice__stage_flush(&s), 0);
  ck_assert_uint_eq(m.len, put);
  put = 0;
  while (put < m.len && m.data[put] == (uint8_t)(put * 31 + (put >> 9))) {
    put++;
  }
  ck_assert_uint_eq(put, m.len);
  free(piece);
}
END_TEST

/* _i: which call of the output fails. */
START_TEST(a_failure_of_the_output_is_latched) {
  m.fail_at = (size_t)_i;
  (void)sluice__stage_put(&s, "abc", 3);
  ck_assert_int_eq(sluice__stage_flush(&s), UV_EIO);
  m.fail_at = SIZE_MAX;
  ck_assert_uint_eq(sluice__stage_room(&s), 0);
  ck_assert_int_eq(sluice__stage_put(&s, "abc", 3), UV_EIO);
  ck_assert_int_eq(sluice__stage_flush(&s), UV_EIO);
  ck_assert_uint_eq(m.len, 0);
}
END_TEST

START_TEST(what_was_not_emitted_is_dropped_at_the_end) {
  ck_assert_int_eq(sluice__stage_put(&s, "abc", 3), 0);
  sluice__stage_done(&s);
  ck_assert_uint_eq(m.len, 0);
  ck_assert_ptr_null(m.chunk);
}
END_TEST

Suite *stage_suite(void) {
  Suite *suite = suite_create("stage");
  TCase *core = tcase_create("core");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_test(core, nothing_is_lent_before_it_is_needed);
  tcase_add_test(core, what_is_put_comes_out_at_flush);
  tcase_add_test(core, a_full_chunk_is_emitted_at_once);
  tcase_add_test(core, a_held_full_chunk_waits_for_the_next_advance);
  tcase_add_test(core, a_rewind_drops_what_was_held);
  tcase_add_test(core, chunks_end_where_the_stream_crosses_their_size);
  tcase_add_test(core, bytes_are_found_while_they_are_in_the_chunk);
  tcase_add_test(core, random_pieces_and_flushes_come_out_in_order);
  tcase_add_loop_test(core, a_failure_of_the_output_is_latched, 0, 2);
  tcase_add_test(core, what_was_not_emitted_is_dropped_at_the_end);
  suite_add_tcase(suite, core);
  return suite;
}
