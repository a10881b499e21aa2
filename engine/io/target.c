/* target.c - see target.h. */
#include "io/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

static char *join(const char *folder, const char *path) {
  size_t len = strlen(folder) + 1 + strlen(path) + 1;
  char *joined = malloc(len);

  if (joined != NULL) {
    (void)snprintf(joined, len, "%s/%s", folder, path);
  }
  return joined;
}

int sluice__path_absolute(char **out, const char **given, const char *path) {
  bool is_relative = path[0] != '/' && path[0] != '\0';
  char *folder = is_relative ? getcwd(NULL, 0) : NULL;

  if (is_relative && folder == NULL) {
    return uv_translate_sys_error(errno);
  }
  *out = is_relative ? join(folder, path) : strdup(path);
  free(folder);
  if (*out == NULL) {
    return UV_ENOMEM;
  }
  *given = *out + (strlen(*out) - strlen(path));
  return 0;
}

static int fail(sluice__target_t *t, int code, const char *what) {
  t->failed = what;
  return code;
}

static int fail_errno(sluice__target_t *t, const char *what) {
  return fail(t, uv_translate_sys_error(errno), what);
}

static int open_folder(sluice__target_t *t, const char *path, size_t len,
                       bool no_sync) {
  int flags = O_DIRECTORY | O_CLOEXEC | (no_sync ? O_PATH : O_RDONLY);
  char *folder = len == 0 ? strdup("/") : strndup(path, len);

  if (folder == NULL) {
    return fail(t, UV_ENOMEM, "no memory for the name of");
  }
  t->folder_fd = open(folder, flags);
  free(folder);
  return t->folder_fd < 0 ? fail_errno(t, "cannot open the folder of") : 0;
}

/* `path` is absolute, or empty. */
static int split_path(sluice__target_t *t, const char *path, bool no_sync) {
  const char *slash = strrchr(path, '/');
  const char *name = slash == NULL ? path : slash + 1;

  if (name[0] == '\0') {
    return fail(t, path[0] == '\0' ? UV_ENOENT : UV_EISDIR, "no file name in");
  }
  if (strlen(name) > NAME_MAX) {
    return fail(t, UV_ENAMETOOLONG, "file name is too long in");
  }
  (void)snprintf(t->name, sizeof(t->name), "%s", name);
  return open_folder(t, path, (size_t)(slash - path), no_sync);
}

static int take_as_it_is(sluice__target_t *t, const struct stat *st) {
  if (S_ISDIR(st->st_mode)) {
    return fail(t, UV_EISDIR, "a folder stands at");
  }
  t->is_device = true;
  return 0;
}

static int find_behind(sluice__target_t *t, const char *path,
                       const struct stat *wanted, bool no_sync) {
  char *target = realpath(path, NULL);
  struct stat st;
  int r;

  if (target == NULL) {
    return fail_errno(t, "cannot follow the symbolic link");
  }
  if (lstat(target, &st) != 0 || st.st_dev != wanted->st_dev ||
      st.st_ino != wanted->st_ino) {
    r = fail(t, UV_EACCES, "somebody changes the symbolic link");
  } else {
    r = split_path(t, target, no_sync);
  }
  free(target);
  return r;
}

/* What a link points to is replaced, not the link. Whether it may be followed
 * the kernel says: not a stranger's in a sticky folder (protected_symlinks).
 * realpath() reads links without asking, so what it finds must be what the
 * kernel has led to. */
static int follow_link(sluice__target_t *t, const char *path, bool no_sync) {
  int fd = open(path, O_PATH | O_CLOEXEC);
  struct stat st;
  int r;

  if (fd < 0) {
    return fail_errno(t, errno == ENOENT ? "a symbolic link leads nowhere:"
                                         : "cannot follow the symbolic link");
  }
  if (fstat(fd, &st) != 0) {
    r = fail_errno(t, "cannot look at");
  } else {
    r = S_ISREG(st.st_mode) ? find_behind(t, path, &st, no_sync)
                            : take_as_it_is(t, &st);
  }
  (void)close(fd);
  return r;
}

void sluice__target_init(sluice__target_t *t) {
  t->folder_fd = -1;
  t->is_device = false;
  t->name[0] = '\0';
  t->failed = NULL;
}

int sluice__target_find(sluice__target_t *t, const char *path, bool no_sync) {
  struct stat st;

  sluice__target_init(t);
  if (lstat(path, &st) != 0) {
    return errno == ENOENT ? split_path(t, path, no_sync)
                           : fail_errno(t, "cannot look at");
  }
  if (S_ISLNK(st.st_mode)) {
    return follow_link(t, path, no_sync);
  }
  return S_ISREG(st.st_mode) ? split_path(t, path, no_sync)
                             : take_as_it_is(t, &st);
}

void sluice__target_done(sluice__target_t *t) {
  int fd = t->folder_fd;

  t->folder_fd = -1; /* first: a child may be forked in between */
  if (fd >= 0) {
    (void)close(fd);
  }
}
