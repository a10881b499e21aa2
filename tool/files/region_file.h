/* region_file.h - the content of one region as a file, sparse where it is zero.
 *
 * Pages come in any order and more than once; the last copy stays. Neighbours
 * are gathered into one write. Invariant: the file's size is the region's, and
 * what is not on its way in `run` is in the file. */
#ifndef SLUICE_TOOL_FILES_REGION_FILE_H
#define SLUICE_TOOL_FILES_REGION_FILE_H

#include <stddef.h>

#include <sluice/item.h>

#include "contents/page_states.h"
#include "files/target.h"

typedef struct region_file_s {
  target_t *target; /* borrowed; seekable */
  uint32_t page_size;
  page_states_t states; /* which pages have bytes in the file */
  uint8_t *run;         /* gathered, not yet written */
  size_t run_len;
  uint64_t run_at;
} region_file_t;

int region_file_begin(region_file_t *r, target_t *t,
                      const sluice_region_t *region, failure_t *f);

/* Takes a PAGES, ZEROS or DELTA item of the region. */
int region_file_take(region_file_t *r, const sluice_item_t *item, failure_t *f);

int region_file_flush(region_file_t *r, failure_t *f);
/* Fine on a zeroed one. */
void region_file_done(region_file_t *r);

#endif
