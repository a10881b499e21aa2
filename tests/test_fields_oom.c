/* test_fields_oom.c - every allocation fails once, then for ever: the call says
 * so, and nothing has changed and nothing is lost. */
#include <sluice/fields.h>
#include <sluice/schema.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "fields_sample.h"
#include "suite.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static unsigned calls, fail_at; /* 0: none */
static bool for_ever;

static bool refuses(void) {
  calls++;
  return fail_at != 0 && (calls == fail_at || (for_ever && calls > fail_at));
}

void *__wrap_malloc(size_t size) {
  return refuses() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
  return refuses() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
  return refuses() ? NULL : __real_realloc(p, size);
}

static sample_t from, to, before;
static uint8_t *bytes;
static size_t len;

static void setup(void) {
  seed_t seed = seed_open(0);

  sample_fill(&from, &seed);
  sample_fill(&to, &seed);
  memcpy(&before, &to, sizeof(before));
}

static void teardown(void) {
  fail_at = 0;
  sample_done(&from);
  sample_done(&to);
  free(bytes);
}

static int try_encode(sluice_format_t format) {
  return sluice_fields_encode(&sample_table, format, &from, &bytes, &len, NULL);
}

static int try_decode(sluice_format_t format) {
  return sluice_fields_decode(&sample_table, format, 3, NULL, 0, bytes, len,
                              &to, NULL);
}

static void sweep(int (*call)(sluice_format_t), sluice_format_t format) {
  int r = UV_ENOMEM;

  for (unsigned n = 1; r == UV_ENOMEM; n++) {
    calls = 0;
    fail_at = n;
    r = call(format);
    fail_at = 0;
    ck_assert_msg(r == 0 || r == UV_ENOMEM, "%d at call %u", r, n);
    if (r == UV_ENOMEM) {
      ck_assert_int_eq(memcmp(&before, &to, sizeof(before)), 0);
    }
    ck_assert_uint_lt(n, 1000);
  }
}

/* Rows: both formats, once and for ever. */
START_TEST(every_allocation_may_fail) {
  sluice_format_t format =
      _i % 2 == 0 ? SLUICE_FORMAT_NATIVE : SLUICE_FORMAT_QEMU3;

  for_ever = _i >= 2;
  sweep(try_encode, format);
  sweep(try_decode, format);
  ck_assert(sample_equal(&from, &to));
}
END_TEST

Suite *fields_oom_suite(void) {
  Suite *s = suite_create("fields_oom");
  TCase *t = tcase_create("memory");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, every_allocation_may_fail, 0, 4);
  suite_add_tcase(s, t);
  return s;
}
