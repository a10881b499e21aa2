/* skip.h - a case that cannot be run here says so, and returns.
 *
 * Check knows passed and failed alone, and what returns early has passed. So a
 * case that wants something of the kernel that is not there prints a line,
 *
 *   SKIPPED suite.case: why
 *
 * which `./dev test` counts. Only what a kernel or a container may refuse is
 * skipped; a program that is not installed fails. */
#ifndef SLUICE_TESTS_SKIP_H
#define SLUICE_TESTS_SKIP_H

#include <stdio.h>
#include <string.h>

#define SKIP_TEXT(name)    SKIP_TEXT_OF(name)
#define SKIP_TEXT_OF(name) #name

/* In a case; return then. */
#define skip(why) skip_named(__func__, why)
/* In a suite that leaves out rows or cases. */
#define skip_rows(what, why) skip_named(what, why)

#define NO_GUARD   "no /proc, or a kernel that does not guard memory"
#define NO_FILL    "the kernel does not let us fill pages (userfaultfd)"
#define NO_DENYING "the kernel does not let us deny calls (seccomp)"

/* Without the endings that Check's macros and CMake give to names. */
static inline int skip_length(const char *name, const char *ending) {
  size_t n = strlen(name);
  size_t e = strlen(ending);

  return (int)(n > e && strcmp(name + n - e, ending) == 0 ? n - e : n);
}

static inline void skip_named(const char *name, const char *why) {
  const char suite[] = SKIP_TEXT(SLUICE_TEST_SUITE);

  (void)printf("SKIPPED %.*s.%.*s: %s\n", skip_length(suite, "_suite"), suite,
               skip_length(name, "_fn"), name, why);
  (void)fflush(stdout);
}

#endif
