/* test_qemu_faults.c - every bit, byte, truncation and record of QEMU's streams
 * damaged, one at a time.
 *
 * They have no checksums, so much of it cannot be noticed. What must hold: an
 * end, an error with a name or a whole stream, and memory under the cap. What
 * was not noticed is counted and printed, by record. */
#include <sluice/decoder.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <sluice/handler.h>

#include "qemu3_sample.h"
#include "sample.h"
#include "suite.h"
#include "trace.h"

enum { RECORDS_MAX = 16, CAP = 1024 * 1024, SLACK = 8192, PAGE_RUN = 1024 };

/* A stream, and where its records begin. */
typedef struct image_s {
  const char *name;
  build_t bytes;
  size_t at[RECORDS_MAX + 1];
  const char *what[RECORDS_MAX];
  size_t count;
  uint8_t *is_page; /* by byte: of a page's data */
  trace_t trace;
} image_t;

static image_t image;

static void mark_pages(void) {
  const uint8_t *p = image.bytes.data;
  size_t len = image.bytes.len;

  image.is_page = calloc(1, len);
  for (size_t i = 0, n = 0; i < len; i = i + n) {
    n = 1;
    while (i + n < len && p[i + n] == p[i]) {
      n++;
    }
    if (n >= PAGE_RUN) {
      memset(image.is_page + i, 1, n);
    }
  }
}

static void record_at(size_t at, const char *what) {
  image.at[image.count] = at;
  image.what[image.count++] = what;
  image.at[image.count] = image.bytes.len;
}

static void open_qemu3(int ends) {
  const sample_options_t o = {"pc", true, true};

  image.name = ends == 0 ? "qemu3, delimited by the reader"
                         : "qemu3, delimited by the description";
  sample_machine(&image.bytes, &o);
  record_at(0, "header and configuration");
  record_at(15, "START of memory: sizes and names");
  record_at(84, "PART of memory");
  record_at(8335, "PART of memory");
  record_at(16569, "END of memory: a delta");
  record_at(16608, "FULL of a device of 4 bytes");
  record_at(16636, "FULL of a device of 9 bytes");
  record_at(16672, "end mark");
  record_at(16673, "description");
  image.trace.device_bytes = sample_device_bytes;
  image.trace.options.payload_ends =
      ends == 0 ? SLUICE_ENDS_BY_READER : SLUICE_ENDS_BY_DESCRIPTION;
}

static void record_qemu2(const char *name, uint32_t version,
                         const build_t *payload, const char *what) {
  size_t at = image.bytes.len;

  build_str8(&image.bytes, name);
  build_be32(&image.bytes, 0);
  build_be32(&image.bytes, version);
  build_be32(&image.bytes, (uint32_t)payload->len);
  build_raw(&image.bytes, payload->data, payload->len);
  record_at(at, what);
}

static void pack_blocks(build_t *payload) {
  static uint8_t plain[8 * 1025];
  uint8_t packed[1024];
  uLongf len = sizeof(packed);

  for (size_t i = 0; i < sizeof(plain); i++) {
    plain[i] = i % 1025 == 0 ? 0 : (uint8_t)(i / 97);
  }
  ck_assert_int_eq(compress(packed, &len, plain, sizeof(plain)), Z_OK);
  build_be32(payload, 8 * 1024);
  build_be16(payload, 0xfabe);
  build_be16(payload, (uint16_t)len);
  build_raw(payload, packed, len);
}

/* Memory as it was (version 1 of it), or compressed (version 2). */
static void open_qemu2(int version) {
  build_t device = {0};
  build_t ram = {0};

  image.name = version == 1 ? "qemu2, plain" : "qemu2, compressed";
  build_raw(&image.bytes, "QEVM\0\0\0\2\0\0\0\0\0\0\0\0", 16);
  record_at(0, "header");
  build_raw(&device, "abcdefgh", 8);
  record_qemu2("timer", 2, &device, "a device of 8 bytes");
  if (version == 1) {
    build_be32(&ram, 0x2000);
    build_u8(&ram, 0);
    build_fill(&ram, 0x11, 4096);
    build_u8(&ram, 1);
    build_u8(&ram, 0xff);
  } else {
    pack_blocks(&ram);
  }
  record_qemu2("ram", (uint32_t)version, &ram, "memory");
  record_qemu2("card", 1, &device, "a device of 8 bytes");
  image.bytes.data[14] = (uint8_t)((image.bytes.len - 16) >> 8);
  image.bytes.data[15] = (uint8_t)(image.bytes.len - 16);
  build_done(&device);
  build_done(&ram);
}

static void open_image(int i) {
  memset(&image, 0, sizeof(image));
  image.trace.options.max_memory = CAP;
  if (i < 2) {
    open_qemu3(i);
  } else {
    open_qemu2(i - 1);
  }
  mark_pages();
}

static void close_image(void) {
  build_done(&image.bytes);
  trace_done(&image.trace);
  free(image.is_page);
}

/* True when it was noticed. trace_run() sees to the rest of it. */
static bool is_noticed(const uint8_t *data, size_t len) {
  image.trace.text.len = 0;
  memset(&image.trace.error, 0, sizeof(image.trace.error));
  trace_run(&image.trace, data, len);
  ck_assert_uint_le(image.trace.peak, CAP + SLACK);
  ck_assert_uint_le(image.trace.error.offset, len);
  return image.trace.result < 0;
}

