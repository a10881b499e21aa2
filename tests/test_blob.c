/* test_blob.c - bytes through a section and back, whole or refused. */
#include <sluice/blob.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "fake_engine.h"
#include "seed.h"

enum { VERSION = 3, MIB = 1024 * 1024 };

/* The host's side of a blob. */
static struct {
  sluice_registry_t registry;
  sluice_blob_t *blob;
  sluice_blob_options_t options;
  fake_stream_t stream;
  sluice_error_t err;
  uint8_t *bytes; /* to save */
  size_t len;
  int get_result;
  int gets;
  int dones;
  int check_result;
  int checks;
  uint8_t *taken; /* restored */
  size_t taken_len;
  uint32_t taken_version;
  int takes;
} host;

static int on_get(void *data, const void **out, size_t *out_len,
                  sluice_error_t *err) {
  (void)err;
  ck_assert_ptr_eq(data, &host);
  host.gets++;
  *out = host.bytes;
  *out_len = host.len;
  return host.get_result;
}

static void on_done(void *data) {
  ck_assert_ptr_eq(data, &host);
  host.dones++;
}

static int on_check(void *data, const void *bytes, size_t len, uint32_t version,
                    sluice_error_t *err) {
  (void)err;
  ck_assert_ptr_eq(data, &host);
  ck_assert_uint_eq(version, VERSION);
  ck_assert_ptr_nonnull(bytes);
  ck_assert_uint_eq(len, host.len);
  host.checks++;
  return host.check_result;
}

static void on_take(void *data, void *bytes, size_t len, uint32_t version) {
  ck_assert_ptr_eq(data, &host);
  host.takes++;
  free(host.taken);
  host.taken = bytes;
  host.taken_len = len;
  host.taken_version = version;
}

static void open_host(void) {
  memset(&host, 0, sizeof(host));
  host.options.size = sizeof(host.options);
  host.options.version = VERSION;
  host.options.min_version = 1;
  host.options.data = &host;
  host.options.get = on_get;
  host.options.done = on_done;
  host.options.check = on_check;
  host.options.take = on_take;
}

static void close_host(void) {
  fake_remove(&host.registry);
  (void)sluice_blob_free(host.blob);
  fake_stream_done(&host.stream);
  free(host.bytes);
  free(host.taken);
}

static int new_blob(void) {
  return sluice_blob_new(&host.blob, &host.registry, "config", NULL,
                         &host.options, &host.err);
}

static void open_blob(size_t len, int is_live) {
  seed_t s = {len};

  host.options.is_live = is_live;
  ck_assert_int_eq(new_blob(), 0);
  host.bytes = malloc(len + 1);
  host.len = len;
  for (size_t i = 0; i < len; i++) {
    host.bytes[i] = (uint8_t)seed_next(&s);
  }
}

static const sluice_handler_t *hooks(void) {
  return host.registry.handler;
}

/* Sizes around every step the code takes. */
static const size_t sizes[] = {0,       1,       4095,    4096,
                               4097,    MIB - 1, MIB,     MIB + 1,
                               2 * MIB, 3 * MIB, 5 * MIB, 4 * MIB + 17};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void assert_round_trip(size_t left) {
  ck_assert_int_eq(fake_save(&host.registry, &host.stream, left, &host.err), 0);
  ck_assert_uint_eq(host.stream.len, host.len + 8);
  ck_assert_int_eq(fake_restore(&host.registry, &host.stream, &host.err), 0);
  ck_assert_int_eq(host.takes, 1);
  ck_assert_uint_eq(host.taken_version, VERSION);
  ck_assert_uint_eq(host.taken_len, host.len);
  ck_assert_ptr_nonnull(host.taken);
  ck_assert(host.len == 0 || memcmp(host.taken, host.bytes, host.len) == 0);
  ck_assert_int_eq(host.gets, 1);
  ck_assert_int_eq(host.dones, 1);
  ck_assert_int_eq(host.checks, 1);
}

START_TEST(a_paused_blob_comes_back_as_it_was) {
  open_blob(sizes[_i], 0);
  assert_round_trip(100000);
}
END_TEST

START_TEST(a_live_blob_comes_back_as_it_was) {
  open_blob(sizes[_i], 1);
  assert_round_trip(100000);
}
END_TEST

START_TEST(a_blob_comes_back_in_the_smallest_steps) {
  open_blob(100000, _i);
  assert_round_trip(0);
}
END_TEST

START_TEST(only_a_live_blob_has_live_hooks) {
  open_blob(1, _i);
  ck_assert_int_eq(hooks()->save_step != NULL, _i);
  ck_assert_int_eq(hooks()->save_finish != NULL, 1);
  ck_assert_uint_eq(hooks()->version, VERSION);
  ck_assert_uint_eq(hooks()->min_version, 1);
  ck_assert_int_eq(hooks()->payload, SLUICE_PAYLOAD_BYTES);
  ck_assert_str_eq(hooks()->type, "blob");
}
END_TEST

