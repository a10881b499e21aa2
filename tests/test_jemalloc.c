/* test_jemalloc.c - an arena a session: capped, private, given back whole.
 *
 * The system is asked what is mapped, not jemalloc: the cap is a promise about
 * the process. Not in sanitizer builds, where malloc is the sanitizer's. */
#include <sluice/jemalloc.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jemalloc/jemalloc.h>
#include <uv.h>

#include "memory/mem.h"
#include "suite.h"

#define MIB ((size_t)1024 * 1024)

/* What jemalloc may map beside a session: bookkeeping of the arena (2 MiB) and
 * of the process. */
#define SLACK (8 * MIB)

/* Bytes of addresses that this process has mapped. */
static size_t mapped_bytes(void) {
  char line[128] = "";
  FILE *f = fopen("/proc/self/statm", "re");

  ck_assert_ptr_nonnull(f);
  ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
  (void)fclose(f);
  return strtoul(line, NULL, 10) * 4096;
}

static unsigned arenas_known(void) {
  unsigned n = 0;
  size_t len = sizeof(n);

  ck_assert_int_eq(mallctl("arenas.narenas", &n, &len, NULL, 0), 0);
  return n;
}

static sluice_alloc_t open_session(size_t cap) {
  const sluice_alloc_t *provider = sluice_alloc_jemalloc();
  sluice_alloc_t session = {0};

  ck_assert_int_eq(provider->open(provider->ctx, cap, &session), 0);
  return session;
}

/* Allocates and writes blocks of `size` until there are no more; they are lost
 * to us and given back by the arena's end. Returns their bytes. */
static size_t fill(sluice_alloc_t *session, size_t size) {
  size_t total = 0;

  for (;;) {
    void *p = session->alloc(session->ctx, size, 16);

    if (p == NULL) {
      return total;
    }
    memset(p, 0xa5, size);
    total += size;
  }
}

static const struct {
  size_t cap;
  size_t block;
  size_t at_least; /* of the cap must be usable */
} fills[] = {
    {MIB, 64, MIB / 2},
    {MIB, 64 * 1024, MIB / 2},
    {3 * MIB, 4096, 2 * MIB},
    {64 * MIB, 100, 48 * MIB},
    {64 * MIB, 256 * 1024, 48 * MIB},
    {64 * MIB, 5 * MIB, 48 * MIB},
    {64 * MIB, 40 * MIB, 40 * MIB},
};

START_TEST(cap_holds_and_most_of_it_is_usable) {
  size_t before = mapped_bytes();
  sluice_alloc_t session = open_session(fills[_i].cap);
  size_t total = fill(&session, fills[_i].block);

  ck_assert_uint_le(total, fills[_i].cap);
  ck_assert_uint_ge(total, fills[_i].at_least);
  ck_assert_uint_le(mapped_bytes(), before + fills[_i].cap + SLACK);
  session.close(&session);
}
END_TEST

START_TEST(block_larger_than_the_cap_is_refused) {
  sluice_alloc_t session = open_session(4 * MIB);

  ck_assert_ptr_null(session.alloc(session.ctx, 5 * MIB, 16));
  ck_assert_ptr_null(session.alloc(session.ctx, SIZE_MAX / 2, 4096));
  ck_assert_ptr_nonnull(session.alloc(session.ctx, MIB, 16));
  session.close(&session);
}
END_TEST

START_TEST(close_gives_back_what_was_never_released) {
  size_t before = mapped_bytes();
  sluice_alloc_t session = open_session(256 * MIB);

  ck_assert_uint_ge(fill(&session, MIB), 128 * MIB);
  ck_assert_uint_ge(mapped_bytes(), before + 128 * MIB);
  session.close(&session);
  ck_assert_uint_le(mapped_bytes(), before + SLACK);
}
END_TEST

START_TEST(released_blocks_make_room_for_blocks_of_another_size) {
  sluice_alloc_t session = open_session(16 * MIB);
  void *small[200];

  for (int round = 0; round < 20; round++) {
    void *large;

    for (size_t i = 0; i < 200; i++) {
      small[i] = session.alloc(session.ctx, 64 * 1024 - 100, 16);
      ck_assert_ptr_nonnull(small[i]);
    }
    for (size_t i = 0; i < 200; i++) {
      session.release(session.ctx, small[i], 64 * 1024 - 100, 16);
    }
    large = session.alloc(session.ctx, 12 * MIB, 4096);
    ck_assert_ptr_nonnull(large);
    session.release(session.ctx, large, 12 * MIB, 4096);
  }
  session.close(&session);
}
END_TEST

