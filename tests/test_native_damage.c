/* test_native_damage.c - whatever happens to a stream on its way is noticed and
 * located; and whatever fails below encoder and decoder leaves nothing behind.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/decoder.h>
#include <sluice/encoder.h>
#include <sluice/handler.h>

#include "counting_alloc.h"
#include "decode_all.h"
#include "memory_output.h"
#include "native_sample.h"
#include "sample.h"
#include "stream/bytes.h"
#include "stream/native/record.h"
#include "suite.h"

/* The sample, and where its records lie: [0] is the file header. */
enum { RECORDS_MAX = 64 };

typedef struct image_s {
  memory_output_t m;
  size_t at[RECORDS_MAX + 1];
  size_t count;
} image_t;

static void image_init(image_t *image) {
  sluice_output_t output;
  size_t at;

  memory_output_init(&image->m);
  output = memory_output_of(&image->m);
  ck_assert_int_eq(native_sample_write(&output, NULL), 0);
  image->at[0] = 0;
  image->count = 1;
  at = sluice__get_le32(image->m.data + SLUICE__FILE_LENGTH);
  while (at < image->m.len) {
    sluice__record_t record;

    ck_assert_uint_lt(image->count, RECORDS_MAX);
    image->at[image->count++] = at;
    sluice__record_get(&record, image->m.data + at);
    at += SLUICE__RECORD_BYTES + (size_t)sluice__native_padded(record.length);
  }
  ck_assert_uint_eq(at, image->m.len);
  image->at[image->count] = at;
}

static void image_done(image_t *image) {
  memory_output_done(&image->m);
}

static int decode(const uint8_t *data, size_t len, sluice_error_t *err,
                  uint64_t *out_offset) {
  memset(err, 0, sizeof(*err));
  return decode_all(data, len, 0, NULL, NULL, NULL, NULL, err, out_offset);
}

static size_t record_of(const image_t *image, size_t byte) {
  size_t i = 0;

  while (image->at[i + 1] <= byte) {
    i++;
  }
  return i;
}

/* Of the byte's record if it is one of pages, and the byte is in a page: where
 * that page begins. */
static size_t page_of(const image_t *image, size_t byte) {
  const uint8_t *p = image->m.data + image->at[record_of(image, byte)];
  size_t data;

  if (byte < image->at[1] || sluice__get_le16(p) != SLUICE__NATIVE_PAGES) {
    return 0;
  }
  data = (size_t)(p - image->m.data) + sluice__get_le32(p + SLUICE__PAGES_DATA);
  return byte < data ? 0 : byte - (byte - data) % 256;
}

/* A length that was damaged may run over the end: then the error is where the
 * input ends, and the decoder stands before the record. */
static void check_location(const image_t *image, size_t byte, int r,
                           const sluice_error_t *err, uint64_t offset) {
  size_t record = record_of(image, byte);
  uint64_t at = r == SLUICE_ETRUNCATED ? offset : err->offset;
  size_t page = page_of(image, byte);

  ck_assert_msg(at >= image->at[record] && at < image->at[record + 1],
                "byte %zu of record %zu: error at %" PRIu64 ": %s", byte,
                record, at, err->message);
  if (page != 0) {
    ck_assert_uint_eq(err->offset, page);
    ck_assert_str_eq(err->section, "ram");
  }
}

/* For ./dev faults: every one was noticed, and in its place. */
static void tell(const char *scenario, size_t injected) {
  printf("FAULTS native: %s %zu 0\n", scenario, injected);
  fflush(stdout);
}

START_TEST(every_flipped_bit_is_found_in_its_record_or_page) {
  image_t image;
  size_t injected = 0;
  size_t byte = (size_t)_i + 4 * sample_first("bits");

  image_init(&image);
  for (; byte < image.m.len; byte += (size_t)4 * sample_step()) {
    for (int bit = 0; bit < 8; bit++) {
      sluice_error_t err;
      uint64_t offset;
      int r;

      image.m.data[byte] ^= (uint8_t)(1 << bit);
      r = decode(image.m.data, image.m.len, &err, &offset);
      image.m.data[byte] ^= (uint8_t)(1 << bit);
      ck_assert_msg(r < 0, "byte %zu bit %d was not noticed", byte, bit);
      check_location(&image, byte, r, &err, offset);
      injected++;
    }
  }
  tell("a bit flipped", injected);
  image_done(&image);
}
END_TEST

