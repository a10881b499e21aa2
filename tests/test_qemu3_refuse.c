/* test_qemu3_refuse.c - QEMU's stream, version 3, as it should not be: what is
 * not supported is named, what is damaged is located, nothing is believed. */
#include <sluice/decoder.h>

#include <string.h>
#include <uv.h>

#include <sluice/handler.h>

#include "qemu3_sample.h"
#include "suite.h"
#include "trace.h"

static build_t in;
static trace_t out;

static void set_up(void) {
  memset(&in, 0, sizeof(in));
  memset(&out, 0, sizeof(out));
}

static void tear_down(void) {
  build_done(&in);
  trace_done(&out);
}

static void subsection(const char *name, const void *fields, size_t len) {
  build_qemu3(&in, "pc");
  build_u8(&in, 5);
  build_str8(&in, name);
  build_be32(&in, 1);
  build_raw(&in, fields, len);
  build_u8(&in, 0);
}

static void capability(const char *name) {
  subsection("configuration/capabilities", "\0\0\0\1", 4);
  in.len--;
  build_str8(&in, name);
  build_u8(&in, 0);
}

static void ignore_shared(void) {
  capability("x-ignore-shared");
}

static void mapped_ram(void) {
  capability("mapped-ram");
}

static void unknown_subsection(void) {
  subsection("configuration/moon", "", 0);
}

static void nameless_capability(void) {
  capability("a\nb");
}

static void second_version(void) {
  subsection("configuration/uuid", "0123456789abcdef", 16);
  in.data[38] = 2;
}

static void twice_uuid(void) {
  subsection("configuration/uuid", "0123456789abcdef", 16);
  in.len--;
  build_u8(&in, 5);
  build_str8(&in, "configuration/uuid");
  build_be32(&in, 1);
  build_u8(&in, 0);
}

static void page_bits(void) {
  subsection("configuration/target-page-bits", "\0\0\0\x28", 4);
}

static void few_page_bits(void) {
  subsection("configuration/target-page-bits", "\0\0\0\x09", 4);
}

static void long_machine(void) {
  build_qemu3(&in, NULL);
  build_u8(&in, 7);
  build_be32(&in, 0x7fffffff);
}

static void ugly_machine(void) {
  build_qemu3(&in, "p\nc");
}

static void multifd(void) {
  build_be32(&in, 0x11223344);
  build_be32(&in, 1);
}

static void command(uint16_t number, uint16_t len) {
  build_qemu3(&in, "pc");
  build_u8(&in, 8);
  build_be16(&in, number);
  build_be16(&in, len);
}

static void advise(void) {
  command(3, 16);
}

static void packaged(void) {
  command(7, 4);
}

static void colo(void) {
  command(8, 0);
}

static void recv_bitmap(void) {
  command(10, 4);
}

static void unknown_command(void) {
  command(77, 0);
}

static void command_0(void) {
  command(0, 0);
}

static void long_ping(void) {
  command(2, 5);
}

static void ram_version(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 1, "ram", 0, 3);
}

static void ram_instance(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 1, "ram", 1, 4);
}

/* A ram section with region "r" of two pages, still open. */
static void ram(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 1, "ram", 0, 4);
  build_be64(&in, 0x2000 | 0x04);
  build_str8(&in, "r");
  build_be64(&in, 0x2000);
}

static void hook(void) {
  ram();
  build_be64(&in, 0x80);
}

static void compressed(void) {
  ram();
  build_be64(&in, 0x100);
}

static void full_flag(void) {
  ram();
  build_be64(&in, 0x01);
}

static void two_flags(void) {
  ram();
  build_be64(&in, 0x08 | 0x02);
}

static void no_flag(void) {
  ram();
  build_be64(&in, 0x1000);
}

static void outside(void) {
  ram();
  build_be64(&in, 0x2000 | 0x08);
  build_str8(&in, "r");
}

static void unknown_region(void) {
  ram();
  build_be64(&in, 0x08);
  build_str8(&in, "vga.vram");
}

