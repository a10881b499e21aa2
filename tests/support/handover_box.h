/* handover_box.h - a small host that is handed over, or takes over, each in a
 * process of its own.
 *
 * A region of pages that changes in every turn of the loop until the pause, and
 * the read ends of some pipes. What each process ends as is written to a board
 * that both share with the test. */
#ifndef SLUICE_TESTS_HANDOVER_BOX_H
#define SLUICE_TESTS_HANDOVER_BOX_H

#include <stdint.h>

enum {
  BOX_PAGES = 300,
  BOX_PAGE = 4096,
  BOX_BYTES = BOX_PAGES * BOX_PAGE,
  BOX_PIPES = 3
};

typedef enum box_end_e {
  BOX_NONE, /* it did not get so far */
  BOX_SERVES,
  BOX_GAVE_UP
} box_end_t;

/* Shared by the processes. */
typedef struct box_board_s {
  box_end_t old_end;
  box_end_t new_end;
  int old_status;
  int new_status;
  int resumed;
  unsigned old_calls; /* of the socket, until the end */
  unsigned new_calls;
  uint64_t passed; /* bytes of memory by descriptor */
  char old_message[192];
} box_board_t;

typedef struct box_plan_s {
  int is_memfd;
  int is_watched;    /* the kernel tracks what is written */
  int piecemeal;     /* every read gets one byte at most */
  unsigned kill_old; /* at this call of the socket; 0: never */
  unsigned kill_new;
  unsigned stop_new; /* from this call on it does nothing, but lives */
  unsigned stop_old;
  unsigned pipes;    /* 0: BOX_PIPES */
  unsigned no_files; /* the successor may open no more */
  int refuses;       /* its check says no */
  int rubbish;       /* it says nothing that makes sense */
} box_plan_t;

/* Runs both until they end; `*board` says how. */
void box_run(const box_plan_t *plan, box_board_t *board);

#endif
