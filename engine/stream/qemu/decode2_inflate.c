/* decode2_inflate.c - compressed memory of version-2 streams.
 *
 *   { be16 0xfabe, be16 length <= 4096, data }*   one zlib stream in pieces, of
 *   { u8 0, 1024 bytes }*                         every block of memory in
 * order
 *
 * Output is made a block at a time, so a small stream cannot fill memory;
 * zlib's own state comes from the decoder's allocator. */
#include "stream/qemu/decode2.h"

#include <string.h>
#include <uv.h>
#define ZLIB_CONST /* its input is not written to: let its types say so */
#include <zlib.h>

#include "stream/bytes.h"
#include "stream/qemu/format.h"

enum {
  CHUNK_MAGIC = 0xfabe,
  CHUNK_HEAD = 4,
  CHUNK_MAX = 4096,
  BLOCK = 1024,
  MARKED_BLOCK = 1 + BLOCK, /* the mark that it is stored here, not on a disk */
  PREFIX = 16               /* holds the size that zlib does not give back */
};

struct qemu2_inflate_s {
  z_stream z;
  size_t used; /* bytes of the chunk at the window's head */
  size_t made; /* bytes of `block` */
  uint8_t block[MARKED_BLOCK];
};

static void *zlib_alloc(void *opaque, unsigned items, unsigned size) {
  const sluice_alloc_t *a = opaque;
  size_t total;
  uint8_t *p;

  if (__builtin_mul_overflow((size_t)items, (size_t)size, &total) ||
      total > SIZE_MAX - PREFIX) {
    return NULL;
  }
  total += PREFIX;
  p = a->alloc(a->ctx, total, PREFIX);
  if (p == NULL) {
    return NULL;
  }
  memcpy(p, &total, sizeof(total));
  return p + PREFIX;
}

static void zlib_release(void *opaque, void *address) {
  const sluice_alloc_t *a = opaque;
  uint8_t *p = (uint8_t *)address - PREFIX;
  size_t total;

  memcpy(&total, p, sizeof(total));
  a->release(a->ctx, p, total, PREFIX);
}

static int begin(sluice_decoder_t *d) {
  qemu2_t *q = d->state;
  qemu2_inflate_t *f =
      d->alloc.alloc(d->alloc.ctx, sizeof(*f), _Alignof(max_align_t));

  if (f != NULL) {
    memset(f, 0, sizeof(*f));
    f->z.zalloc = zlib_alloc;
    f->z.zfree = zlib_release;
    f->z.opaque = &d->alloc;
    if (inflateInit(&f->z) == Z_OK) {
      q->inflate = f;
      return SLUICE__AGAIN;
    }
    d->alloc.release(d->alloc.ctx, f, sizeof(*f), _Alignof(max_align_t));
  }
  return sluice__decoder_fail(d, UV_ENOMEM, d->window.offset, q->name,
                              "no memory to decompress memory");
}

void sluice__qemu2_inflate_free(sluice_decoder_t *d) {
  qemu2_t *q = d->state;
  qemu2_inflate_t *f = q->inflate;

  if (f != NULL) {
    (void)inflateEnd(&f->z);
    d->alloc.release(d->alloc.ctx, f, sizeof(*f), _Alignof(max_align_t));
    q->inflate = NULL;
  }
}

/* A whole chunk of input, which is small; or NULL and in `*r` why not. */
static const uint8_t *peek_chunk(sluice_decoder_t *d, size_t *len, int *r) {
  const qemu2_t *q = d->state;
  const uint8_t *p = sluice__qemu2_peek(d, CHUNK_HEAD, r);

  if (p == NULL) {
    return NULL;
  }
  *len = sluice__get_be16(p + 2);
  if (sluice__get_be16(p) != CHUNK_MAGIC || *len > CHUNK_MAX) {
    *r = sluice__decoder_fail(d, SLUICE_ECORRUPT, d->window.offset, q->name,
                              "expected a compressed chunk of up to %d "
                              "bytes, found %04x %04x",
                              CHUNK_MAX, sluice__get_be16(p), (unsigned)*len);
    return NULL;
  }
  return sluice__qemu2_peek(d, CHUNK_HEAD + *len, r);
}

/* Inflates what is pending, as far as one block goes. */
static int run_zlib(sluice_decoder_t *d) {
  qemu2_t *q = d->state;
  qemu2_inflate_t *f = q->inflate;
  int z;

  f->z.next_out = f->block + f->made;
  f->z.avail_out = (unsigned)(MARKED_BLOCK - f->made);
  z = inflate(&f->z, Z_SYNC_FLUSH);
  f->made = MARKED_BLOCK - f->z.avail_out;
  if (z == Z_OK || z == Z_BUF_ERROR ||
      (z == Z_STREAM_END && f->made == MARKED_BLOCK)) {
    return SLUICE__AGAIN;
  }
  return sluice__decoder_fail(
      d, z == Z_MEM_ERROR ? UV_ENOMEM : SLUICE_ECORRUPT, d->window.offset,
      q->name, "compressed memory %s at its byte 0x%llx",
      z == Z_STREAM_END ? "ends too early" : "is damaged",
      (unsigned long long)q->ram_at);
}

static int deliver_block(sluice_decoder_t *d, sluice_item_t *item) {
  qemu2_t *q = d->state;
  qemu2_inflate_t *f = q->inflate;

  if (f->block[0] != 0) {
    return sluice__decoder_fail(d, SLUICE_EFEATURE, d->window.offset, q->name,
                                "block 0x%llx of memory is a reference (%u) to "
                                "a disk, which is not supported",
                                (unsigned long long)q->ram_at, f->block[0]);
  }
  sluice__qemu2_ram_run(d, item, SLUICE_ITEM_PAGES, q->ram_at);
  item->u.run.data = f->block + 1;
  f->made = 0;
  q->ram_at += BLOCK;
  return SLUICE__ITEM;
}

/* A chunk is taken only when zlib has nothing left of it: when it leaves room
 * in the block. So the window may move in between. */
static int inflate_chunk(sluice_decoder_t *d, sluice_item_t *item) {
  qemu2_inflate_t *f = ((qemu2_t *)d->state)->inflate;
  size_t len = 0;
  int r = 0;
  const uint8_t *p = peek_chunk(d, &len, &r);

  if (p == NULL) {
    return r;
  }
  f->z.next_in = p + CHUNK_HEAD + f->used;
  f->z.avail_in = (unsigned)(len - f->used);
  r = run_zlib(d);
  if (r < 0) {
    return r;
  }
  f->used = len - f->z.avail_in;
  if (f->made == MARKED_BLOCK) {
    return deliver_block(d, item);
  }
  f->used = 0;
  sluice__window_take(&d->window, CHUNK_HEAD + len);
  return SLUICE__AGAIN;
}

int sluice__qemu2_inflate(sluice_decoder_t *d, sluice_item_t *item) {
  qemu2_t *q = d->state;

  if (q->ram_at == q->ram_bytes) {
    q->phase = QEMU2_SKIP;
    return SLUICE__AGAIN;
  }
  return q->inflate == NULL ? begin(d) : inflate_chunk(d, item);
}
