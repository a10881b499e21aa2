/* target.c - see target.h. Must know nothing of what is written. */
#include "files/target.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/tidy.h"

#define TEMP_NAME ".sluice-XXXXXX"

/* Where scratch files go that belong to no folder: they may be large, and /tmp
 * often is memory. */
#define SCRATCH_FOLDER "/var/tmp"

enum { COPY_BYTES = 256 * 1024, SENDFILE_BYTES = 16 * 1024 * 1024 };

/* The folder of `path`, allocated. */
static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');

  if (slash == NULL) {
    return strdup(".");
  }
  return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* Ends with six X. */
static char *temp_name(const char *folder) {
  char *name;

  return asprintf(&name, "%s/%s", folder, TEMP_NAME) < 0 ? NULL : name;
}

/* What a file made by open() would get, or what the one had that is replaced.
 */
static mode_t mode_for(const struct stat *former) {
  mode_t mask;

  if (former != NULL) {
    return former->st_mode & 0777;
  }
  mask = umask(0);
  (void)umask(mask);
  return 0666 & ~mask;
}

/* A file without a name leaves nothing behind even when we are killed. Not
 * every file system has them, and they are named through /proc. */
static int open_nameless(target_t *t, const char *folder) {
  t->fd = access("/proc/self/fd", X_OK) < 0
              ? -1
              : open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  t->is_nameless = t->fd >= 0;
  return t->fd;
}

static int open_file(target_t *t, const char *path, const struct stat *former,
                     failure_t *f) {
  char *folder;

  /* The file behind a link is replaced, not the link. */
  t->final = former != NULL ? realpath(path, NULL) : strdup(path);
  folder = t->final == NULL ? NULL : folder_of(t->final);
  t->temp = folder == NULL ? NULL : temp_name(folder);
  if (t->temp == NULL ||
      (open_nameless(t, folder) < 0 && (t->fd = tidy_create(t->temp)) < 0)) {
    int r = fail_system(f, t->name, errno, "create");

    free(folder);
    free(t->temp);
    t->temp = NULL;
    return r;
  }
  free(folder);
  (void)fchmod(t->fd, mode_for(former));
  return 0;
}

static int open_unlinked(const char *folder) {
  int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  char *name;

  if (fd >= 0) {
    return fd;
  }
  name = temp_name(folder); /* not every file system has such files */
  fd = name == NULL ? -1 : mkostemp(name, O_CLOEXEC);
  if (fd >= 0) {
    (void)unlink(name);
  }
  free(name);
  return fd;
}

static const char *scratch_folder(void) {
  const char *folder = getenv("TMPDIR");

  return folder != NULL && folder[0] != '\0' ? folder : SCRATCH_FOLDER;
}

/* `fd` takes bytes in order only. */
static int open_stream(target_t *t, int fd, bool must_seek, failure_t *f) {
  t->fd = fd;
  t->is_stream = !must_seek;
  if (must_seek) {
    t->stream = fd;
    t->fd = open_unlinked(scratch_folder());
    if (t->fd < 0) {
      return fail_system(f, scratch_folder(), errno, "make a temporary file");
    }
  }
  return 0;
}

int target_open(target_t *t, const char *path, bool must_seek, failure_t *f) {
  struct stat st;
  bool exists;
  int fd;

  *t = (target_t){.name = output_name(path), .fd = -1, .stream = -1};
  /* A reader that goes away is an error like any other here, told in words. */
  (void)signal(SIGPIPE, SIG_IGN);
  if (strcmp(path, "-") == 0) {
    return open_stream(t, STDOUT_FILENO, must_seek, f);
  }
  exists = stat(path, &st) == 0;
  if (!exists || S_ISREG(st.st_mode)) {
    return open_file(t, path, exists ? &st : NULL, f);
  }
  fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    return fail_system(f, t->name, errno, "open");
  }
  t->owns_stream = true;
  return open_stream(t, fd, must_seek, f);
}

void target_open_fd(target_t *t, int fd, const char *name) {
  (void)signal(SIGPIPE, SIG_IGN);
  *t = (target_t){.name = name, .fd = fd, .is_stream = true, .stream = -1};
}

int target_open_scratch(target_t *t, const char *path, failure_t *f) {
  struct stat st;
  char *folder = NULL;

  *t = (target_t){.name = output_name(path), .fd = -1, .stream = -1};
  if (strcmp(path, "-") != 0 && (stat(path, &st) < 0 || S_ISREG(st.st_mode))) {
    folder = folder_of(path);
  }
  t->fd = open_unlinked(folder != NULL ? folder : scratch_folder());
  free(folder);
  return t->fd < 0
             ? fail_system(f, t->name, errno, "make a temporary file for it")
             : 0;
}

