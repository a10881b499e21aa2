/* inspect_view.h - how `sluice inspect` shows what it finds: text or JSON.
 *
 *   header?  section*  end
 *
 * Views print as they are told, so that a long stream needs no memory; whether
 * standard output took it is checked by whoever tells them. */
#ifndef SLUICE_TOOL_SHOW_INSPECT_VIEW_H
#define SLUICE_TOOL_SHOW_INSPECT_VIEW_H

#include <stdbool.h>

#include <sluice/item.h>

#include "cli/report.h"
#include "contents/devices.h"
#include "contents/regions.h"

/* One payload of a section. */
typedef struct inspect_section_s {
  uint64_t offset;
  sluice_item_kind_t kind; /* SECTION, PART or END */
  bool is_live;
  uint32_t id;
  uint32_t instance;
  uint32_t version;
  char name[SLUICE_NAME_MAX + 1];
  uint64_t payload_bytes;
} inspect_section_t;

typedef struct inspect_end_s {
  bool has_header;
  bool is_complete;
  uint64_t bytes;
  const regions_t *regions;
  const devices_t *devices;
  const failure_t *failure;
} inspect_end_t;

typedef struct inspect_view_s {
  void (*header)(const sluice_header_t *h);
  void (*section)(const inspect_section_t *s);
  void (*end)(const inspect_end_t *e);
} inspect_view_t;

extern const inspect_view_t inspect_text;
extern const inspect_view_t inspect_json;

/* "start", "part", "end", "full". */
const char *inspect_kind_name(const inspect_section_t *s);
/* 16 bytes as 32 hexadecimal digits in `out`; false: all are zero. */
bool inspect_id_text(char out[33], const uint8_t id[16]);

#endif