START_TEST(every_truncation_is_named_with_where_the_end_came) {
  image_t image;

  image_init(&image);
  for (size_t len = 0; len < image.m.len; len++) {
    sluice_error_t err;

    ck_assert_int_eq(decode(image.m.data, len, &err, NULL), SLUICE_ETRUNCATED);
    ck_assert_uint_eq(err.offset, len);
  }
  tell("cut short", image.m.len);
  image_done(&image);
}
END_TEST

START_TEST(what_follows_the_trailer_is_an_error) {
  image_t image;
  sluice_error_t err;
  uint8_t *more;

  image_init(&image);
  more = malloc(image.m.len + 1);
  memcpy(more, image.m.data, image.m.len);
  more[image.m.len] = 0;
  ck_assert_int_eq(decode(more, image.m.len + 1, &err, NULL), SLUICE_ETRAILING);
  ck_assert_uint_eq(err.offset, image.m.len);
  free(more);
  image_done(&image);
}
END_TEST

/* Copies the records numbered in `order` one behind the other. */
static size_t rearrange(const image_t *image, const size_t *order, size_t count,
                        uint8_t *to) {
  size_t len = 0;

  for (size_t i = 0; i < count; i++) {
    size_t from = image->at[order[i]];
    size_t n = image->at[order[i] + 1] - from;

    memcpy(to + len, image->m.data + from, n);
    len += n;
  }
  return len;
}

static int decode_order(const image_t *image, const size_t *order, size_t count,
                        sluice_error_t *err) {
  uint8_t *to = malloc(2 * image->m.len);
  size_t len = rearrange(image, order, count, to);
  int r = decode(to, len, err, NULL);

  free(to);
  return r;
}

START_TEST(a_lost_record_is_named) {
  image_t image;

  image_init(&image);
  for (size_t lost = 1; lost + 1 < image.count; lost++) {
    size_t order[RECORDS_MAX];
    sluice_error_t err;
    size_t n = 0;

    for (size_t i = 0; i < image.count; i++) {
      if (i != lost) {
        order[n++] = i;
      }
    }
    ck_assert_int_eq(decode_order(&image, order, n, &err), SLUICE_ECORRUPT);
    ck_assert_msg(strstr(err.message, "lost") != NULL, "%zu: %s", lost,
                  err.message);
    ck_assert_uint_eq(err.offset, image.at[lost]);
  }
  tell("a record dropped", image.count - 2);
  image_done(&image);
}
END_TEST

START_TEST(a_repeated_record_is_named) {
  image_t image;

  image_init(&image);
  for (size_t twice = 1; twice + 1 < image.count; twice++) {
    size_t order[RECORDS_MAX];
    sluice_error_t err;
    size_t n = 0;

    for (size_t i = 0; i < image.count; i++) {
      order[n++] = i;
      if (i == twice) {
        order[n++] = i;
      }
    }
    ck_assert_int_eq(decode_order(&image, order, n, &err), SLUICE_ECORRUPT);
    ck_assert_msg(strstr(err.message, "repeated") != NULL, "%zu: %s", twice,
                  err.message);
    ck_assert_uint_eq(err.offset, image.at[twice + 1]);
  }
  tell("a record doubled", image.count - 2);
  image_done(&image);
}
END_TEST

START_TEST(swapped_records_are_named) {
  image_t image;

  image_init(&image);
  for (size_t a = 1; a + 1 < image.count; a++) {
    for (size_t b = a + 1; b < image.count; b++) {
      size_t order[RECORDS_MAX];
      sluice_error_t err;

      for (size_t i = 0; i < image.count; i++) {
        order[i] = i == a ? b : i == b ? a : i;
      }
      ck_assert_int_eq(decode_order(&image, order, image.count, &err),
                       SLUICE_ECORRUPT);
      ck_assert_msg(strstr(err.message, "swapped") != NULL, "%zu, %zu: %s", a,
                    b, err.message);
      ck_assert_uint_eq(err.offset, image.at[a]);
    }
  }
  tell("two records swapped", (image.count - 1) * (image.count - 2) / 2);
  image_done(&image);
}
END_TEST

static void swap(uint8_t *a, uint8_t *b, size_t len) {
  for (size_t i = 0; i < len; i++) {
    uint8_t x = a[i];

    a[i] = b[i];
    b[i] = x;
  }
}

