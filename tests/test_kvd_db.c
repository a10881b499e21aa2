/* test_kvd_db.c - the database against a model: random commands, a clock that
 * jumps, a heap that moves, and every change announced. */
#include "db.h"
#include "verify.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db_private.h"
#include "kvd_support.h"
#include "suite.h"

enum { RESERVE = 256 << 20, KEYS = 6000, ROUNDS = 60000, VALUE = 100000 };

static db_t db;

static void setup(void) {
  ck_assert_int_eq(db_open(&db, RESERVE, 7), 0);
  db.now_ms = 1000;
}

static void teardown(void) {
  db_close(&db);
}

static void check_db(void) {
  const char *what;

  ck_assert_msg(verify_all(&db.heap, &what) == 0, "wrong: %s", what);
}

static bytes_t text(const char *s) {
  return (bytes_t){s, strlen(s)};
}

static int set(const char *key, const char *value, uint64_t expires) {
  return db_set(&db, db_find(&db, text(key)), text(key), text(value), 0,
                expires);
}

/* --- the model --- */

/* A value is its length and the byte it repeats; appending repeats it. */
typedef struct model_s {
  size_t len;
  uint64_t expires;
  bool exists;
  char byte;
} model_t;

static model_t model[KEYS];
static char bytes[VALUE];

static bytes_t make_key(unsigned k, char *room) {
  int n =
      snprintf(room, 64, "key:%u:%.*s", k, (int)(k % 17), "aaaaaaaaaaaaaaaaa");

  return (bytes_t){room, (size_t)n};
}

static bytes_t make_value(size_t len, char byte) {
  memset(bytes, byte, len);
  return (bytes_t){bytes, len};
}

static size_t random_len(uint64_t *rng) {
  switch (kvd_random(rng) % 64) {
  case 0: return kvd_random(rng) % VALUE;
  case 1: return BLOB_MIN - 2 + kvd_random(rng) % 4;
  default: return kvd_random(rng) % 1500;
  }
}

static void expire_model(model_t *m) {
  if (m->exists && m->expires != 0 && m->expires <= db.now_ms) {
    m->exists = false;
  }
}

static bool all_are(bytes_t b, char byte) {
  for (size_t i = 0; i < b.n; i++) {
    if (b.p[i] != byte) {
      return false;
    }
  }
  return true;
}

static void check_key(unsigned k) {
  char room[64];
  slot_t s = db_find(&db, make_key(k, room));
  model_t *m = &model[k];

  expire_model(m);
  ck_assert_msg((s.entry != 0) == m->exists, "key %u", k);
  if (m->exists) {
    bytes_t v = db_value(&db, s);

    ck_assert_uint_eq(v.n, m->len);
    ck_assert_uint_eq(db_expiry(&db, s), m->expires);
    ck_assert_msg(all_are(v, m->byte), "the value of key %u has changed", k);
  }
}

static void random_set(slot_t s, bytes_t key, model_t *m, uint64_t *rng) {
  uint64_t expires =
      kvd_random(rng) % 3 == 0 ? db.now_ms + 1 + kvd_random(rng) % 5000 : 0;
  size_t len = random_len(rng);
  char byte = (char)('a' + kvd_random(rng) % 26);

  ck_assert_int_eq(db_set(&db, s, key, make_value(len, byte), 0, expires), 0);
  *m = (model_t){len, expires, true, byte};
}

static void random_append(slot_t s, bytes_t key, model_t *m, uint64_t *rng) {
  size_t len = random_len(rng) / 4;

  if (m->exists && m->len + len > VALUE) {
    return;
  }
  if (!m->exists) {
    *m = (model_t){0, 0, true, 'z'};
  }
  ck_assert_int_eq(db_append(&db, s, key, make_value(len, m->byte)), 0);
  m->len += len;
}

