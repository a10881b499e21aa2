/* leftover.c - see leftover.h. */
#include "io/leftover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <uv.h>

#include <sluice/sink.h>

#include "io/target.h"
#include "io/temp_name.h"

/* Whoever had the lock before may have removed or renamed it since it was
 * opened: only with the lock held does the name tell. */
static bool remove_locked(int folder_fd, const char *entry, int fd) {
  return flock(fd, LOCK_EX | LOCK_NB) == 0 &&
         sluice__temp_name_is_of(folder_fd, entry, fd) &&
         unlinkat(folder_fd, entry, 0) == 0;
}

/* O_NONBLOCK: somebody's FIFO of such a name must not hold the thread. */
static bool remove_one(int folder_fd, const char *entry) {
  int fd = openat(folder_fd, entry,
                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  bool is_removed;

  if (fd < 0) {
    return false;
  }
  is_removed = remove_locked(folder_fd, entry, fd);
  (void)close(fd);
  return is_removed;
}

static int remove_all(DIR *folder, const char *name) {
  struct dirent *e;
  int count = 0;

  while ((e = readdir(folder)) != NULL) {
    bool may_be_file = e->d_type == DT_REG || e->d_type == DT_UNKNOWN;

    if (may_be_file && sluice__temp_name_is_for(e->d_name, name) &&
        remove_one(dirfd(folder), e->d_name)) {
      count++;
    }
  }
  return count;
}

/* A descriptor of its own: where a folder is read to belongs to the one that
 * was opened. */
int sluice__leftovers_remove(int folder_fd, const char *name) {
  int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = fd < 0 ? NULL : fdopendir(fd);
  int count;

  if (folder == NULL) {
    int r = uv_translate_sys_error(errno);

    if (fd >= 0) {
      (void)close(fd);
    }
    return r;
  }
  count = remove_all(folder, name);
  (void)closedir(folder);
  return count;
}

static int clean(const char *path) {
  sluice__target_t target;
  int r = sluice__target_find(&target, path, true);

  if (r == 0 && !target.is_device) {
    r = sluice__leftovers_remove(target.folder_fd, target.name);
  }
  sluice__target_done(&target);
  return r;
}

int sluice_sink_file_clean(const char *path) {
  const char *given;
  char *absolute;
  int r;

  if (path == NULL) {
    return UV_EINVAL;
  }
  r = sluice__path_absolute(&absolute, &given, path);
  if (r == 0) {
    r = clean(absolute);
    free(absolute);
  }
  return r;
}
