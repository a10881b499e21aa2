/* temp_file.c - see temp_file.h. */
#include "io/temp_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "io/leftover.h"
#include "io/temp_name.h"

enum {
  /* 62^6 names: so many collisions in a row are somebody's doing. */
  NAME_TRIES = 100,
  LINK_BYTES = sizeof("/proc/self/fd/-2147483648")
};

static int fail(sluice__temp_file_t *t, int code, const char *what) {
  t->failed = what;
  return code;
}

static int fail_errno(sluice__temp_file_t *t, const char *what) {
  return fail(t, uv_translate_sys_error(errno), what);
}

/* Forgotten first: in a child that is forked in between the number may be
 * another file's already. */
static void close_one(int *fd) {
  int open = *fd;

  *fd = -1;
  if (open >= 0) {
    (void)close(open);
  }
}

/* O_NONBLOCK: a FIFO that nobody reads fails (ENXIO) instead of holding a
 * thread of the pool for ever. */
static int open_device(sluice__temp_file_t *t, const char *path) {
  t->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  return t->fd < 0 ? fail_errno(t, "cannot open") : 0;
}

/* What a descriptor is reached by that has no name. */
static void name_link(char link[LINK_BYTES], int fd) {
  (void)snprintf(link, LINK_BYTES, "/proc/self/fd/%d", fd);
}

static bool is_same_file(const struct stat *x, const struct stat *y) {
  return x->st_dev == y->st_dev && x->st_ino == y->st_ino;
}

/* Is there a /proc to link it by, when it is whole? */
static bool can_be_linked(int fd) {
  char link[LINK_BYTES];
  struct stat x;
  struct stat y;

  name_link(link, fd);
  return fstat(fd, &x) == 0 && stat(link, &y) == 0 && is_same_file(&x, &y);
}

/* The lock belongs to what was opened, whichever descriptor is closed. Without
 * one (some network file systems have none) nobody else gets it either. */
static int hold(sluice__temp_file_t *t) {
  t->held_fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 0);
  if (t->held_fd < 0) {
    return uv_translate_sys_error(errno);
  }
  return flock(t->held_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
             ? UV_EEXIST
             : 0;
}

