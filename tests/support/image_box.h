/* image_box.h - where things stand in the image of a mapped_box, and damage.
 *
 * Included behind mapped_box.h. All our machines are little-endian. */
#ifndef SLUICE_TESTS_IMAGE_BOX_H
#define SLUICE_TESTS_IMAGE_BOX_H

#include "stream/native/format.h"

static inline off_t image_size(void) {
  struct stat st;

  ck_assert_int_eq(stat(box.path, &st), 0);
  return st.st_size;
}

static inline void flip(off_t at) {
  int fd = open(box.path, O_RDWR | O_CLOEXEC);
  uint8_t byte;

  ck_assert_int_eq((int)pread(fd, &byte, 1, at), 1);
  byte ^= 0x40;
  ck_assert_int_eq((int)pwrite(fd, &byte, 1, at), 1);
  ck_assert_int_eq(close(fd), 0);
}

static inline uint64_t read_le64(off_t at) {
  int fd = open(box.path, O_RDONLY | O_CLOEXEC);
  uint64_t value = 0;

  ck_assert_int_eq((int)pread(fd, &value, 8, at), 8);
  ck_assert_int_eq(close(fd), 0);
  return value;
}

static inline off_t index_at(void) {
  return (off_t)read_le64(image_size() - SLUICE__TRAILER_BYTES +
                          SLUICE__TRAILER_INDEX);
}

/* Where the image has byte `offset` of region `region`: 0 is `low`. */
static inline off_t find_byte(uint32_t region, uint64_t offset) {
  off_t at = index_at() + SLUICE__RECORD_BYTES;

  for (;; at += SLUICE__INDEX_RUN_BYTES) {
    uint64_t head = read_le64(at);
    uint64_t from = read_le64(at + 8);

    ck_assert_int_lt(at, image_size());
    if ((uint32_t)head == region && offset >= from &&
        offset < from + (head >> 32) * box.page_size) {
      return (off_t)(read_le64(at + 16) + offset - from);
    }
  }
}

#endif
