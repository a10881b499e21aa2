/* folder.h - where tests make their files: $SLUICE_TEST_FOLDER, or $TMPDIR, or
 * /tmp. On tmpfs a file is written from the host's memory, on a disk it is not:
 * so suites that save are run on both. */
#ifndef SLUICE_TESTS_FOLDER_H
#define SLUICE_TESTS_FOLDER_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static inline const char *test_folder(void) {
  const char *folder = getenv("SLUICE_TEST_FOLDER");

  if (folder == NULL) {
    folder = getenv("TMPDIR");
  }
  return folder != NULL && folder[0] != '\0' ? folder : "/tmp";
}

/* A template for mkstemp() and mkdtemp(). */
static inline void test_template(char *out, size_t size, const char *name) {
  int n = snprintf(out, size, "%s/sluice-%s-XXXXXX", test_folder(), name);

  ck_assert_msg(n > 0 && (size_t)n < size, "%s is too long a path",
                test_folder());
}

#endif
