/* writer.h - what a handler writes its section with.
 *
 * A writer is lent to a handler for one call of save_start, save_step or
 * save_finish. It does not tell which format it writes: integers take the byte
 * order of the stream. Errors are sticky: after the first one every call
 * returns it and writes nothing, so one check a group is enough. Loop thread
 * only, inside the call that lent it. */
#ifndef SLUICE_WRITER_H
#define SLUICE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/export.h>
#include <sluice/item.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_writer_s sluice_writer_t;

/* Bytes that this call should still write, as a goal: finish the unit at hand,
 * then return SLUICE_MORE. At least one unit may always be written. */
SLUICE_EXTERN size_t sluice_writer_left(const sluice_writer_t *w);

/* Non-zero when bytes or time are used up. Costs a few ns: ask once a unit. */
SLUICE_EXTERN int sluice_writer_should_yield(sluice_writer_t *w);

/* 0 or the first error of this call. */
SLUICE_EXTERN int sluice_writer_status(const sluice_writer_t *w);

SLUICE_EXTERN int sluice_writer_u8(sluice_writer_t *w, uint8_t v);
SLUICE_EXTERN int sluice_writer_u16(sluice_writer_t *w, uint16_t v);
SLUICE_EXTERN int sluice_writer_u32(sluice_writer_t *w, uint32_t v);
SLUICE_EXTERN int sluice_writer_u64(sluice_writer_t *w, uint64_t v);

/* `data` is copied. UV_EINVAL in a section of pages. */
SLUICE_EXTERN int sluice_writer_bytes(sluice_writer_t *w, const void *data,
                                      size_t len);

/* For the few handlers whose state looks different from format to format. */
SLUICE_EXTERN sluice_format_t sluice_writer_format(const sluice_writer_t *w);

/* How a QEMU stream's description shows this section's payload: a JSON object
 * with "vmsd_name", "version" and "fields"; copied. Nothing elsewhere. */
SLUICE_EXTERN int sluice_writer_describe(sluice_writer_t *w, const char *json,
                                         size_t len);

/* Sections of pages only; see encoder.h. Regions are declared in save_start.
 * Errors: UV_EINVAL (a range outside its region, a size that is no power of two
 * in SLUICE_PAGE_MIN..SLUICE_PAGE_MAX), SLUICE_ESTATE (region after the first
 * payload). `data` is read once, not kept. */
SLUICE_EXTERN int sluice_writer_region(sluice_writer_t *w, const char *name,
                                       uint64_t bytes, uint32_t page_size,
                                       uint32_t *out_index);
SLUICE_EXTERN int sluice_writer_pages(sluice_writer_t *w, uint32_t region,
                                      uint64_t offset, const void *data,
                                      uint64_t count);

/* As sluice_writer_pages(), but `data` may be read later, by another thread
 * (executor.h): the pages must stay readable until they are returned, or
 * save_end. They may change meanwhile: then what is sent of them may be neither
 * what was nor what is there, and the handler must send the page again, which
 * replaces it. Where nobody else is to do the work, the host is paused, or the
 * pages are zeros, they are returned at once. */
SLUICE_EXTERN int sluice_writer_lend_pages(sluice_writer_t *w, uint32_t region,
                                           uint64_t offset, const void *data,
                                           uint64_t count);
/* As sluice_writer_lend_pages(), for pages that nobody changes until the hook
 * has returned and that stay readable as long: the loop's thread writes them
 * and no other, or nobody does. A sink that can take something at once gets
 * them from where they are. Where other threads work, they are lent. */
SLUICE_EXTERN int sluice_writer_still_pages(sluice_writer_t *w, uint32_t region,
                                            uint64_t offset, const void *data,
                                            uint64_t count);
/* Of the pages that this section has lent in this save: so many, counted from
 * the first, have been returned. See also save_returned in handler.h. */
SLUICE_EXTERN uint64_t sluice_writer_returned(const sluice_writer_t *w);
SLUICE_EXTERN int sluice_writer_zeros(sluice_writer_t *w, uint32_t region,
                                      uint64_t offset, uint64_t count);

#ifdef __cplusplus
}
#endif

#endif
