/* image.h - what of a stream can be compared: sections of bytes whole, and a
 * fingerprint of every page.
 *
 * Sections are kept in memory, so there is a bound on them; pages are not.
 * Invariant: a section's `schema` and `bytes` are its own copies. */
#ifndef SLUICE_TOOL_CONTENTS_IMAGE_H
#define SLUICE_TOOL_CONTENTS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "files/input.h"

typedef struct image_section_s {
  uint32_t id;
  uint32_t instance;
  uint32_t version;
  uint32_t flags;
  sluice_payload_t payload;
  char *name;
  char *type;
  uint8_t *schema; /* NULL: it came without */
  size_t schema_len;
  uint8_t *bytes;
  size_t len;
} image_section_t;

typedef struct image_region_s {
  char *name;
  uint64_t bytes;
  uint32_t page_size;
  uint64_t *prints; /* of each page as it is at the end; 0: absent, or zeros */
} image_region_t;

typedef struct image_s {
  const char *path;
  sluice_format_t format;
  image_section_t *sections; /* in order of declaration */
  size_t section_count;
  image_region_t *regions;
  size_t region_count;
  json_t *description; /* QEMU's; NULL: none */
} image_t;

typedef enum image_want_e {
  IMAGE_SECTIONS, /* pages are passed over */
  IMAGE_ALL
} image_want_t;

/* Reads `path` to its end. 0, or a code with the failure told in `f`; done with
 * image_done() in any case. */
int image_load(image_t *image, const char *path, image_want_t want,
               failure_t *f);
void image_done(image_t *image);

/* NULL: there is none. */
const image_section_t *image_find(const image_t *image, const char *name,
                                  uint32_t instance);
const image_region_t *image_find_region(const image_t *image, const char *name);

#endif