START_TEST(a_live_blob_goes_on_when_paused_in_between) {
  sluice_writer_t w = {.out = &host.stream, .left = 10000};
  int r;

  open_blob(50000, 1);
  (void)hooks()->save_begin(host.blob, &host.registry.section, NULL);
  ck_assert_int_eq(hooks()->save_step(host.blob, &w, &host.err), SLUICE_MORE);
  ck_assert_uint_eq(hooks()->save_pending(host.blob), 50000 - 9992);
  do {
    w.left = 10000;
    r = hooks()->save_finish(host.blob, &w, &host.err);
  } while (r == SLUICE_MORE);
  ck_assert_int_eq(r, SLUICE_DONE);
  ck_assert_uint_eq(hooks()->save_pending(host.blob), 0);
  hooks()->save_end(host.blob, 0);
  ck_assert_uint_eq(host.stream.len, 50008);
  ck_assert_mem_eq(host.stream.bytes + 8, host.bytes, 50000);
}
END_TEST

START_TEST(a_get_that_fails_fails_the_save_and_is_not_done) {
  open_blob(10, _i);
  host.get_result = UV_EIO;
  ck_assert_int_eq(fake_save(&host.registry, &host.stream, 100, &host.err),
                   UV_EIO);
  ck_assert_int_eq(host.err.code, UV_EIO);
  ck_assert_int_eq(host.dones, 0);
}
END_TEST

START_TEST(a_failing_writer_fails_the_save_and_done_is_called) {
  sluice_writer_t w = {.out = &host.stream, .left = 100, .fail = UV_ENOSPC};

  w.fail_in = (unsigned)_i;
  open_blob(10, 0);
  (void)hooks()->save_begin(host.blob, &host.registry.section, NULL);
  ck_assert_int_eq(hooks()->save_finish(host.blob, &w, &host.err), UV_ENOSPC);
  hooks()->save_end(host.blob, UV_ENOSPC);
  ck_assert_int_eq(host.dones, 1);
}
END_TEST

START_TEST(a_blob_too_large_to_restore_is_not_saved) {
  host.options.max_bytes = 99;
  open_blob(100, 0);
  ck_assert_int_eq(fake_save(&host.registry, &host.stream, 1000, &host.err),
                   SLUICE_ELIMIT);
  ck_assert_int_eq(host.dones, 1);
  ck_assert_uint_eq(host.stream.len, 0);
}
END_TEST

START_TEST(a_cancelled_save_calls_done_only_after_get) {
  open_blob(10, 0);
  (void)hooks()->save_begin(host.blob, &host.registry.section, NULL);
  hooks()->save_end(host.blob, UV_ECANCELED);
  ck_assert_int_eq(host.gets, 0);
  ck_assert_int_eq(host.dones, 0);
}
END_TEST

static void announce(uint64_t len, size_t follow) {
  host.stream.bytes = calloc(1, sizeof(len) + follow);
  host.stream.len = sizeof(len) + follow;
  memcpy(host.stream.bytes, &len, sizeof(len));
}

START_TEST(an_announced_length_over_the_limit_is_refused) {
  static const uint64_t lens[] = {1001, 1u << 31, UINT64_C(1) << 32,
                                  UINT64_MAX};

  host.options.max_bytes = 1000;
  open_blob(0, 0);
  announce(lens[_i], 5000);
  ck_assert_int_eq(fake_restore(&host.registry, &host.stream, &host.err),
                   SLUICE_ELIMIT);
  ck_assert_ptr_nonnull(strstr(host.err.message, "1000"));
  ck_assert_int_eq(host.takes, 0);
}
END_TEST

START_TEST(the_limit_is_64_mib_when_not_given) {
  open_blob(0, 0);
  announce(64 * MIB + 1, 0);
  ck_assert_int_eq(fake_restore(&host.registry, &host.stream, &host.err),
                   SLUICE_ELIMIT);
}
END_TEST

START_TEST(a_section_that_ends_too_early_is_damaged) {
  open_blob(0, 0);
  announce(1000, (size_t)_i);
  host.stream.len -= _i == 0 ? 3 : 0; /* within the length itself */
  ck_assert_int_eq(fake_restore(&host.registry, &host.stream, &host.err),
                   SLUICE_ECORRUPT);
  ck_assert_int_eq(host.takes, 0);
}
END_TEST

