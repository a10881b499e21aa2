/* test_fresh_chunks.c - a save's buffers are new memory at first: no call of a
 * handler's makes the loop touch many pages of it for the first time. The calls
 * are looked at on their way to the encoder. */
#include <sluice/ram.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "rig.h"
#include "stream/encoder.h"
#include "suite.h"

enum {
  MIB = 1024 * 1024,
  PAGE = 4096,
  BYTES = 14 * MIB,
  FEW = 16,      /* pages in one go into new memory */
  OF_OTHERS = 8, /* faults: records' tables, a block of the allocator's */
  SINKS = 3      /* of 1 MiB; of 4 MiB; of 4 MiB that answers later */
};

static struct {
  rig_t rig;
  sluice_ram_t *ram;
  uint8_t *base;
  uint64_t most_fresh; /* pages in a call into the first chunk */
  uint64_t most;       /* ... behind it */
  long faults;         /* in any call */
} box;

int __real_sluice__encoder_lend_pages(sluice_encoder_t *e, uint32_t region,
                                      uint64_t offset, const void *data,
                                      uint64_t count, bool is_still);
int __wrap_sluice__encoder_lend_pages(sluice_encoder_t *e, uint32_t region,
                                      uint64_t offset, const void *data,
                                      uint64_t count, bool is_still);
int __real_sluice_encoder_pages(sluice_encoder_t *e, uint32_t region,
                                uint64_t offset, const void *data,
                                uint64_t count);
int __wrap_sluice_encoder_pages(sluice_encoder_t *e, uint32_t region,
                                uint64_t offset, const void *data,
                                uint64_t count);

/* A sanitizer's own memory is touched for the first time, too. */
static long faults_now(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 0;
#else
  struct rusage use;

  (void)getrusage(RUSAGE_THREAD, &use);
  return use.ru_minflt;
#endif
}

static void note(const sluice_encoder_t *e, uint64_t count) {
  uint64_t *most = sluice_encoder_offset(e) < MIB ? &box.most_fresh : &box.most;

  *most = count > *most ? count : *most;
}

static void note_faults(long before) {
  long n = faults_now() - before;

  box.faults = n > box.faults ? n : box.faults;
}

int __wrap_sluice__encoder_lend_pages(sluice_encoder_t *e, uint32_t region,
                                      uint64_t offset, const void *data,
                                      uint64_t count, bool is_still) {
  long before = faults_now();
  int r;

  note(e, count);
  r = __real_sluice__encoder_lend_pages(e, region, offset, data, count,
                                        is_still);
  note_faults(before);
  return r;
}

int __wrap_sluice_encoder_pages(sluice_encoder_t *e, uint32_t region,
                                uint64_t offset, const void *data,
                                uint64_t count) {
  long before = faults_now();
  int r;

  note(e, count);
  r = __real_sluice_encoder_pages(e, region, offset, data, count);
  note_faults(before);
  return r;
}

static void setup(void) {
  const sluice_ram_options_t o = {.size = sizeof(o),
                                  .tracker = SLUICE_RAM_COOPERATIVE};

  memset(&box, 0, sizeof(box));
  rig_init(&box.rig);
  box.base = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(box.base, MAP_FAILED);
  memset(box.base, 7, BYTES);
  ck_assert_int_eq(
      sluice_ram_new(&box.ram, box.rig.registry, "ram", NULL, &o, NULL), 0);
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "main", box.base, BYTES, 0, NULL), 0);
}

static void teardown(void) {
  ck_assert_int_eq(sluice_registry_remove(box.rig.registry, "ram", 0), 0);
  sluice_ram_free(box.ram);
  ck_assert_int_eq(munmap(box.base, BYTES), 0);
  rig_done(&box.rig);
}

/* A host's sink: takes it all, at once or with the next turn of the loop. */
static struct {
  uv_timer_t timer;
  size_t says;
  bool is_late;
  sluice_sink_cb cb[8];
  void *ctx[8];
  unsigned owed;
} sink;

static void on_timer(uv_timer_t *timer) {
  unsigned owed = sink.owed;

  (void)timer;
  sink.owed = 0;
  for (unsigned i = 0; i < owed; i++) {
    sink.cb[i](sink.ctx[i], 0);
  }
}

static int take(void *self, const void *data, size_t len, uint64_t offset,
                sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)data;
  (void)len;
  (void)offset;
  if (!sink.is_late) {
    return 1;
  }
  ck_assert_uint_lt(sink.owed, 8);
  sink.cb[sink.owed] = cb;
  sink.ctx[sink.owed] = ctx;
  sink.owed++;
  (void)uv_timer_start(&sink.timer, on_timer, 1, 0);
  return 0;
}

static size_t say(const void *self) {
  (void)self;
  return sink.says;
}

static void save(int which) {
  static const sluice_sink_ops_t ops = {
      .size = sizeof(ops), .write = take, .chunk_bytes = say};
  sluice_sink_t *s;

  memset(&sink, 0, sizeof(sink));
  sink.says = which == 0 ? MIB : 4 * MIB;
  sink.is_late = which == 2;
  ck_assert_int_eq(uv_timer_init(&box.rig.loop, &sink.timer), 0);
  ck_assert_int_eq(sluice_sink_custom(&s, &ops, NULL), 0);
  ck_assert_int_eq(rig_save(&box.rig, s, NULL), 0);
  uv_close((uv_handle_t *)&sink.timer, NULL);
  (void)uv_run(&box.rig.loop, UV_RUN_DEFAULT);
}

START_TEST(no_call_touches_many_pages_of_new_memory) {
  save(_i);
  ck_assert_uint_gt(box.most_fresh, 0);
  ck_assert_uint_le(box.most_fresh, FEW);
  /* The first record's pages are copied when it ends: nobody had asked yet
   * whether the sink takes them from where they are. */
  if (_i != 0) {
    ck_assert_int_le(box.faults, FEW + OF_OTHERS);
  }
}
END_TEST

/* The one chunk of 1 MiB comes back each time. */
START_TEST(memory_that_was_touched_takes_as_much_as_ever) {
  save(0);
  ck_assert_uint_gt(box.most, FEW);
}
END_TEST

Suite *fresh_chunks_suite(void) {
  Suite *s = suite_create("fresh_chunks");
  TCase *c = tcase_create("fresh");

  tcase_add_checked_fixture(c, setup, teardown);
  tcase_add_loop_test(c, no_call_touches_many_pages_of_new_memory, 0, SINKS);
  tcase_add_test(c, memory_that_was_touched_takes_as_much_as_ever);
  suite_add_tcase(s, c);
  return s;
}
