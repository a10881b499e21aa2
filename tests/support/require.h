/* require.h - for support code that also runs outside of Check, where its
 * assertions cannot be used. A test that trips over it ends with SIGABRT. */
#ifndef SLUICE_TESTS_REQUIRE_H
#define SLUICE_TESTS_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                     \
  do {                                                                         \
    if (!(condition)) {                                                        \
      (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,         \
                    #condition);                                               \
      abort();                                                                 \
    }                                                                          \
  } while (0)

#endif
