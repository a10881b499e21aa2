/* fuzz_native.c - fuzz target: the reader of native streams.
 *
 * Input: see decode_twice.h. Checksums are made right first (reseal.h); with
 * OPTION_MEND also sequence numbers and totals, so that records may come and
 * go. */
#include <stdlib.h>

#include "decode_twice.h"
#include "fuzz.h"
#include "reseal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  decode_twice_t in;
  uint8_t *stream = NULL;

  if (decode_twice_open(&in, SLUICE_FORMAT_NATIVE, "\x89SLC\r\n\x1a\n", data,
                        size, &stream) > 0) {
    if ((in.options & OPTION_AS_IT_IS) == 0) {
      reseal(stream, in.len, (in.options & OPTION_MEND) != 0);
    }
    decode_twice(&in);
    free(stream);
  }
  return 0;
}
