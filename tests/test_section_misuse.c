/* test_section_misuse.c - handlers and streams that do not keep to what
 * sections are: named, and nothing is committed. */
#include "values_box.h"

#include "folder.h"
#include "native_forge.h"
#include "suite.h"

enum { MANY = 64 }; /* pages: enough for reads of their own */

static uint8_t pages[MANY * PAGE];

/* ---- writing ---- */

static uint32_t region;

static int again_region(sluice_writer_t *w) {
  return sluice_writer_region(w, "more", PAGE, PAGE, &region);
}

static int again_pages(sluice_writer_t *w) {
  return sluice_writer_pages(w, region, 0, pages, 1);
}

static int again_lent(sluice_writer_t *w) {
  return sluice_writer_lend_pages(w, region, 0, pages, 1);
}

static int again_still(sluice_writer_t *w) {
  return sluice_writer_still_pages(w, region, 0, pages, 1);
}

static int again_zeros(sluice_writer_t *w) {
  return sluice_writer_zeros(w, region, 0, 1);
}

static int again_description(sluice_writer_t *w) {
  return sluice_writer_describe(w, "{}", 2);
}

static int again_bytes(sluice_writer_t *w) {
  return sluice_writer_u8(w, 1);
}

static int (*const again[])(sluice_writer_t *) = {
    again_region, again_pages,       again_lent, again_still,
    again_zeros,  again_description, again_bytes};
enum { AGAIN = sizeof(again) / sizeof(again[0]) };

static int writes_on;

static int write_on_after_an_error(sluice_writer_t *w) {
  (void)sluice_writer_region(w, "pc.ram", PAGES * PAGE, PAGE, &region);
  ck_assert_int_eq(sluice_writer_zeros(w, region, PAGES * PAGE, 1), UV_EINVAL);
  ck_assert_int_eq(again[writes_on](w), UV_EINVAL);
  return 0; /* as if nothing had happened */
}

START_TEST(who_writes_on_after_an_error_is_told_the_same) {
  writes_on = _i;
  ck_assert_int_eq(
      save(SLUICE_FORMAT_NATIVE, SLUICE_PAYLOAD_PAGES, write_on_after_an_error),
      UV_EINVAL);
  ck_assert_str_eq(rig.error.section, "ram");
  ck_assert_uint_eq(rig.error.phase, SLUICE_PHASE_PAUSED);
  ck_assert_uint_ne(rig.error.offset, SLUICE_OFFSET_NONE);
  ck_assert_uint_eq(rig.totals.pages_zero, 0);
}
END_TEST

/* What is not live is kept from the instant of a cut, as bytes. */
static int keep_pages(sluice_writer_t *w) {
  ck_assert_int_eq(sluice_writer_bytes(w, "", 0), 0);
  ck_assert_int_eq(sluice_writer_describe(w, "{}", 2), 0);
  ck_assert_int_eq(again_region(w), UV_EINVAL);
  return sluice_writer_status(w);
}

START_TEST(only_bytes_are_kept_from_a_cut) {
  const sluice_save_options_t o = {.size = sizeof(o), .mode = SLUICE_CUT};

  add(&from, rig.registry, SLUICE_PAYLOAD_BYTES);
  from.write = keep_pages;
  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), UV_EINVAL);
  ck_assert_str_eq(rig.error.section, "values");
}
END_TEST

/* ---- reading ---- */

static int write_text(sluice_writer_t *w) {
  return sluice_writer_bytes(w, "abc", 3);
}

/* The native stream knows where the bytes end, and they are three. */
static int look_too_far(section_t *s, sluice_reader_t *r) {
  uint8_t ahead[4];
  size_t got;

  (void)s;
  return sluice_reader_peek(r, ahead, sizeof(ahead), &got);
}

