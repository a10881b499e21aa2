/* test_fault_damage.c - one list of damages against every format: each bit
 * flipped, each cut, each record lost, repeated, swapped with each other.
 *
 * The native stream finds all of them. QEMU's cannot: how many go unnoticed is
 * counted and printed, for they have no checksums; but none does any harm, and
 * memory stays under the cap. test_native_damage says where damage is found. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "fault.h"
#include "image.h"
#include "sound.h"
#include "suite.h"
#include "sweep.h"
#include "tally.h"

enum { UNITS_MAX = 64, CAP = 1024 * 1024, SLACK = 64 * 1024 };

typedef struct stream_s {
  const char *name;
  uint8_t *data;
  size_t len;
  size_t at[UNITS_MAX + 1]; /* where its sections, parts and ends begin */
  size_t units;
} stream_t;

typedef struct count_s {
  unsigned tried, unnoticed;
} count_t;

static const scenario_t native = {"native",
                                  SCENARIO_RESTORE,
                                  SLUICE_FORMAT_NATIVE,
                                  SLUICE_CONVERGE,
                                  END_MEMORY,
                                  WORLD_RIGGED | WORLD_FIELDS,
                                  SLUICE_RESTORE_EAGER};
static const scenario_t qemu3 = {
    "qemu3",    SCENARIO_RESTORE,         SLUICE_FORMAT_QEMU3, SLUICE_CONVERGE,
    END_MEMORY, WORLD_RAM | WORLD_FIELDS, SLUICE_RESTORE_EAGER};

static void record_qemu2(build_t *b, const char *name, uint32_t version,
                         const build_t *payload) {
  build_str8(b, name);
  build_be32(b, 0);
  build_be32(b, version);
  build_be32(b, (uint32_t)payload->len);
  build_raw(b, payload->data, payload->len);
}

/* A device, memory of three pages of which one is data, a device. */
static void make_qemu2(build_t *b) {
  build_t device = {0};
  build_t ram = {0};
  uint8_t total[8] = {0};

  build_fill(&device, 0x42, 50);
  build_be32(&ram, 0x3000);
  build_u8(&ram, 0);
  build_fill(&ram, 0x11, 4096);
  build_raw(&ram, "\x01\x00\x01\xff", 4);
  build_raw(b, "QEVM", 4);
  build_be32(b, 2);
  build_be64(b, 0);
  record_qemu2(b, "timer", 2, &device);
  record_qemu2(b, "ram", 1, &ram);
  record_qemu2(b, "rtc", 1, &device);
  total[6] = (uint8_t)((b->len - 16) >> 8);
  total[7] = (uint8_t)(b->len - 16);
  memcpy(b->data + 8, total, sizeof(total));
  build_done(&device);
  build_done(&ram);
}

static void open_stream(stream_t *s, int row) {
  const uint8_t *image = NULL;
  build_t b = {0};

  memset(s, 0, sizeof(*s));
  s->name = row == 0 ? "native" : row == 1 ? "qemu3" : "qemu2";
  if (row == 2) {
    make_qemu2(&b);
    image = b.data;
    s->len = b.len;
  } else {
    const image_t *made = image_find(row == 0 ? &native : &qemu3);

    image = made->data;
    s->len = made->len;
  }
  s->data = malloc(2 * s->len);
  memcpy(s->data, image, s->len);
  build_done(&b);
  s->units = UNITS_MAX;
  ck_assert_int_eq(
      image_decode_units(s->data, s->len, NULL, s->at, &s->units, NULL), 0);
  s->at[s->units] = s->len;
}

static void close_stream(stream_t *s) {
  free(s->data);
}

static void try(count_t *c, const uint8_t *data, size_t len) {
  sluice_error_t err = {0};
  int r;

  (void)rig_block_peak();
  r = image_decode_units(data, len, rig_allocator(), NULL, NULL, &err);
  c->tried++;
  c->unnoticed += r == 0;
  if (r < 0 && (err.code != r || err.message[0] == '\0')) {
    ck_abort_msg("an error without words");
  }
  if (rig_block_peak() > CAP + SLACK || rig_blocks() != 0) {
    ck_abort_msg("over its cap, or memory is left");
  }
}

static void finish(const stream_t *s, const char *what, const count_t *c) {
  char text[80];

  (void)snprintf(text, sizeof(text), "damage, %s; %s", s->name, what);
  (void)printf("%s: %u tried, %u unnoticed\n", text, c->tried, c->unnoticed);
  fault_tally(text, 1, c->tried,
              strcmp(s->name, "native") == 0 ? c->unnoticed : 0);
  ck_assert_uint_gt(c->tried, 0);
  ck_assert(c->unnoticed == 0 || strcmp(s->name, "native") != 0);
}

