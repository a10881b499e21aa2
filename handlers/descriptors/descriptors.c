/* descriptors.c - the section, and how it is saved: with the host paused, one
 * descriptor after the other, its bytes in slices. */
#include "section.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/options.h>

enum { COUNT_DEFAULT = 65536, UNIT_BYTES = 64 * 1024 };
#define BYTES_DEFAULT (UINT64_C(256) << 20)

int sluice__descriptors_bound(const sluice_descriptors_t *d, uint64_t len,
                              sluice_error_t *err) {
  if (d->count >= d->options.max_count) {
    return sluice_fail(err, SLUICE_ELIMIT, "over %u descriptors",
                       (unsigned)d->options.max_count);
  }
  if (len > UINT32_MAX || len > d->options.max_bytes - d->bytes) {
    return sluice_fail(err, SLUICE_ELIMIT,
                       "over %" PRIu64 " bytes with descriptors",
                       d->options.max_bytes);
  }
  return 0;
}

static int save_begin(void *self, sluice_section_t *section,
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

static int save_finish(void *self, sluice_writer_t *w, sluice_error_t *err) {
  sluice_descriptors_t *d = self;

  while (!sluice_writer_should_yield(w) && sluice_writer_status(w) == 0) {
    int r = d->is_open ? 1 : begin_next(d, w, err);

    if (r < 0) {
      return r;
    }
    if (r == 0) {
      sluice_writer_u8(w, 0);
      return SLUICE_DONE;
    }
    write_unit(d, w);
  }
  return SLUICE_MORE;
}

static void save_end(void *self, int status) {
  sluice_descriptors_t *d = self;

  (void)status;
  d->section = NULL;
}

static const sluice_handler_t handler = {
    .size = sizeof(sluice_handler_t),
    .payload = SLUICE_PAYLOAD_BYTES,
    .type = "descriptors",
    .save_begin = save_begin,
    .save_finish = save_finish,
    .save_end = save_end,
    .restore_begin = sluice__descriptors_restore_begin,
    .restore_step = sluice__descriptors_restore_step,
    .restore_check = sluice__descriptors_restore_check,
    .restore_commit = sluice__descriptors_restore_commit,
    .restore_end = sluice__descriptors_restore_end};

static int set_options(sluice_descriptors_t *d,
                       const sluice_descriptors_options_t *options,
                       sluice_error_t *err) {
  sluice_descriptors_options_t *o = &d->options;
  int r = SLUICE_OPTIONS_COPY(o, options, "descriptors options",
                              sluice_descriptors_options_t, take, err);

  o->max_count = o->max_count != 0 ? o->max_count : COUNT_DEFAULT;
  o->max_bytes = o->max_bytes != 0 ? o->max_bytes : BYTES_DEFAULT;
  d->handler = handler;
  d->handler.version = o->version;
  d->handler.min_version = o->version;
  return r;
}

int sluice_descriptors_new(sluice_descriptors_t **out,
                           sluice_registry_t *registry, const char *name,
                           const sluice_section_options_t *section,
                           const sluice_descriptors_options_t *options,
                           sluice_error_t *err) {
  sluice_descriptors_t *d = calloc(1, sizeof(*d));
  int r;

  if (d == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for a section");
  }
  r = set_options(d, options, err);
  if (r < 0) {
    free(d);
    return r;
  }
  r = sluice_registry_add(registry, name, &d->handler, d, section, NULL, err);
  if (r < 0) {
    free(d);
    return r;
  }
  *out = d;
  return 0;
}

void sluice_descriptors_free(sluice_descriptors_t *d) {
  free(d);
}
