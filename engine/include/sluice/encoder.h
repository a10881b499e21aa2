/* encoder.h - items in, bytes out; native or QEMU's version 3, no I/O.
 *
 * Order of calls:
 *
 *   header  note*  { open  {region|pages|zeros|bytes}*  close }*  note*  finish
 *
 * `open` with SLUICE_ITEM_SECTION declares a section; one without
 * SLUICE_SECTION_LIVE is complete at its close; a live one goes on with PART
 * and ends with END. Misuse returns SLUICE_ESTATE. The first error is latched:
 * every later call returns it and writes nothing, except `abort`. A NULL where
 * something is needed is UV_EINVAL (that, too, is latched, if there is an
 * encoder); accessors of NULL answer 0 or NULL.
 * One thread at a time; any thread. */
#ifndef SLUICE_ENCODER_H
#define SLUICE_ENCODER_H

#include <stddef.h>

#include <sluice/alloc.h>
#include <sluice/error.h>
#include <sluice/export.h>
#include <sluice/item.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_encoder_s sluice_encoder_t;

enum {
  /* Buffers end where the stream crosses a multiple of their size. */
  SLUICE_CHUNK_BYTES = 1024 * 1024,
  SLUICE_CHUNK_BYTES_MAX = 4 * 1024 * 1024, /* a native record's most */
  SLUICE_CHUNK_ALIGN = 4096
};

/* Where the bytes go. The encoder fills one lent buffer at a time.
 *
 * lend:  an empty buffer of `chunk_bytes` at `*out`, aligned to
 *        SLUICE_CHUNK_ALIGN. Returns 0 or a negative code.
 * emit:  gives the buffer back, `len` bytes of it filled, to be appended to the
 *        stream (0: nothing to append). Stream offset and buffer address of a
 *        byte agree modulo SLUICE_CHUNK_ALIGN: `base` is the buffer, the bytes
 *        start at `base + skip`. Returns 0 or a negative code.
 * patch: optional; overwrites emitted bytes. With it, and the option
 *        `keep_last`, a page that comes again replaces its former copy.
 * fetch: optional, goes with patch; reads emitted bytes back.
 * chunk_bytes: a power of two in SLUICE_CHUNK_BYTES..SLUICE_CHUNK_BYTES_MAX; 0:
 *        SLUICE_CHUNK_BYTES. Records of pages fill a buffer: who maps an image
 *        needs a mapping a record. QEMU's streams are always split by
 *        SLUICE_CHUNK_BYTES. */
typedef struct sluice_output_s {
  uint32_t size; /* sizeof(sluice_output_t) */
  void *ctx;
  int (*lend)(void *ctx, uint8_t **out);
  int (*emit)(void *ctx, uint8_t *base, size_t skip, size_t len);
  int (*patch)(void *ctx, uint64_t offset, const void *data, size_t len);
  int (*fetch)(void *ctx, uint64_t offset, void *data, size_t len);
  size_t chunk_bytes;
} sluice_output_t;

typedef struct sluice_encoder_options_s {
  uint32_t size;          /* sizeof(sluice_encoder_options_t) */
  sluice_format_t format; /* NATIVE or QEMU3; 0: NATIVE */
  const char *host;       /* native: the host's name; QEMU: machine; NULL: "" */
  const char *host_version;
  const uint8_t *image_id;  /* 16 bytes, or NULL: all zero */
  const uint8_t *parent_id; /* 16 bytes, or NULL: none */
  int keep_last;            /* native, needs output patch and fetch */
  int no_index;             /* native: leave the index out */
  int no_footers;           /* QEMU: machine types up to 2.3 */
  int no_configuration;     /* QEMU: machine types up to 2.3 */
  /* QEMU: live sections of bytes find their own end, as QEMU's do; else they
   * are framed, so that a reader need not know them. */
  int no_frames;
} sluice_encoder_options_t;

/* `options` and `output` are copied, what options points to as well.
 * UV_EINVAL: no output, the size of a struct, format cannot be written,
 * keep_last without patch and fetch, or chunk_bytes is none of those above;
 * UV_ENOMEM. */
