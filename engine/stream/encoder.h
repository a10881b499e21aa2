/* encoder.h - the calls of an encoder that a session has besides the public
 * ones.
 *
 * Pages go one way:
 *
 *   source --> encoder --> stage ----------> chunks --> sink
 *                     |--> copy jobs, which fill chunks
 *                     \--> direct writer ------------> sink
 *
 * The encoder calls nobody above it. Loop thread. */
#ifndef SLUICE_STREAM_ENCODER_H
#define SLUICE_STREAM_ENCODER_H

#include <stdbool.h>

#include <sluice/encoder.h>

#include "io/direct_writer.h"
#include "stream/copy_queue.h"
#include "stream/page_source.h"

/* Before the header: where pages may go besides into the output, which is to
 * lead to the same sink. Both are borrowed, and may be NULL. A chunk is not to
 * go out before the jobs of its records are over. */
void sluice__encoder_attach(sluice_encoder_t *e,
                            sluice__direct_writer_t *direct,
                            sluice__copy_queue_t *jobs);

/* As sluice_encoder_pages(). What can be left to a copy job or be written from
 * where it is, is so; the rest is copied before the call returns. */
int sluice__encoder_pages(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                          const sluice__page_source_t *source);

/* A step of section `id` is over, which may have left a payload of its open.
 * One that `goes_on` lingers: if the next payload is a PART of the same section
 * it goes on where this one was left, in the same record. Else it is closed,
 * also if it has lingered since an earlier step: so a payload lingers only
 * while its section will be called again. Whatever else is written ends it,
 * too. */
int sluice__encoder_leave(sluice_encoder_t *e, uint32_t id, bool goes_on);

/* Of a region that exists, else 0. */
uint32_t sluice__encoder_page_size(const sluice_encoder_t *e, uint32_t region);
/* As it was declared; of one that does not exist NULL. */
const char *sluice__encoder_region_name(const sluice_encoder_t *e,
                                        uint32_t region);

/* Before the header: the output lends so many bytes at a time. UV_EINVAL as in
 * sluice_output_t. */
int sluice__encoder_set_chunk(sluice_encoder_t *e, size_t bytes);

/* Before the header: the output can patch now, so a page that comes again takes
 * the place of its former copy. Native, and only with an index: else nobody
 * knows where a page stands. */
void sluice__encoder_keep_last(sluice_encoder_t *e);

/* Gives back a part of what takes long to give back; true when there is no
 * more. Only to be freed afterwards. */
bool sluice__encoder_shrink(sluice_encoder_t *e);

/* Without a size, for those that are of this library. */
void sluice__encoder_totals(const sluice_encoder_t *e, sluice_totals_t *out);

#endif
