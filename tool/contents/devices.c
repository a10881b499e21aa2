/* devices.c - see devices.h. Relies on the decoder: ids are unique, and what
 * goes on was declared. */
#include "contents/devices.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static int compare_ids(const void *a, const void *b) {
  uint32_t x = ((const device_t *)a)->id;
  uint32_t y = ((const device_t *)b)->id;

  return (x > y) - (x < y);
}

static int declare(devices_t *d, const sluice_decl_t *decl) {
  size_t len = strlen(decl->name) + 1;
  device_t *device;

  d->open = NULL;
  if (decl->payload != SLUICE_PAYLOAD_BYTES) {
    return 0;
  }
  device = calloc(1, sizeof(*device) + len);
  if (device == NULL) {
    return UV_ENOMEM;
  }
  device->id = decl->id;
  device->instance = decl->instance;
  device->version = decl->version;
  memcpy(device->name, decl->name, len);
  *(d->last == NULL ? &d->first : &d->last->next) = device;
  d->last = d->open = device;
  return tsearch(device, &d->by_id, compare_ids) == NULL ? UV_ENOMEM : 0;
}

static int go_on(devices_t *d, const sluice_decl_t *decl) {
  device_t key = {.id = decl->id};
  device_t *const *found = tfind(&key, &d->by_id, compare_ids);

  d->open = found == NULL ? NULL : *found;
  return 0;
}

static int finish(devices_t *d, uint64_t payload_bytes) {
  if (d->open != NULL) {
    d->open->bytes += payload_bytes;
    d->open = NULL;
  }
  return 0;
}

int devices_note(devices_t *d, const sluice_item_t *item) {
  switch (item->kind) {
  case SLUICE_ITEM_SECTION: return declare(d, &item->u.decl);
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END: return go_on(d, &item->u.decl);
  case SLUICE_ITEM_CLOSE: return finish(d, item->u.payload_bytes);
  case SLUICE_ITEM_HEADER:
  case SLUICE_ITEM_NOTE:
  case SLUICE_ITEM_REGION:
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS:
  case SLUICE_ITEM_DELTA:
  case SLUICE_ITEM_BYTES:
  case SLUICE_ITEM_COMMAND:
  case SLUICE_ITEM_ABORT:
  case SLUICE_ITEM_TRAILER: return 0;
  }
  return 0;
}

static void keep(void *node) {
  (void)node; /* the list owns the devices */
}

void devices_done(devices_t *d) {
  device_t *next;

  tdestroy(d->by_id, keep);
  for (device_t *device = d->first; device != NULL; device = next) {
    next = device->next;
    free(device);
  }
  *d = (devices_t){0};
}
