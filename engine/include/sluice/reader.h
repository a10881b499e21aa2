/* reader.h - what a handler reads its section from.
 *
 * Lent to a handler for one call of restore_step. What has not arrived yet is
 * not an error: the call answers SLUICE_WAIT, the handler returns that, and is
 * called again when there is more. Input is untrusted: check, never assert.
 * A NULL is UV_EINVAL, and sticks.
 * Loop thread only, inside the call that lent it. */
#ifndef SLUICE_READER_H
#define SLUICE_READER_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/export.h>
#include <sluice/item.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_reader_s sluice_reader_t;

enum { SLUICE_READER_EXACT_MAX = 64 * 1024 };

SLUICE_EXTERN int sluice_reader_should_yield(sluice_reader_t *r);

/* Byte sections. Exactly `len` bytes (at most SLUICE_READER_EXACT_MAX), or no
 * byte:
 *   0                they are in `buf`
 *   SLUICE_WAIT      they have not arrived yet; nothing was consumed
 *   SLUICE_ECORRUPT  the section ends before them
 * or the error of the stream. Sticky as in writer.h. */
SLUICE_EXTERN int sluice_reader_exact(sluice_reader_t *r, void *buf,
                                      size_t len);

/* Byte sections. 1..len bytes as they come, their number in `*got`; else as
 * above. `*got` 0 with result 0: the section is over (formats that say so). */
SLUICE_EXTERN int sluice_reader_some(sluice_reader_t *r, void *buf, size_t len,
                                     size_t *got);

/* Byte sections. Copies the next `len` bytes without taking them: 0, and `*got`
 * of them are in `buf`: `len`, or 0 where the format says that the payload ends
 * there. SLUICE_WAIT and errors as above. For formats that do not say where a
 * payload ends (QEMU's): of others no more can be looked at than is left of a
 * record (SLUICE_ELIMIT). Not after an _exact that waits. */
SLUICE_EXTERN int sluice_reader_peek(sluice_reader_t *r, void *buf, size_t len,
                                     size_t *got);

/* Of the stream. */
SLUICE_EXTERN sluice_format_t sluice_reader_format(const sluice_reader_t *r);

/* In the byte order of the stream; as _exact. */
SLUICE_EXTERN int sluice_reader_u8(sluice_reader_t *r, uint8_t *out);
SLUICE_EXTERN int sluice_reader_u16(sluice_reader_t *r, uint16_t *out);
SLUICE_EXTERN int sluice_reader_u32(sluice_reader_t *r, uint32_t *out);
SLUICE_EXTERN int sluice_reader_u64(sluice_reader_t *r, uint64_t *out);

/* Sections of pages. The next REGION, PAGES, ZEROS or DELTA item:
 *   SLUICE_MORE  in `*item`, borrowed until the next call
 *   SLUICE_WAIT  not here yet, or this is all for now: return SLUICE_WAIT
 *   SLUICE_DONE  the section is over: return SLUICE_DONE
 *   or an error. */
SLUICE_EXTERN int sluice_reader_next(sluice_reader_t *r, sluice_item_t *item);

#ifdef __cplusplus
}
#endif

#endif
