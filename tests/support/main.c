/* main.c - runs the one suite of a test program.
 *
 * Check's own environment selects and tunes: CK_RUN_SUITE, CK_RUN_CASE,
 * CK_FORK, CK_VERBOSITY. */
#include <check.h>
#include <stdlib.h>

#include "suite.h"

int main(void) {
  SRunner *runner = srunner_create(SLUICE_TEST_SUITE());
  int failed;

  srunner_run_all(runner, CK_ENV);
  failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
