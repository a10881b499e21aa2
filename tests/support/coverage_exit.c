/* coverage_exit.c - counts of lines for processes that end by _exit().
 *
 * A process that a test forks must not run what its parent has registered for
 * its end, the writing of the counts included. Linked where coverage is
 * counted, with _exit wrapped. */
#include <stdlib.h>

void __gcov_dump(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);

_Noreturn void __wrap__exit(int status) {
  __gcov_dump();
  __real__exit(status);
}
