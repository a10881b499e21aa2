/* scenario.h - one operation from begin to end, as a row of a table. */
#ifndef SLUICE_FAULT_SCENARIO_H
#define SLUICE_FAULT_SCENARIO_H

#include "ends.h"
#include "world.h"

typedef enum scenario_kind_e {
  SCENARIO_SAVE,
  SCENARIO_RESTORE
} scenario_kind_t;

typedef struct scenario_s {
  const char *name;
  scenario_kind_t kind;
  sluice_format_t format;
  sluice_save_mode_t mode;  /* of a save */
  end_kind_t end;           /* the sink, or the source */
  unsigned parts;           /* of the world */
  sluice_restore_way_t way; /* of a restore */
} scenario_t;

/* What came of it. */
typedef struct outcome_s {
  int begun;  /* what begin returned; < 0: nothing was started */
  int status; /* of the callback, or `begun` */
  sluice_error_t error;
  uint64_t expect; /* digest of what is to be in the image, or restored */
  int mate_begun;  /* of the restore beside: as above */
  int mate_status;
  char complaint[160]; /* what is wrong already; "" for nothing */
  int is_new_there;    /* it failed, but the whole new image has the name */
} outcome_t;

/* Runs `s` in `w`. A save that says it succeeded has its image restored without
 * faults and compared; a restore is compared, too. */
void scenario_run(const scenario_t *s, world_t *w, outcome_t *out);

/* Saves `w` as it is now, into memory, without faults, restores it beside and
 * compares. NULL, or what is wrong. */
const char *scenario_check_next(world_t *w, sluice_format_t format);

/* Begins the save of a scenario; what sluice_save_begin() says. */
int scenario_begin_save(const scenario_t *s, world_t *w, sluice_sink_t *sink);

#endif
