/* test_mem.c - a session's memory: counted, capped, given back. */
#include "memory/mem.h"

#include <stdint.h>
#include <string.h>
#include <uv.h>

#include <sluice/error.h>

#include "suite.h"

/* A provider that counts what it is asked for, and can refuse. */
struct provider {
  size_t live_blocks;
  size_t live_bytes;
  size_t opened;
  size_t closed;
  size_t cap;
  int open_result;
  int refuses;
};

static void *counted_alloc(void *ctx, size_t size, size_t align) {
  struct provider *p = ctx;

  ck_assert_uint_gt(size, 0);
  if (p->refuses) {
    return NULL;
  }
  p->live_blocks++;
  p->live_bytes += size;
  return sluice_alloc_libc()->alloc(NULL, size, align);
}

static void counted_release(void *ctx, void *block, size_t size, size_t align) {
  struct provider *p = ctx;

  ck_assert_ptr_nonnull(block);
  p->live_blocks--;
  p->live_bytes -= size;
  sluice_alloc_libc()->release(NULL, block, size, align);
}

static void counted_close(sluice_alloc_t *session) {
  ((struct provider *)session->ctx)->closed++;
}

static int counted_open(void *ctx, size_t cap, sluice_alloc_t *out) {
  struct provider *p = ctx;

  p->opened++;
  p->cap = cap;
  *out = (sluice_alloc_t){.ctx = p,
                          .alloc = counted_alloc,
                          .release = counted_release,
                          .close = counted_close};
  return p->open_result;
}

static sluice_alloc_t counted(struct provider *p) {
  return (sluice_alloc_t){
      .ctx = p, .alloc = counted_alloc, .release = counted_release};
}

static sluice_alloc_t counted_with_arenas(struct provider *p) {
  sluice_alloc_t a = counted(p);

  a.open = counted_open;
  return a;
}

START_TEST(used_peak_and_blocks_follow_what_is_live) {
  sluice__mem_t mem;
  void *a;
  void *b;

  ck_assert_int_eq(sluice__mem_open(&mem, NULL, SIZE_MAX), 0);
  a = sluice__mem_alloc(&mem, 100);
  b = sluice__mem_alloc_aligned(&mem, 50, 4096);
  ck_assert_uint_eq(mem.used, 150);
  ck_assert_uint_eq(mem.blocks, 2);
  sluice__mem_free(&mem, a, 100);
  ck_assert_uint_eq(mem.used, 50);
  ck_assert_uint_eq(mem.peak, 150);
  sluice__mem_free_aligned(&mem, b, 50, 4096);
  ck_assert_uint_eq(mem.used, 0);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
}
END_TEST

START_TEST(cap_is_reached_to_the_byte_and_not_passed) {
  sluice__mem_t mem;
  void *a;
  void *b;

  ck_assert_int_eq(sluice__mem_open(&mem, NULL, 1000), 0);
  a = sluice__mem_alloc(&mem, 600);
  ck_assert_ptr_nonnull(a);
  ck_assert_ptr_null(sluice__mem_alloc(&mem, 401));
  ck_assert_int_eq(sluice__mem_error(&mem), SLUICE_ELIMIT);
  ck_assert_ptr_null(sluice__mem_alloc(&mem, SIZE_MAX));
  ck_assert_uint_eq(mem.used, 600);
  b = sluice__mem_alloc(&mem, 400);
  ck_assert_ptr_nonnull(b);
  sluice__mem_free(&mem, a, 600);
  sluice__mem_free(&mem, b, 400);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
}
END_TEST

START_TEST(refusal_of_the_provider_is_enomem_and_counts_nothing) {
  struct provider p = {.refuses = 1};
  sluice_alloc_t alloc = counted(&p);
  sluice__mem_t mem;

  ck_assert_int_eq(sluice__mem_open(&mem, &alloc, 1000), 0);
  ck_assert_ptr_null(sluice__mem_zalloc(&mem, 10));
  ck_assert_int_eq(sluice__mem_error(&mem), UV_ENOMEM);
  ck_assert_uint_eq(mem.used, 0);
  ck_assert_uint_eq(mem.blocks, 0);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
}
END_TEST

START_TEST(array_that_overflows_is_refused_without_asking) {
  struct provider p = {0};
  sluice_alloc_t alloc = counted(&p);
  sluice__mem_t mem;

  ck_assert_int_eq(sluice__mem_open(&mem, &alloc, SIZE_MAX), 0);
  ck_assert_ptr_null(sluice__mem_array(&mem, SIZE_MAX / 2 + 1, 2));
  ck_assert_ptr_null(sluice__mem_array(&mem, 3, SIZE_MAX / 2));
  ck_assert_int_eq(sluice__mem_error(&mem), SLUICE_ELIMIT);
  ck_assert_uint_eq(p.live_blocks, 0);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
}
END_TEST

