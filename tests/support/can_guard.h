/* can_guard.h - whether this kernel, with its settings, lets memory be guarded
 * against writing: what cuts of write-protected memory need. */
#ifndef SLUICE_TESTS_CAN_GUARD_H
#define SLUICE_TESTS_CAN_GUARD_H

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int can_guard(void) {
  struct uffdio_api api = {.api = UFFD_API};
  int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
  int can;

  if (fd < 0 || access("/proc/self/pagemap", R_OK) != 0) {
    (void)close(fd);
    return 0;
  }
  api.features = UINT64_C(1) << 15; /* asynchronous, too: Linux 6.7 */
  can = ioctl(fd, UFFDIO_API, &api) == 0;
  (void)close(fd);
  return can;
}

#endif
