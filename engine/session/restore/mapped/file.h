/* file.h - what a restore by mapping holds beside that of any restore.
 *
 *   file.c         may it be mapped? verifying first; input by position
 *   map.c          the index into pieces, pieces into mappings
 *   rest.c         pieces that could not be mapped
 *   late_pieces.c  ... that come after the commit
 *   late_tell.c    ... and could not be read
 *   behind.c       verifying behind
 *   after.c        what follows the commit, in which order
 *
 *   SURVEY -> [VERIFY] -> LOAD (the records without their pages) -> MAP */
#ifndef SLUICE_SESSION_RESTORE_MAPPED_FILE_H
#define SLUICE_SESSION_RESTORE_MAPPED_FILE_H

#include <sluice/restore.h>

#include "io/file_job.h"
#include "session/restore/late/late.h"
#include "session/restore/mapped/ahead.h"
#include "session/restore/mapped/survey.h"
#include "session/restore/mapped/verify.h"
#include "session/restore/mapped/walk.h"
#include "session/session.h"

enum {
  SLUICE__PIECE_PAGE = 4096, /* sizes are told apart by this, */
  SLUICE__PIECE_SIZES = 1025 /* up to the most that a record has */
};

/* Pages one behind the other in a region and in the file. */
typedef struct sluice__piece_s {
  sluice_section_t *section;
  const char *region_name; /* the decoder's */
  uint32_t region;
  uint32_t page_size;
  uint64_t offset;
  uint64_t bytes;
  uint64_t at;
  bool is_late; /* may come after the commit */
} sluice__piece_t;

typedef struct sluice__pieces_s {
  sluice__piece_t *list; /* as in the index: ascending */
  size_t count;
  size_t cap;
  size_t next;    /* to be mapped */
  size_t rest;    /* of the first `rest`, all that was left is to be read */
  uint64_t gaps;  /* pieces that do not follow another in their region */
  uint64_t least; /* bytes; smaller ones are read */
  uint64_t equal; /* so many of exactly `least - 1 page` are mapped too */
  uint32_t sizes[SLUICE__PIECE_SIZES]; /* how many of each size */
} sluice__pieces_t;

/* What is being read of the rest. */
typedef struct sluice__rest_s {
  uint8_t *buf;
  size_t from; /* pieces of the rest that are in the buffer */
  size_t to;
  uint64_t in_to; /* bytes of piece `to` that are, or were */
  uint64_t done;  /* bytes of piece `from` that were taken */
  size_t used;
  size_t taken;
  int code;
  bool is_read;
} sluice__rest_t;

/* Of which pages are late. Names are copies: sections and stream may be gone
 * when something is told of them. */
typedef struct sluice__late_region_s {
  const sluice_section_t *owner; /* until the commit */
  uint32_t number;
  uint32_t instance;
  char section[64];
  char region[64];
  uint8_t *base; /* its byte 0 */
} sluice__late_region_t;

typedef struct sluice__restore_file_s {
  bool is_walking; /* pages are mapped: input comes by position */
  sluice__file_job_t job;
  int advice; /* that the kernel was given last, of the way it is read */
  sluice__survey_t survey;
  sluice__walk_t walk;
  sluice__ahead_t ahead;
  sluice__verify_t verify;
  sluice__pieces_t pieces;
  sluice__rest_t rest;
  sluice__late_t *late; /* NULL: none */
  uint32_t gap;         /* between mappings, the one at hand */
  uint32_t gap_region;
  sluice__late_region_t *late_regions; /* by tag */
  uint32_t late_region_count;
  sluice__late_losses_t losses; /* while it verifies behind */
  sluice_section_t *last;       /* found for the run of the index before */
  sluice_restore_stats_t stats;

  /* Behind. */
  sluice__session_t behind;
  int behind_code;     /* why it is not open */
  bool is_owed;        /* the last of `filled` and `verified` was not called */
  bool is_behind_open; /* `behind` has to be done with */
} sluice__restore_file_t;

#endif
