/* test_objects.c - a table of objects that is changed while it is saved: the
 * image is the table at the instant, whatever happens to which object when. */
#include <table.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "rig.h"
#include "seed.h"
#include "suite.h"

enum { KEYS = 60, SEEDS = 12, PIECE = 64 * 1024, MOST = 5 * PIECE };
#define SINK_MOST ((size_t)3 << 30)

static rig_t rig;
static sluice_registry_t *other;
static table_t *from, *to;
static uv_idle_t writer;
static seed_t seed;
static void *image;
static size_t image_len;
static unsigned cuts;

/* What the table is to hold; NULL: no such key. */
typedef struct model_s {
  uint8_t *value[KEYS];
  size_t len[KEYS];
} model_t;
static model_t now, at_cut;

static void setup_with(const table_options_t *o) {
  rig_init(&rig);
  other = rig_registry(&rig);
  cuts = 0;
  image = NULL;
  ck_assert_int_eq(table_new(&from, rig.registry, "table", o, NULL), 0);
  ck_assert_int_eq(table_new(&to, other, "table", o, NULL), 0);
}

static void setup(void) {
  const table_options_t o = {.buckets = 16, .max_preimage = 64 << 20};

  setup_with(&o);
}

static void forget(model_t *m) {
  for (int i = 0; i < KEYS; i++) {
    free(m->value[i]);
  }
  memset(m, 0, sizeof(*m));
}

static void teardown(void) {
  forget(&now);
  forget(&at_cut);
  ck_assert_int_eq(sluice_registry_free(other), 0);
  rig_done(&rig);
  table_free(from);
  table_free(to);
  free(image);
}

static const char *key_of(int i) {
  static char key[16];

  (void)snprintf(key, sizeof(key), "key-%d", i);
  return key;
}

static void do_set(int i, size_t len, int byte) {
  free(now.value[i]);
  now.value[i] = malloc(len + 1);
  now.len[i] = len;
  memset(now.value[i], byte, len);
  ck_assert_int_eq(table_set(from, key_of(i), now.value[i], len), 0);
}

static void do_write(int i, size_t offset, size_t len, int byte) {
  uint8_t *data = malloc(len + 1);

  memset(data, byte, len);
  if (now.value[i] == NULL) {
    ck_assert_int_eq(table_write(from, key_of(i), offset, data, len),
                     UV_ENOENT);
    free(data);
    return;
  }
  ck_assert_int_eq(table_write(from, key_of(i), offset, data, len), 0);
  if (len > 0 && offset + len > now.len[i]) {
    now.value[i] = realloc(now.value[i], offset + len);
    memset(now.value[i] + now.len[i], 0, offset + len - now.len[i]);
    now.len[i] = offset + len;
  }
  memcpy(now.value[i] + offset, data, len);
  free(data);
}

static void do_delete(int i) {
  ck_assert_int_eq(table_delete(from, key_of(i)),
                   now.value[i] == NULL ? UV_ENOENT : 0);
  free(now.value[i]);
  now.value[i] = NULL;
}

static void change(void) {
  int i = (int)seed_below(&seed, KEYS);
  int byte = (int)seed_below(&seed, 256);

  switch (seed_below(&seed, 4)) {
  case 0: do_set(i, (size_t)seed_below(&seed, MOST), byte); break;
  case 1: do_delete(i); break;
  default:
    do_write(i, (size_t)seed_below(&seed, now.len[i] + 100),
             (size_t)seed_below(&seed, PIECE), byte);
  }
}

static void on_idle(uv_idle_t *idle) {
  (void)idle;
  change();
}

static void start_writing(void) {
  ck_assert_int_eq(uv_idle_init(&rig.loop, &writer), 0);
  ck_assert_int_eq(uv_idle_start(&writer, on_idle), 0);
}

static void on_cut(sluice_save_t *save) {
  (void)save;
  cuts++;
  forget(&at_cut);
  at_cut = now;
  for (int i = 0; i < KEYS; i++) {
    if (now.value[i] != NULL) {
      at_cut.value[i] = malloc(now.len[i] + 1);
      memcpy(at_cut.value[i], now.value[i], now.len[i]);
    }
  }
}

