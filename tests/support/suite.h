/* suite.h - the suite of this test program; its name comes from the build. */
#ifndef SLUICE_TESTS_SUITE_H
#define SLUICE_TESTS_SUITE_H

#include <check.h>

Suite *SLUICE_TEST_SUITE(void);

#endif
