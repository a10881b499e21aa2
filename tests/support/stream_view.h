/* stream_view.h - a stream as it looks from outside, on either side of the
 * wire.
 *
 * The writing side tells it what it encodes, the reading side gives it items;
 * equal streams give equal texts. Contents of regions go in as digests at every
 * close, as order within a payload is the encoder's. */
#ifndef SLUICE_TESTS_STREAM_VIEW_H
#define SLUICE_TESTS_STREAM_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/item.h>

enum { VIEW_REGIONS = 64, VIEW_TEXT = 1 << 20 };

typedef struct view_s {
  char text[VIEW_TEXT];
  size_t len;
  uint8_t *regions[VIEW_REGIONS];
  size_t region_bytes[VIEW_REGIONS];
  uint32_t region_section[VIEW_REGIONS];
  uint32_t region_count;
  uint64_t digest; /* of the open payload's bytes */
  uint32_t section;
  int is_part;
  int is_empty;
} view_t;

view_t *view_new(void);
void view_free(view_t *v);

/* A line of text. */
void view_say(view_t *v, const char *what, uint64_t a, uint64_t b);
uint64_t view_digest(uint64_t h, const uint8_t *data, size_t len);

/* A region of `bytes` bytes, none of them written yet. */
void view_region(view_t *v, uint32_t index, size_t bytes);
void view_open(view_t *v, uint32_t section, int is_part);
void view_close(view_t *v);
/* `data` NULL: zeros. */
void view_pages(view_t *v, uint32_t region, uint64_t offset,
                const uint8_t *data, size_t len);
void view_bytes(view_t *v, const uint8_t *data, size_t len);

/* What a decoder made; `ctx` is the view. */
void view_item(void *ctx, const sluice_item_t *item);

#endif
