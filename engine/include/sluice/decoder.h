/* decoder.h - bytes in, items out; any format, no I/O.
 *
 *   loop:  r = sluice_decoder_next(d, &item, err)
 *          SLUICE_MORE  an item: use it before the next call
 *          SLUICE_WAIT  put input at sluice_decoder_space(), then _fill() or
 *                       _eof(), then again
 *          SLUICE_DONE  the stream was whole, and nothing followed it
 *          < 0          the first error; every later call repeats it
 *
 * Input is untrusted: every length is bounded before it is used, memory never
 * exceeds the options' cap, checksums are verified before bytes are lent.
 * What an item points to is borrowed until the next call on the decoder.
 * A NULL where an object is needed is UV_EINVAL, or nothing happens; accessors
 * answer 0.
 * One thread at a time; any thread. */
#ifndef SLUICE_DECODER_H
#define SLUICE_DECODER_H

#include <stddef.h>

#include <sluice/alloc.h>
#include <sluice/error.h>
#include <sluice/export.h>
#include <sluice/item.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_decoder_s sluice_decoder_t;

/* How the ends of QEMU's unframed device payloads are found. */
typedef enum sluice_payload_ends_e {
  /* By the reader, who knows the device: BYTES items are open. */
  SLUICE_ENDS_BY_READER = 0,
  /* By the description that follows the stream: devices are buffered until it
   * has come, then delivered one BYTES item each. */
  SLUICE_ENDS_BY_DESCRIPTION
} sluice_payload_ends_t;

typedef struct sluice_decoder_options_s {
  uint32_t size;          /* sizeof(sluice_decoder_options_t) */
  sluice_format_t format; /* UNKNOWN: any of those that can be read */
  sluice_payload_ends_t payload_ends;
  uint32_t page_size;        /* of QEMU streams that do not say it; 0: 4096 */
  uint32_t max_sections;     /* 0: 1 000 000 */
  uint32_t max_regions;      /* 0: 4096 */
  size_t max_memory;         /* bytes the decoder may hold; 0: 256 MiB */
  uint64_t max_region_bytes; /* 0: 2^46 */
  /* The end of the stream need not be the end of input (a connection that
   * stays open); else anything that follows is an error. */
  int may_stay_open;
  /* Native: compare the index with the pages that came, which takes 8 bytes of
   * memory for each. */
  int check_index;
} sluice_decoder_options_t;

/* Makes a decoder; `options` may be NULL, `alloc` NULL means the C library's.
 * Both are copied. UV_EINVAL: page_size is no power of two in range,
 * options->size is wrong, or `out` is NULL; UV_ENOMEM. */
SLUICE_EXTERN int sluice_decoder_new(sluice_decoder_t **out,
                                     const sluice_decoder_options_t *options,
                                     const sluice_alloc_t *alloc);

/* NULL is fine. */
SLUICE_EXTERN void sluice_decoder_free(sluice_decoder_t *d);

/* Where the next input goes: at least one byte after SLUICE_WAIT, usually
 * some hundred KiB. Borrowed until _fill() or the next _next(). */
SLUICE_EXTERN void sluice_decoder_space(sluice_decoder_t *d, void **out,
                                        size_t *out_len);
/* `len` bytes were put there. */
SLUICE_EXTERN void sluice_decoder_fill(sluice_decoder_t *d, size_t len);
/* No more input will come. */
SLUICE_EXTERN void sluice_decoder_eof(sluice_decoder_t *d);

/* See the top. `err` may be NULL; its section and offset are filled in. */
SLUICE_EXTERN int sluice_decoder_next(sluice_decoder_t *d, sluice_item_t *item,
                                      sluice_error_t *err);

/* After a BYTES item: only the first `len` bytes of it were used. The rest
 * comes again, with more behind it as far as there is more. `len` 0 asks for a
 * longer item; where none can come (payload over, window full) the next call
 * fails by name. */
SLUICE_EXTERN void sluice_decoder_consume(sluice_decoder_t *d, size_t len);

/* The open payload ends after what was consumed; CLOSE follows. Nothing where
 * no payload is open. */
SLUICE_EXTERN void sluice_decoder_end_payload(sluice_decoder_t *d);

/* Bytes of the stream decoded so far. */
SLUICE_EXTERN uint64_t sluice_decoder_offset(const sluice_decoder_t *d);

/* Found out from the signature; UNKNOWN before the HEADER item. */
SLUICE_EXTERN sluice_format_t sluice_decoder_format(const sluice_decoder_t *d);

/* Sets `page` of `page_size` bytes from what it was to what it is now, by the
 * XBZRLE bytes of a DELTA item. SLUICE_ECORRUPT: malformed; the page may then
 * be half changed. */
SLUICE_EXTERN int sluice_delta_apply(uint8_t *page, size_t page_size,
                                     const uint8_t *delta, size_t len,
                                     sluice_error_t *err);

#ifdef __cplusplus
}
#endif

#endif
