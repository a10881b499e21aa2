/* place_streams.h - streams of pages for a reader that puts them in place: runs
 * up, down and over each other, of several regions and sizes of pages. */
#ifndef SLUICE_TESTS_PLACE_STREAMS_H
#define SLUICE_TESTS_PLACE_STREAMS_H

#include <sluice/encoder.h>

#include "memory_output.h"
#include "seed.h"

enum {
  PLACE_REGIONS = 4,
  PLACE_SECTIONS = 2, /* of two regions each */
  PLACE_PAGES = 90    /* of each region */
};

extern const uint32_t place_page_sizes[PLACE_REGIONS];

size_t place_region_bytes(uint32_t region);
sluice_decl_t place_decl(uint32_t section);

/* All regions, several rounds. */
void place_write_stream(memory_output_t *out, seed_t *chance, int keep_last);

/* The first region only: one record of 80 pages in two runs, and little else;
 * or what comes between these two. */
void place_write_small(memory_output_t *out, seed_t *chance);
sluice_encoder_t *place_begin_small(const sluice_output_t *output,
                                    const sluice_decl_t *decl);
void place_end_small(sluice_encoder_t *e, const sluice_decl_t *decl);

#endif
