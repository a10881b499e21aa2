/* deny.c - see deny.h. A seccomp filter of five instructions; it looks at the
 * call's number and the low half of its second argument, little-endian. */
#include "deny.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define NUMBER   offsetof(struct seccomp_data, nr)
#define ARGUMENT offsetof(struct seccomp_data, args[1])

enum { FORBIDDEN_MAX = 32 };

static int install(const struct sock_fprog *program) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return -1;
  }
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program);
}

int deny_call(int call, unsigned arg1, int error) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arg1, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]),
                               .filter = code};

  if (arg1 == 0) {
    code[3] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
                                           SECCOMP_RET_ERRNO | (unsigned)error);
  }
  return install(&program);
}

int forbid_calls(const int *calls, size_t count) {
  struct sock_filter code[FORBIDDEN_MAX + 3] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER)};
  struct sock_fprog program = {.len = (unsigned short)(count + 3),
                               .filter = code};

  if (count > FORBIDDEN_MAX) {
    return -1;
  }
  for (size_t i = 0; i < count; i++) {
    code[1 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                               (unsigned)calls[i],
                                               (unsigned char)(count - i), 0);
  }
  code[1 + count] =
      (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  code[2 + count] =
      (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  return install(&program);
}