static void on_over(sluice_save_t *save, int status) {
  uv_close((uv_handle_t *)&writer, NULL);
  rig_on_saved(save, status);
}

static sluice_save_t *begin_save(uint64_t bandwidth) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .mode = SLUICE_CUT,
                                   .cut = on_cut,
                                   .bandwidth = bandwidth};
  sluice_sink_t *sink;
  sluice_save_t *save;

  free(image);
  image = NULL;
  ck_assert_int_eq(sluice_sink_memory(&sink, SINK_MOST, &image, &image_len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, rig.registry, sink, &o,
                                     on_over, NULL),
                   0);
  return save;
}

static void assert_equals(const table_t *table, const model_t *m) {
  uint64_t count = 0;

  for (int i = 0; i < KEYS; i++) {
    size_t len = 0;
    const void *value = table_get(table, key_of(i), &len);

    ck_assert_msg((value == NULL) == (m->value[i] == NULL), "key %d", i);
    if (value != NULL) {
      count++;
      ck_assert_msg(len == m->len[i] && memcmp(value, m->value[i], len) == 0,
                    "key %d is not what it was at the instant", i);
    }
  }
  ck_assert_uint_eq(table_count(table), count);
}

static void assert_image_is_the_cut(void) {
  int r = rig_restore_memory(&rig, other, image, image_len);

  ck_assert_msg(r == 0, "%s", rig.error.message);
  assert_equals(to, &at_cut);
}

START_TEST(the_image_is_the_table_at_the_instant) {
  seed = seed_open(_i);
  for (int n = 0; n < 200; n++) {
    change();
  }
  start_writing();
  (void)begin_save((uint64_t)(_i % 2) << 26);
  ck_assert_uint_eq(cuts, 1); /* inside begin */
  for (uint64_t n = seed_below(&seed, 30); n > 0; n--) {
    change();
  }
  rig_run(&rig);
  ck_assert_msg(rig.status == 0, "%s", rig.error.message);
  assert_image_is_the_cut();
  assert_equals(from, &now);
  ck_assert_uint_eq(table_held(from), 0);
}
END_TEST

START_TEST(cancelled_at_any_turn_it_holds_nothing_and_can_be_saved_again) {
  int is_through = 0;

  seed = seed_open(_i);
  for (int n = 0; n < 200; n++) {
    change();
  }
  for (int n = 0; !is_through; n += 1 + n / 8) {
    unsigned before = rig.callbacks;
    sluice_save_t *save;

    start_writing();
    save = begin_save(0);
    for (int i = 0; i < n && rig.callbacks == before; i++) {
      (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    }
    is_through = rig.callbacks != before;
    if (!is_through) {
      sluice_save_cancel(save);
      change();
    }
    rig_run(&rig);
    ck_assert_uint_eq(table_held(from), 0);
    assert_equals(from, &now);
  }
  assert_image_is_the_cut();
}
END_TEST

START_TEST(copies_over_their_limit_fail_the_save_and_the_host_goes_on) {
  const table_options_t little = {.buckets = 1, .max_preimage = 2 * PIECE};

  setup_with(&little);
  do_set(0, MOST, 1);
  ck_assert_int_eq(uv_idle_init(&rig.loop, &writer), 0);
  (void)begin_save(0);
  do_write(0, 0, 2 * PIECE, 2);
  ck_assert_uint_eq(table_held(from), 2 * PIECE);
  do_write(0, 2 * PIECE, 1, 3);
  ck_assert_uint_eq(table_held(from), 0);
  do_write(0, 0, MOST, 4);
  rig_run(&rig);
  ck_assert_int_eq(rig.status, SLUICE_ELIMIT);
  ck_assert_str_eq(rig.error.section, "table");
  assert_equals(from, &now);
}
END_TEST

START_TEST(replacing_and_deleting_copies_nothing) {
  ck_assert_int_eq(uv_idle_init(&rig.loop, &writer), 0);
  do_set(0, MOST, 1);
  do_set(1, MOST, 2);
  (void)begin_save(0);
  do_set(0, 10, 3);
  do_delete(1);
  ck_assert_uint_eq(table_held(from), 0);
  rig_run(&rig);
  ck_assert_int_eq(rig.status, 0);
  assert_image_is_the_cut();
}
END_TEST

START_TEST(it_converges_as_well) {
  seed = seed_open(_i);
  for (int n = 0; n < 100; n++) {
    change();
  }
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), 0);
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len), 0);
  assert_equals(to, &now);
}
END_TEST