/* Inside of a page that is one byte all over, the next is as the last: every
 * 64th is enough there. */
static bool is_worth_it(const stream_t *s, size_t byte) {
  enum { AROUND = 64 };

  return byte < AROUND || byte + AROUND >= s->len || byte % AROUND == 0 ||
         memcmp(s->data + byte - AROUND, s->data + byte - AROUND + 1,
                2 * AROUND - 1) != 0;
}

START_TEST(every_flipped_bit_is_found_or_harmless) {
  count_t c = {0};
  stream_t s;

  open_stream(&s, _i);
  for (size_t i = 0; i < s.len * 8; i++) {
    if (!is_worth_it(&s, i / 8)) {
      continue;
    }
    s.data[i / 8] ^= (uint8_t)(1 << (i % 8));
    try(&c, s.data, s.len);
    s.data[i / 8] ^= (uint8_t)(1 << (i % 8));
  }
  finish(&s, "a bit flipped", &c);
  close_stream(&s);
}
END_TEST

START_TEST(every_cut_is_found_or_harmless) {
  count_t c = {0};
  stream_t s;

  open_stream(&s, _i);
  for (size_t len = 0; len < s.len; len++) {
    try(&c, s.data, len);
  }
  finish(&s, "cut short", &c);
  close_stream(&s);
}
END_TEST

/* The stream with its units in this order. */
static void try_order(count_t *c, const stream_t *s, const size_t *order,
                      size_t count) {
  uint8_t *to = malloc(2 * s->len);
  size_t len = s->at[0];

  memcpy(to, s->data, len);
  for (size_t i = 0; i < count; i++) {
    size_t from = s->at[order[i]];
    size_t n = s->at[order[i] + 1] - from;

    memcpy(to + len, s->data + from, n);
    len += n;
  }
  try(c, to, len);
  free(to);
}

START_TEST(every_lost_section_or_part_is_found_or_harmless) {
  size_t order[UNITS_MAX];
  count_t c = {0};
  stream_t s;

  open_stream(&s, _i);
  for (size_t lost = 0; lost + 1 < s.units; lost++) {
    size_t n = 0;

    for (size_t i = 0; i < s.units; i++) {
      if (i != lost) {
        order[n++] = i;
      }
    }
    try_order(&c, &s, order, n);
  }
  finish(&s, "a section or part lost", &c);
  close_stream(&s);
}
END_TEST

START_TEST(every_repeated_section_or_part_is_found_or_harmless) {
  size_t order[UNITS_MAX + 1];
  count_t c = {0};
  stream_t s;

  open_stream(&s, _i);
  for (size_t twice = 0; twice + 1 < s.units; twice++) {
    size_t n = 0;

    for (size_t i = 0; i < s.units; i++) {
      order[n++] = i;
      if (i == twice) {
        order[n++] = i;
      }
    }
    try_order(&c, &s, order, n);
  }
  finish(&s, "a section or part repeated", &c);
  close_stream(&s);
}
END_TEST

START_TEST(every_two_swapped_sections_or_parts_are_found_or_harmless) {
  size_t order[UNITS_MAX];
  count_t c = {0};
  stream_t s;

  open_stream(&s, _i);
  for (size_t a = 0; a + 1 < s.units; a++) {
    for (size_t b = a + 1; b + 1 < s.units; b++) {
      for (size_t i = 0; i < s.units; i++) {
        order[i] = i == a ? b : i == b ? a : i;
      }
      try_order(&c, &s, order, s.units);
    }
  }
  finish(&s, "two sections or parts swapped", &c);
  close_stream(&s);
}
END_TEST

Suite *fault_damage_suite(void);

Suite *fault_damage_suite(void) {
  Suite *s = suite_create("fault_damage");
  TCase *t = tcase_create("damage");

  tcase_set_timeout(t, 300);
  tcase_add_checked_fixture(t, sweep_setup, sweep_teardown);
  tcase_add_loop_test(t, every_flipped_bit_is_found_or_harmless, 0, 3);
  tcase_add_loop_test(t, every_cut_is_found_or_harmless, 0, 3);
  tcase_add_loop_test(t, every_lost_section_or_part_is_found_or_harmless, 0, 3);
  tcase_add_loop_test(t, every_repeated_section_or_part_is_found_or_harmless, 0,
                      3);
  tcase_add_loop_test(
      t, every_two_swapped_sections_or_parts_are_found_or_harmless, 0, 3);
  suite_add_tcase(s, t);
  return s;
}