static void nameless(void) {
  ram();
  build_be64(&in, 0x28);
}

static void no_regions(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 1, "ram", 0, 4);
  build_be64(&in, 0x08);
  build_str8(&in, "r");
}

static void regions_twice(void) {
  ram();
  build_be64(&in, 0x2000 | 0x04);
}

static void region_twice(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 1, "ram", 0, 4);
  build_be64(&in, 0x2000 | 0x04);
  for (int i = 0; i < 2; i++) {
    build_str8(&in, "r");
    build_be64(&in, 0x1000);
  }
}

static void regions_sum(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 1, "ram", 0, 4);
  build_be64(&in, 0x1000 | 0x04);
  build_str8(&in, "r");
  build_be64(&in, 0x2000);
}

static void half_page_region(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 1, "ram", 0, 4);
  build_be64(&in, 0x1000 | 0x04);
  build_str8(&in, "r");
  build_be64(&in, 0x801);
}

static void huge_region(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 1, "ram", 0, 4);
  build_be64(&in, (UINT64_C(1) << 50) | 0x04);
  build_str8(&in, "r");
  build_be64(&in, UINT64_C(1) << 50);
}

static void long_delta(void) {
  ram();
  build_be64(&in, 0x40);
  build_str8(&in, "r");
  build_raw(&in, "\x01\x10\x01", 3);
}

static void marked_delta(void) {
  ram();
  build_be64(&in, 0x40);
  build_str8(&in, "r");
  build_raw(&in, "\x02\x00\x01", 3);
}

static void mark_with_address(void) {
  ram();
  build_be64(&in, 0x1000 | 0x10);
}

static void wrong_footer(void) {
  ram();
  build_eos(&in);
  build_footer(&in, 2);
}

static void lost_footer(void) {
  ram();
  build_eos(&in);
  build_footer(&in, 1);
  build_part(&in, 2, 1);
  build_eos(&in);
  build_part(&in, 3, 1);
}

static void same_id(void) {
  ram();
  build_eos(&in);
  build_footer(&in, 1);
  build_section(&in, 1, 1, "other", 0, 4);
}

static void same_name(void) {
  ram();
  build_eos(&in);
  build_footer(&in, 1);
  build_section(&in, 1, 2, "ram", 0, 4);
}

static void part_of_none(void) {
  build_qemu3(&in, "pc");
  build_part(&in, 2, 9);
}

static void part_after_end(void) {
  ram();
  build_eos(&in);
  build_footer(&in, 1);
  build_part(&in, 3, 1);
  build_eos(&in);
  build_footer(&in, 1);
  build_part(&in, 2, 1);
}

static void part_of_device(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 4, 6, "card", 0, 1);
  build_raw(&in, "1234", 4);
  build_footer(&in, 6);
  build_part(&in, 2, 6);
}

static void never_ended(void) {
  ram();
  build_eos(&in);
  build_footer(&in, 1);
  build_u8(&in, 0);
}

static void never_ended_behind_others(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 4, 6, "card", 0, 1);
  build_raw(&in, "1234", 4);
  build_footer(&in, 6);
  build_section(&in, 1, 5, "over", 0, 1);
  build_be32(&in, 0);
  build_footer(&in, 5);
  build_part(&in, 3, 5);
  build_be32(&in, 0);
  build_footer(&in, 5);
  build_section(&in, 1, 7, "never", 0, 1);
  build_be32(&in, 0);
  build_footer(&in, 7);
  build_u8(&in, 0);
}

static void stray_footer(void) {
  build_qemu3(&in, "pc");
  build_footer(&in, 1);
}

static void second_configuration(void) {
  build_qemu3(&in, "pc");
  build_u8(&in, 7);
}

static void early_description(void) {
  build_qemu3(&in, "pc");
  build_u8(&in, 6);
}

static void unknown_record(void) {
  build_qemu3(&in, "pc");
  build_u8(&in, 0x55);
}

