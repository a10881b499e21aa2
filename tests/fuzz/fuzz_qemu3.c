/* fuzz_qemu3.c - fuzz target: the reader of QEMU's streams, version 3.
 *
 * Input: see decode_twice.h. There are no checksums; with OPTION_MEND the
 * length of the description is made to reach to the end, so that it may grow
 * and shrink. */
#include <stdlib.h>

#include "decode_twice.h"
#include "fuzz.h"

enum { TAIL_HEAD = 6 }; /* 06, be32 length */

/* The first `00 06 .. .. .. .. {` is taken for it. */
static void mend_description(uint8_t *stream, size_t len) {
  for (size_t at = 0; at + 1 + TAIL_HEAD < len; at++) {
    size_t text = len - at - TAIL_HEAD;

    if (stream[at] == 0 && stream[at + 1] == 6 &&
        stream[at + TAIL_HEAD] == '{') {
      stream[at + 2] = (uint8_t)(text >> 24);
      stream[at + 3] = (uint8_t)(text >> 16);
      stream[at + 4] = (uint8_t)(text >> 8);
      stream[at + 5] = (uint8_t)text;
      return;
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  decode_twice_t in;
  uint8_t *stream = NULL;

  if (decode_twice_open(&in, SLUICE_FORMAT_QEMU3, "QEVM\0\0\0\x03", data, size,
                        &stream) > 0) {
    if ((in.options & (OPTION_MEND | OPTION_AS_IT_IS)) == OPTION_MEND) {
      mend_description(stream, in.len);
    }
    decode_twice(&in);
    free(stream);
  }
  return 0;
}