typedef struct tally_s {
  unsigned injected[RECORDS_MAX];
  unsigned missed[RECORDS_MAX];
  unsigned pages_injected;
  unsigned pages_missed;
  unsigned all;
} tally_t;

static void count(tally_t *t, size_t record, size_t byte, bool noticed) {
  bool is_page = byte < image.bytes.len && image.is_page[byte];

  t->all++;
  *(is_page ? &t->pages_injected : &t->injected[record]) += 1;
  *(is_page ? &t->pages_missed : &t->missed[record]) += noticed ? 0 : 1;
}

static void tell(const tally_t *t, const char *scenario) {
  printf("%s: %s: of page data %u, not noticed %u\n", image.name, scenario,
         t->pages_injected, t->pages_missed);
  for (size_t i = 0; i < image.count; i++) {
    printf("%s: %s: of %s %u, not noticed %u\n", image.name, scenario,
           image.what[i], t->injected[i], t->missed[i]);
  }
  printf("FAULTS %s: %s %u 0\n", image.name, scenario, t->all);
  fflush(stdout);
}

START_TEST(any_bit_flipped_does_no_harm) {
  tally_t t = {{0}, {0}, 0, 0, 0};

  open_image(_i);
  for (size_t r = 0; r < image.count; r++) {
    size_t at = image.at[r] + sample_first(image.what[r]);

    for (; at < image.at[r + 1]; at += sample_step()) {
      for (int bit = 0; bit < 8; bit++) {
        image.bytes.data[at] ^= (uint8_t)(1 << bit);
        count(&t, r, at, is_noticed(image.bytes.data, image.bytes.len));
        image.bytes.data[at] ^= (uint8_t)(1 << bit);
      }
    }
  }
  ck_assert_uint_eq(t.pages_missed, t.pages_injected); /* else: why? */
  tell(&t, "a bit flipped");
  close_image();
}
END_TEST

/* QEMU's version 3 is whole without its description. */
START_TEST(any_truncation_is_noticed) {
  tally_t t = {{0}, {0}, 0, 0, 0};

  open_image(_i);
  for (size_t r = 0; r < image.count; r++) {
    for (size_t at = image.at[r]; at < image.at[r + 1]; at++) {
      bool noticed = is_noticed(image.bytes.data, at);

      ck_assert_msg(noticed || strcmp(image.what[r], "description") == 0,
                    "%s: cut at %zu", image.name, at);
      count(&t, r, at, noticed);
    }
  }
  ck_assert_uint_le(t.missed[image.count - 1], 1);
  tell(&t, "cut short");
  close_image();
}
END_TEST

/* The stream with its records in this order. The frame's own length is made
 * right where there is one, or all would be found by it. */
static bool is_order_noticed(const size_t *order, size_t n) {
  build_t b = {0};
  bool noticed;

  for (size_t i = 0; i < n; i++) {
    build_raw(&b, image.bytes.data + image.at[order[i]],
              image.at[order[i] + 1] - image.at[order[i]]);
  }
  if (b.data[7] == 2) {
    b.data[14] = (uint8_t)((b.len - 16) >> 8);
    b.data[15] = (uint8_t)(b.len - 16);
  }
  noticed = is_noticed(b.data, b.len);
  build_done(&b);
  return noticed;
}

/* `times`: 0 dropped, 2 doubled. */
static void sweep_records(size_t times, const char *scenario) {
  tally_t t = {{0}, {0}, 0, 0, 0};

  for (size_t which = 1; which < image.count; which++) {
    size_t order[RECORDS_MAX + 1];
    size_t n = 0;

    for (size_t i = 0; i < image.count; i++) {
      for (size_t j = 0; j < (i == which ? times : 1); j++) {
        order[n++] = i;
      }
    }
    count(&t, which, SIZE_MAX, is_order_noticed(order, n));
  }
  tell(&t, scenario);
}

static void sweep_swaps(void) {
  tally_t t = {{0}, {0}, 0, 0, 0};

  for (size_t a = 1; a < image.count; a++) {
    for (size_t b = a + 1; b < image.count; b++) {
      size_t order[RECORDS_MAX];

      for (size_t i = 0; i < image.count; i++) {
        order[i] = i == a ? b : i == b ? a : i;
      }
      count(&t, a, SIZE_MAX, is_order_noticed(order, image.count));
    }
  }
  tell(&t, "two records swapped");
}

START_TEST(records_lost_doubled_and_swapped_do_no_harm) {
  open_image(_i);
  sweep_records(2, "a record doubled");
  sweep_records(0, "a record dropped");
  sweep_swaps();
  close_image();
}
END_TEST

START_TEST(the_images_are_sound) {
  open_image(_i);
  ck_assert_msg(!is_noticed(image.bytes.data, image.bytes.len), "%s",
                image.trace.error.message);
  close_image();
}
END_TEST

Suite *qemu_faults_suite(void) {
  Suite *s = suite_create("qemu_faults");
  TCase *tc = tcase_create("damage");

  tcase_set_timeout(tc, 600);
  tcase_add_loop_test(tc, the_images_are_sound, 0, 4);
  tcase_add_loop_test(tc, any_bit_flipped_does_no_harm, 0, 4);
  tcase_add_loop_test(tc, any_truncation_is_noticed, 0, 4);
  tcase_add_loop_test(tc, records_lost_doubled_and_swapped_do_no_harm, 0, 4);
  suite_add_tcase(s, tc);
  return s;
}
