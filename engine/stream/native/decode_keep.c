/* decode_keep.c - memory for what outlives its record: tables, names, notes.
 *
 * Whatever a stream declares, it stays under `keep_limit`. */
#include "stream/native/decode.h"

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>
#include <uv.h>

int sluice__native_keep(sluice_decoder_t *d, void **out, size_t size,
                        const char *what) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);

  if (size > n->keep.limit - n->keep.held) {
    return SLUICE__NATIVE_REFUSE(
        d, SLUICE_ELIMIT, "%s needs %zu bytes, %zu are left of the limit", what,
        size, n->keep.limit - n->keep.held);
  }
  *out = d->alloc.alloc(d->alloc.ctx, size, alignof(max_align_t));
  if (*out == NULL) {
    return SLUICE__NATIVE_REFUSE(d, UV_ENOMEM, "no memory for %s of %zu bytes",
                                 what, size);
  }
  n->keep.held += size;
  return 0;
}

void sluice__native_release(sluice_decoder_t *d, void *p, size_t size) {
  if (p != NULL) {
    d->alloc.release(d->alloc.ctx, p, size, alignof(max_align_t));
    sluice__decode_native_of(d)->keep.held -= size;
  }
}

int sluice__native_reserve(sluice_decoder_t *d, void **array, size_t *cap,
                           size_t need, size_t size, const char *what) {
  size_t more = *cap < 8 ? 8 : *cap;
  void *fresh = NULL;
  int r;

  if (need <= *cap) {
    return 0;
  }
  while (more < need) {
    more *= 2; /* `need` is bounded: far from overflow */
  }
  r = sluice__native_keep(
      d, &fresh, more > SIZE_MAX / size ? SIZE_MAX : more * size, what);
  if (r < 0) {
    return r;
  }
  assert(fresh != NULL);
  if (*array != NULL) {
    memcpy(fresh, *array, *cap * size);
    sluice__native_release(d, *array, *cap * size);
  }
  *array = fresh;
  *cap = more;
  return 0;
}

int sluice__native_copy_name(sluice_decoder_t *d, char *to, const uint8_t *from,
                             size_t len, const char *what) {
  if (len > SLUICE_NAME_MAX) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "%s has %zu bytes, expected at most %d", what,
                                 len, (int)SLUICE_NAME_MAX);
  }
  if (memchr(from, 0, len) != NULL) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT, "%s has a zero byte in it",
                                 what);
  }
  memcpy(to, from, len);
  to[len] = '\0';
  return 0;
}
