/* main.c - runs the one suite of a test program.
 *
 * Check's own environment selects and tunes: CK_RUN_SUITE, CK_RUN_CASE,
 * CK_FORK, CK_VERBOSITY. */
#include <check.h>
#include <stdlib.h>

/* The program's one suite; its own name is bound to this when it is linked. */
Suite *sluice_test_suite(void);

/* Against hangs: no machine is so slow. */
#define HANG_S "3000"

int main(void) {
  SRunner *runner;
  int failed;

  (void)setenv("CK_DEFAULT_TIMEOUT", HANG_S, 0); /* before there are cases */
  runner = srunner_create(sluice_test_suite());
  srunner_run_all(runner, CK_ENV);
  failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
