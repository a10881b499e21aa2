/* decoder.c - input and signature; formats are in native/ and qemu/.
 *
 * Must know no format beyond how to tell them apart. Invariant: after the first
 * error no dialect runs again, and every call repeats that error. */
#include "stream/decoder.h"

#include <string.h>
#include <uv.h>

#include <sluice/handler.h>
#include <sluice/options.h>

#include "stream/bytes.h"
#include "stream/decode_base.h"
#include "stream/native/format.h"
#include "stream/qemu/format.h"

/* What a dialect answers is what a handler's step does. */
_Static_assert((int)SLUICE__WHOLE == (int)SLUICE_DONE, "results agree");
_Static_assert((int)SLUICE__ITEM == (int)SLUICE_MORE, "results agree");
_Static_assert((int)SLUICE__STARVED == (int)SLUICE_WAIT, "results agree");

static const sluice_decoder_options_t decoder_defaults = {
    .size = sizeof(decoder_defaults),
    .page_size = 4096,
    .max_sections = 1000 * 1000,
    .max_regions = 4096,
    .max_memory = (size_t)256 * 1024 * 1024,
    .max_region_bytes = UINT64_C(1) << 46,
};

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
  return sluice__is_page_size(o->page_size) ? 0 : UV_EINVAL;
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
  sluice_decoder_t *d = out == NULL ? NULL : zalloc(a, sizeof(*d));
  int r;

  if (out == NULL) {
    return UV_EINVAL;
  }
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
  size_t len = 0;
  void *space = d == NULL ? NULL : sluice__window_space(&d->window, &len);

  if (out != NULL && out_len != NULL) {
    *out = space;
    *out_len = len;
  }
}

void sluice_decoder_fill(sluice_decoder_t *d, size_t len) {
  if (d != NULL) {
    sluice__window_fill(&d->window, len);
  }
}

void sluice_decoder_eof(sluice_decoder_t *d) {
  if (d != NULL) {
    d->window.eof = true;
  }
}

uint64_t sluice_decoder_offset(const sluice_decoder_t *d) {
  return d == NULL ? 0 : d->window.offset;
}

sluice_format_t sluice_decoder_format(const sluice_decoder_t *d) {
  return d == NULL || d->ops == NULL ? SLUICE_FORMAT_UNKNOWN : d->ops->format;
}

void sluice__decoder_set_hooks(sluice_decoder_t *d,
                               const sluice__decode_hooks_t *hooks) {
  d->hooks = *hooks;
}

void sluice__decoder_skip_pages(sluice_decoder_t *d, bool on) {
  d->skips_pages = on;
}

bool sluice__decoder_skips_pages(const sluice_decoder_t *d) {
  return d->skips_pages;
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
  int r;

  if (d == NULL || item == NULL) {
    return sluice_fail(err, UV_EINVAL, "there is no decoder, or no item");
  }
  r = d->error.code;
  if (r == 0) {
    memset(item, 0, sizeof(*item));
    r = next_item(d, item);
  }
  if (r < 0 && err != NULL && err->code == 0) {
    *err = d->error;
  }
  return r;
}

static bool is_running(const sluice_decoder_t *d) {
  return d != NULL && d->ops != NULL && d->error.code == 0;
}

void sluice_decoder_consume(sluice_decoder_t *d, size_t len) {
  if (is_running(d)) {
    d->ops->consume(d, len);
  }
}

void sluice_decoder_end_payload(sluice_decoder_t *d) {
  if (is_running(d)) {
    d->ops->end_payload(d);
  }
}
