/* fuzz_handover.c - fuzz target: what the other side of a hand-over says.
 *
 *   input    u8 options, message...
 *   message  u8 what, u16 bytes (little-endian), bytes
 *
 *   options  bit 0: it is the old host that is spoken to; bit 1: copies memory
 *   what     bits 0-3: type, or 14: STREAM, of which a part comes at a time,
 * 15: many STREAMs, each a part; the first byte is the size of a part in units
 * of 64, less 1; bits 4-5: descriptors that come with it, 0 to 2; bit 6: the
 * bytes go out as they are, without a header; bit 7: the host gets no turn
 * before the next
 *
 * Headers are made right otherwise: magic, length and number are not what is
 * tested. At the end the input ends. Whatever was said: one callback, an error
 * with a message, no descriptor left, no hang. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "handover_host.h"
#include "require.h"

enum {
  ROOM = 1 << 17,
  TYPE = 15,
  IN_PARTS = 14, /* types of our own */
  RAW = 64,
  GO_ON = 128,
  UNIT = 64
};

typedef struct input_s {
  const uint8_t *at;
  size_t left;
  uint32_t number;
} input_t;

static void tell(host_t *host, input_t *in, const sluice__frame_t *frame,
                 const uint8_t *bytes) {
  uint8_t *message = malloc(SLUICE__FRAME_HEADER + frame->len);

  REQUIRE(message != NULL);
  sluice__frame_put(message, frame, in->number++);
  memcpy(message + SLUICE__FRAME_HEADER, bytes, frame->len);
  host_tell(host, message, SLUICE__FRAME_HEADER + frame->len, frame->fds);
  free(message);
}

static void tell_header(host_t *host, input_t *in,
                        const sluice__frame_t *frame) {
  uint8_t header[SLUICE__FRAME_HEADER];

  sluice__frame_put(header, frame, in->number++);
  host_tell(host, header, sizeof(header), frame->fds);
}

/* The host reads what there is before the next part comes. */
static void tell_parts(host_t *host, input_t *in, uint8_t what,
                       const uint8_t *bytes, size_t len) {
  size_t most = len > 0 ? (bytes[0] + 1u) * UNIT : 0;
  sluice__frame_t frame = {.type = SLUICE__FRAME_STREAM};

  for (size_t at = 1; at < len; at += frame.len) {
    frame.len = (uint32_t)(len - 1);
    if ((what & TYPE) == IN_PARTS && at == 1) {
      tell_header(host, in, &frame);
    }
    frame.len = (uint32_t)(len - at < most ? len - at : most);
    if ((what & TYPE) == IN_PARTS) {
      host_tell(host, bytes + at, frame.len, 0);
    } else {
      tell(host, in, &frame, bytes + at);
    }
    host_turn(host);
  }
}

static void say(host_t *host, input_t *in, uint8_t what, const uint8_t *bytes,
                size_t len) {
  const sluice__frame_t frame = {.type = (sluice__frame_type_t)(what & TYPE),
                                 .fds = (what >> 4 & 3) % 3,
                                 .len = (uint32_t)len};

  if ((what & RAW) != 0) {
    host_tell(host, bytes, len, frame.fds);
  } else if ((what & TYPE) >= IN_PARTS) {
    tell_parts(host, in, what, bytes, len);
  } else {
    tell(host, in, &frame, bytes);
  }
}

/* False: there is none. */
static int say_next(host_t *host, input_t *in) {
  size_t len;
  uint8_t what;

  if (in->left < 3) {
    return 0;
  }
  what = in->at[0];
  len = in->at[1] | (size_t)in->at[2] << 8;
  len = len < in->left - 3 ? len : in->left - 3;
  say(host, in, what, in->at + 3, len);
  in->at += 3 + len;
  in->left -= 3 + len;
  if ((what & GO_ON) == 0) {
    host_turn(host);
  }
  return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t heard[ROOM];
  input_t in = {data + 1, size - 1, 0};
  host_t *host;

  if (size == 0) {
    return 0;
  }
  host = host_open(data[0] & 1, data[0] >> 1 & 1);
  host_turn(host);
  while (say_next(host, &in)) {
    (void)host_hear(host, heard, sizeof(heard));
  }
  (void)host_close(host);
  return 0;
}
