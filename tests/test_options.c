/* test_options.c - structs that begin with their size, and begin calls that say
 * what is wrong. */
#include <check.h>
#include <string.h>
#include <uv.h>

#include <sluice/sluice.h>

typedef struct longer_s {
  sluice_file_options_t known;
  uint64_t beyond;
} longer_t;

static int copy(sluice_file_options_t *out, const void *given,
                sluice_error_t *err) {
  return SLUICE_OPTIONS_COPY(out, given, "file options", sluice_file_options_t,
                             in_flight, err);
}

START_TEST(a_size_of_zero_is_refused_by_name) {
  const sluice_file_options_t given = {.mode = 0600};
  sluice_file_options_t out;
  sluice_error_t err = {0};

  ck_assert_int_eq(copy(&out, &given, &err), UV_EINVAL);
  ck_assert_str_eq(err.message, "file options: size is 0: set it to "
                                "sizeof(sluice_file_options_t)");
}
END_TEST

START_TEST(no_options_are_zeros_with_a_size) {
  sluice_file_options_t out = {.mode = 1};

  ck_assert_int_eq(copy(&out, NULL, NULL), 0);
  ck_assert_uint_eq(out.size, sizeof(out));
  ck_assert_uint_eq(out.mode, 0);
}
END_TEST

START_TEST(what_an_older_host_does_not_have_is_zero) {
  struct {
    uint32_t size;
    uint32_t first;
  } given = {.size = sizeof(given), .first = 7};
  struct {
    uint32_t size;
    uint32_t first;
    uint64_t later;
  } out = {.later = 9};

  ck_assert_int_eq(sluice_options_copy(&out, sizeof(out), sizeof(given), &given,
                                       "options", "options_t", NULL),
                   0);
  ck_assert_uint_eq(out.first, 7);
  ck_assert_uint_eq(out.later, 0);
  ck_assert_uint_eq(out.size, sizeof(out));
}
END_TEST

START_TEST(a_newer_host_is_taken_while_it_sets_nothing_new) {
  longer_t given = {.known = {.size = sizeof(given), .mode = 0640}};
  sluice_file_options_t out;

  ck_assert_int_eq(copy(&out, &given, NULL), 0);
  ck_assert_uint_eq(out.mode, 0640);
  given.beyond = 1;
  ck_assert_int_eq(copy(&out, &given, NULL), UV_EINVAL);
}
END_TEST

START_TEST(a_result_is_cut_or_filled_with_zeros) {
  const uint64_t from[2] = {1, 2};
  uint64_t out[3] = {9, 9, 9};

  sluice_result_copy(out, sizeof(from[0]), from, sizeof(from));
  ck_assert_uint_eq(out[0], 1);
  ck_assert_uint_eq(out[1], 9);
  sluice_result_copy(out, sizeof(out), from, sizeof(from));
  ck_assert_uint_eq(out[1], 2);
  ck_assert_uint_eq(out[2], 0);
}
END_TEST

static void on_saved(sluice_save_t *save, int status) {
  (void)save;
  (void)status;
}

static void on_restored(sluice_restore_t *restore, int status) {
  (void)restore;
  (void)status;
}

START_TEST(begin_clears_the_error_and_says_what_is_missing) {
  sluice_error_t err = {.code = UV_EIO, .message = "of before"};
  sluice_restore_t *restore;
  sluice_save_t *save;

  ck_assert_int_eq(
      sluice_save_begin(&save, NULL, NULL, NULL, NULL, on_saved, &err),
      UV_EINVAL);
  ck_assert_str_eq(err.message, "there is no sink");
  ck_assert_int_eq(
      sluice_restore_begin(&restore, NULL, NULL, NULL, NULL, on_restored, &err),
      UV_EINVAL);
  ck_assert_str_eq(err.message, "there is no source");
}
END_TEST

START_TEST(accessors_of_nothing_answer_nothing) {
  sluice_progress_t p = {.bytes_done = 1};

  sluice_save_progress(NULL, &p, sizeof(p));
  ck_assert_uint_eq(p.bytes_done, 0);
  sluice_save_cancel(NULL);
  sluice_save_paused(NULL);
  sluice_restore_cancel(NULL);
  ck_assert_ptr_null(sluice_save_error(NULL));
  ck_assert_ptr_null(sluice_restore_error(NULL));
  ck_assert_int_eq(sluice_engine_close(NULL, NULL, NULL), UV_EINVAL);
}
END_TEST

START_TEST(the_number_of_the_library_is_that_of_its_header) {
  ck_assert_uint_eq(sluice_version_number(), SLUICE_VERSION_NUMBER);
}
END_TEST

Suite *options_suite(void);
Suite *options_suite(void) {
  Suite *s = suite_create("options");
  TCase *t = tcase_create("core");

  tcase_add_test(t, a_size_of_zero_is_refused_by_name);
  tcase_add_test(t, no_options_are_zeros_with_a_size);
  tcase_add_test(t, what_an_older_host_does_not_have_is_zero);
  tcase_add_test(t, a_newer_host_is_taken_while_it_sets_nothing_new);
  tcase_add_test(t, a_result_is_cut_or_filled_with_zeros);
  tcase_add_test(t, begin_clears_the_error_and_says_what_is_missing);
  tcase_add_test(t, accessors_of_nothing_answer_nothing);
  tcase_add_test(t, the_number_of_the_library_is_that_of_its_header);
  suite_add_tcase(s, t);
  return s;
}
