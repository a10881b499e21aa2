/* test_native_index.c - an index that is sound in itself and wrong about the
 * pages: taken by who reads in order, refused by who asks for the check. */
#include <check.h>
#include <string.h>

#include <sluice/handler.h>

#include "decode_all.h"
#include "native_forge.h"
#include "stream/bytes.h"
#include "suite.h"

enum { PAGE = 4096, ENTRIES_MAX = 4 };

/* What an entry points to. */
enum place { NONE, ZEROS, OLD, NEW, OLD_SECOND, OLD_WITH_NEWS_HASH };

typedef struct entry_s {
  uint32_t page;
  uint32_t count; /* 0: no more entries */
  enum place place;
} entry_t;

/* Pages 0 and 1 are zeros, 2 and 3 come together, then 2 comes again. */
static const struct {
  const char *what;
  entry_t entries[ENTRIES_MAX];
  int code;
} rows[] = {
    {"right", {{0, 2, ZEROS}, {2, 1, NEW}, {3, 1, OLD_SECOND}}, SLUICE_DONE},
    {"right, in more pieces",
     {{0, 1, ZEROS}, {1, 1, ZEROS}, {2, 1, NEW}, {3, 1, OLD_SECOND}},
     SLUICE_DONE},
    {"the former copy of a page",
     {{0, 2, ZEROS}, {2, 2, OLD}},
     SLUICE_ECORRUPT},
    {"another page's copy",
     {{0, 2, ZEROS}, {2, 1, NEW}, {3, 1, NEW}},
     SLUICE_ECORRUPT},
    {"another record's hash",
     {{0, 2, ZEROS}, {2, 1, NEW}, {3, 1, OLD_WITH_NEWS_HASH}},
     SLUICE_ECORRUPT},
    {"data said to be zeros",
     {{0, 3, ZEROS}, {3, 1, OLD_SECOND}},
     SLUICE_ECORRUPT},
    {"zeros said to be data",
     {{0, 1, ZEROS}, {1, 1, NEW}, {2, 1, NEW}, {3, 1, OLD_SECOND}},
     SLUICE_ECORRUPT},
    {"the first page left out",
     {{1, 1, ZEROS}, {2, 1, NEW}, {3, 1, OLD_SECOND}},
     SLUICE_ECORRUPT},
    {"a page between left out",
     {{0, 2, ZEROS}, {3, 1, OLD_SECOND}},
     SLUICE_ECORRUPT},
    {"the last page left out", {{0, 2, ZEROS}, {2, 1, NEW}}, SLUICE_ECORRUPT},
    {"a page that never came",
     {{0, 2, ZEROS}, {2, 1, NEW}, {3, 1, OLD_SECOND}, {4, 1, ZEROS}},
     SLUICE_ECORRUPT},
};

typedef struct made_s {
  native_forge_t f;
  uint64_t old_data; /* stream offsets */
  uint64_t old_hashes;
  uint64_t new_data;
  uint64_t new_hashes;
} made_t;

static uint64_t add_pages(made_t *m, uint32_t count, uint8_t fill,
                          uint64_t *out_hashes) {
  const sluice__native_run_t run = {0, count, UINT64_C(2) * PAGE};
  uint64_t at = m->f.len;

  forge_pages(&m->f, 0, 1, run, PAGE, fill);
  *out_hashes = at + SLUICE__PAGES_TABLE + SLUICE__PAGES_RUN_BYTES;
  return at + sluice__get_le32(m->f.data + at + SLUICE__PAGES_DATA);
}