SLUICE_EXTERN int sluice_encoder_new(sluice_encoder_t **out,
                                     const sluice_encoder_options_t *options,
                                     const sluice_output_t *output,
                                     const sluice_alloc_t *alloc);
/* A lent buffer is emitted with length 0 first. NULL is fine. */
SLUICE_EXTERN void sluice_encoder_free(sluice_encoder_t *e);

SLUICE_EXTERN int sluice_encoder_header(sluice_encoder_t *e);

/* Notes of QEMU's (SLUICE_NOTE_QEMU_*) become what they were; a QEMU stream has
 * no room for others and leaves them out. */
SLUICE_EXTERN int sluice_encoder_note(sluice_encoder_t *e, const char *name,
                                      const void *data, size_t len);

/* Opens a payload: `kind` is SECTION, PART or END. For PART and END only
 * `decl->id` is looked at. Native payloads of several sections may be written
 * turn about; each still has its own open and close. */
SLUICE_EXTERN int sluice_encoder_open(sluice_encoder_t *e,
                                      sluice_item_kind_t kind,
                                      const sluice_decl_t *decl);

/* Declares a region in the open payload of a section of pages, which must be
 * its first one; `bytes` is a multiple of `page_size`. `*out_index` is its
 * index for _pages and _zeros. */
SLUICE_EXTERN int sluice_encoder_region(sluice_encoder_t *e, const char *name,
                                        uint64_t bytes, uint32_t page_size,
                                        uint32_t *out_index);

/* Writes `count` pages from byte `offset` of region `region`. Pages of zeros
 * are found and cost no payload. `data` is read once and not kept. */
SLUICE_EXTERN int sluice_encoder_pages(sluice_encoder_t *e, uint32_t region,
                                       uint64_t offset, const void *data,
                                       uint64_t count);
SLUICE_EXTERN int sluice_encoder_zeros(sluice_encoder_t *e, uint32_t region,
                                       uint64_t offset, uint64_t count);
SLUICE_EXTERN int sluice_encoder_bytes(sluice_encoder_t *e, const void *data,
                                       size_t len);

/* What the description that follows a QEMU stream says of the open section: a
 * JSON object with "vmsd_name", "version" and "fields", copied. Native:
 * nothing. UV_EINVAL: it is none. */
SLUICE_EXTERN int sluice_encoder_describe(sluice_encoder_t *e, const char *json,
                                          size_t len);

/* The open payload is over. */
SLUICE_EXTERN int sluice_encoder_close(sluice_encoder_t *e);

/* Index and trailer; then everything is emitted. The index of 4 GiB of pages
 * takes some milliseconds. */
SLUICE_EXTERN int sluice_encoder_finish(sluice_encoder_t *e);

/* The same in steps, for those who must not be held: looks at no more than
 * `pages` pages (at least 1) in one call. 1: call again; 0: it is done. In
 * between only `abort` and the accessors may be called. */
SLUICE_EXTERN int sluice_encoder_finish_some(sluice_encoder_t *e,
                                             uint64_t pages);

/* Emits what is in the lent buffer, however little. */
SLUICE_EXTERN int sluice_encoder_flush(sluice_encoder_t *e);

/* Ends the stream with the reason; NULL: none is known. Whatever record was
 * being built is dropped. QEMU's stream has no such record: nothing is written.
 */
SLUICE_EXTERN int sluice_encoder_abort(sluice_encoder_t *e,
                                       const sluice_error_t *reason);

/* Bytes of the stream written so far, what is still in the buffer included. */
SLUICE_EXTERN uint64_t sluice_encoder_offset(const sluice_encoder_t *e);

/* With keep_last: the page as last written, zeros when it never was. */
SLUICE_EXTERN int sluice_encoder_fetch(sluice_encoder_t *e, uint32_t region,
                                       uint64_t offset, void *page);

/* Fills `size` bytes: sizeof(sluice_totals_t) as the caller knows it. */
SLUICE_EXTERN void sluice_encoder_totals(const sluice_encoder_t *e,
                                         sluice_totals_t *out, size_t size);

/* What is latched; code 0 when nothing is. */
SLUICE_EXTERN const sluice_error_t *
sluice_encoder_error(const sluice_encoder_t *e);

#ifdef __cplusplus
}
#endif

#endif
