/* stream_view.c - see stream_view.h. */
#include "stream_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "require.h"

void view_say(view_t *v, const char *what, uint64_t a, uint64_t b) {
  int n = snprintf(v->text + v->len, VIEW_TEXT - v->len,
                   "%s %" PRIu64 " %" PRIx64 "\n", what, a, b);

  REQUIRE(n > 0);
  v->len += (size_t)n;
  REQUIRE(v->len < VIEW_TEXT);
}

uint64_t view_digest(uint64_t h, const uint8_t *data, size_t len) {
  for (size_t i = 0; i < len; i++) {
    h = (h ^ data[i]) * UINT64_C(0x100000001b3);
  }
  return h;
}

view_t *view_new(void) {
  return calloc(1, sizeof(view_t));
}

void view_free(view_t *v) {
  for (uint32_t i = 0; i < v->region_count; i++) {
    free(v->regions[i]);
  }
  free(v);
}

void view_region(view_t *v, uint32_t index, size_t bytes) {
  REQUIRE(index == v->region_count);
  v->regions[index] = calloc(1, bytes);
  memset(v->regions[index], 0xee, bytes);
  v->region_bytes[index] = bytes;
  v->region_section[index] = v->section;
  v->region_count++;
  view_say(v, "region", index, bytes);
}

void view_open(view_t *v, uint32_t section, int is_part) {
  v->section = section;
  v->is_part = is_part;
  v->is_empty = 1;
  v->digest = 0;
}

/* A part of nothing leaves nothing in the stream. */
void view_close(view_t *v) {
  uint64_t h = 0;

  for (uint32_t i = 0; i < v->region_count; i++) {
    if (v->region_section[i] == v->section) {
      h = view_digest(h, v->regions[i], v->region_bytes[i]);
    }
  }
  if (!v->is_part || !v->is_empty) {
    view_say(v, v->is_part ? "close part" : "close", v->section, h ^ v->digest);
  }
}

void view_pages(view_t *v, uint32_t region, uint64_t offset,
                const uint8_t *data, size_t len) {
  REQUIRE(offset + len <= v->region_bytes[region]);
  v->is_empty = 0;
  if (data != NULL) {
    memcpy(v->regions[region] + offset, data, len);
  } else {
    memset(v->regions[region] + offset, 0, len);
  }
}

void view_bytes(view_t *v, const uint8_t *data, size_t len) {
  v->is_empty = v->is_empty && len == 0;
  v->digest = view_digest(v->digest, data, len);
}

static void on_run(view_t *v, const sluice_run_t *run) {
  view_pages(v, run->region, run->offset, run->data,
             (size_t)(run->count * run->page_size));
}

void view_item(void *ctx, const sluice_item_t *item) {
  view_t *v = ctx;

  switch (item->kind) {
  case SLUICE_ITEM_NOTE:
    view_say(v, item->u.note.name, item->u.note.len,
             view_digest(0, item->u.note.data, item->u.note.len));
    return;
  case SLUICE_ITEM_SECTION:
    view_say(v, item->u.decl.name, item->u.decl.flags, item->u.decl.id);
    view_say(v, item->u.decl.type, item->u.decl.instance, item->u.decl.version);
    view_open(v, item->u.decl.id, 0);
    return;
  case SLUICE_ITEM_PART: view_open(v, item->u.decl.id, 1); return;
  case SLUICE_ITEM_END:
    view_say(v, "end", item->u.decl.id, 0);
    view_open(v, item->u.decl.id, 0);
    return;
  case SLUICE_ITEM_CLOSE: view_close(v); return;
  case SLUICE_ITEM_REGION:
    view_region(v, item->u.region.index, (size_t)item->u.region.bytes);
    return;
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS: on_run(v, &item->u.run); return;
  case SLUICE_ITEM_BYTES:
    view_bytes(v, item->u.bytes.data, item->u.bytes.len);
    return;
  case SLUICE_ITEM_HEADER:
  case SLUICE_ITEM_TRAILER: return;
  case SLUICE_ITEM_DELTA:
  case SLUICE_ITEM_COMMAND:
  case SLUICE_ITEM_ABORT: REQUIRE(item == NULL); /* not in it */
  }
}