static void put_places(const made_t *m, enum place place, uint8_t *d) {
  uint64_t data = 0;
  uint64_t hashes = 0;

  switch (place) {
  case NONE:
  case ZEROS: break;
  case OLD:
    data = m->old_data;
    hashes = m->old_hashes;
    break;
  case NEW:
    data = m->new_data;
    hashes = m->new_hashes;
    break;
  case OLD_SECOND:
    data = m->old_data + PAGE;
    hashes = m->old_hashes + 8;
    break;
  case OLD_WITH_NEWS_HASH:
    data = m->old_data + PAGE;
    hashes = m->new_hashes;
    break;
  }
  sluice__put_le64(d + 16, data);
  sluice__put_le64(d + 24, hashes);
}

static void add_index(made_t *m, const entry_t *entries) {
  uint8_t d[ENTRIES_MAX * SLUICE__INDEX_RUN_BYTES];
  size_t n = 0;

  for (; n < ENTRIES_MAX && entries[n].count > 0; n++) {
    uint8_t *at = d + n * SLUICE__INDEX_RUN_BYTES;

    sluice__put_le32(at, 0);
    sluice__put_le32(at + 4, entries[n].count);
    sluice__put_le64(at + 8, (uint64_t)entries[n].page * PAGE);
    put_places(m, entries[n].place, at);
  }
  m->f.index = m->f.len;
  forge_record(&m->f, SLUICE__NATIVE_INDEX, 0, SLUICE__NATIVE_NO_SECTION, d,
               n * SLUICE__INDEX_RUN_BYTES);
}

static void make(made_t *m, const entry_t *entries) {
  forge_header(&m->f, 0, 0);
  forge_section(&m->f, SLUICE__NATIVE_START, 1, "ram", SLUICE_PAYLOAD_PAGES);
  forge_region(&m->f, 1, 0, 64 * PAGE, PAGE);
  forge_zeros(&m->f, 1, 0, 0, 2);
  m->old_data = add_pages(m, 2, 5, &m->old_hashes);
  m->new_data = add_pages(m, 1, 6, &m->new_hashes);
  forge_record(&m->f, SLUICE__NATIVE_END, 0, 1, NULL, 0);
  add_index(m, entries);
  forge_trailer(&m->f);
}

static int decode(const made_t *m, int check_index, sluice_error_t *err) {
  const sluice_decoder_options_t options = {.size = sizeof(options),
                                            .check_index = check_index};

  memset(err, 0, sizeof(*err));
  return decode_all(m->f.data, m->f.len, 0, &options, NULL, NULL, NULL, err,
                    NULL);
}

START_TEST(the_check_finds_what_the_index_has_wrong) {
  sluice_error_t err;
  made_t m;
  int r;

  make(&m, rows[_i].entries);
  r = decode(&m, 1, &err);
  ck_assert_msg(r == rows[_i].code, "%s: %d, %s", rows[_i].what, r,
                err.message);
  ck_assert_int_eq(decode(&m, 0, &err), SLUICE_DONE);
  forge_done(&m.f);
}
END_TEST

START_TEST(the_check_keeps_to_the_memory_limit) {
  const sluice_decoder_options_t options = {
      .size = sizeof(options), .check_index = 1, .max_memory = 600 * 1024};
  sluice_error_t err = {0};
  native_forge_t f;

  forge_header(&f, 0, 0);
  forge_section(&f, SLUICE__NATIVE_START, 1, "ram", SLUICE_PAYLOAD_PAGES);
  forge_region(&f, 1, 0, UINT64_C(1) << 40, PAGE);
  ck_assert_int_eq(
      decode_all(f.data, f.len, 0, &options, NULL, NULL, NULL, &err, NULL),
      SLUICE_ELIMIT);
  ck_assert_str_eq(err.section, "ram");
  forge_done(&f);
}
END_TEST

Suite *native_index_suite(void) {
  Suite *s = suite_create("native_index");
  TCase *t = tcase_create("damage");

  tcase_add_loop_test(t, the_check_finds_what_the_index_has_wrong, 0,
                      sizeof(rows) / sizeof(rows[0]));
  tcase_add_test(t, the_check_keeps_to_the_memory_limit);
  suite_add_tcase(s, t);
  return s;
}
