/* deny.h - from now on the kernel refuses one system call to this process.
 *
 * For tests that Check runs in a child of their own: there is no way back. */
#ifndef SLUICE_TESTS_DENY_H
#define SLUICE_TESTS_DENY_H

#include <stddef.h>

/* `call` returns -1 with `error`. `arg1`: only if its second argument is this;
 * 0: always. Returns 0, or -1 where filters are not to be had. */
int deny_call(int call, unsigned arg1, int error);

/* From now on each of these ends the process, with SIGSYS. At most 32. */
int forbid_calls(const int *calls, size_t count);

#endif
