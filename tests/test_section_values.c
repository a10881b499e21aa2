/* test_section_values.c - what handlers write and read with, through whole
 * saves and restores: integers of all sizes, pages, and every misuse. */
#include "values_box.h"

#include "suite.h"

/* ---- bytes ---- */

static int write_integers(sluice_writer_t *w) {
  (void)sluice_writer_u8(w, 0x12);
  (void)sluice_writer_u16(w, 0x2345);
  (void)sluice_writer_u32(w, 0x3456789a);
  (void)sluice_writer_u64(w, UINT64_C(0x456789abcdef0123));
  return sluice_writer_bytes(w, "end", TEXT);
}

static int read_integers(section_t *s, sluice_reader_t *r) {
  char text[TEXT];
  int got = 0;

  for (; got == 0 && s->at < 5; s->at += got == 0) {
    switch (s->at) {
    case 0: got = sluice_reader_u8(r, &s->u8); break;
    case 1: got = sluice_reader_u16(r, &s->u16); break;
    case 2: got = sluice_reader_u32(r, &s->u32); break;
    case 3: got = sluice_reader_u64(r, &s->u64); break;
    default: got = sluice_reader_exact(r, text, sizeof(text)); break;
    }
  }
  return got;
}

static int read_one_more(section_t *s, sluice_reader_t *r) {
  int got = read_integers(s, r);

  return got == 0 ? sluice_reader_u8(r, &s->u8) : got;
}

static int read_one_less(section_t *s, sluice_reader_t *r) {
  return sluice_reader_u8(r, &s->u8);
}

static int read_too_much(section_t *s, sluice_reader_t *r) {
  static uint8_t buf[SLUICE_READER_EXACT_MAX + 1];

  (void)s;
  return sluice_reader_exact(r, buf, sizeof(buf));
}

static int read_items(section_t *s, sluice_reader_t *r) {
  sluice_item_t item;

  (void)s;
  return sluice_reader_next(r, &item);
}

/* Goes on after it was told that it could not. */
static int read_on_after_an_error(section_t *s, sluice_reader_t *r) {
  size_t got;
  uint8_t byte;

  ck_assert_int_eq(read_items(s, r), UV_EINVAL);
  ck_assert_int_eq(sluice_reader_u8(r, &byte), UV_EINVAL);
  ck_assert_int_eq(sluice_reader_peek(r, &byte, 1, &got), UV_EINVAL);
  ck_assert_uint_eq(got, 0);
  ck_assert(sluice_reader_should_yield(r));
  return sluice_reader_some(r, &byte, 1, &got);
}

static int read_after_a_look(section_t *s, sluice_reader_t *r) {
  uint8_t ahead[3];
  size_t got = 0;
  int result = s->at == 0 ? sluice_reader_peek(r, ahead, 3, &got) : 0;

  if (result == 0 && s->at == 0) {
    ck_assert_uint_eq(got, 3);
    ck_assert_uint_eq(ahead[0], 0x12);
  }
  return result == 0 ? read_integers(s, r) : result;
}

static const sluice_format_t formats[] = {SLUICE_FORMAT_NATIVE,
                                          SLUICE_FORMAT_QEMU3};

static bool has(const char *bytes, size_t len) {
  return memmem(image, image_len, bytes, len) != NULL;
}

START_TEST(integers_come_back_in_the_streams_byte_order) {
  bool is_big = formats[_i] == SLUICE_FORMAT_QEMU3;

  ck_assert_int_eq(save(formats[_i], SLUICE_PAYLOAD_BYTES, write_integers), 0);
  ck_assert(has("\x12\x23\x45\x34\x56\x78\x9a\x45\x67\x89\xab", 11) == is_big);
  ck_assert(has("\x12\x45\x23\x9a\x78\x56\x34\x23\x01\xef\xcd", 11) == !is_big);
  ck_assert_int_eq(restore(SLUICE_PAYLOAD_BYTES, read_integers), 0);
  ck_assert_uint_eq(to.u8, 0x12);
  ck_assert_uint_eq(to.u16, 0x2345);
  ck_assert_uint_eq(to.u32, 0x3456789a);
  ck_assert_uint_eq(to.u64, UINT64_C(0x456789abcdef0123));
}
END_TEST

