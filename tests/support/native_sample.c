/* native_sample.c - see native_sample.h. */
#include "native_sample.h"

#include <stdio.h>
#include <string.h>

enum { PAGE = 256 };

static void fill(uint8_t *page, unsigned number) {
  for (unsigned i = 0; i < PAGE; i++) {
    page[i] = (uint8_t)(number + i * 7);
  }
}

static const sluice_decl_t ram = {.id = 7,
                                  .instance = 1,
                                  .version = 4,
                                  .flags = SLUICE_SECTION_LIVE,
                                  .payload = SLUICE_PAYLOAD_PAGES,
                                  .name = "ram",
                                  .type = "ram"};
static const sluice_decl_t log_decl = {.id = 3,
                                       .version = 1,
                                       .flags = SLUICE_SECTION_LIVE |
                                                SLUICE_SECTION_OPTIONAL,
                                       .name = "log",
                                       .type = "blob"};
static const sluice_decl_t clock_decl = {.id = 9,
                                         .instance = 2,
                                         .version = 2,
                                         .name = "clock",
                                         .type = "fields",
                                         .schema = "ticks:u64",
                                         .schema_len = 9};

static void write_start(sluice_encoder_t *e, uint8_t pages[8][PAGE]) {
  uint32_t low = 0;
  uint32_t high = 0;

  (void)sluice_encoder_header(e);
  (void)sluice_encoder_note(e, "made.by", "a test", 6);
  (void)sluice_encoder_open(e, SLUICE_ITEM_SECTION, &ram);
  (void)sluice_encoder_region(e, "low", 6 * PAGE, PAGE, &low);
  (void)sluice_encoder_region(e, "high", 4 * PAGE, PAGE, &high);
  (void)sluice_encoder_pages(e, low, 0, pages, 6); /* two of them are zero */
  (void)sluice_encoder_zeros(e, high, 2 * PAGE, 2);
  (void)sluice_encoder_close(e);
  (void)sluice_encoder_open(e, SLUICE_ITEM_SECTION, &log_decl);
  (void)sluice_encoder_bytes(e, "hello ", 6);
  (void)sluice_encoder_bytes(e, "world", 5);
  (void)sluice_encoder_close(e);
}

static void write_rest(sluice_encoder_t *e, uint8_t pages[8][PAGE]) {
  (void)sluice_encoder_open(e, SLUICE_ITEM_PART, &ram);
  (void)sluice_encoder_pages(e, 1, 0, pages[6], 1);
  (void)sluice_encoder_pages(e, 0, PAGE, pages[7], 1); /* again */
  (void)sluice_encoder_close(e);
  (void)sluice_encoder_open(e, SLUICE_ITEM_PART, &log_decl);
  (void)sluice_encoder_bytes(e, "!", 1);
  (void)sluice_encoder_close(e);
  (void)sluice_encoder_open(e, SLUICE_ITEM_END, &log_decl);
  (void)sluice_encoder_close(e);
  (void)sluice_encoder_open(e, SLUICE_ITEM_SECTION, &clock_decl);
  (void)sluice_encoder_bytes(e, "\1\2\3\4\5\6\7\10", 8);
  (void)sluice_encoder_close(e);
  (void)sluice_encoder_open(e, SLUICE_ITEM_END, &ram);
  (void)sluice_encoder_zeros(e, 0, 5 * PAGE, 1);
  (void)sluice_encoder_close(e);
  (void)sluice_encoder_note(e, "empty", "", 0);
}

/* The encoder latches its first error, so only the last call is looked at. */
int native_sample_write(const sluice_output_t *output,
                        const sluice_alloc_t *alloc) {
  static const uint8_t image_id[16] = "an image's id..";
  sluice_encoder_options_t options = {.size = sizeof(options),
                                      .host = "sample",
                                      .host_version = "1.0",
                                      .image_id = image_id};
  uint8_t pages[8][PAGE] = {{0}};
  sluice_encoder_t *e = NULL;
  int r = sluice_encoder_new(&e, &options, output, alloc);

  if (r < 0) {
    return r;
  }
  for (unsigned i = 0; i < 8; i++) {
    if (i != 2 && i != 3) {
      fill(pages[i], i);
    }
  }
  write_start(e, pages);
  write_rest(e, pages);
  r = sluice_encoder_finish(e);
  sluice_encoder_free(e);
  return r;
}