START_TEST(no_damaged_byte_is_restored) {
  sluice_source_t *source;
  uint8_t *bytes;

  do_set(0, 300, 1);
  do_set(1, 0, 1);
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), 0);
  bytes = image;
  for (size_t i = 0; i < image_len; i++) {
    bytes[i] ^= 0x55;
    ck_assert_int_eq(sluice_source_memory(&source, image, image_len), 0);
    ck_assert_int_lt(rig_restore(&rig, other, source, NULL), 0);
    ck_assert_uint_eq(table_count(to), 0);
    bytes[i] ^= 0x55;
  }
}
END_TEST

/* One entry that is far larger than a slice, changed while the saver is inside
 * of it. SLUICE_BIG_BYTES: how large. */
static size_t big_bytes(void) {
  const char *given = getenv("SLUICE_BIG_BYTES");

  return given == NULL ? (size_t)64 << 20 : (size_t)strtoull(given, NULL, 0);
}

static unsigned turns;

static void touch_big(uv_idle_t *idle) {
  static const uint8_t mark[] = "changed after the instant";

  (void)idle;
  turns++;
  ck_assert_int_eq(table_write(from, "big",
                               (size_t)seed_below(&seed, big_bytes() - 100),
                               mark, sizeof(mark)),
                   0);
}

START_TEST(the_saver_stops_inside_of_one_large_entry) {
  size_t bytes = big_bytes(), len = 0;
  uint8_t *value = malloc(bytes);
  const uint8_t *restored;

  seed = seed_open(_i);
  for (size_t i = 0; i < bytes; i++) {
    value[i] = (uint8_t)(i * 2654435761u >> 16);
  }
  ck_assert_int_eq(table_set(from, "big", value, bytes), 0);
  ck_assert_int_eq(uv_idle_init(&rig.loop, &writer), 0);
  ck_assert_int_eq(uv_idle_start(&writer, touch_big), 0);
  (void)begin_save(0);
  rig_run(&rig);
  ck_assert_msg(rig.status == 0, "%s", rig.error.message);
  /* A slice moves a MiB and some copies: there were that many at least. */
  ck_assert_uint_gt(turns, bytes >> 22);
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len), 0);
  restored = table_get(to, "big", &len);
  ck_assert_uint_eq(len, bytes);
  ck_assert(memcmp(restored, value, bytes) == 0);
  free(value);
}
END_TEST

Suite *objects_suite(void) {
  Suite *s = suite_create("objects");
  TCase *t = tcase_create("core");
  TCase *limits = tcase_create("limits");
  TCase *big = tcase_create("big");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, the_image_is_the_table_at_the_instant, 0, SEEDS);
  tcase_add_loop_test(
      t, cancelled_at_any_turn_it_holds_nothing_and_can_be_saved_again, 0, 3);
  tcase_add_test(t, replacing_and_deleting_copies_nothing);
  tcase_add_loop_test(t, it_converges_as_well, 0, 2);
  tcase_add_test(t, no_damaged_byte_is_restored);
  suite_add_tcase(s, t);
  tcase_add_checked_fixture(limits, NULL, teardown);
  tcase_add_test(limits,
                 copies_over_their_limit_fail_the_save_and_the_host_goes_on);
  suite_add_tcase(s, limits);
  tcase_add_checked_fixture(big, setup, teardown);
  tcase_add_test(big, the_saver_stops_inside_of_one_large_entry);
  suite_add_tcase(s, big);
  return s;
}
