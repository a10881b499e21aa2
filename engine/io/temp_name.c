/* temp_name.c - see temp_name.h. */
#include "io/temp_name.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <uv.h>

enum {
  SUFFIX_LETTERS = 6,
  /* ".", ".", the letters, ".tmp" */
  DECORATION = 1 + 1 + SUFFIX_LETTERS + 4
};

static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

int sluice__temp_name_make(char out[NAME_MAX + 1], const char *name) {
  unsigned char random[SUFFIX_LETTERS];
  char suffix[SUFFIX_LETTERS + 1] = {0};
  int r = uv_random(NULL, NULL, random, sizeof(random), 0, NULL);

  out[0] = '\0';
  if (r < 0) {
    return r;
  }
  for (int i = 0; i < SUFFIX_LETTERS; i++) {
    suffix[i] = letters[random[i] % (sizeof(letters) - 1)];
  }
  (void)snprintf(out, NAME_MAX + 1, ".%.*s.%s.tmp", NAME_MAX - DECORATION, name,
                 suffix);
  return 0;
}

bool sluice__temp_name_is_for(const char *entry, const char *name) {
  size_t len = strnlen(name, NAME_MAX - DECORATION);
  const char *suffix = entry + len + 2;

  return strlen(entry) == len + DECORATION && entry[0] == '.' &&
         memcmp(entry + 1, name, len) == 0 && suffix[-1] == '.' &&
         strspn(suffix, letters) == SUFFIX_LETTERS &&
         strcmp(suffix + SUFFIX_LETTERS, ".tmp") == 0;
}

bool sluice__temp_name_is_of(int folder_fd, const char *entry, int fd) {
  struct stat x;
  struct stat y;

  return fstat(fd, &x) == 0 && S_ISREG(x.st_mode) && x.st_nlink == 1 &&
         fstatat(folder_fd, entry, &y, AT_SYMLINK_NOFOLLOW) == 0 &&
         x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}