START_TEST(bytes_that_arrive_in_drops_are_waited_for) {
  sluice_reader_t r = {.in = &host.stream};
  int result = SLUICE_WAIT;

  open_blob(300, 0);
  ck_assert_int_eq(fake_save(&host.registry, &host.stream, 10000, NULL), 0);
  ck_assert_int_eq(hooks()->restore_begin(host.blob, NULL, VERSION, NULL), 0);
  for (; r.arrived < host.stream.len; r.arrived++) {
    ck_assert_int_eq(hooks()->restore_step(host.blob, &r, &host.err),
                     SLUICE_WAIT);
  }
  result = hooks()->restore_step(host.blob, &r, &host.err);
  ck_assert_int_eq(result, SLUICE_DONE);
  ck_assert_int_eq(hooks()->restore_check(host.blob, &host.err), SLUICE_DONE);
  hooks()->restore_commit(host.blob);
  hooks()->restore_end(host.blob, 0);
  ck_assert_mem_eq(host.taken, host.bytes, 300);
}
END_TEST

START_TEST(what_check_refuses_is_not_taken) {
  open_blob(10, 0);
  ck_assert_int_eq(fake_save(&host.registry, &host.stream, 100, NULL), 0);
  host.check_result = SLUICE_ECORRUPT;
  ck_assert_int_eq(fake_restore(&host.registry, &host.stream, &host.err),
                   SLUICE_ECORRUPT);
  ck_assert_int_eq(host.err.code, SLUICE_ECORRUPT);
  ck_assert_int_eq(host.takes, 0);
}
END_TEST

START_TEST(a_dropped_restore_frees_what_had_arrived) {
  open_blob(10, 0);
  ck_assert_int_eq(fake_save(&host.registry, &host.stream, 100, NULL), 0);
  ck_assert_int_eq(
      fake_restore_and_drop(&host.registry, &host.stream, &host.err), 0);
  ck_assert_int_eq(host.takes, 0);
}
END_TEST

START_TEST(done_and_check_are_optional) {
  host.options.done = NULL;
  host.options.check = NULL;
  open_blob(10, 0);
  ck_assert_int_eq(fake_save(&host.registry, &host.stream, 100, NULL), 0);
  ck_assert_int_eq(fake_restore(&host.registry, &host.stream, &host.err), 0);
  ck_assert_int_eq(host.takes, 1);
}
END_TEST

START_TEST(bad_options_are_refused) {
  switch (_i) {
  case 0: host.options.size = 1; break;
  case 1: host.options.get = NULL; break;
  case 2: host.options.take = NULL; break;
  default: host.options.min_version = VERSION + 1; break;
  }
  ck_assert_int_eq(new_blob(), UV_EINVAL);
  ck_assert_int_eq(host.err.code, UV_EINVAL);
  ck_assert_ptr_null(host.blob);
}
END_TEST

START_TEST(the_registry_s_refusal_is_passed_on) {
  host.registry.fail = SLUICE_EEXISTS;
  ck_assert_int_eq(new_blob(), SLUICE_EEXISTS);
  ck_assert_ptr_null(host.blob);
}
END_TEST

static void add_core(Suite *s) {
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, open_host, close_host);
  tcase_add_loop_test(t, a_paused_blob_comes_back_as_it_was, 0, SIZES);
  tcase_add_loop_test(t, a_live_blob_comes_back_as_it_was, 0, SIZES);
  tcase_add_loop_test(t, a_blob_comes_back_in_the_smallest_steps, 0, 2);
  tcase_add_loop_test(t, only_a_live_blob_has_live_hooks, 0, 2);
  tcase_add_test(t, a_live_blob_goes_on_when_paused_in_between);
  tcase_add_test(t, bytes_that_arrive_in_drops_are_waited_for);
  tcase_add_test(t, done_and_check_are_optional);
  suite_add_tcase(s, t);
}

static void add_damage(Suite *s) {
  TCase *t = tcase_create("damage");

  tcase_add_checked_fixture(t, open_host, close_host);
  tcase_add_loop_test(t, a_get_that_fails_fails_the_save_and_is_not_done, 0, 2);
  tcase_add_loop_test(t, a_failing_writer_fails_the_save_and_done_is_called, 1,
                      3);
  tcase_add_test(t, a_blob_too_large_to_restore_is_not_saved);
  tcase_add_test(t, a_cancelled_save_calls_done_only_after_get);
  tcase_add_loop_test(t, an_announced_length_over_the_limit_is_refused, 0, 4);
  tcase_add_test(t, the_limit_is_64_mib_when_not_given);
  tcase_add_loop_test(t, a_section_that_ends_too_early_is_damaged, 0, 3);
  tcase_add_test(t, what_check_refuses_is_not_taken);
  tcase_add_test(t, a_dropped_restore_frees_what_had_arrived);
  tcase_add_loop_test(t, bad_options_are_refused, 0, 4);
  tcase_add_test(t, the_registry_s_refusal_is_passed_on);
  suite_add_tcase(s, t);
}

Suite *blob_suite(void);

Suite *blob_suite(void) {
  Suite *s = suite_create("blob");

  add_core(s);
  add_damage(s);
  return s;
}