static int write_all(int fd, const char *data, size_t len) {
  while (len > 0) {
    ssize_t n = write(fd, data, len);

    if (n < 0 && errno != EINTR) {
      return -1;
    }
    if (n > 0) {
      data += n;
      len -= (size_t)n;
    }
  }
  return 0;
}

int target_write(target_t *t, const void *data, size_t len, failure_t *f) {
  return write_all(t->fd, data, len) < 0
             ? fail_system(f, t->name, errno, "write")
             : 0;
}

/* For what sendfile() does not take: a file opened to append, say. */
static int copy_rest(int from, int to) {
  static char block[COPY_BYTES];
  ssize_t n;

  while ((n = read(from, block, sizeof(block))) != 0) {
    if (n < 0 && errno != EINTR) {
      return -1;
    }
    if (n > 0 && write_all(to, block, (size_t)n) < 0) {
      return -1;
    }
  }
  return 0;
}

static int copy_all(int from, int to) {
  ssize_t n;

  if (lseek(from, 0, SEEK_SET) < 0) {
    return -1;
  }
  do {
    n = sendfile(to, from, NULL, SENDFILE_BYTES);
  } while (n > 0 || (n < 0 && errno == EINTR));
  if (n < 0 && (errno == EINVAL || errno == ENOSYS)) {
    return copy_rest(from, to); /* sendfile() moved the offset along */
  }
  return (int)n;
}

/* Some file systems have nothing to sync, and say so. */
static int sync_fd(int fd) {
  return fsync(fd) < 0 && errno != EINVAL ? -1 : 0;
}

static int sync_folder(const char *path) {
  char *folder = folder_of(path);
  int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY);
  int r = fd < 0 ? -1 : sync_fd(fd);
  int number = errno;

  if (fd >= 0) {
    (void)close(fd);
  }
  free(folder);
  errno = number;
  return r;
}

static int link_as(const target_t *t, const char *path) {
  char from[64];

  (void)snprintf(from, sizeof(from), "/proc/self/fd/%d", t->fd);
  return linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

/* In place of the six X. */
static int make_random(char *temp) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
  unsigned char bytes[6];
  char *to = temp + strlen(temp) - sizeof(bytes);

  if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
    return -1;
  }
  for (size_t i = 0; i < sizeof(bytes); i++) {
    to[i] = letters[bytes[i] % 32];
  }
  return 0;
}

/* A link cannot replace a file, only rename() can: that takes a name between.
 */
static int name_and_rename(target_t *t) {
  int r = -1;

  tidy_watch(t->temp);
  do {
    if (make_random(t->temp) < 0) {
      return -1;
    }
    r = link_as(t, t->temp);
  } while (r < 0 && errno == EEXIST);
  t->is_nameless = r < 0;
  return r < 0 ? -1 : rename(t->temp, t->final);
}

static int show_file(target_t *t) {
  if (!t->is_nameless) {
    return rename(t->temp, t->final);
  }
  if (link_as(t, t->final) == 0) {
    return 0;
  }
  return errno == EEXIST ? name_and_rename(t) : -1;
}

static int commit_file(target_t *t, failure_t *f) {
  if (sync_fd(t->fd) < 0) {
    return fail_system(f, t->name, errno, "write");
  }
  if (show_file(t) < 0) {
    return fail_system(f, t->name, errno, "replace");
  }
  tidy_forget(t->temp);
  free(t->temp);
  t->temp = NULL;
  return sync_folder(t->final) < 0
             ? fail_system(f, t->name, errno, "sync the folder")
             : 0;
}

int target_commit(target_t *t, failure_t *f) {
  if (t->temp != NULL) {
    return commit_file(t, f);
  }
  if (t->stream >= 0 && copy_all(t->fd, t->stream) < 0) {
    return fail_system(f, t->name, errno, "write");
  }
  return 0;
}

void target_close(target_t *t) {
  int stream = t->is_stream ? t->fd : t->stream;

  if (t->temp != NULL) {
    if (!t->is_nameless) {
      (void)unlink(t->temp);
    }
    tidy_forget(t->temp);
    free(t->temp);
  }
  if (!t->is_stream && t->fd >= 0) {
    (void)close(t->fd);
  }
  if (t->owns_stream && stream >= 0) {
    (void)close(stream);
  }
  free(t->final);
  *t = (target_t){.name = t->name, .fd = -1, .stream = -1};
}
