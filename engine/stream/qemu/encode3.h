/* encode3.h - what the parts of the qemu3 encoder share.
 *
 * encode3.c has sections and both ends of the stream, _ram.c pages,
 * _description.c the JSON behind the end. Invariant: between payloads `section`
 * is NULL and the stream is at a record's boundary. */
#ifndef SLUICE_STREAM_QEMU_ENCODE3_H
#define SLUICE_STREAM_QEMU_ENCODE3_H

#include "stream/arena.h"
#include "stream/encoder_base.h"
#include "stream/qemu/configuration.h"
#include "stream/qemu/format.h"
#include "stream/qemu/sections.h"

typedef struct qemu3_writer_s {
  sluice__arena_t arena;
  sluice__qemu_sections_t sections;
  bool is_configured; /* too late for a configuration */
  bool has_footers;
  const void *description; /* verbatim, or NULL: made up */
  size_t description_len;

  sluice__qemu_section_t *section; /* of the open payload */
  bool are_regions_told;           /* MEM_SIZE was written */
  uint32_t last_region;            /* in this payload; UINT32_MAX: none */
  uint64_t frame_at;               /* offset of its be32; UINT64_MAX: none */
  uint32_t frame_len;
} qemu3_writer_t;

int sluice__encode_qemu3_region(sluice_encoder_t *e, uint32_t index);
int sluice__encode_qemu3_pages(sluice_encoder_t *e, uint32_t region,
                               uint64_t offset,
                               const sluice__page_source_t *source);
int sluice__encode_qemu3_zeros(sluice_encoder_t *e, uint32_t region,
                               uint64_t offset, uint64_t count);
/* The end of a payload of pages. */
int sluice__encode_qemu3_eos(sluice_encoder_t *e);

int sluice__encode_qemu3_describe(sluice_encoder_t *e);
/* Of the open section, in the words of its handler. */
int sluice__encode_qemu3_section_describe(sluice_encoder_t *e, const char *json,
                                          size_t len);

#endif
