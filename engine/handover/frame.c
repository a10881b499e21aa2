/* frame.c - see frame.h. */
#include "handover/frame.h"

#include <string.h>

#include <sluice/encoder.h>
#include <sluice/handover.h>

#include "stream/bytes.h"

static const uint8_t magic[4] = {'S', 'L', 'H', 'O'};

/* Of each type: bytes of payload, and descriptors. */
static const struct {
  uint32_t len_min;
  uint32_t len_max;
  uint32_t fds_min;
  uint32_t fds_max;
} bounds[] = {
    [SLUICE__FRAME_HELLO] = {SLUICE__FRAME_GREETING, SLUICE__FRAME_GREETING, 0,
                             0},
    [SLUICE__FRAME_OFFER] = {SLUICE__FRAME_GREETING,
                             SLUICE__FRAME_GREETING + SLUICE_OFFER_MAX, 0, 0},
    [SLUICE__FRAME_STREAM] = {1, SLUICE_CHUNK_BYTES, 0, 0},
    [SLUICE__FRAME_PASS] = {1, SLUICE__FRAME_FDS *SLUICE__FRAME_ENTRY, 1,
                            SLUICE__FRAME_FDS},
    [SLUICE__FRAME_READY] = {0, 0, 0, 0},
    [SLUICE__FRAME_COMMIT] = {0, 0, 0, 0},
    [SLUICE__FRAME_RUNNING] = {0, 0, 0, 0},
    [SLUICE__FRAME_FAIL] = {4, SLUICE__FRAME_FAIL_MAX, 0, 0},
    [SLUICE__FRAME_PREPARED] = {0, 0, 0, 0},
};

enum { TYPES = sizeof(bounds) / sizeof(bounds[0]) };

void sluice__frame_put(uint8_t out[SLUICE__FRAME_HEADER],
                       const sluice__frame_t *frame, uint32_t number) {
  memcpy(out, magic, sizeof(magic));
  sluice__put_le16(out + 4, (uint16_t)frame->type);
  sluice__put_le16(out + 6, (uint16_t)frame->fds);
  sluice__put_le32(out + 8, frame->len);
  sluice__put_le32(out + 12, number);
}

size_t sluice__frame_fail(uint8_t out[SLUICE__FRAME_FAIL_MAX],
                          const sluice_error_t *error) {
  size_t n = strnlen(error->message, SLUICE__FRAME_FAIL_MAX - 4);

  sluice__put_le32(out, (uint32_t)error->code);
  memcpy(out + 4, error->message, n);
  return 4 + n;
}

static int is_bounded(uint16_t type, uint32_t len, uint32_t fds) {
  return type >= SLUICE__FRAME_HELLO && type < TYPES &&
         len >= bounds[type].len_min && len <= bounds[type].len_max &&
         fds >= bounds[type].fds_min && fds <= bounds[type].fds_max;
}

int sluice__frame_get(sluice__frame_t *out,
                      const uint8_t in[SLUICE__FRAME_HEADER], uint32_t number,
                      sluice_error_t *err) {
  uint16_t type = sluice__get_le16(in + 4);
  uint32_t fds = sluice__get_le16(in + 6);
  uint32_t len = sluice__get_le32(in + 8);

  if (memcmp(in, magic, sizeof(magic)) != 0) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "expected a message of a hand-over, found "
                       "%02x %02x %02x %02x",
                       in[0], in[1], in[2], in[3]);
  }
  if (!is_bounded(type, len, fds)) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "no such message: type %u, %u bytes, %u descriptors",
                       (unsigned)type, (unsigned)len, (unsigned)fds);
  }
  if (sluice__get_le32(in + 12) != number) {
    return sluice_fail(err, SLUICE_ECORRUPT, "expected message %u, found %u",
                       (unsigned)number, (unsigned)sluice__get_le32(in + 12));
  }
  out->type = (sluice__frame_type_t)type;
  out->fds = fds;
  out->len = len;
  return 0;
}
