/* images.c - finds, names and deletes the files of images.
 *
 * Invariant: `list` is sorted, newest first. */
#include "images.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include <sluice/sink.h>

/* The N of "NAME.N", written as we write it; 0: it is another file. */
static uint64_t number_of(const char *file, const char *name) {
  size_t n = strlen(name);
  unsigned long long number;
  char *rest;

  if (strncmp(file, name, n) != 0 || file[n] != '.' || file[n + 1] < '1' ||
      file[n + 1] > '9') {
    return 0;
  }
  errno = 0;
  number = strtoull(file + n + 1, &rest, 10);
  return errno == 0 && *rest == '\0' && number < UINT64_MAX ? number : 0;
}

static void insert(images_t *images, uint64_t number) {
  size_t i = images->count;

  if (i == IMAGES_MAX) {
    if (number < images->list[i - 1].number) {
      return;
    }
    i--;
  } else {
    images->count++;
  }
  for (; i > 0 && images->list[i - 1].number < number; i--) {
    images->list[i] = images->list[i - 1];
  }
  images->list[i] = (image_t){.number = number};
}

int images_find(images_t *images, const char *dir, const char *name) {
  DIR *d = opendir(dir);
  const struct dirent *entry;
  uint64_t number;

  memset(images, 0, sizeof(*images));
  images->dir = dir;
  images->name = name;
  if (d == NULL) {
    return uv_translate_sys_error(errno);
  }
  while ((entry = readdir(d)) != NULL) {
    number = number_of(entry->d_name, name);
    if (number != 0) {
      insert(images, number);
    }
  }
  closedir(d);
  return 0;
}

int images_path(const images_t *images, uint64_t number, char out[PATH_MAX]) {
  int n = snprintf(out, PATH_MAX, "%s/%s.%llu", images->dir, images->name,
                   (unsigned long long)number);

  return n > 0 && n < PATH_MAX ? 0 : UV_ENAMETOOLONG;
}

uint64_t images_next(const images_t *images) {
  return images->count == 0 ? 1 : images->list[0].number + 1;
}

void images_add(images_t *images, uint64_t number) {
  insert(images, number);
}

uint64_t images_retire(images_t *images, size_t keep) {
  size_t i = 0;

  while (i < images->count && keep > 0) {
    keep -= !images->list[i].is_refused;
    i++;
  }
  images->count = i;
  return i == 0 ? 0 : images->list[i - 1].number;
}

/* The N of ".NAME.N.XXXXXX.tmp", of a save that did not come to its end; 0: it
 * is another file. */
static uint64_t left_over_of(const char *file, const char *name) {
  const char *end = strrchr(file, '.');
  char image[NAME_MAX + 1];

  if (file[0] != '.' || end == NULL || strcmp(end, ".tmp") != 0 ||
      end - file < 8) {
    return 0;
  }
  (void)snprintf(image, sizeof(image), "%.*s", (int)(end - file) - 8, file + 1);
  return number_of(image, name);
}

/* Sluice knows which are its own, and which of them a save still writes. */
static void clean(const char *dir, const char *name, uint64_t number) {
  const images_t images = {.dir = dir, .name = name};
  char path[PATH_MAX];

  if (images_path(&images, number, path) == 0) {
    (void)sluice_sink_file_clean(path); /* the next start tries again */
  }
}

void images_clean(const char *dir, const char *name) {
  DIR *d = opendir(dir);
  const struct dirent *entry;

  if (d == NULL) {
    return;
  }
  while ((entry = readdir(d)) != NULL) {
    uint64_t number = left_over_of(entry->d_name, name);

    if (number != 0) {
      clean(dir, name, number);
    }
  }
  closedir(d);
}

void images_delete(const char *dir, const char *name, uint64_t oldest) {
  DIR *d = opendir(dir);
  const struct dirent *entry;
  uint64_t number;

  if (d == NULL) {
    return;
  }
  while ((entry = readdir(d)) != NULL) {
    number = number_of(entry->d_name, name);
    if (number != 0 && number < oldest) {
      (void)unlinkat(dirfd(d), entry->d_name,
                     0); /* the next save tries again */
    }
  }
  closedir(d);
}
