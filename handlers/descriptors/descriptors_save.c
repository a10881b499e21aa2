/* descriptors_save.c - with the host paused, one descriptor after the other,
 * its bytes in slices. */
#include "section.h"

#include <uv.h>

enum { UNIT_BYTES = 64 * 1024 };

int sluice__descriptors_save_begin(void *self, sluice_section_t *section,
                                   sluice_error_t *err) {
  sluice_descriptors_t *d = self;

  if (d->options.next == NULL) {
    return sluice_fail(err, UV_EINVAL, "descriptors need the hook `next`");
  }
  d->section = section;
  d->count = 0;
  d->bytes = 0;
  d->is_open = 0;
  return 0;
}

/* 1 `at` is the next one and has been passed, 0 there is none. */
static int begin_next(sluice_descriptors_t *d, sluice_writer_t *w,
                      sluice_error_t *err) {
  int r = d->options.next(d->options.data, d->count == 0, &d->at, err);

  if (r <= 0) {
    return r;
  }
  r = sluice__descriptors_bound(d, d->at.len, err);
  if (r == 0) {
    r = sluice_section_pass(d->section, SLUICE__DESCRIPTORS_TAG, d->at.fd);
  }
  if (r < 0) {
    return sluice_fail(err, r, "descriptor %d cannot be passed: %s", d->at.fd,
                       sluice_strerror(r));
  }
  d->count++;
  d->bytes += d->at.len;
  d->written = 0;
  d->is_open = 1;
  sluice_writer_u8(w, 1);
  sluice_writer_u32(w, d->at.tag);
  sluice_writer_u32(w, (uint32_t)d->at.len);
  return 1;
}

static void write_unit(sluice_descriptors_t *d, sluice_writer_t *w) {
  size_t left = d->at.len - d->written;
  size_t n = left < UNIT_BYTES ? left : (size_t)UNIT_BYTES;

  if (n > 0) {
    sluice_writer_bytes(w, (const uint8_t *)d->at.bytes + d->written, n);
  }
  d->written += n;
  d->is_open = d->written < d->at.len;
}

int sluice__descriptors_save_finish(void *self, sluice_writer_t *w,
                                    sluice_error_t *err) {
  sluice_descriptors_t *d = self;

  /* One at least: there may be no time left whenever this is called. */
  do {
    int r = d->is_open ? 1 : begin_next(d, w, err);

    if (r < 0) {
      return r;
    }
    if (r == 0) {
      sluice_writer_u8(w, 0);
      return SLUICE_DONE;
    }
    write_unit(d, w);
  } while (!sluice_writer_should_yield(w) && sluice_writer_status(w) == 0);
  return SLUICE_MORE;
}

void sluice__descriptors_save_end(void *self, int status) {
  sluice_descriptors_t *d = self;

  (void)status;
  d->section = NULL;
}
