/* test_error.c - codes have names and texts; the first failure is kept. */
#include <sluice/sluice.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <uv.h>

#include "suite.h"

static const struct {
  int code;
  const char *name;
} codes[] = {{0, "OK"},
             {UV_ENOSPC, "ENOSPC"},
             {UV_EOF, "EOF"},
             {1, "UNKNOWN"},
             {-4999, "UNKNOWN"},
             {-20000, "UNKNOWN"},
             {INT32_MIN, "UNKNOWN"},
#define XX(name, number, text) {number, #name},
             SLUICE_ERROR_MAP(XX)
#undef XX
};

START_TEST(every_code_has_its_name) {
  ck_assert_str_eq(sluice_err_name(codes[_i].code), codes[_i].name);
}
END_TEST

START_TEST(every_code_has_a_text) {
  ck_assert_uint_gt(strlen(sluice_strerror(codes[_i].code)), 0);
}
END_TEST

START_TEST(texts_of_both_families_are_told_apart_from_the_unknown) {
  ck_assert_str_eq(sluice_strerror(UV_ENOSPC), "no space left on device");
  ck_assert_str_eq(sluice_strerror(SLUICE_ECORRUPT), "stream is damaged");
  ck_assert_str_eq(sluice_strerror(-4999), "unknown error");
}
END_TEST

START_TEST(what_libuv_has_no_name_for_has_the_systems) {
  ck_assert_str_eq(sluice_err_name(-EDQUOT), "EDQUOT");
  ck_assert_str_eq(sluice_strerror(-EDQUOT), "Disk quota exceeded");
  ck_assert_str_eq(sluice_err_name(-ESTALE), "ESTALE");
  ck_assert_str_eq(sluice_strerror(-ESTALE), "Stale file handle");
}
END_TEST

START_TEST(every_errno_has_a_name_and_words) {
  for (int code = 1; code <= EHWPOISON; code++) {
    bool is_one = strerrorname_np(code) != NULL;

    ck_assert(is_one == (strcmp(sluice_err_name(-code), "UNKNOWN") != 0));
    ck_assert(is_one == (strcmp(sluice_strerror(-code), "unknown error") != 0));
  }
}
END_TEST

START_TEST(numbers_are_pinned) {
  ck_assert_int_eq(SLUICE_ECORRUPT, -20001);
  ck_assert_int_eq(SLUICE_EEXISTS, -20018);
}
END_TEST

START_TEST(every_phase_has_a_name) {
  static const char *const names[] = {"none",   "begin", "live",  "paused",
                                      "finish", "load",  "check", "commit",
                                      "verify", "map"};

  for (int i = 0; i <= SLUICE_PHASE_MAP; i++) {
    ck_assert_str_eq(sluice_phase_name((sluice_phase_t)i), names[i]);
  }
  ck_assert_str_eq(sluice_phase_name((sluice_phase_t)99), "unknown");
}
END_TEST

START_TEST(libuvs_codes_keep_their_names_and_texts) {
#define XX(name, text)                                                         \
  ck_assert_str_eq(sluice_err_name(UV_##name), #name);                         \
  ck_assert_str_eq(sluice_strerror(UV_##name), text);
  UV_ERRNO_MAP(XX)
#undef XX
}
END_TEST

START_TEST(a_failure_is_recorded_without_a_place) {
  sluice_error_t err = {0};

  ck_assert_int_eq(sluice_fail(&err, UV_EIO, "disk %d is %s", 3, "gone"),
                   UV_EIO);
  ck_assert_int_eq(err.code, UV_EIO);
  ck_assert_str_eq(err.message, "disk 3 is gone");
  ck_assert(err.offset == SLUICE_OFFSET_NONE);
  ck_assert_str_eq(err.section, "");
  ck_assert_int_eq(err.phase, SLUICE_PHASE_NONE);
}
END_TEST

START_TEST(the_first_failure_wins) {
  sluice_error_t err = {0};

  (void)sluice_fail(&err, UV_EIO, "first");
  err.offset = 7;
  ck_assert_int_eq(sluice_fail(&err, UV_ENOMEM, "second"), UV_ENOMEM);
  ck_assert_int_eq(err.code, UV_EIO);
  ck_assert_str_eq(err.message, "first");
  ck_assert(err.offset == 7);
}
END_TEST

START_TEST(nowhere_to_record_is_fine) {
  ck_assert_int_eq(sluice_fail(NULL, UV_EIO, "x"), UV_EIO);
}
END_TEST

START_TEST(a_code_that_is_no_failure_becomes_one) {
  sluice_error_t err = {0};

  ck_assert_int_eq(sluice_fail(&err, 0, "x"), SLUICE_EHANDLER);
  ck_assert_int_eq(err.code, SLUICE_EHANDLER);
  ck_assert_int_eq(sluice_fail(NULL, 5, "x"), SLUICE_EHANDLER);
}
END_TEST

START_TEST(a_long_message_is_cut_to_fit) {
  sluice_error_t err = {0};

  (void)sluice_fail(&err, UV_EIO, "%300d", 1);
  ck_assert_uint_eq(strlen(err.message), sizeof(err.message) - 1);
}
END_TEST

START_TEST(the_version_is_that_of_the_header) {
  char expected[32];

  (void)snprintf(expected, sizeof(expected), "%d.%d.%d", SLUICE_VERSION_MAJOR,
                 SLUICE_VERSION_MINOR, SLUICE_VERSION_PATCH);
  ck_assert_str_eq(sluice_version(), expected);
}
END_TEST

Suite *error_suite(void) {
  Suite *s = suite_create("error");
  TCase *core = tcase_create("core");
  const int rows = (int)(sizeof(codes) / sizeof(codes[0]));

  tcase_add_loop_test(core, every_code_has_its_name, 0, rows);
  tcase_add_loop_test(core, every_code_has_a_text, 0, rows);
  tcase_add_test(core, texts_of_both_families_are_told_apart_from_the_unknown);
  tcase_add_test(core, what_libuv_has_no_name_for_has_the_systems);
  tcase_add_test(core, every_errno_has_a_name_and_words);
  tcase_add_test(core, numbers_are_pinned);
  tcase_add_test(core, every_phase_has_a_name);
  tcase_add_test(core, libuvs_codes_keep_their_names_and_texts);
  tcase_add_test(core, a_failure_is_recorded_without_a_place);
  tcase_add_test(core, the_first_failure_wins);
  tcase_add_test(core, nowhere_to_record_is_fine);
  tcase_add_test(core, a_code_that_is_no_failure_becomes_one);
  tcase_add_test(core, a_long_message_is_cut_to_fit);
  tcase_add_test(core, the_version_is_that_of_the_header);
  suite_add_tcase(s, core);
  return s;
}