static void step(unsigned k, unsigned deletes, uint64_t *rng) {
  char room[64];
  bytes_t key = make_key(k, room);
  model_t *m = &model[k];
  slot_t s;

  check_key(k);
  s = db_find(&db, key);
  if (kvd_random(rng) % 10 < deletes) {
    if (s.entry != 0) {
      db_delete(&db, s);
      m->exists = false;
    }
  } else if (kvd_random(rng) % 4 == 0) {
    random_append(s, key, m, rng);
  } else if (kvd_random(rng) % 8 == 0 && s.entry != 0) {
    m->expires = db.now_ms + 1 + kvd_random(rng) % 1000;
    db_set_expiry(&db, s, m->expires);
  } else {
    random_set(s, key, m, rng);
  }
}

static void clear_all(void) {
  ck_assert_int_eq(db_clear(&db), 0);
  for (unsigned k = 0; k < KEYS; k++) {
    model[k].exists = false;
  }
}

/* Grows and shrinks in waves, so that buckets split and merge. */
static void run_rounds(uint64_t *rng) {
  for (unsigned i = 0; i < ROUNDS; i++) {
    step((unsigned)(kvd_random(rng) % KEYS), i / 10000 % 2 == 0 ? 1 : 8, rng);
    db.now_ms += kvd_random(rng) % 3;
    if (i % 100 == 0) {
      db_sweep(&db, 50);
      db_reap(&db, 50);
    }
    if (i % 5000 == 0) {
      check_db();
    }
    if (i == ROUNDS / 3) {
      kvd_move_heap(&db.heap, RESERVE);
      ck_assert_int_eq(db_attach(&db), 0);
    }
    if (i == ROUNDS * 3 / 4) {
      clear_all();
    }
  }
}

static uint64_t count_model(void) {
  uint64_t n = 0;

  for (unsigned k = 0; k < KEYS; k++) {
    check_key(k);
    n += model[k].exists;
  }
  return n;
}

START_TEST(keys_and_values_are_those_of_the_model) {
  uint64_t rng = kvd_seed((uint64_t)_i);

  memset(model, 0, sizeof(model));
  run_rounds(&rng);
  ck_assert_uint_eq(count_model(), db_count(&db));
  check_db();
}
END_TEST

/* --- every change is announced --- */

/* What a save does: keeps each page as it was before its first change. */
typedef struct shadow_s {
  unsigned char *copy; /* as at the beginning; changed pages only follow */
  bool *announced;
} shadow_t;

static void on_before_write(void *ctx, uint64_t at, uint64_t len) {
  shadow_t *s = ctx;

  for (uint64_t page = at / HEAP_PAGE; page <= (at + len - 1) / HEAP_PAGE;
       page++) {
    s->announced[page] = len > 0 || s->announced[page];
  }
}

START_TEST(no_page_changes_unannounced) {
  uint64_t rng = kvd_seed((uint64_t)_i);
  uint64_t top;
  shadow_t s;

  memset(model, 0, sizeof(model));
  for (unsigned i = 0; i < 3000; i++) {
    step((unsigned)(kvd_random(&rng) % KEYS), 1, &rng);
  }
  top = heap_header(&db.heap)->top;
  s.copy = malloc(top);
  s.announced = calloc(RESERVE / HEAP_PAGE, sizeof(bool));
  memcpy(s.copy, db.heap.base, top);
  db.heap.before_write = on_before_write;
  db.heap.before_write_ctx = &s;
  for (unsigned i = 0; i < 300; i++) {
    step((unsigned)(kvd_random(&rng) % KEYS), 4, &rng);
  }
  for (uint64_t page = 0; page < top / HEAP_PAGE; page++) {
    uint64_t at = page * HEAP_PAGE;

    if (!s.announced[page]) {
      ck_assert_msg(memcmp(s.copy + at, db.heap.base + at, HEAP_PAGE) == 0,
                    "page %llu", (unsigned long long)page);
    }
  }
  free(s.copy);
  free(s.announced);
}
END_TEST