START_TEST(a_look_ahead_ends_with_the_record) {
  ck_assert_int_eq(save(SLUICE_FORMAT_NATIVE, SLUICE_PAYLOAD_BYTES, write_text),
                   0);
  ck_assert_int_eq(restore(SLUICE_PAYLOAD_BYTES, look_too_far), SLUICE_ELIMIT);
  says("a piece longer than");
}
END_TEST

static int to_nowhere_exact(sluice_reader_t *r) {
  return sluice_reader_exact(r, NULL, 1);
}

static int to_nowhere_some(sluice_reader_t *r) {
  uint8_t buf[1];

  return sluice_reader_some(r, buf, 1, NULL);
}

static int to_nowhere_peek(sluice_reader_t *r) {
  size_t got;

  return sluice_reader_peek(r, NULL, 1, &got);
}

static int to_nowhere_u32(sluice_reader_t *r) {
  return sluice_reader_u32(r, NULL);
}

static int to_nowhere_next(sluice_reader_t *r) {
  return sluice_reader_next(r, NULL);
}

static int (*const to_nowhere[])(sluice_reader_t *) = {
    to_nowhere_exact, to_nowhere_some, to_nowhere_peek, to_nowhere_u32,
    to_nowhere_next};
enum { TO_NOWHERE = sizeof(to_nowhere) / sizeof(to_nowhere[0]) };

static int reads_on;

static int read_to_nowhere(section_t *s, sluice_reader_t *r) {
  ck_assert_int_eq(to_nowhere[reads_on](r), UV_EINVAL);
  return sluice_reader_exact(r, s->text, 3); /* it sticks */
}

START_TEST(who_reads_to_nowhere_is_told_so) {
  reads_on = _i;
  ck_assert_int_eq(save(SLUICE_FORMAT_NATIVE, SLUICE_PAYLOAD_BYTES, write_text),
                   0);
  ck_assert_int_eq(restore(SLUICE_PAYLOAD_BYTES, read_to_nowhere), UV_EINVAL);
  says("there is no place for it");
}
END_TEST

/* One byte each time it is asked. */
static size_t given;

static ptrdiff_t give_one(void *self, void *buf, size_t len,
                          sluice_source_cb cb, void *ctx) {
  (void)self;
  (void)cb;
  (void)ctx;
  ck_assert_uint_ge(len, 1);
  if (given == image_len) {
    return UV_EOF;
  }
  *(uint8_t *)buf = ((const uint8_t *)image)[given++];
  return 1;
}

static unsigned looks;

static int look_then_read(section_t *s, sluice_reader_t *r) {
  char ahead[3];
  size_t got = 0;
  int result = s->at == 0 ? sluice_reader_peek(r, ahead, 3, &got) : 0;

  looks++;
  if (s->at == 0 && result != 0) {
    return result;
  }
  if (s->at == 0) {
    ck_assert_uint_eq(got, 3);
    ck_assert_mem_eq(ahead, "abc", 3);
  }
  s->at = 1;
  return sluice_reader_exact(r, s->text, 3);
}

START_TEST(a_look_ahead_waits_for_what_has_not_come_yet) {
  static const sluice_source_ops_t ops = {.size = sizeof(ops),
                                          .read = give_one};
  sluice_source_t *source;

  ck_assert_int_eq(save(SLUICE_FORMAT_QEMU3, SLUICE_PAYLOAD_BYTES, write_text),
                   0);
  add(&to, target, SLUICE_PAYLOAD_BYTES);
  to.read = look_then_read;
  given = looks = 0;
  ck_assert_int_eq(sluice_source_custom(&source, &ops, NULL), 0);
  ck_assert_int_eq(rig_restore(&rig, target, source, NULL), 0);
  ck_assert_uint_ge(looks, 3); /* it came in pieces */
  ck_assert_mem_eq(to.text, "abc", 3);
}
END_TEST

static int write_many(sluice_writer_t *w) {
  memset(pages, 7, sizeof(pages));
  (void)sluice_writer_region(w, "pc.ram", sizeof(pages), PAGE, &region);
  return sluice_writer_pages(w, region, 0, pages, MANY);
}

