/* image.c - see image.h. A save makes them; version 2 of QEMU's, which nobody
 * writes, is put together by hand. */
#include "image.h"

#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "fault.h"

enum { IMAGES_MAX = 64 };

static image_t images[IMAGES_MAX];

/* ---- by a save ---- */

/* Damages a byte of the first page; `digest` becomes that of memory with it. */
static void spoil(image_t *image, const world_t *w) {
  uint8_t *page = memmem(image->data, image->len, w->first_page, PAGE);

  if (page == NULL) {
    fault_die("no page to damage");
  }
  page[0] ^= 1;
  image->digest = w->instant_spoilt;
}

static void save_image(const scenario_t *s, world_t *w, image_t *image) {
  scenario_t save = *s;
  sluice_sink_t *sink = NULL;
  const void *data;
  end_t e;

  save.mode = SLUICE_CONVERGE;
  if (end_sink(&e, END_MEMORY, &w->loop, &sink) != 0 ||
      scenario_begin_save(&save, w, sink) != 0) {
    fault_die("no image to restore");
  }
  world_run(w);
  if (w->done != 1 || w->status != 0) {
    fault_die(w->error.message);
  }
  end_collect(&e, &data, &image->len);
  image->data = malloc(image->len);
  memcpy(image->data, data, image->len);
  image->digest = w->instant;
  if ((s->parts & WORLD_SPOILT) != 0) {
    spoil(image, w);
  }
  end_close(&e);
}

/* ---- by hand ---- */

static void record(build_t *b, const char *name, uint32_t version,
                   build_t *payload) {
  build_str8(b, name);
  build_be32(b, 0);
  build_be32(b, version);
  build_be32(b, (uint32_t)payload->len);
  build_raw(b, payload->data, payload->len);
  build_done(payload);
  *payload = (build_t){0};
}

static void record_blob(build_t *b, const char *name, const void *bytes,
                        size_t len) {
  build_t payload = {0};

  build_be64(&payload, len);
  build_raw(&payload, bytes, len);
  record(b, name, 0, &payload);
}

static void record_rigged(build_t *b, const rigged_t *r) {
  build_t payload = {0};

  build_be16(&payload, 0);
  build_be16(&payload, RIGGED_BYTES);
  build_raw(&payload, r->bytes, RIGGED_BYTES);
  build_be32(&payload, 0xffff0000);
  record(b, r->name, 1, &payload);
}

/* Each page a byte that is all of it, or 4096 of them. */
static void record_ram(build_t *b, const uint8_t *ram) {
  build_t payload = {0};

  build_be32(&payload, LOW_PAGES * PAGE);
  for (int i = 0; i < LOW_PAGES; i++) {
    build_u8(&payload, i % 2 == 0);
    build_raw(&payload, ram + i * PAGE, i % 2 == 0 ? 1 : PAGE);
  }
  record(b, "ram", 1, &payload);
}

static void build_image(world_t *w, image_t *image) {
  const place_t *p = &w->source;
  build_t b = {0};

  build_raw(&b, "QEVM\0\0\0\2\0\0\0\0\0\0\0\0", 16);
  record_rigged(&b, &p->live);
  record_blob(&b, "tape", p->tape, TAPE_BYTES);
  record_ram(&b, p->low);
  record_blob(&b, "doc", p->doc, DOC_BYTES);
  record_rigged(&b, &p->still);
  b.data[14] = (uint8_t)((b.len - 16) >> 8);
  b.data[15] = (uint8_t)(b.len - 16);
  image->data = malloc(b.len);
  image->len = b.len;
  memcpy(image->data, b.data, b.len);
  image->digest = place_digest(&w->source);
  build_done(&b);
}

/* ---- */

static void make_image(const scenario_t *s, image_t *image) {
  world_t *w = malloc(sizeof(*w));

  if (world_open(w, s->parts & ~(unsigned)WORLD_DESTROYS) != 0) {
    fault_die("no world to make an image of");
  }
  image->of = s;
  if (s->format == SLUICE_FORMAT_QEMU2) {
    build_image(w, image);
  } else {
    save_image(s, w, image);
  }
  (void)world_close(w);
  free(w);
}

const image_t *image_find(const scenario_t *s) {
  int i = 0;

  while (i < IMAGES_MAX - 1 && images[i].of != NULL && images[i].of != s) {
    i++;
  }
  if (images[i].of == NULL) {
    fault_hold();
    make_image(s, &images[i]);
    fault_release();
  }
  return &images[i];
}

void image_forget_all(void) {
  for (int i = 0; i < IMAGES_MAX; i++) {
    free(images[i].data);
    images[i] = (image_t){0};
  }
}
