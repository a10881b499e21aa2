/* qemu3_box.h - a stream that is built, and the trace of reading it.
 *
 * Fixture of the suites about QEMU's third version; one box a process. */
#ifndef SLUICE_TESTS_QEMU3_BOX_H
#define SLUICE_TESTS_QEMU3_BOX_H

#include <string.h>

#include "build.h"
#include "trace.h"

static build_t in;
static trace_t out;

static inline void set_up(void) {
  memset(&in, 0, sizeof(in));
  memset(&out, 0, sizeof(out));
}

static inline void tear_down(void) {
  build_done(&in);
  trace_done(&out);
}

#endif