START_TEST(empty_blocks_are_blocks) {
  struct provider p = {0};
  sluice_alloc_t alloc = counted(&p);
  sluice__mem_t mem;
  void *a;
  void *b;
  void *c;

  ck_assert_int_eq(sluice__mem_open(&mem, &alloc, SIZE_MAX), 0);
  a = sluice__mem_array(&mem, 0, 8);
  b = sluice__mem_zalloc(&mem, 0);
  ck_assert_ptr_nonnull(a);
  ck_assert_ptr_nonnull(b);
  c = sluice__mem_array(&mem, 8, 0);
  ck_assert_ptr_nonnull(c);
  sluice__mem_free(&mem, a, 0);
  sluice__mem_free(&mem, b, 0);
  sluice__mem_free(&mem, c, 0);
  sluice__mem_free(&mem, NULL, 10);
  ck_assert_uint_eq(p.live_blocks, 0);
  ck_assert_uint_eq(p.live_bytes, 0);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
}
END_TEST

START_TEST(zalloc_is_zero_where_something_else_was) {
  static const char zeros[64] = {0};
  sluice__mem_t mem;
  void *p;

  ck_assert_int_eq(sluice__mem_open(&mem, NULL, SIZE_MAX), 0);
  p = sluice__mem_alloc(&mem, sizeof(zeros));
  memset(p, 0xff, sizeof(zeros));
  sluice__mem_free(&mem, p, sizeof(zeros));
  p = sluice__mem_zalloc(&mem, sizeof(zeros));
  ck_assert_mem_eq(p, zeros, sizeof(zeros));
  sluice__mem_free(&mem, p, sizeof(zeros));
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
}
END_TEST

START_TEST(resize_keeps_the_bytes_up_and_down) {
  sluice__mem_t mem;
  char *p;

  ck_assert_int_eq(sluice__mem_open(&mem, NULL, SIZE_MAX), 0);
  p = sluice__mem_resize(&mem, NULL, 0, 4);
  memcpy(p, "abc", 4);
  p = sluice__mem_resize(&mem, p, 4, 4000);
  ck_assert_str_eq(p, "abc");
  p = sluice__mem_resize(&mem, p, 4000, 2);
  ck_assert_mem_eq(p, "ab", 2);
  ck_assert_uint_eq(mem.used, 2);
  sluice__mem_free(&mem, p, 2);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
}
END_TEST

START_TEST(resize_over_the_cap_leaves_the_block_alone) {
  sluice__mem_t mem;
  char *p;

  ck_assert_int_eq(sluice__mem_open(&mem, NULL, 100), 0);
  p = sluice__mem_alloc(&mem, 60);
  memcpy(p, "abc", 4);
  ck_assert_ptr_null(sluice__mem_resize(&mem, p, 60, 61));
  ck_assert_str_eq(p, "abc");
  ck_assert_uint_eq(mem.used, 60);
  sluice__mem_free(&mem, p, 60);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
}
END_TEST

static const size_t aligns[] = {1, 2, 8, 16, 32, 64, 512, 4096};

START_TEST(every_alignment_is_kept_for_odd_sizes) {
  size_t align = aligns[_i];
  sluice__mem_t mem;

  ck_assert_int_eq(sluice__mem_open(&mem, NULL, SIZE_MAX), 0);
  for (size_t size = 1; size < 5000; size += 37) {
    void *p = sluice__mem_alloc_aligned(&mem, size, align);

    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % align, 0);
    memset(p, 0xa5, size);
    sluice__mem_free_aligned(&mem, p, size, align);
  }
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
}
END_TEST

START_TEST(provider_with_arenas_is_opened_with_the_cap_and_closed_once) {
  struct provider p = {0};
  sluice_alloc_t alloc = counted_with_arenas(&p);
  sluice__mem_t mem;

  ck_assert_int_eq(sluice__mem_open(&mem, &alloc, 12345), 0);
  ck_assert_uint_eq(p.opened, 1);
  ck_assert_uint_eq(p.cap, 12345);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
  ck_assert_uint_eq(p.closed, 1);
}
END_TEST

/* Its memory goes with something larger. */
static int open_endless(void *ctx, size_t cap, sluice_alloc_t *out) {
  int r = counted_open(ctx, cap, out);

  out->close = NULL;
  return r;
}