START_TEST(pages_swapped_with_their_hashes_are_found) {
  image_t image;
  sluice_error_t err;
  uint8_t *hashes;
  uint8_t *p;

  image_init(&image);
  p = image.m.data + image.at[record_of(&image, 8192)];
  hashes = p + SLUICE__PAGES_TABLE + 2 * SLUICE__PAGES_RUN_BYTES;
  swap(hashes + 8, hashes + 16, 8);
  swap(image.m.data + 8448, image.m.data + 8704, 256);
  ck_assert_int_eq(decode(image.m.data, image.m.len, &err, NULL),
                   SLUICE_ECORRUPT);
  ck_assert_uint_eq(err.offset, 8448);
  ck_assert_ptr_nonnull(strstr(err.message, "'low'"));
  image_done(&image);
}
END_TEST

/* _i: the failure comes once, or for ever. */
START_TEST(decoding_survives_every_failed_allocation) {
  image_t image;

  image_init(&image);
  for (size_t n = 0;; n++) {
    sluice_error_t err = {0};
    counting_alloc_t count;
    sluice_alloc_t alloc;
    int r;

    counting_alloc_init(&count);
    count.fail_at = n;
    count.is_sticky = _i;
    alloc = counting_alloc_of(&count);
    r = decode_all(image.m.data, image.m.len, 0, NULL, &alloc, NULL, NULL, &err,
                   NULL);
    ck_assert_uint_eq(count.live, 0);
    if (!count.fired) {
      ck_assert_int_eq(r, SLUICE_DONE);
      ck_assert_uint_gt(n, 5);
      break;
    }
    ck_assert_int_eq(r, UV_ENOMEM);
  }
  image_done(&image);
}
END_TEST

START_TEST(encoding_survives_every_failed_allocation) {
  for (size_t n = 0;; n++) {
    counting_alloc_t count;
    sluice_alloc_t alloc;
    memory_output_t m;
    sluice_output_t output;
    int r;

    counting_alloc_init(&count);
    count.fail_at = n;
    count.is_sticky = _i;
    alloc = counting_alloc_of(&count);
    memory_output_init(&m);
    output = memory_output_of(&m);
    r = native_sample_write(&output, &alloc);
    memory_output_done(&m);
    ck_assert_uint_eq(count.live, 0);
    if (!count.fired) {
      ck_assert_int_eq(r, 0);
      ck_assert_uint_gt(n, 5);
      break;
    }
    ck_assert_int_eq(r, UV_ENOMEM);
  }
}
END_TEST

START_TEST(encoding_survives_every_failure_of_its_output) {
  for (size_t n = 0;; n++) {
    memory_output_t m;
    sluice_output_t output;
    size_t calls;
    int r;

    memory_output_init(&m);
    m.fail_at = n;
    output = memory_output_of(&m);
    r = native_sample_write(&output, NULL);
    calls = m.calls;
    memory_output_done(&m);
    if (calls <= n) {
      ck_assert_int_eq(r, 0);
      ck_assert_uint_gt(n, 0);
      break;
    }
    ck_assert_int_eq(r, UV_EIO);
  }
}
END_TEST

Suite *native_damage_suite(void) {
  Suite *s = suite_create("native_damage");
  TCase *damage = tcase_create("damage");
  TCase *faults = tcase_create("faults");

  tcase_add_loop_test(damage, every_flipped_bit_is_found_in_its_record_or_page,
                      0, 4);
  tcase_add_test(damage, every_truncation_is_named_with_where_the_end_came);
  tcase_add_test(damage, what_follows_the_trailer_is_an_error);
  tcase_add_test(damage, a_lost_record_is_named);
  tcase_add_test(damage, a_repeated_record_is_named);
  tcase_add_test(damage, swapped_records_are_named);
  tcase_add_test(damage, pages_swapped_with_their_hashes_are_found);
  suite_add_tcase(s, damage);
  tcase_add_loop_test(faults, decoding_survives_every_failed_allocation, 0, 2);
  tcase_add_loop_test(faults, encoding_survives_every_failed_allocation, 0, 2);
  tcase_add_test(faults, encoding_survives_every_failure_of_its_output);
  suite_add_tcase(s, faults);
  return s;
}