static void trailing(void) {
  build_qemu3(&in, "pc");
  build_u8(&in, 0);
  build_u8(&in, 9);
}

static void nul_name(void) {
  build_qemu3(&in, "pc");
  build_u8(&in, 1);
  build_be32(&in, 1);
  build_raw(&in, "\x03r\0m", 4);
  build_be64(&in, 4);
}

static void long_description(void) {
  build_qemu3(&in, "pc");
  build_u8(&in, 0);
  build_u8(&in, 6);
  build_be32(&in, 0xffffffff);
}

#define ROW(name, code, offset, text)                                          \
  { #name, name, code, offset, text }

static const struct {
  const char *what;
  void (*make)(void);
  int code;
  uint64_t offset;
  const char *text;
} refused[] = {
    ROW(ignore_shared, SLUICE_EFEATURE, 47, "'x-ignore-shared'"),
    ROW(mapped_ram, SLUICE_EFEATURE, 47, "'mapped-ram'"),
    ROW(unknown_subsection, SLUICE_EFEATURE, 15, "'configuration/moon'"),
    ROW(nameless_capability, SLUICE_ECORRUPT, 47, "capability's name"),
    ROW(second_version, SLUICE_EFEATURE, 15, "subsections of version 1"),
    ROW(twice_uuid, SLUICE_ECORRUPT, 55, "twice"),
    ROW(page_bits, SLUICE_ECORRUPT, 51, "page bits"),
    ROW(few_page_bits, SLUICE_ECORRUPT, 51, "page bits"),
    ROW(long_machine, SLUICE_ECORRUPT, 9, "machine name"),
    ROW(ugly_machine, SLUICE_ECORRUPT, 9, "machine name"),
    ROW(multifd, SLUICE_EFEATURE, 0, "'multifd'"),
    ROW(advise, SLUICE_EFEATURE, 15, "POSTCOPY_ADVISE"),
    ROW(packaged, SLUICE_EFEATURE, 15, "PACKAGED"),
    ROW(colo, SLUICE_EFEATURE, 15, "ENABLE_COLO"),
    ROW(recv_bitmap, SLUICE_EFEATURE, 15, "RECV_BITMAP"),
    ROW(unknown_command, SLUICE_ECORRUPT, 15, "number 77"),
    ROW(command_0, SLUICE_ECORRUPT, 15, "number 0"),
    ROW(long_ping, SLUICE_ECORRUPT, 15, "4 bytes with command PING, found 5"),
    ROW(ram_version, SLUICE_EVERSION, 15, "version 4 of 'ram', found 3"),
    ROW(ram_instance, SLUICE_ECORRUPT, 15, "instance 0 of 'ram', found 1"),
    ROW(hook, SLUICE_EFEATURE, 50, "HOOK"),
    ROW(compressed, SLUICE_EFEATURE, 50, "'compress'"),
    ROW(full_flag, SLUICE_EFEATURE, 50, "FULL"),
    ROW(two_flags, SLUICE_ECORRUPT, 50, "one known flag"),
    ROW(no_flag, SLUICE_ECORRUPT, 50, "one known flag"),
    ROW(outside, SLUICE_ECORRUPT, 50, "outside of region 'r'"),
    ROW(unknown_region, SLUICE_ECORRUPT, 50, "'vga.vram'"),
    ROW(nameless, SLUICE_ECORRUPT, 50, "names no region"),
    ROW(no_regions, SLUICE_EORDER, 32, "before the regions"),
    ROW(regions_twice, SLUICE_EORDER, 50, "second time"),
    ROW(region_twice, SLUICE_ECORRUPT, 50, "declared twice"),
    ROW(regions_sum, SLUICE_ECORRUPT, 40, "add up"),
    ROW(half_page_region, SLUICE_ECORRUPT, 40, "whole pages"),
    ROW(huge_region, SLUICE_ELIMIT, 40, "over the limit"),
    ROW(long_delta, SLUICE_ECORRUPT, 50, "delta"),
    ROW(marked_delta, SLUICE_ECORRUPT, 50, "delta"),
    ROW(mark_with_address, SLUICE_ECORRUPT, 50, "address"),
    ROW(wrong_footer, SLUICE_ECORRUPT, 58, "section 1, found that of 2"),
    ROW(lost_footer, SLUICE_ECORRUPT, 76, "section 1, found 0x03"),
    ROW(same_id, SLUICE_EORDER, 63, "id 1 is that of 'ram'"),
    ROW(same_name, SLUICE_EORDER, 63, "instance 0 of 'ram'"),
    ROW(part_of_none, SLUICE_EORDER, 15, "section 9"),
    ROW(part_after_end, SLUICE_EORDER, 81, "after its end"),
    ROW(part_of_device, SLUICE_EORDER, 42, "in full"),
    ROW(never_ended, SLUICE_EORDER, 63, "without the end of 'ram'"),
    ROW(never_ended_behind_others, SLUICE_EORDER, 111, "the end of 'never'"),
    ROW(stray_footer, SLUICE_ECORRUPT, 15, "footer"),
    ROW(second_configuration, SLUICE_ECORRUPT, 15, "second configuration"),
    ROW(early_description, SLUICE_ECORRUPT, 15, "before the end"),
    ROW(unknown_record, SLUICE_ECORRUPT, 15, "found 0x55"),
    ROW(trailing, SLUICE_ETRAILING, 16, "found more"),
    ROW(nul_name, SLUICE_ECORRUPT, 15, "malformed name"),
    ROW(long_description, SLUICE_ELIMIT, 16, "over the limit"),
};

START_TEST(what_is_wrong_is_named_and_located) {
  refused[_i].make();
  out.chunk = 1;
  trace_run(&out, in.data, in.len);
  ck_assert_msg(out.result == refused[_i].code &&
                    out.error.offset == refused[_i].offset &&
                    strstr(out.error.message, refused[_i].text) != NULL,
                "%s: %d @%llu %s", refused[_i].what, out.result,
                (unsigned long long)out.error.offset, out.error.message);
}
END_TEST

START_TEST(a_device_that_nothing_can_delimit_is_named) {
  const sample_options_t o = {"pc", false, false};

  sample_machine(&in, &o);
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  trace_run(&out, in.data, in.len);
  ck_assert_int_eq(out.result, SLUICE_EFEATURE);
  ck_assert_str_eq(out.error.section, "timer");
  ck_assert_ptr_nonnull(strstr(out.error.message, "cannot be delimited"));
}
END_TEST

START_TEST(a_description_that_lies_is_met_by_the_footer) {
  const sample_options_t o = {"pc", true, true};
  uint8_t *four;

  sample_machine(&in, &o);
  four = memmem(in.data, in.len, "\"array_len\":4", 13);
  ck_assert_ptr_nonnull(four);
  four[12] = '5';
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  trace_run(&out, in.data, in.len);
  ck_assert_int_eq(out.result, SLUICE_ECORRUPT);
  ck_assert_str_eq(out.error.section, "timer");
  ck_assert_ptr_nonnull(strstr(out.error.message, "expected the footer"));
}
END_TEST

START_TEST(pages_too_small_for_the_flags_are_refused) {
  out.options.page_size = 512;
  sample_minimal(&in);
  trace_run(&out, in.data, in.len);
  ck_assert_int_eq(out.result, UV_EINVAL);
}
END_TEST

Suite *qemu3_refuse_suite(void) {
  Suite *s = suite_create("qemu3_refuse");
  TCase *tc = tcase_create("refused");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_loop_test(tc, what_is_wrong_is_named_and_located, 0,
                      sizeof(refused) / sizeof(*refused));
  tcase_add_test(tc, a_device_that_nothing_can_delimit_is_named);
  tcase_add_test(tc, a_description_that_lies_is_met_by_the_footer);
  tcase_add_test(tc, pages_too_small_for_the_flags_are_refused);
  suite_add_tcase(s, tc);
  return s;
}