/* Not every file system can; whatever the reason, a name is tried next. */
static bool create_nameless(sluice__temp_file_t *t, mode_t mode) {
  t->fd =
      openat(t->target.folder_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
  if (t->fd >= 0 && can_be_linked(t->fd) && hold(t) == 0) {
    return true;
  }
  close_one(&t->held_fd);
  close_one(&t->fd);
  return false;
}

/* UV_EEXIST: the name is taken, or was taken for a leftover by another save
 * before it could be held. */
static int create_named(sluice__temp_file_t *t, mode_t mode) {
  int r = sluice__temp_name_make(t->temp, t->target.name);

  if (r < 0) {
    return r;
  }
  t->fd = openat(t->target.folder_fd, t->temp,
                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (t->fd < 0) {
    r = uv_translate_sys_error(errno);
    t->temp[0] = '\0';
    return r;
  }
  r = hold(t);
  return r == 0 && !sluice__temp_name_is_of(t->target.folder_fd, t->temp, t->fd)
             ? UV_EEXIST
             : r;
}

static void drop(sluice__temp_file_t *t, bool has_name) {
  close_one(&t->fd);
  if (has_name && t->temp[0] != '\0') {
    (void)unlinkat(t->target.folder_fd, t->temp, 0);
  }
  t->temp[0] = '\0';
  close_one(&t->held_fd);
}

static int create_temp(sluice__temp_file_t *t, mode_t mode) {
  int r = UV_EEXIST;

  if (create_nameless(t, mode)) {
    return 0;
  }
  for (int tries = 0; tries < NAME_TRIES && r == UV_EEXIST; tries++) {
    r = create_named(t, mode);
    if (r < 0) {
      drop(t, r != UV_EEXIST);
    }
  }
  return r < 0 ? fail(t, r, "cannot create a temporary file beside") : 0;
}

/* Not every file system takes O_DIRECT, and the mode may forbid a second
 * opening: then there is none. A name is looked up again, so what is found must
 * be what was created. */
static void open_direct(sluice__temp_file_t *t) {
  const int flags = O_WRONLY | O_DIRECT | O_CLOEXEC;
  char link[LINK_BYTES];
  struct stat x;
  struct stat y;

  if (t->temp[0] != '\0') {
    t->direct_fd = openat(t->target.folder_fd, t->temp, flags | O_NOFOLLOW);
  } else {
    name_link(link, t->fd);
    t->direct_fd = openat(AT_FDCWD, link, flags);
  }
  if (t->direct_fd >= 0 &&
      (fstat(t->fd, &x) != 0 || fstat(t->direct_fd, &y) != 0 ||
       !is_same_file(&x, &y))) {
    close_one(&t->direct_fd);
  }
}

static int create_beside(sluice__temp_file_t *t,
                         const sluice__temp_options_t *options) {
  int r;

  (void)sluice__leftovers_remove(t->target.folder_fd, t->target.name);
  r = create_temp(t, (mode_t)(options->mode & 07777));
  if (r == 0 && !options->no_direct) {
    open_direct(t);
  }
  return r;
}

/* Field by field: again, on the pool, it changes nothing, at no moment. */
void sluice__temp_file_init(sluice__temp_file_t *t) {
  t->fd = -1;
  t->direct_fd = -1;
  t->held_fd = -1;
  t->temp[0] = '\0';
  t->failed = NULL;
  sluice__target_init(&t->target);
}

int sluice__temp_file_create(sluice__temp_file_t *t, const char *path,
                             const sluice__temp_options_t *options) {
  int r;

  sluice__temp_file_init(t);
  r = sluice__target_find(&t->target, path, options->no_sync);
  if (r < 0) {
    t->failed = t->target.failed;
  } else {
    r = t->target.is_device ? open_device(t, path) : create_beside(t, options);
  }
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

static int link_once(sluice__temp_file_t *t) {
  char link[LINK_BYTES];
  int r = sluice__temp_name_make(t->temp, t->target.name);

  name_link(link, t->held_fd);
  if (r == 0 && linkat(AT_FDCWD, link, t->target.folder_fd, t->temp,
                       AT_SYMLINK_FOLLOW) != 0) {
    r = uv_translate_sys_error(errno);
  }
  if (r < 0) {
    t->temp[0] = '\0';
  }
  return r;
}

static int link_temp(sluice__temp_file_t *t) {
  int r = t->temp[0] != '\0' ? 0 : UV_EEXIST;

  for (int tries = 0; tries < NAME_TRIES && r == UV_EEXIST; tries++) {
    r = link_once(t);
  }
  return r < 0 ? fail(t, r, "cannot link a temporary file beside") : 0;
}

static int rename_temp(sluice__temp_file_t *t) {
  const int folder = t->target.folder_fd;

  if (renameat(folder, t->temp, folder, t->target.name) != 0) {
    return fail_errno(t, "cannot rename the temporary file to");
  }
  t->temp[0] = '\0';
  return 0;
}

/* EINVAL: a file system whose folders cannot be synced, and need not be. */
static int sync_folder(sluice__temp_file_t *t, bool no_sync) {
  if (no_sync || fsync(t->target.folder_fd) == 0 || errno == EINVAL) {
    return 0;
  }
  return fail_errno(t, "cannot sync the folder of");
}

int sluice__temp_file_commit(sluice__temp_file_t *t, bool no_sync) {
  int r = sync_and_close(t, no_sync);

  if (r == 0) {
    r = link_temp(t);
  }
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
  close_one(&t->direct_fd);
  drop(t, true);
  sluice__temp_file_close(t);
}

void sluice__temp_file_close(sluice__temp_file_t *t) {
  close_one(&t->direct_fd);
  close_one(&t->fd);
  close_one(&t->held_fd);
  sluice__target_done(&t->target);
}
