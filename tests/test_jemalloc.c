/* test_jemalloc.c - an arena a session: capped, private, given back whole.
 *
 * The system is asked what is mapped, not jemalloc: the cap is a promise about
 * the process. Not in sanitizer builds, where malloc is the sanitizer's. */
#include <sluice/jemalloc.h>

#include <errno.h>
#include <stdbool.h>
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

START_TEST(a_session_may_have_no_cap) {
  sluice_alloc_t session = open_session(SIZE_MAX);
  void *p = session.alloc(session.ctx, 100 * MIB, 16);

  ck_assert_ptr_nonnull(p);
  session.release(session.ctx, p, 100 * MIB, 16);
  session.close(&session);
}
END_TEST

START_TEST(an_alignment_over_the_cap_costs_addresses_only) {
  sluice_alloc_t session = open_session(4 * MIB);
  size_t before = mapped_bytes();
  void *p = session.alloc(session.ctx, 16, 256 * MIB);

  ck_assert_ptr_nonnull(p);
  ck_assert_uint_eq((uintptr_t)p % (256 * MIB), 0);
  ck_assert_uint_le(mapped_bytes(), before + SLACK);
  session.release(session.ctx, p, 16, 256 * MIB);
  session.close(&session);
}
END_TEST

/* ---- the arena's hooks, called as jemalloc may, and as it does rarely ---- */

static extent_hooks_t *hooks_of_last(void) {
  extent_hooks_t *hooks = NULL;
  size_t len = sizeof(hooks);
  char name[64];

  (void)snprintf(name, sizeof(name), "arena.%u.extent_hooks",
                 arenas_known() - 1);
  ck_assert_int_eq(mallctl(name, (void *)&hooks, &len, NULL, 0), 0);
  return hooks;
}

static uint8_t *ask(extent_hooks_t *hooks, void *wanted, size_t align) {
  bool zero = false;
  bool commit = false;
  uint8_t *p = hooks->alloc(hooks, wanted, MIB, align, &zero, &commit, 0);

  ck_assert(p == NULL || (zero && commit));
  return p;
}

START_TEST(an_extent_is_aligned_as_it_is_asked_for_and_no_larger) {
  sluice_alloc_t session = open_session(64 * MIB);
  extent_hooks_t *hooks = hooks_of_last();
  size_t before = mapped_bytes();

  for (size_t align = 4096; align <= 64 * MIB; align *= 2) {
    uint8_t *p = ask(hooks, NULL, align);

    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % align, 0);
    ck_assert_uint_eq(mapped_bytes(), before + MIB);
    p[0] = p[MIB - 1] = 1;
    ck_assert(!hooks->dalloc(hooks, p, MIB, true, 0));
    ck_assert_uint_eq(mapped_bytes(), before);
  }
  session.close(&session);
}
END_TEST

START_TEST(no_extent_grows_in_place) {
  sluice_alloc_t session = open_session(64 * MIB);
  extent_hooks_t *hooks = hooks_of_last();
  uint8_t *p = ask(hooks, NULL, 4096);
  size_t before = mapped_bytes();

  ck_assert_ptr_nonnull(p);
  ck_assert_ptr_null(ask(hooks, p + MIB, 4096));
  ck_assert_uint_eq(mapped_bytes(), before);
  ck_assert(!hooks->dalloc(hooks, p, MIB, true, 0));
  session.close(&session);
}
END_TEST

/* ---- munmap() refuses ---- */

static unsigned refusals; /* to come */

int __real_munmap(void *addr, size_t len);
int __wrap_munmap(void *addr, size_t len);

int __wrap_munmap(void *addr, size_t len) {
  if (refusals == 0) {
    return __real_munmap(addr, len);
  }
  refusals--;
  errno = ENOMEM;
  return -1;
}

/* In memory, not only mapped. */
static size_t resident_bytes(void) {
  unsigned long mapped = 0;
  unsigned long resident = 0;
  FILE *f = fopen("/proc/self/statm", "re");

  ck_assert_ptr_nonnull(f);
  ck_assert_int_eq(fscanf(f, "%lu %lu", &mapped, &resident), 2);
  (void)fclose(f);
  return resident * 4096;
}

/* Each number of refusals, until there are no more calls to refuse. */
START_TEST(what_cannot_be_unmapped_at_the_end_is_tried_again_or_emptied) {
  for (unsigned n = 0;; n++) {
    size_t before = mapped_bytes();
    size_t in_use = resident_bytes();
    sluice_alloc_t session = open_session(64 * MIB);
    unsigned left;

    ck_assert_uint_ge(fill(&session, 20 * MIB), 40 * MIB);
    refusals = n;
    session.close(&session);
    left = refusals;
    refusals = 0;
    ck_assert_uint_le(resident_bytes(), in_use + 4 * MIB);
    if (left > 0) {
      ck_assert_uint_gt(mapped_bytes(), before + 32 * MIB); /* it was a test */
      break;
    }
  }
}
END_TEST

Suite *jemalloc_suite(void) {
  Suite *suite = suite_create("jemalloc");
  TCase *core = tcase_create("core");
  TCase *limits = tcase_create("limits");
  TCase *hooks = tcase_create("hooks");

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
  tcase_add_test(limits, a_session_may_have_no_cap);
  tcase_add_test(limits, an_alignment_over_the_cap_costs_addresses_only);
  suite_add_tcase(suite, limits);
  tcase_add_test(hooks, an_extent_is_aligned_as_it_is_asked_for_and_no_larger);
  tcase_add_test(hooks, no_extent_grows_in_place);
  tcase_add_test(hooks,
                 what_cannot_be_unmapped_at_the_end_is_tried_again_or_emptied);
  suite_add_tcase(suite, hooks);
  return suite;
}