START_TEST(reading_changes_nothing) {
  shadow_t s;
  ref_t blob;
  uint64_t pages = 0;

  ck_assert_int_eq(db_set(&db, db_find(&db, text("k")), text("k"),
                          make_value(VALUE, 'x'), 0, 0),
                   0);
  s.announced = calloc(RESERVE / HEAP_PAGE, sizeof(bool));
  db.heap.before_write = on_before_write;
  db.heap.before_write_ctx = &s;
  blob = db_blob(&db, db_read(&db, text("k")));
  ck_assert_int_eq(blob_pin(&db.blobs, blob), 0);
  blob_unpin(&db.blobs, blob);
  for (uint64_t i = 0; i < RESERVE / HEAP_PAGE; i++) {
    pages += s.announced[i];
  }
  ck_assert_uint_eq(pages, 0);
  free(s.announced);
}
END_TEST

/* --- large values --- */

static ref_t big(const char *key, char byte) {
  ck_assert_int_eq(db_set(&db, db_find(&db, text(key)), text(key),
                          make_value(VALUE, byte), 0, 0),
                   0);
  return db_blob(&db, db_find(&db, text(key)));
}

START_TEST(a_value_that_is_read_outlives_its_key) {
  ref_t blob = big("k", 'x');

  ck_assert_int_eq(blob_pin(&db.blobs, blob), 0);
  ck_assert_int_eq(blob_pin(&db.blobs, blob), 0);
  db_delete(&db, db_find(&db, text("k")));
  big("k", 'y');
  blob_unpin(&db.blobs, blob);
  check_db();
  ck_assert_int_eq(blob_bytes(&db.heap, blob).p[VALUE - 1], 'x');
  blob_unpin(&db.blobs, blob);
  db_delete(&db, db_find(&db, text("k")));
  check_db();
  ck_assert_uint_eq(db_root(&db.heap)->limbo, 0);
}
END_TEST

START_TEST(a_value_that_is_read_stays_when_more_is_appended) {
  ref_t blob = big("k", 'x');
  bytes_t before = blob_bytes(&db.heap, blob);

  ck_assert_int_eq(blob_pin(&db.blobs, blob), 0);
  for (int i = 0; i < 10; i++) {
    ck_assert_int_eq(db_append(&db, db_find(&db, text("k")), text("k"),
                               make_value(50000, 'y')),
                     0);
    ck_assert(all_are(before, 'x'));
  }
  ck_assert_uint_eq(db_value(&db, db_find(&db, text("k"))).n, VALUE + 500000);
  blob_unpin(&db.blobs, blob);
  check_db();
}
END_TEST

START_TEST(values_without_a_key_are_gone_after_a_restore) {
  uint64_t used = db_used(&db);

  ck_assert(blob_new(&db.blobs, VALUE, VALUE) != 0);
  ck_assert(blob_new(&db.blobs, 0, VALUE) != 0);
  check_db();
  kvd_move_heap(&db.heap, RESERVE);
  ck_assert_int_eq(db_attach(&db), 0);
  check_db();
  ck_assert_uint_eq(db_used(&db), used);
}
END_TEST

/* --- expiry, limits --- */

START_TEST(sweeping_finds_expired_keys_that_nobody_asks_for) {
  char key[32];

  for (int i = 0; i < 5000; i++) {
    snprintf(key, sizeof(key), "k%d", i);
    ck_assert_int_eq(set(key, "v", i % 2 == 0 ? 2000 : 0), 0);
  }
  db.now_ms = 1999;
  db_sweep(&db, 20000);
  ck_assert_uint_eq(db_count(&db), 5000);
  db.now_ms = 2000;
  db_sweep(&db, 20000);
  ck_assert_uint_eq(db_count(&db), 2500);
  ck_assert_uint_eq(db_expiring(&db), 0);
  check_db();
}
END_TEST

START_TEST(clearing_gives_all_memory_back_in_steps) {
  uint64_t used = db_used(&db);
  char key[32];
  int steps = 0;

  for (int i = 0; i < 5000; i++) {
    snprintf(key, sizeof(key), "k%d", i);
    ck_assert_int_eq(set(key, "v", 0), 0);
  }
  ck_assert_int_eq(db_clear(&db), 0);
  ck_assert_uint_eq(db_count(&db), 0);
  check_db();
  while (db_reap(&db, 100)) {
    steps++;
  }
  ck_assert_int_ge(steps, 49);
  ck_assert_uint_eq(db_used(&db), used);
  check_db();
}
END_TEST

