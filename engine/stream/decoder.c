/* decoder.c - input, signature, and the latch; formats are in decode_*.c.
 *
 * Must know no format beyond how to tell them apart. Invariant: after the first
 * error no dialect runs again, and every call repeats that error. */
#include "stream/decoder.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <sluice/handler.h>
#include <sluice/options.h>

#include "stream/bytes.h"
#include "stream/native/format.h"
#include "stream/qemu/format.h"

static const sluice_decoder_options_t decoder_defaults = {
    .page_size = 4096,
    .max_sections = 1000 * 1000,
    .max_regions = 4096,
    .max_memory = (size_t)256 * 1024 * 1024,
    .max_region_bytes = UINT64_C(1) << 46,
};

static bool is_page_size(uint32_t n) {
  return n >= SLUICE_PAGE_MIN && n <= SLUICE_PAGE_MAX && (n & (n - 1)) == 0;
}

#define DEFAULT(field)                                                         \
  if (o->field == 0) {                                                         \
    o->field = decoder_defaults.field;                                         \
  }

static int take_options(sluice_decoder_options_t *o,
                        const sluice_decoder_options_t *given) {
  int r = SLUICE_OPTIONS_COPY(o, given, "decoder options",
                              sluice_decoder_options_t, check_index, NULL);

  if (r < 0) {
    return r;
  }
  DEFAULT(page_size)
  DEFAULT(max_sections)
  DEFAULT(max_regions)
  DEFAULT(max_memory)
  DEFAULT(max_region_bytes)
  return is_page_size(o->page_size) ? 0 : UV_EINVAL;
}

#undef DEFAULT

static void *zalloc(const sluice_alloc_t *a, size_t size) {
  void *p = a->alloc(a->ctx, size, _Alignof(max_align_t));

  return p == NULL ? NULL : memset(p, 0, size);
}

int sluice_decoder_new(sluice_decoder_t **out,
                       const sluice_decoder_options_t *options,
                       const sluice_alloc_t *alloc) {
  const sluice_alloc_t *a = alloc != NULL ? alloc : sluice_alloc_libc();
  sluice_decoder_t *d = zalloc(a, sizeof(*d));
  int r;

  if (d == NULL) {
    return UV_ENOMEM;
  }
  d->alloc = *a;
  r = take_options(&d->options, options);
  if (r == 0) {
    r = sluice__window_init(&d->window, a, d->options.max_memory);
  }
  if (r < 0) {
    sluice_decoder_free(d);
    return r;
  }
  *out = d;
  return 0;
}

void sluice_decoder_free(sluice_decoder_t *d) {
  if (d == NULL) {
    return;
  }
  if (d->ops != NULL) {
    d->ops->close(d);
  }
  sluice__window_done(&d->window);
  d->alloc.release(d->alloc.ctx, d, sizeof(*d), _Alignof(max_align_t));
}

void sluice_decoder_space(sluice_decoder_t *d, void **out, size_t *out_len) {
  *out = sluice__window_space(&d->window, out_len);
}

void sluice_decoder_fill(sluice_decoder_t *d, size_t len) {
  sluice__window_fill(&d->window, len);
}

void sluice_decoder_eof(sluice_decoder_t *d) {
  d->window.eof = true;
}

uint64_t sluice_decoder_offset(const sluice_decoder_t *d) {
  return d->window.offset;
}

sluice_format_t sluice_decoder_format(const sluice_decoder_t *d) {
  return d->ops == NULL ? SLUICE_FORMAT_UNKNOWN : d->ops->format;
}

uint64_t sluice__decoder_position(const sluice_decoder_t *d) {
  return d->window.offset + d->window.placed + sluice__window_have(&d->window);
}

int sluice__decoder_places(sluice_decoder_t *d, struct iovec *out, int max,
                           size_t most) {
  if (d->hooks.place == NULL || d->ops == NULL || d->ops->places == NULL ||
      d->error.code != 0) {
    return 0;
  }
  return d->ops->places(d, out, max, most);
}

void sluice__decoder_placed(sluice_decoder_t *d, size_t len) {
  d->ops->placed(d, len);
}

size_t sluice__decoder_missing(const sluice_decoder_t *d) {
  const sluice__window_t *w = &d->window;
  size_t have = sluice__window_have(w);

  return w->want > have ? w->want - have : 1;
}

bool sluice__decoder_is_between(const sluice_decoder_t *d) {
  return sluice__window_have(&d->window) == 0 && d->ops != NULL &&
         d->ops->is_between != NULL && d->ops->is_between(d);
}

uint64_t sluice__decoder_read(const sluice_decoder_t *d) {
  return d->window.offset - d->window.skipped;
}

