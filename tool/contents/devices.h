/* devices.h - the sections of bytes in a stream: which there are, how large. */
#ifndef SLUICE_TOOL_CONTENTS_DEVICES_H
#define SLUICE_TOOL_CONTENTS_DEVICES_H

#include <sluice/item.h>

typedef struct device_s {
  uint32_t id;
  uint32_t instance;
  uint32_t version;
  uint64_t bytes; /* of all its payloads */
  struct device_s *next;
  char name[]; /* NUL-terminated */
} device_t;

typedef struct devices_s {
  device_t *first; /* in order of declaration */
  device_t *last;
  device_t *open;
  void *by_id; /* a tree of tsearch()'s */
} devices_t;

/* Takes SECTION, PART, END and CLOSE items in, leaves others alone.
 * 0 or UV_ENOMEM. */
int devices_note(devices_t *d, const sluice_item_t *item);
void devices_done(devices_t *d);

#endif
