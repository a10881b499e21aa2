/* hostile_streams.h - streams made to keep a decoder busy, or to make it take
 * memory: of `n` units each, or up to a size that the caller puts behind.
 *
 * Native ones have the right checksums. */
#ifndef SLUICE_TESTS_HOSTILE_STREAMS_H
#define SLUICE_TESTS_HOSTILE_STREAMS_H

#include <stdint.h>

#include "build.h"

void hostile_pads(build_t *b, uint32_t n);
void hostile_news(build_t *b, uint32_t n);
void hostile_notes(build_t *b, uint32_t n);
void hostile_note_in_pieces(build_t *b, uint32_t n);
void hostile_data_of_nothing(build_t *b, uint32_t n);
void hostile_parts_of_nothing(build_t *b, uint32_t n);
void hostile_sections(build_t *b, uint32_t n);
void hostile_zeros_one_by_one(build_t *b, uint32_t n);
void hostile_devices(build_t *b, uint32_t n);
void hostile_empty_parts(build_t *b, uint32_t n);
void hostile_zero_pages(build_t *b, uint32_t n);
void hostile_commands(build_t *b, uint32_t n);
void hostile_regions(build_t *b, uint32_t n);
void hostile_false_footers(build_t *b, uint32_t n);
void hostile_false_descriptions(build_t *b, uint32_t n);
void hostile_braces(build_t *b, uint32_t n);
void hostile_many_described(build_t *b, uint32_t n);
void hostile_deep_lists(build_t *b, uint32_t n);
void hostile_deep_subsections(build_t *b, uint32_t n);
void hostile_empty_records(build_t *b, uint32_t n);
void hostile_empty_chunks(build_t *b, uint32_t n);
void hostile_fills(build_t *b, uint32_t n);

/* These end where a size is to follow. */
void hostile_configuration_of(build_t *b);
void hostile_memory_of(build_t *b);
void hostile_region_of(build_t *b);
void hostile_page_at(build_t *b);
void hostile_description_of(build_t *b);
void hostile_command_of(build_t *b);
void hostile_stream_of(build_t *b);
void hostile_record_of(build_t *b);
void hostile_plain_memory_of(build_t *b);
void hostile_packed_memory_of(build_t *b);
void hostile_memory_of_items_of(build_t *b);

#endif