START_TEST(a_look_ahead_takes_nothing) {
  ck_assert_int_eq(save(formats[_i], SLUICE_PAYLOAD_BYTES, write_integers), 0);
  ck_assert_int_eq(restore(SLUICE_PAYLOAD_BYTES, read_after_a_look), 0);
  ck_assert_uint_eq(to.u64, UINT64_C(0x456789abcdef0123));
}
END_TEST

static const struct {
  int (*read)(section_t *, sluice_reader_t *);
  int code;
  const char *says;
} misreadings[] = {
    {read_one_more, SLUICE_ECORRUPT, "ends before its last field"},
    {read_one_less, SLUICE_ECORRUPT, "more than its handler reads"},
    {read_too_much, UV_EINVAL, "too many bytes at once"},
    {read_items, UV_EINVAL, "sections of pages"},
    {read_on_after_an_error, UV_EINVAL, "sections of pages"},
};

START_TEST(a_misreading_is_named) {
  ck_assert_int_eq(
      save(SLUICE_FORMAT_NATIVE, SLUICE_PAYLOAD_BYTES, write_integers), 0);
  ck_assert_int_eq(restore(SLUICE_PAYLOAD_BYTES, misreadings[_i].read),
                   misreadings[_i].code);
  says(misreadings[_i].says);
}
END_TEST

/* ---- pages ---- */

static uint8_t pages[PAGE] = {1};

static int write_pages(sluice_writer_t *w) {
  uint32_t region;

  (void)sluice_writer_region(w, "pc.ram", PAGES * PAGE, PAGE, &region);
  (void)sluice_writer_pages(w, region, 0, pages, 1);
  return sluice_writer_zeros(w, region, PAGE, PAGES - 1);
}

static int read_pages(section_t *s, sluice_reader_t *r) {
  sluice_item_t item;
  int got;

  while ((got = sluice_reader_next(r, &item)) == SLUICE_MORE) {
    s->zeros += item.kind == SLUICE_ITEM_ZEROS ? item.u.run.count : 0;
    s->pages += item.kind == SLUICE_ITEM_PAGES ? item.u.run.count : 0;
  }
  return got;
}

static int read_bytes_of_pages(section_t *s, sluice_reader_t *r) {
  return sluice_reader_u8(r, &s->u8);
}

static int write_bytes_of_pages(sluice_writer_t *w) {
  (void)write_pages(w);
  ck_assert_int_eq(sluice_writer_u8(w, 1), UV_EINVAL);
  ck_assert_int_eq(sluice_writer_zeros(w, 0, 0, 1), UV_EINVAL);
  ck_assert(sluice_writer_should_yield(w));
  return sluice_writer_status(w);
}

START_TEST(zeros_cost_no_payload) {
  ck_assert_int_eq(save(formats[_i], SLUICE_PAYLOAD_PAGES, write_pages), 0);
  ck_assert_uint_lt(image_len, 4 * PAGE);
  ck_assert_uint_eq(rig.totals.pages_zero, PAGES - 1);
  ck_assert_int_eq(restore(SLUICE_PAYLOAD_PAGES, read_pages), 0);
  ck_assert_uint_eq(to.pages, 1);
  ck_assert_uint_eq(to.zeros, PAGES - 1);
}
END_TEST

START_TEST(pages_are_not_read_as_bytes) {
  ck_assert_int_eq(
      save(SLUICE_FORMAT_NATIVE, SLUICE_PAYLOAD_PAGES, write_pages), 0);
  ck_assert_int_eq(restore(SLUICE_PAYLOAD_PAGES, read_bytes_of_pages),
                   SLUICE_EKIND);
  says("expected bytes, found pages");
}
END_TEST

START_TEST(bytes_are_not_written_among_pages) {
  ck_assert_int_eq(
      save(SLUICE_FORMAT_NATIVE, SLUICE_PAYLOAD_PAGES, write_bytes_of_pages),
      UV_EINVAL);
  ck_assert_str_eq(rig.error.section, "ram");
}
END_TEST

/* ---- what an engine and its registries say of themselves ---- */

START_TEST(an_engine_tells_its_loop) {
  ck_assert_ptr_eq(sluice_engine_loop(rig.engine), &rig.loop);
}
END_TEST

static int change_what_is_saved(sluice_writer_t *w) {
  section_t *s = &from;

  (void)w;
  ck_assert_int_eq(sluice_registry_free(rig.registry), UV_EBUSY);
  ck_assert_int_eq(sluice_registry_remove(rig.registry, name_of(s), 0),
                   UV_EBUSY);
  ck_assert_int_eq(sluice_registry_add(rig.registry, "more", &s->handler, s,
                                       NULL, NULL, NULL),
                   UV_EBUSY);
  return 0;
}