int sluice__decoder_fail(sluice_decoder_t *d, int code, uint64_t offset,
                         const char *section, const char *format, ...) {
  sluice_error_t *e = &d->error;
  va_list ap;

  assert(code < 0 && e->code == 0);
  e->code = code;
  e->offset = offset;
  (void)snprintf(e->section, sizeof(e->section), "%s", section);
  va_start(ap, format);
  (void)vsnprintf(e->message, sizeof(e->message), format, ap);
  va_end(ap);
  return code;
}

int sluice__decoder_starve(sluice_decoder_t *d, const char *section,
                           const char *what) {
  const sluice__window_t *w = &d->window;

  if (w->code == SLUICE_ELIMIT) {
    return sluice__decoder_fail(d, w->code, w->offset, section,
                                "%s needs %zu bytes, over the limit of %zu",
                                what, w->want, sluice__window_most(w));
  }
  if (w->code < 0) {
    return sluice__decoder_fail(d, w->code, w->offset, section,
                                "no memory for %s of %zu bytes", what, w->want);
  }
  if (w->eof) {
    size_t have = sluice__window_have(w) + (size_t)w->placed;

    return sluice__decoder_fail(
        d, SLUICE_ETRUNCATED, w->offset + have, section,
        "expected %zu bytes of %s, found the end after %zu", w->want, what,
        have);
  }
  return SLUICE__STARVED;
}

static const sluice__decode_ops_t *dialect_of(const uint8_t *signature) {
  if (memcmp(signature, SLUICE__NATIVE_SIGNATURE, 8) == 0) {
    return &sluice__decode_native;
  }
  if (sluice__get_be32(signature) != SLUICE__QEMU_MAGIC) {
    return NULL;
  }
  switch (sluice__get_be32(signature + 4)) {
  case 2: return &sluice__decode_qemu2;
  case 3: return &sluice__decode_qemu3;
  default: return NULL;
  }
}

static int refuse_signature(sluice_decoder_t *d, const uint8_t *p) {
  if (sluice__get_be32(p) == SLUICE__QEMU_MULTIFD_MAGIC) {
    return sluice__decoder_fail(d, SLUICE_EFEATURE, 0, "",
                                "found a channel of a 'multifd' migration, "
                                "which is not supported");
  }
  return sluice__decoder_fail(d, SLUICE_EFORMAT, 0, "",
                              "expected the signature of a known format, found "
                              "%02x %02x %02x %02x %02x %02x %02x %02x",
                              p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]);
}

static int find_dialect(sluice_decoder_t *d) {
  const uint8_t *p = sluice__window_peek(&d->window, 8);
  const sluice__decode_ops_t *ops;
  int r;

  if (p == NULL) {
    return sluice__decoder_starve(d, "", "signature");
  }
  ops = dialect_of(p);
  if (ops == NULL || (d->options.format != SLUICE_FORMAT_UNKNOWN &&
                      d->options.format != ops->format)) {
    return refuse_signature(d, p);
  }
  d->ops = ops;
  r = ops->open(d);
  if (r < 0) {
    return sluice__decoder_fail(d, r, 0, "", "no memory for the decoder");
  }
  return SLUICE__WHOLE;
}

/* The stream is complete: is the input, too? */
static int check_tail(sluice_decoder_t *d) {
  sluice__window_t *w = &d->window;

  if (sluice__window_have(w) > 0) {
    return sluice__decoder_fail(d, SLUICE_ETRAILING, w->offset, "",
                                "expected the end of the stream, found more");
  }
  return w->eof || d->options.may_stay_open ? SLUICE__WHOLE : SLUICE__STARVED;
}

static int next_item(sluice_decoder_t *d, sluice_item_t *item) {
  int r;

  if (d->ops == NULL) {
    r = find_dialect(d);
    if (r != SLUICE__WHOLE) {
      return r;
    }
  }
  if (!d->is_whole) {
    r = d->ops->next(d, item);
    d->is_whole = r == SLUICE__WHOLE;
    if (r != SLUICE__WHOLE) {
      return r;
    }
  }
  return check_tail(d);
}

int sluice_decoder_next(sluice_decoder_t *d, sluice_item_t *item,
                        sluice_error_t *err) {
  int r = d->error.code;

  if (r == 0) {
    memset(item, 0, sizeof(*item));
    r = next_item(d, item);
  }
  if (r < 0 && err != NULL && err->code == 0) {
    *err = d->error;
  }
  return r;
}

void sluice_decoder_consume(sluice_decoder_t *d, size_t len) {
  if (d->ops != NULL && d->error.code == 0) {
    d->ops->consume(d, len);
  }
}

void sluice_decoder_cut(sluice_decoder_t *d) {
  if (d->ops != NULL && d->error.code == 0) {
    d->ops->cut(d);
  }
}