START_TEST(a_full_heap_refuses_and_loses_nothing) {
  char key[32];
  int n = 0;
  int r = 0;

  teardown();
  ck_assert_int_eq(db_open(&db, 4 << 20, 7), 0);
  for (; r == 0; n++) {
    snprintf(key, sizeof(key), "k%d", n);
    r = db_set(&db, db_find(&db, text(key)), text(key), make_value(1000, 'x'),
               0, 0);
  }
  ck_assert_int_lt(r, 0);
  ck_assert_int_lt(db_append(&db, db_find(&db, text("k0")), text("k0"),
                             make_value(VALUE, 'x')),
                   0);
  ck_assert_uint_eq(db_count(&db), (uint64_t)n - 1);
  check_db();
  db_delete(&db, db_find(&db, text("k1")));
  ck_assert_int_eq(set("again", "v", 0), 0);
}
END_TEST

START_TEST(max_memory_counts_what_is_to_come) {
  db.max_memory = db_used(&db) + 1000;
  ck_assert(!db_is_full(&db, 1000));
  ck_assert(db_is_full(&db, 1001));
  ck_assert_int_eq(db_set(&db, db_find(&db, text("k")), text("k"),
                          make_value(2000, 'x'), 0, 0),
                   0);
  ck_assert(db_is_full(&db, 0));
  ck_assert_int_eq(db_clear(&db), 0);
  db.max_memory += 10000; /* another table */
  ck_assert_msg(!db_is_full(&db, 9000), "what was forgotten still counts");
}
END_TEST

/* --- damage --- */

/* Whatever word is wrong: the check says so or all is in order (a word of free
 * memory, or of a value), and it never crashes. */
START_TEST(damage_never_crashes_the_check) {
  uint64_t rng = kvd_seed((uint64_t)_i);
  unsigned char *copy;
  uint64_t top;
  const char *what;

  memset(model, 0, sizeof(model));
  for (unsigned i = 0; i < 2000; i++) {
    step((unsigned)(kvd_random(&rng) % KEYS), 2, &rng);
  }
  top = heap_header(&db.heap)->top;
  copy = malloc(top);
  memcpy(copy, db.heap.base, top);
  for (int i = 0; i < 300; i++) {
    uint64_t at = kvd_random(&rng) % (top / 8) * 8;
    uint64_t word = kvd_random(&rng);

    if (i % 2 == 0) {
      at %= 20480; /* the header, the allocator's state, the root */
      word %= top;
    }
    memcpy(db.heap.base + at, &word, sizeof(word));
    (void)verify_all(&db.heap, &what);
    memcpy(db.heap.base + at, copy + at, sizeof(word));
  }
  check_db();
  free(copy);
}
END_TEST

static void add_core(Suite *s) {
  TCase *core = tcase_create("core");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_loop_test(core, keys_and_values_are_those_of_the_model, 0, 4);
  tcase_add_loop_test(core, no_page_changes_unannounced, 0, 4);
  tcase_add_test(core, reading_changes_nothing);
  tcase_add_test(core, a_value_that_is_read_outlives_its_key);
  tcase_add_test(core, a_value_that_is_read_stays_when_more_is_appended);
  tcase_add_test(core, values_without_a_key_are_gone_after_a_restore);
  tcase_add_test(core, sweeping_finds_expired_keys_that_nobody_asks_for);
  tcase_add_test(core, clearing_gives_all_memory_back_in_steps);
  suite_add_tcase(s, core);
}

Suite *kvd_db_suite(void) {
  Suite *s = suite_create("kvd_db");
  TCase *limits = tcase_create("limits");
  TCase *damage = tcase_create("damage");

  add_core(s);
  tcase_add_checked_fixture(limits, setup, teardown);
  tcase_add_test(limits, a_full_heap_refuses_and_loses_nothing);
  tcase_add_test(limits, max_memory_counts_what_is_to_come);
  suite_add_tcase(s, limits);
  tcase_add_checked_fixture(damage, setup, teardown);
  tcase_add_loop_test(damage, damage_never_crashes_the_check, 0, 4);
  suite_add_tcase(s, damage);
  return s;
}
