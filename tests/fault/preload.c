/* preload.c - loaded into a program by LD_PRELOAD: its own n-th call fails.
 *
 *   SLUICE_FAULT_CALL    memory, open, read, write, sync, rename, map
 *   SLUICE_FAULT_NTH     how many of these go well first
 *   SLUICE_FAULT_EVER    set: all after it fail, too
 *   SLUICE_FAULT_ERRNO   how
 *   SLUICE_FAULT_MARK    a file that is made when one has failed
 *
 * Calls of the program itself count, not those of its libraries. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static uintptr_t text_from, text_to; /* of the program */
static const char *wanted;
static const char *mark;
static int nth, error;
static bool for_ever;
static atomic_int calls;

static int note_program(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  (void)data;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *p = &info->dlpi_phdr[i];

    if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0) {
      text_from = info->dlpi_addr + p->p_vaddr;
      text_to = text_from + p->p_memsz;
    }
  }
  return 1; /* the first one is the program */
}

__attribute__((constructor)) static void begin(void) {
  const char *n = getenv("SLUICE_FAULT_NTH");
  const char *e = getenv("SLUICE_FAULT_ERRNO");

  (void)dl_iterate_phdr(note_program, NULL);
  nth = n == NULL ? 0 : atoi(n);
  error = e == NULL ? EIO : atoi(e);
  for_ever = getenv("SLUICE_FAULT_EVER") != NULL;
  mark = getenv("SLUICE_FAULT_MARK");
  wanted = getenv("SLUICE_FAULT_CALL");
}

static void make_mark(void) {
  if (mark != NULL) {
    (void)syscall(SYS_close, (int)syscall(SYS_openat, AT_FDCWD, mark,
                                          O_CREAT | O_WRONLY, 0600));
  }
}

static bool fails(const char *call, const void *caller) {
  uintptr_t at = (uintptr_t)caller;
  int n;

  if (wanted == NULL || at < text_from || at >= text_to ||
      strcmp(call, wanted) != 0) {
    return false;
  }
  n = atomic_fetch_add(&calls, 1);
  if (n != nth && !(for_ever && n > nth)) {
    return false;
  }
  make_mark();
  errno = error;
  return true;
}

/* The function of that name behind this one. */
#define REAL(name)                                                             \
  static __typeof__(name) *real_##name;                                        \
  union {                                                                      \
    void *object;                                                              \
    __typeof__(name) *function;                                                \
  } found_##name;                                                              \
  if (real_##name == NULL) {                                                   \
    found_##name.object = dlsym(RTLD_NEXT, #name);                             \
    real_##name = found_##name.function;                                       \
  }

#define CALLER __builtin_return_address(0)

void *malloc(size_t size) {
  REAL(malloc)
  return fails("memory", CALLER) ? NULL : real_malloc(size);
}

/* dlsym() itself calls it, so it is found by its other name. */
extern void *__libc_calloc(size_t count, size_t size);

void *calloc(size_t count, size_t size) {
  return fails("memory", CALLER) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size) {
  REAL(realloc)
  return fails("memory", CALLER) ? NULL : real_realloc(p, size);
}

char *strdup(const char *text) {
  REAL(strdup)
  return fails("memory", CALLER) ? NULL : real_strdup(text);
}

int open(const char *path, int flags, ...) {
  REAL(open)
  va_list ap;
  mode_t mode;

  va_start(ap, flags);
  mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;
  va_end(ap);
  return fails("open", CALLER) ? -1 : real_open(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...) {
  REAL(openat)
  va_list ap;
  mode_t mode;

  va_start(ap, flags);
  mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;
  va_end(ap);
  return fails("open", CALLER) ? -1 : real_openat(dir, path, flags, mode);
}

ssize_t read(int fd, void *buf, size_t len) {
  REAL(read)
  return fails("read", CALLER) ? -1 : real_read(fd, buf, len);
}

ssize_t pread(int fd, void *buf, size_t len, off_t at) {
  REAL(pread)
  return fails("read", CALLER) ? -1 : real_pread(fd, buf, len, at);
}

ssize_t write(int fd, const void *buf, size_t len) {
  REAL(write)
  return fd > 2 && fails("write", CALLER) ? -1 : real_write(fd, buf, len);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at) {
  REAL(pwrite)
  return fails("write", CALLER) ? -1 : real_pwrite(fd, buf, len, at);
}

ssize_t writev(int fd, const struct iovec *iov, int count) {
  REAL(writev)
  return fd > 2 && fails("write", CALLER) ? -1 : real_writev(fd, iov, count);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t at) {
  REAL(pwritev)
  return fails("write", CALLER) ? -1 : real_pwritev(fd, iov, count, at);
}

int fsync(int fd) {
  REAL(fsync)
  return fails("sync", CALLER) ? -1 : real_fsync(fd);
}

int fdatasync(int fd) {
  REAL(fdatasync)
  return fails("sync", CALLER) ? -1 : real_fdatasync(fd);
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
  REAL(linkat)
  return fails("rename", CALLER) ? -1 : real_linkat(a, from, b, to, flags);
}

int rename(const char *from, const char *to) {
  REAL(rename)
  return fails("rename", CALLER) ? -1 : real_rename(from, to);
}

int renameat(int a, const char *from, int b, const char *to) {
  REAL(renameat)
  return fails("rename", CALLER) ? -1 : real_renameat(a, from, b, to);
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset) {
  REAL(mmap)
  return fails("map", CALLER) ? MAP_FAILED
                              : real_mmap(at, len, prot, flags, fd, offset);
}