START_TEST(a_provider_may_have_nothing_to_close) {
  struct provider p = {0};
  sluice_alloc_t alloc = counted_with_arenas(&p);
  sluice__mem_t mem;

  alloc.open = open_endless;
  ck_assert_int_eq(sluice__mem_open(&mem, &alloc, 1000), 0);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
  ck_assert_uint_eq(p.opened, 1);
  ck_assert_uint_eq(p.closed, 0);
}
END_TEST

/* A sanitizer's allocator ends the process otherwise. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void) {
  return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void) {
  return "allocator_may_return_null=1";
}

START_TEST(what_no_machine_has_is_refused_by_the_system) {
  sluice__mem_t mem;

  ck_assert_int_eq(sluice__mem_open(&mem, NULL, SIZE_MAX), 0);
  ck_assert_ptr_null(sluice__mem_alloc(&mem, SIZE_MAX / 2));
  ck_assert_int_eq(sluice__mem_error(&mem), UV_ENOMEM);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
}
END_TEST

START_TEST(open_that_fails_needs_no_close) {
  struct provider p = {.open_result = UV_EMFILE};
  sluice_alloc_t alloc = counted_with_arenas(&p);
  sluice__mem_t mem = {0};

  ck_assert_int_eq(sluice__mem_open(&mem, &alloc, 1000), UV_EMFILE);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
  ck_assert_uint_eq(p.closed, 0);
}
END_TEST

START_TEST(close_tells_how_many_blocks_leaked) {
  struct provider p = {0};
  sluice_alloc_t alloc = counted(&p);
  sluice__mem_t mem;
  void *a;
  void *b;

  ck_assert_int_eq(sluice__mem_open(&mem, &alloc, SIZE_MAX), 0);
  a = sluice__mem_alloc(&mem, 1);
  b = sluice__mem_alloc(&mem, 2);
  ck_assert_uint_eq(sluice__mem_close(&mem), 2);
  counted_release(&p, a, 1, 16);
  counted_release(&p, b, 2, 16);
}
END_TEST

START_TEST(view_is_counted_and_capped_like_the_rest) {
  sluice__mem_t mem;
  sluice_alloc_t view;
  void *p;

  ck_assert_int_eq(sluice__mem_open(&mem, NULL, 1000), 0);
  view = sluice__mem_as_alloc(&mem);
  p = view.alloc(view.ctx, 900, 64);
  ck_assert_ptr_nonnull(p);
  ck_assert_uint_eq(mem.used, 900);
  ck_assert_ptr_null(sluice__mem_alloc(&mem, 101));
  ck_assert_ptr_null(view.alloc(view.ctx, 101, 64));
  view.release(view.ctx, p, 900, 64);
  ck_assert_uint_eq(mem.used, 0);
  ck_assert_uint_eq(sluice__mem_close(&mem), 0);
}
END_TEST

static void add_faults(Suite *suite) {
  TCase *faults = tcase_create("faults");

  tcase_add_test(faults, refusal_of_the_provider_is_enomem_and_counts_nothing);
  tcase_add_test(faults, resize_over_the_cap_leaves_the_block_alone);
  tcase_add_test(faults, open_that_fails_needs_no_close);
  tcase_add_test(faults, close_tells_how_many_blocks_leaked);
  suite_add_tcase(suite, faults);
}

static void add_limits(Suite *suite) {
  TCase *limits = tcase_create("limits");

  tcase_add_test(limits, cap_is_reached_to_the_byte_and_not_passed);
  tcase_add_test(limits, array_that_overflows_is_refused_without_asking);
  tcase_add_test(limits, empty_blocks_are_blocks);
  tcase_add_test(limits, view_is_counted_and_capped_like_the_rest);
  tcase_add_test(limits, what_no_machine_has_is_refused_by_the_system);
  suite_add_tcase(suite, limits);
}

Suite *mem_suite(void) {
  Suite *suite = suite_create("mem");
  TCase *core = tcase_create("core");

  tcase_add_test(core, used_peak_and_blocks_follow_what_is_live);
  tcase_add_test(core, zalloc_is_zero_where_something_else_was);
  tcase_add_test(core, resize_keeps_the_bytes_up_and_down);
  tcase_add_loop_test(core, every_alignment_is_kept_for_odd_sizes, 0,
                      sizeof(aligns) / sizeof(aligns[0]));
  tcase_add_test(core,
                 provider_with_arenas_is_opened_with_the_cap_and_closed_once);
  tcase_add_test(core, a_provider_may_have_nothing_to_close);
  suite_add_tcase(suite, core);
  add_limits(suite);
  add_faults(suite);
  return suite;
}
