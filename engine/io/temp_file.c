/* temp_file.c - see temp_file.h. */
#include "io/temp_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

enum {
  SUFFIX_LETTERS = 6,
  /* ".", ".", the letters, ".tmp" */
  DECORATION = 1 + 1 + SUFFIX_LETTERS + 4,
  /* 62^6 names: so many collisions in a row are somebody's doing. */
  NAME_TRIES = 100
};

static int fail(sluice__temp_file_t *t, int code, const char *what) {
  t->failed = what;
  return code;
}

static int fail_errno(sluice__temp_file_t *t, const char *what) {
  return fail(t, uv_translate_sys_error(errno), what);
}

static void close_one(int *fd) {
  if (*fd >= 0) {
    (void)close(*fd);
  }
  *fd = -1;
}

/* O_NONBLOCK: a FIFO that nobody reads fails (ENXIO) instead of holding a
 * thread of the pool for ever. */
static int open_device(sluice__temp_file_t *t, const char *path) {
  t->is_device = true;
  t->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  return t->fd < 0 ? fail_errno(t, "cannot open") : 0;
}

static int open_folder(sluice__temp_file_t *t, const char *path, size_t len,
                       bool no_sync) {
  /* Without a sync it need not be readable. */
  int flags = O_DIRECTORY | O_CLOEXEC | (no_sync ? O_PATH : O_RDONLY);
  char *folder =
      len == 0 ? strdup(path[0] == '/' ? "/" : ".") : strndup(path, len);

  if (folder == NULL) {
    return fail(t, UV_ENOMEM, "no memory for the name of");
  }
  t->folder_fd = open(folder, flags);
  free(folder);
  return t->folder_fd < 0 ? fail_errno(t, "cannot open the folder of") : 0;
}

static int split_path(sluice__temp_file_t *t, const char *path, bool no_sync) {
  const char *slash = strrchr(path, '/');
  const char *name = slash == NULL ? path : slash + 1;

  if (name[0] == '\0') {
    return fail(t, path[0] == '\0' ? UV_ENOENT : UV_EISDIR, "no file name in");
  }
  if (strlen(name) > NAME_MAX) {
    return fail(t, UV_ENAMETOOLONG, "file name is too long in");
  }
  (void)snprintf(t->name, sizeof(t->name), "%s", name);
  return open_folder(t, path, slash == NULL ? 0 : (size_t)(slash - path),
                     no_sync);
}

static int make_temp_name(sluice__temp_file_t *t) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  unsigned char random[SUFFIX_LETTERS];
  char suffix[SUFFIX_LETTERS + 1];
  int i;
  int r = uv_random(NULL, NULL, random, sizeof(random), 0, NULL);

  for (i = 0; i < SUFFIX_LETTERS; i++) {
    suffix[i] = letters[random[i] % (sizeof(letters) - 1)];
  }
  suffix[SUFFIX_LETTERS] = '\0';
  (void)snprintf(t->temp, sizeof(t->temp), ".%.*s.%s.tmp",
                 NAME_MAX - DECORATION, t->name, suffix);
  return r;
}

static int create_temp(sluice__temp_file_t *t, uint32_t mode) {
  int tries;
  int r = 0;

  for (tries = 0; tries < NAME_TRIES && t->fd < 0; tries++) {
    r = make_temp_name(t);
    if (r < 0) {
      break;
    }
    t->fd = openat(t->folder_fd, t->temp,
                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                   (mode_t)(mode & 07777));
    r = t->fd < 0 ? uv_translate_sys_error(errno) : 0;
    if (r != 0 && r != UV_EEXIST) {
      break;
    }
  }
  if (r < 0) {
    t->temp[0] = '\0';
    return fail(t, r, "cannot create a temporary file beside");
  }
  return 0;
}

static bool is_same_file(int a, int b) {
  struct stat x;
  struct stat y;

  return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
         x.st_ino == y.st_ino;
}

/* Not every file system takes O_DIRECT, and the mode may forbid a second
 * opening: then there is none. The name is looked up again, so what is found
 * must be what was created. */
