/* write_native_v1.c - how golden/native-v1.slc was made, once:
 *
 *   write_golden_native_v1 > tests/golden/native-v1.slc
 *
 * The file is never made again: it stands for what version 1 has written, and
 * must stay readable for ever. */
#include <stdio.h>

#include "memory_output.h"
#include "native_sample.h"

int main(void) {
  memory_output_t m;
  sluice_output_t output;
  int r;

  memory_output_init(&m);
  output = memory_output_of(&m);
  r = native_sample_write(&output, NULL);
  if (r == 0 && fwrite(m.data, 1, m.len, stdout) != m.len) {
    r = 1;
  }
  memory_output_done(&m);
  return r == 0 ? 0 : 1;
}
