/* mortal.c - makes a kvd that dies at a chosen step of a hand-over: linked to
 * it with sendmsg and recvmsg wrapped, which nothing else in it uses.
 *
 *   KVD_KILL_AT=N   kill -9 itself at the Nth call that moved something
 *   KVD_CALLS=FILE  writes there how many there were, after each
 *
 * Between two calls nothing that the other side could see happens: no other
 * moment is different. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

static unsigned calls;

static unsigned kill_at(void) {
  const char *text = getenv("KVD_KILL_AT");

  return text == NULL ? 0 : (unsigned)atoi(text);
}

static void tell(void) {
  const char *path = getenv("KVD_CALLS");
  FILE *f = path == NULL ? NULL : fopen(path, "w");

  if (f != NULL) {
    fprintf(f, "%u\n", calls);
    fclose(f);
  }
}

static void count(void) {
  calls++;
  tell();
  if (calls == kill_at()) {
    (void)raise(SIGKILL);
  }
}

/* Before it sends: a message is out or it is not. */
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
  count();
  return __real_sendmsg(fd, message, flags);
}

/* Looking in vain is no step. */
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags) {
  ssize_t n = __real_recvmsg(fd, message, flags);

  if (n >= 0) {
    count();
  }
  return n;
}