static int read_many(section_t *s, sluice_reader_t *r) {
  sluice_item_t item;
  int got;

  while ((got = sluice_reader_next(r, &item)) == SLUICE_MORE) {
    s->pages += item.kind == SLUICE_ITEM_PAGES ? item.u.run.count : 0;
  }
  return got;
}

static int ask_after_the_end(section_t *s, sluice_reader_t *r) {
  int got = read_many(s, r);
  sluice_item_t item;

  if (got == SLUICE_DONE) {
    s->at++;
    ck_assert_int_eq(sluice_reader_next(r, &item), SLUICE_DONE);
  }
  return got;
}

START_TEST(who_asks_on_after_the_end_is_told_the_same) {
  ck_assert_int_eq(save(SLUICE_FORMAT_NATIVE, SLUICE_PAYLOAD_PAGES, write_many),
                   0);
  ck_assert_int_eq(restore(SLUICE_PAYLOAD_PAGES, ask_after_the_end), 0);
  ck_assert_uint_eq(to.at, 1);
  ck_assert_uint_eq(to.pages, MANY);
}
END_TEST

/* ---- pages from a file, that nobody says the place of ---- */

static char path[256];

static void put_file(const void *data, size_t len) {
  FILE *file;
  int fd;

  test_template(path, sizeof(path), "misuse");
  fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  file = fdopen(fd, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(data, 1, len, file), len);
  ck_assert_int_eq(fclose(file), 0);
}

static int restore_file(const void *data, size_t len) {
  sluice_source_t *source;
  int r;

  put_file(data, len);
  ck_assert_int_eq(sluice_source_file(&source, path), 0);
  r = rig_restore(&rig, target, source, NULL);
  ck_assert_int_eq(unlink(path), 0);
  return r;
}

START_TEST(pages_without_a_place_come_as_items) {
  ck_assert_int_eq(save(SLUICE_FORMAT_NATIVE, SLUICE_PAYLOAD_PAGES, write_many),
                   0);
  add(&to, target, SLUICE_PAYLOAD_PAGES);
  to.handler.restore_commit = NULL; /* nor has it anything to commit */
  to.read = read_many;
  ck_assert_int_eq(restore_file(image, image_len), 0);
  ck_assert_uint_eq(to.pages, MANY);
}
END_TEST

START_TEST(pages_of_an_optional_section_that_nobody_has_are_passed_over) {
  const sluice_section_options_t o = {.size = sizeof(o),
                                      .flags = SLUICE_SECTION_OPTIONAL};
  static section_t other;

  add(&from, rig.registry, SLUICE_PAYLOAD_PAGES);
  ck_assert_int_eq(sluice_registry_remove(rig.registry, "ram", 0), 0);
  ck_assert_int_eq(sluice_registry_add(rig.registry, "ram", &from.handler,
                                       &from, &o, NULL, NULL),
                   0);
  from.write = write_many;
  add(&other, rig.registry, SLUICE_PAYLOAD_BYTES);
  other.write = write_text;
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), 0);
  add(&to, target, SLUICE_PAYLOAD_BYTES);
  to.read = look_then_read;
  ck_assert_int_eq(restore_file(image, image_len), 0);
  ck_assert_mem_eq(to.text, "abc", 3);
}
END_TEST

/* ---- one kind for another ---- */

static const struct {
  sluice_payload_t saved, expected;
  int (*write)(sluice_writer_t *w);
  const char *says;
} kinds[] = {
    {SLUICE_PAYLOAD_PAGES, SLUICE_PAYLOAD_BYTES, write_many,
     "stream has kind 'values' of pages, the handler is 'values' of bytes"},
    {SLUICE_PAYLOAD_BYTES, SLUICE_PAYLOAD_PAGES, write_text,
     "stream has kind 'values' of bytes, the handler is 'values' of pages"},
};

