/* images.h - the files that images are in: DIR/NAME.1, DIR/NAME.2 and so on;
 * the highest number is the newest.
 *
 * A save takes the next number and never touches an older file, so whatever
 * happens to it, what was there before stays good. Knows names, not what is in
 * the files. */
#ifndef KVD_IMAGES_H
#define KVD_IMAGES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IMAGES_MAX = 64, IMAGES_KEEP_MAX = 32 };

typedef struct image_s {
  uint64_t number;
  bool is_refused; /* it could not be restored: it does not count as kept */
} image_t;

/* Newest first; the oldest of more than IMAGES_MAX are not looked at. */
typedef struct images_s {
  const char *dir;
  const char *name;
  size_t count;
  image_t list[IMAGES_MAX];
} images_t;

/* Looks what is in the folder. UV codes; none there is no error. */
int images_find(images_t *images, const char *dir, const char *name);

/* The name of one's file; UV_ENAMETOOLONG. */
int images_path(const images_t *images, uint64_t number, char out[PATH_MAX]);

uint64_t images_next(const images_t *images);

/* A new newest one; forgets the oldest if there is no room. */
void images_add(images_t *images, uint64_t number);

/* Takes out of the list what is older than the `keep` newest that were not
 * refused. Returns the oldest number that stays. */
uint64_t images_retire(images_t *images, size_t keep);

/* Deletes what saves that were killed have left over. For the start. */
void images_clean(const char *dir, const char *name);

/* Deletes the files of all images below `oldest`. Takes its time: not for the
 * loop's thread. */
void images_delete(const char *dir, const char *name, uint64_t oldest);

#endif
