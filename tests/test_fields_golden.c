/* test_fields_golden.c - bytes that may never change: what version 1 and 2 of a
 * device wrote on the day this was released is still written and still read. */
#include <sluice/fields.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

typedef struct port_s {
  uint16_t divider;
  int8_t offset;
  uint8_t used;
  uint8_t fifo[4];
  char name[6];
  uint32_t level;
  uint32_t wakeups;
} port_t;

static int wakes(const void *structure) {
  return ((const port_t *)structure)->wakeups != 0;
}

static const sluice_field_t wake_fields[] = {{SLUICE_U32(port_t, wakeups)},
                                             {SLUICE_FIELDS_END}};
static const sluice_table_t wake = {SLUICE_TABLE(port_t, "port/wake", 1, 1),
                                    .fields = wake_fields, .needed = wakes};
static const sluice_table_t *const subs[] = {&wake, NULL};

static const sluice_field_t v1_fields[] = {
    {SLUICE_U16(port_t, divider), SLUICE_RANGE(1, 65535)},
    {SLUICE_I8(port_t, offset)},
    {SLUICE_U8(port_t, used)},
    {SLUICE_COUNTED(BYTE, port_t, fifo, used)},
    {SLUICE_TEXT(port_t, name)},
    {SLUICE_FIELDS_END}};
static const sluice_table_t v1 = {SLUICE_TABLE(port_t, "port", 1, 1),
                                  .fields = v1_fields};

static const sluice_field_t v2_fields[] = {
    {SLUICE_U16(port_t, divider), SLUICE_RANGE(1, 65535)},
    {SLUICE_I8(port_t, offset)},
    {SLUICE_U8(port_t, used)},
    {SLUICE_COUNTED(BYTE, port_t, fifo, used)},
    {SLUICE_TEXT(port_t, name)},
    {SLUICE_U32(port_t, level), .since = 2, .optional = 1},
    {SLUICE_FIELDS_END}};
static const sluice_table_t v2 = {SLUICE_TABLE(port_t, "port", 2, 1),
                                  .fields = v2_fields, .subsections = subs};

static const port_t value = {.divider = 0x0102,
                             .offset = -3,
                             .used = 2,
                             .fifo = {0xaa, 0xbb},
                             .name = "tty",
                             .level = 0x11223344,
                             .wakeups = 9};

enum { SCHEMA, NATIVE, QEMU, KINDS };

typedef struct golden_s {
  const sluice_table_t *table;
  const char *hex[KINDS];
} golden_t;

static const golden_t golden[] = {
    {&v1,
     {"0100010005000000010000000100000000000500000004706f72740002000400"
      "00000001000000ffff0764697669646572000100000000000000ffff00000000"
      "00000500000000000001000000ffff066f666673657400010000000000000100"
      "0000ffff0475736564000c02000000000004000000ffff046669666f000d0000"
      "0000000006000000ffff046e616d6500",
      "0201fd0202000000aabb03000000747479", "0102fd02aabb747479000000"}},
    {&v2,
     {"0100020007000100020000000100000000000600010004706f72740002000400"
      "00000001000000ffff0764697669646572000100000000000000ffff00000000"
      "00000500000000000001000000ffff066f666673657400010000000000000100"
      "0000ffff0475736564000c02000000000004000000ffff046669666f000d0000"
      "0000000006000000ffff046e616d65000300010200000001000000ffff056c65"
      "76656c000100010000000100000000000100000009706f72742f77616b650003"
      "00000000000001000000ffff0777616b6575707300",
      "0201fd0202000000aabb03000000747479443322110109000000",
      "0102fd02aabb747479000000112233440509706f72742f77616b650000000100"
      "000009"}},
};

static void to_hex(const uint8_t *bytes, size_t len, char *out) {
  for (size_t i = 0; i < len; i++) {
    (void)sprintf(out + 2 * i, "%02x", bytes[i]);
  }
  out[2 * len] = '\0';
}

static size_t from_hex(const char *hex, uint8_t *out) {
  size_t len = strlen(hex) / 2;

  for (size_t i = 0; i < len; i++) {
    unsigned byte;

    ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
    out[i] = (uint8_t)byte;
  }
  return len;
}

static void assert_hex(uint8_t *bytes, size_t len, const char *hex) {
  char text[2048];

  ck_assert_uint_lt(len, sizeof(text) / 2);
  to_hex(bytes, len, text);
  ck_assert_str_eq(text, hex);
  free(bytes);
}

START_TEST(what_is_written_has_not_changed) {
  const golden_t *g = &golden[_i];
  port_t from = value;
  uint8_t *bytes;
  size_t len;

  ck_assert_int_eq(sluice_fields_schema(g->table, &bytes, &len, NULL), 0);
  assert_hex(bytes, len, g->hex[SCHEMA]);
  ck_assert_int_eq(sluice_fields_encode(g->table, SLUICE_FORMAT_NATIVE, &from,
                                        &bytes, &len, NULL),
                   0);
  assert_hex(bytes, len, g->hex[NATIVE]);
  ck_assert_int_eq(sluice_fields_encode(g->table, SLUICE_FORMAT_QEMU3, &from,
                                        &bytes, &len, NULL),
                   0);
  assert_hex(bytes, len, g->hex[QEMU]);
}
END_TEST

START_TEST(every_version_is_still_read) {
  const golden_t *g = &golden[_i];
  uint8_t schema[1024], native[1024], qemu[1024];
  size_t schema_len = from_hex(g->hex[SCHEMA], schema);
  size_t native_len = from_hex(g->hex[NATIVE], native);
  size_t qemu_len = from_hex(g->hex[QEMU], qemu);
  sluice_error_t err = {0};
  port_t a = {.level = 7}, b = a;

  ck_assert_msg(sluice_fields_decode(&v2, SLUICE_FORMAT_NATIVE,
                                     g->table->version, schema, schema_len,
                                     native, native_len, &a, &err) == 0,
                "%s", err.message);
  ck_assert_msg(sluice_fields_decode(&v2, SLUICE_FORMAT_QEMU3,
                                     g->table->version, NULL, 0, qemu, qemu_len,
                                     &b, &err) == 0,
                "%s", err.message);
  ck_assert_uint_eq(a.divider, value.divider);
  ck_assert_int_eq(a.offset, value.offset);
  ck_assert_str_eq(a.name, value.name);
  ck_assert_uint_eq(a.level, g->table == &v2 ? value.level : 7);
  ck_assert_uint_eq(a.wakeups, g->table == &v2 ? value.wakeups : 0);
  ck_assert_int_eq(memcmp(&a, &b, sizeof(a)), 0);
}
END_TEST

Suite *fields_golden_suite(void) {
  Suite *s = suite_create("fields_golden");
  TCase *t = tcase_create("golden");

  tcase_add_loop_test(t, what_is_written_has_not_changed, 0, 2);
  tcase_add_loop_test(t, every_version_is_still_read, 0, 2);
  suite_add_tcase(s, t);
  return s;
}