START_TEST(a_section_is_not_restored_into_one_of_another_payload) {
  const sluice_section_options_t o = {
      .size = sizeof(o),
      .aliases = (const char *const[]){"ram", "values", NULL}};

  ck_assert_int_eq(save(SLUICE_FORMAT_NATIVE, kinds[_i].saved, kinds[_i].write),
                   0);
  add(&to, target, kinds[_i].expected);
  ck_assert_int_eq(sluice_registry_remove(target, name_of(&to), 0), 0);
  ck_assert_int_eq(
      sluice_registry_add(target, "new-name", &to.handler, &to, &o, NULL, NULL),
      0);
  ck_assert_int_eq(rig_restore_memory(&rig, target, image, image_len),
                   SLUICE_EKIND);
  ck_assert_str_eq(rig.error.message, kinds[_i].says);
  ck_assert_str_eq(rig.error.section, name_of(&from));
}
END_TEST

/* ---- streams that nobody wrote ---- */

static native_forge_t forge;

static int restore_forged(void) {
  forge_trailer(&forge);
  return rig_restore_memory(&rig, target, forge.data, forge.len);
}

START_TEST(bytes_among_pages_are_refused) {
  uint64_t at;

  forge_header(&forge, 0, 0);
  forge_section(&forge, SLUICE__NATIVE_FULL, 1, "ram", 1);
  at = forge.len;
  forge_record(&forge, SLUICE__NATIVE_DATA, 0, 1, "abc", 3);
  add(&to, target, SLUICE_PAYLOAD_PAGES);
  to.read = read_many;
  ck_assert_int_eq(restore_forged(), SLUICE_EKIND);
  says("expected pages, found bytes");
  ck_assert_uint_ge(rig.error.offset, at);
  ck_assert_uint_lt(rig.error.offset, at + SLUICE__RECORD_BYTES + 8);
  ck_assert_uint_eq(rig.error.phase, SLUICE_PHASE_LOAD);
  forge_done(&forge);
}
END_TEST

static int read_nothing(section_t *s, sluice_reader_t *r) {
  (void)s;
  (void)r;
  return SLUICE_DONE;
}

START_TEST(a_section_that_begins_twice_is_refused) {
  uint64_t at;

  forge_header(&forge, 0, 0);
  forge_section(&forge, SLUICE__NATIVE_FULL, 1, "values", 0);
  at = forge.len;
  forge_section(&forge, SLUICE__NATIVE_FULL, 2, "values", 0);
  add(&to, target, SLUICE_PAYLOAD_BYTES);
  to.read = read_nothing;
  ck_assert_int_eq(restore_forged(), SLUICE_EORDER);
  says("section begins twice");
  ck_assert_uint_ge(rig.error.offset, at);
  forge_done(&forge);
}
END_TEST

Suite *section_misuse_suite(void) {
  Suite *s = suite_create("section_misuse");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_loop_test(tc, who_writes_on_after_an_error_is_told_the_same, 0,
                      AGAIN);
  tcase_add_test(tc, only_bytes_are_kept_from_a_cut);
  tcase_add_test(tc, a_look_ahead_ends_with_the_record);
  tcase_add_loop_test(tc, who_reads_to_nowhere_is_told_so, 0, TO_NOWHERE);
  tcase_add_test(tc, a_look_ahead_waits_for_what_has_not_come_yet);
  tcase_add_test(tc, who_asks_on_after_the_end_is_told_the_same);
  tcase_add_test(tc, pages_without_a_place_come_as_items);
  tcase_add_test(tc,
                 pages_of_an_optional_section_that_nobody_has_are_passed_over);
  tcase_add_loop_test(tc, a_section_is_not_restored_into_one_of_another_payload,
                      0, 2);
  tcase_add_test(tc, bytes_among_pages_are_refused);
  tcase_add_test(tc, a_section_that_begins_twice_is_refused);
  suite_add_tcase(s, tc);
  return s;
}