static void open_direct(sluice__temp_file_t *t) {
  t->direct_fd = openat(t->folder_fd, t->temp,
                        O_WRONLY | O_DIRECT | O_NOFOLLOW | O_CLOEXEC);
  if (t->direct_fd >= 0 && !is_same_file(t->fd, t->direct_fd)) {
    close_one(&t->direct_fd);
  }
}

static int create_beside(sluice__temp_file_t *t, const char *path,
                         const sluice__temp_options_t *options) {
  int r = split_path(t, path, options->no_sync);

  if (r == 0) {
    r = create_temp(t, options->mode);
  }
  if (r == 0 && !options->no_direct) {
    open_direct(t);
  }
  return r;
}

/* What a symbolic link points to is replaced, not the link. */
static int create_behind_link(sluice__temp_file_t *t, const char *path,
                              const sluice__temp_options_t *options) {
  char *target = realpath(path, NULL);
  int r;

  if (target == NULL) {
    return fail_errno(t, "a symbolic link leads nowhere:");
  }
  r = create_beside(t, target, options);
  free(target);
  return r;
}

static int create_by_kind(sluice__temp_file_t *t, const char *path,
                          const sluice__temp_options_t *options) {
  struct stat st;

  if (lstat(path, &st) != 0) {
    return errno == ENOENT ? create_beside(t, path, options)
                           : fail_errno(t, "cannot look at");
  }
  if (S_ISREG(st.st_mode)) {
    return create_beside(t, path, options);
  }
  if (S_ISLNK(st.st_mode) && (stat(path, &st) != 0 || S_ISREG(st.st_mode))) {
    return create_behind_link(t, path, options);
  }
  if (S_ISDIR(st.st_mode)) {
    return fail(t, UV_EISDIR, "a folder stands at");
  }
  return open_device(t, path);
}

int sluice__temp_file_create(sluice__temp_file_t *t, const char *path,
                             const sluice__temp_options_t *options) {
  int r;

  *t = (sluice__temp_file_t){.fd = -1, .direct_fd = -1, .folder_fd = -1};
  r = create_by_kind(t, path, options);
  if (r < 0) {
    sluice__temp_file_discard(t);
  }
  return r;
}

/* Some network file systems tell of a full disk at close() only. */
static int sync_and_close(sluice__temp_file_t *t, bool no_sync) {
  int fd = t->fd;

  close_one(&t->direct_fd);
  if (!no_sync && fsync(fd) != 0) {
    return fail_errno(t, "cannot sync");
  }
  t->fd = -1;
  /* After EINTR the descriptor is closed all the same. */
  return close(fd) == 0 || errno == EINTR ? 0 : fail_errno(t, "cannot close");
}

static int rename_temp(sluice__temp_file_t *t) {
  if (renameat(t->folder_fd, t->temp, t->folder_fd, t->name) != 0) {
    return fail_errno(t, "cannot rename the temporary file to");
  }
  t->temp[0] = '\0';
  return 0;
}

/* EINVAL: a file system whose folders cannot be synced, and need not be. */
static int sync_folder(sluice__temp_file_t *t, bool no_sync) {
  if (no_sync || fsync(t->folder_fd) == 0 || errno == EINVAL) {
    return 0;
  }
  return fail_errno(t, "cannot sync the folder of");
}

int sluice__temp_file_commit(sluice__temp_file_t *t, bool no_sync) {
  int r = sync_and_close(t, no_sync);

  if (r == 0) {
    r = rename_temp(t);
  }
  if (r == 0) {
    r = sync_folder(t, no_sync);
  }
  sluice__temp_file_discard(t);
  return r;
}

void sluice__temp_file_discard(sluice__temp_file_t *t) {
  close_one(&t->fd);
  close_one(&t->direct_fd);
  if (t->temp[0] != '\0') {
    (void)unlinkat(t->folder_fd, t->temp, 0);
    t->temp[0] = '\0';
  }
  close_one(&t->folder_fd);
}