START_TEST(arena_index_is_recycled) {
  unsigned after_first;
  sluice_alloc_t session = open_session(MIB);

  session.close(&session);
  after_first = arenas_known();
  for (int i = 0; i < 5000; i++) {
    session = open_session(4 * MIB);
    ck_assert_ptr_nonnull(session.alloc(session.ctx, 1000, 16));
    session.close(&session);
  }
  ck_assert_uint_eq(arenas_known(), after_first);
}
END_TEST

START_TEST(sessions_do_not_use_each_others_room) {
  enum { SESSIONS = 100 };
  size_t before = mapped_bytes();
  sluice_alloc_t sessions[SESSIONS];

  for (int i = 0; i < SESSIONS; i++) {
    sessions[i] = open_session(2 * MIB);
  }
  for (int i = 0; i < SESSIONS; i++) {
    ck_assert_uint_ge(fill(&sessions[i], 10000), MIB);
  }
  for (int i = 0; i < SESSIONS; i++) {
    sessions[i].close(&sessions[i]);
  }
  ck_assert_uint_le(mapped_bytes(), before + SLACK);
}
END_TEST

START_TEST(the_session_too_many_gets_enomem_and_the_next_one_does_not) {
  const sluice_alloc_t *provider = sluice_alloc_jemalloc();
  static sluice_alloc_t sessions[5000];
  size_t n = 0;
  int r = 0;

  while (n < 5000) {
    r = provider->open(provider->ctx, MIB, &sessions[n]);
    if (r < 0) {
      break;
    }
    n++;
  }
  ck_assert_int_eq(r, UV_ENOMEM);
  sessions[0].close(&sessions[0]);
  sessions[0] = open_session(MIB);
  for (size_t i = 0; i < n; i++) {
    sessions[i].close(&sessions[i]);
  }
}
END_TEST

START_TEST(alignments_are_kept) {
  const sluice_alloc_t *common = sluice_alloc_jemalloc();
  sluice_alloc_t session = open_session(16 * MIB);

  for (size_t align = 1; align <= 4096; align *= 2) {
    void *p = session.alloc(session.ctx, 3 * align + 1, align);
    void *q = common->alloc(common->ctx, 3 * align + 1, align);

    ck_assert_uint_eq((uintptr_t)p % align, 0);
    ck_assert_uint_eq((uintptr_t)q % align, 0);
    session.release(session.ctx, p, 3 * align + 1, align);
    common->release(common->ctx, q, 3 * align + 1, align);
  }
  session.close(&session);
}
END_TEST

START_TEST(a_sessions_memory_is_an_arena) {
  size_t before = mapped_bytes();
  sluice__mem_t mem;

  ck_assert_int_eq(sluice__mem_open(&mem, sluice_alloc_jemalloc(), 128 * MIB),
                   0);
  ck_assert_ptr_nonnull(sluice__mem_zalloc(&mem, 100 * MIB));
  ck_assert_uint_ge(mapped_bytes(), before + 100 * MIB);
  ck_assert_uint_eq(sluice__mem_close(&mem), 1);
  ck_assert_uint_le(mapped_bytes(), before + SLACK);
}
END_TEST

Suite *jemalloc_suite(void) {
  Suite *suite = suite_create("jemalloc");
  TCase *core = tcase_create("core");
  TCase *limits = tcase_create("limits");

  tcase_set_timeout(limits, 300);
  tcase_add_test(core, close_gives_back_what_was_never_released);
  tcase_add_test(core, released_blocks_make_room_for_blocks_of_another_size);
  tcase_add_test(core, alignments_are_kept);
  tcase_add_test(core, a_sessions_memory_is_an_arena);
  suite_add_tcase(suite, core);
  tcase_add_loop_test(limits, cap_holds_and_most_of_it_is_usable, 0,
                      sizeof(fills) / sizeof(fills[0]));
  tcase_add_test(limits, block_larger_than_the_cap_is_refused);
  tcase_add_test(limits, arena_index_is_recycled);
  tcase_add_test(limits, sessions_do_not_use_each_others_room);
  tcase_add_test(limits,
                 the_session_too_many_gets_enomem_and_the_next_one_does_not);
  suite_add_tcase(suite, limits);
  return suite;
}