START_TEST(a_registry_in_use_stays_as_it_is) {
  ck_assert_int_eq(
      save(SLUICE_FORMAT_NATIVE, SLUICE_PAYLOAD_BYTES, change_what_is_saved),
      0);
  ck_assert_uint_eq(sluice_registry_count(rig.registry), 1);
}
END_TEST

static const sluice_restore_options_t not_restored[] = {
    {.size = sizeof(sluice_restore_options_t), .way = (sluice_restore_way_t)99},
    {.size = sizeof(sluice_restore_options_t),
     .way = SLUICE_RESTORE_MAPPED_VERIFY}, /* but nobody to be told */
    {.size = sizeof(sluice_restore_options_t), .weight = 1001}};

START_TEST(a_restore_of_no_sense_does_not_begin) {
  sluice_source_t *source;

  ck_assert_int_eq(
      save(SLUICE_FORMAT_NATIVE, SLUICE_PAYLOAD_BYTES, write_integers), 0);
  add(&to, target, SLUICE_PAYLOAD_BYTES);
  ck_assert_int_eq(sluice_source_memory(&source, image, image_len), 0);
  ck_assert_int_eq(rig_restore(&rig, target, source, &not_restored[_i]),
                   UV_EINVAL);
  ck_assert_uint_eq(rig.callbacks, 1); /* the save's */
}
END_TEST

START_TEST(somebody_must_want_to_know_the_end) {
  sluice_save_t *saving;
  sluice_restore_t *restoring;

  add(&from, rig.registry, SLUICE_PAYLOAD_BYTES);
  ck_assert_int_eq(sluice_save_begin(&saving, rig.engine, rig.registry, NULL,
                                     NULL, NULL, NULL),
                   UV_EINVAL);
  ck_assert_int_eq(sluice_restore_begin(&restoring, rig.engine, rig.registry,
                                        NULL, NULL, NULL, NULL),
                   UV_EINVAL);
}
END_TEST

START_TEST(nothing_is_freed_in_vain) {
  ck_assert_int_eq(sluice_save_free(NULL), 0);
  ck_assert_int_eq(sluice_restore_free(NULL), 0);
}
END_TEST

static int pass_one(sluice_writer_t *w) {
  (void)w;
  return 0;
}

START_TEST(descriptors_are_passed_in_a_hand_over_only) {
  sluice_section_t *section = NULL;
  static section_t s;

  add(&s, target, SLUICE_PAYLOAD_BYTES);
  s.write = pass_one;
  ck_assert_int_eq(sluice_registry_remove(target, name_of(&s), 0), 0);
  ck_assert_int_eq(sluice_registry_add(target, name_of(&s), &s.handler, &s,
                                       NULL, &section, NULL),
                   0);
  ck_assert_int_eq(sluice_section_pass(section, "tag", 0), UV_ENOTSUP);
  ck_assert_int_eq(sluice_section_pass_memory(section, "tag", 0), UV_ENOTSUP);
  ck_assert_int_eq(sluice_section_passed(section, "tag"), -1);
}
END_TEST

Suite *section_values_suite(void) {
  Suite *s = suite_create("section_values");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_loop_test(tc, integers_come_back_in_the_streams_byte_order, 0, 2);
  tcase_add_loop_test(tc, a_look_ahead_takes_nothing, 0, 2);
  tcase_add_loop_test(tc, a_misreading_is_named, 0,
                      sizeof(misreadings) / sizeof(misreadings[0]));
  tcase_add_loop_test(tc, zeros_cost_no_payload, 0, 1);
  tcase_add_test(tc, pages_are_not_read_as_bytes);
  tcase_add_test(tc, bytes_are_not_written_among_pages);
  tcase_add_test(tc, an_engine_tells_its_loop);
  tcase_add_test(tc, descriptors_are_passed_in_a_hand_over_only);
  tcase_add_test(tc, a_registry_in_use_stays_as_it_is);
  tcase_add_loop_test(tc, a_restore_of_no_sense_does_not_begin, 0,
                      sizeof(not_restored) / sizeof(not_restored[0]));
  tcase_add_test(tc, somebody_must_want_to_know_the_end);
  tcase_add_test(tc, nothing_is_freed_in_vain);
  suite_add_tcase(s, tc);
  return s;
}
