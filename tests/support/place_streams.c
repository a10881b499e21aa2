/* place_streams.c - see place_streams.h. */
#include "place_streams.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

const uint32_t place_page_sizes[PLACE_REGIONS] = {256, 4096, 4096, 65536};

size_t place_region_bytes(uint32_t region) {
  return (size_t)PLACE_PAGES * place_page_sizes[region];
}

sluice_decl_t place_decl(uint32_t section) {
  return (sluice_decl_t){.id = section + 1,
                         .flags = SLUICE_SECTION_LIVE,
                         .payload = SLUICE_PAYLOAD_PAGES,
                         .name = section == 0 ? "first" : "second",
                         .type = "ram"};
}

static void write_run(sluice_encoder_t *e, seed_t *chance, uint32_t region) {
  uint64_t page = seed_pick(chance, PLACE_PAGES);
  uint64_t count = 1 + seed_pick(chance, PLACE_PAGES - (uint32_t)page);
  size_t len = (size_t)count * place_page_sizes[region];
  uint8_t *data = malloc(len);

  for (size_t i = 0; i < len; i++) {
    data[i] = (uint8_t)seed_next(chance);
  }
  if (seed_pick(chance, 4) == 0) {
    memset(data, 0, place_page_sizes[region]);
  }
  ck_assert_int_eq(sluice_encoder_pages(
                       e, region, page * place_page_sizes[region], data, count),
                   0);
  free(data);
}

/* Several rounds, runs up and down and over each other. */
static void write_rounds(sluice_encoder_t *e, seed_t *chance) {
  for (unsigned round = 0; round < 5; round++) {
    uint32_t section = seed_pick(chance, PLACE_SECTIONS);
    sluice_decl_t decl = place_decl(section);

    (void)sluice_encoder_open(e, SLUICE_ITEM_PART, &decl);
    for (unsigned i = seed_pick(chance, 12); i > 0; i--) {
      uint32_t region = section * 2 + seed_pick(chance, 8) / 7;

      if (seed_pick(chance, 9) == 0) {
        (void)sluice_encoder_zeros(e, region, 0, 1);
      }
      write_run(e, chance, region);
    }
    (void)sluice_encoder_close(e);
  }
}

void place_write_stream(memory_output_t *out, seed_t *chance, int keep_last) {
  sluice_encoder_options_t o = {.size = sizeof(o), .keep_last = keep_last};
  sluice_output_t output = memory_output_of(out);
  sluice_encoder_t *e;
  uint32_t index;

  ck_assert_int_eq(sluice_encoder_new(&e, &o, &output, NULL), 0);
  (void)sluice_encoder_header(e);
  for (uint32_t i = 0; i < PLACE_SECTIONS; i++) {
    sluice_decl_t decl = place_decl(i);

    (void)sluice_encoder_open(e, SLUICE_ITEM_SECTION, &decl);
    for (uint32_t j = 2 * i; j < 2 * i + 2; j++) {
      (void)sluice_encoder_region(e, j % 2 == 0 ? "low" : "high",
                                  place_region_bytes(j), place_page_sizes[j],
                                  &index);
    }
    (void)sluice_encoder_close(e);
  }
  write_rounds(e, chance);
  for (uint32_t i = 0; i < PLACE_SECTIONS; i++) {
    sluice_decl_t decl = place_decl(i);

    (void)sluice_encoder_open(e, SLUICE_ITEM_END, &decl);
    write_run(e, chance, 2 * i);
    (void)sluice_encoder_close(e);
  }
  ck_assert_int_eq(sluice_encoder_finish(e), 0);
  sluice_encoder_free(e);
}

sluice_encoder_t *place_begin_small(const sluice_output_t *output,
                                    const sluice_decl_t *decl) {
  sluice_encoder_t *e;
  uint32_t index;

  ck_assert_int_eq(sluice_encoder_new(&e, NULL, output, NULL), 0);
  (void)sluice_encoder_header(e);
  (void)sluice_encoder_open(e, SLUICE_ITEM_SECTION, decl);
  (void)sluice_encoder_region(e, "low", place_region_bytes(0), 256, &index);
  return e;
}

void place_end_small(sluice_encoder_t *e, const sluice_decl_t *decl) {
  (void)sluice_encoder_close(e);
  (void)sluice_encoder_open(e, SLUICE_ITEM_END, decl);
  (void)sluice_encoder_close(e);
  ck_assert_int_eq(sluice_encoder_finish(e), 0);
  sluice_encoder_free(e);
}

/* One record of 80 pages of 256 bytes in two runs, and little else. */
void place_write_small(memory_output_t *out, seed_t *chance) {
  sluice_output_t output = memory_output_of(out);
  sluice_decl_t decl = place_decl(0);
  static uint8_t data[80 * 256];
  sluice_encoder_t *e = place_begin_small(&output, &decl);

  for (size_t i = 0; i < sizeof(data); i++) {
    data[i] = (uint8_t)(seed_next(chance) | 1);
  }
  (void)sluice_encoder_pages(e, 0, 0, data, 75);
  (void)sluice_encoder_pages(e, 0, 80 * 256, data, 5);
  place_end_small(e, &decl);
}
