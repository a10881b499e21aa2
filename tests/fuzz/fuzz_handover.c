/* fuzz_handover.c - fuzz target: what the other side of a hand-over says.
 *
 *   input    u8 options, message...
 *   message  u8 what, u16 bytes (little-endian), bytes
 *
 *   options  bit 0: it is the old host that is spoken to; bit 1: copies memory
 *   what     bits 0-3: type; bits 4-5: descriptors that come with it, 0 to 2;
 *            bit 6: the bytes go out as they are, without a header; bit 7: the
 *            host gets no turn before the next
 *
 * Headers are made right otherwise: magic, length and number are not what is
 * tested. At the end the input ends. Whatever was said: one callback, an error
 * with a message, no descriptor left, no hang. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "handover_host.h"
#include "require.h"

enum { ROOM = 1 << 17, RAW = 64, GO_ON = 128 };

typedef struct input_s {
  const uint8_t *at;
  size_t left;
  uint32_t number;
} input_t;

/* False: there is none. */
static int say_next(host_t *host, input_t *in) {
  uint8_t header[SLUICE__FRAME_HEADER];
  uint8_t *message;
  size_t len;
  uint8_t what;
  sluice__frame_t frame;

  if (in->left < 3) {
    return 0;
  }
  what = in->at[0];
  len = in->at[1] | (size_t)in->at[2] << 8;
  len = len < in->left - 3 ? len : in->left - 3;
  frame = (sluice__frame_t){.type = (sluice__frame_type_t)(what & 15),
                            .fds = (what >> 4 & 3) % 3,
                            .len = (uint32_t)len};
  sluice__frame_put(header, &frame, in->number);
  message = malloc(sizeof(header) + len);
  REQUIRE(message != NULL);
  memcpy(message, header, sizeof(header));
  memcpy(message + sizeof(header), in->at + 3, len);
  if ((what & RAW) != 0) {
    host_tell(host, message + sizeof(header), len, frame.fds);
  } else {
    in->number++;
    host_tell(host, message, sizeof(header) + len, frame.fds);
  }
  free(message);
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
