/* rig_socket.c - recvmsg() that fails, gives a byte or ends, behind the
 * linker's --wrap; for suites of hand-overs. */
#include <errno.h>
#include <sys/socket.h>

#include "fault.h"

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags) {
  const fault_t *f = fault_hits(FAULT_READ);

  if (f == NULL) {
    return __real_recvmsg(fd, message, flags);
  }
  if (f->style == STYLE_SHORT) {
    message->msg_iov[0].iov_len = 1;
    message->msg_iovlen = 1;
    return __real_recvmsg(fd, message, flags);
  }
  errno = f->code;
  return f->style == STYLE_END ? 0 : -1;
}
