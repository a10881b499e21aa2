/* delta.c - XBZRLE: what changed in a page since it was last sent.
 *
 *   { unchanged: uleb128, changed: uleb128, changed bytes }*
 *
 * `unchanged` is 0 in the first pair at most, `changed` never; what follows the
 * last pair is unchanged. Counts take one or two bytes. */
#include <string.h>
#include <uv.h>

#include <sluice/decoder.h>

struct delta {
  const uint8_t *p;
  const uint8_t *end;
};

/* False: there is no such number. */
static int read_count(struct delta *d, size_t *out) {
  size_t n;

  if (d->p == d->end) {
    return 0;
  }
  n = *d->p++;
  if ((n & 0x80) != 0) {
    if (d->p == d->end || (*d->p & 0x80) != 0) {
      return 0;
    }
    n = (n & 0x7f) | (size_t)*d->p++ << 7;
  }
  *out = n;
  return 1;
}

static int refuse(sluice_error_t *err, size_t at) {
  return sluice_fail(err, SLUICE_ECORRUPT,
                     "the delta of a page is malformed at its byte %zu", at);
}

int sluice_delta_apply(uint8_t *page, size_t page_size, const uint8_t *delta,
                       size_t len, sluice_error_t *err) {
  struct delta d = {delta, delta == NULL ? NULL : delta + len};
  size_t at = 0;

  if (page == NULL || (delta == NULL && len > 0)) {
    return sluice_fail(err, UV_EINVAL, "there is no page, or no delta");
  }
  while (d.p < d.end) {
    size_t begin = (size_t)(d.p - delta);
    size_t same;
    size_t n;

    if (!read_count(&d, &same) || !read_count(&d, &n) ||
        (same == 0 && begin > 0) || n == 0 || same > page_size - at ||
        n > page_size - at - same || n > (size_t)(d.end - d.p)) {
      return refuse(err, begin);
    }
    memcpy(page + at + same, d.p, n);
    d.p += n;
    at += same + n;
  }
  return 0;
}
