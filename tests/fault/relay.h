/* relay.h - between the two sides of a hand-over: passes on what each says, but
 * for one message, which is altered.
 *
 * The sockets of a handoff_t are its two ends. What it takes from a socket has
 * been said, as far as the speaker can know. */
#ifndef SLUICE_FAULT_RELAY_H
#define SLUICE_FAULT_RELAY_H

#include "handoff.h"
#include "handover/frame.h"

typedef enum alteration_kind_e {
  ALTER_NOTHING,
  ALTER_FLIP,     /* bit `at` */
  ALTER_DROP,     /* not passed on */
  ALTER_REPEAT,   /* passed on twice */
  ALTER_SWAP,     /* comes after the next of its direction */
  ALTER_TRUNCATE, /* `at` bytes of it, then the end */
  ALTER_INSERT,   /* one of type `at` goes before it, and is counted */
  ALTER_RETYPE,   /* it says that it is of type `at` */
  ALTER_ADD_FD,   /* a descriptor too many */
  ALTER_DROP_FD,  /* one too few */
  ALTER_TURN_FDS  /* in the opposite order */
} alteration_kind_t;

typedef struct alteration_s {
  alteration_kind_t kind;
  handoff_side_t from; /* who says it */
  unsigned message;    /* which of its messages */
  size_t at;
} alteration_t;

enum { RELAY_MESSAGES = 64 };

/* What was said, as it was before it was altered. */
typedef struct relay_log_s {
  unsigned count;
  uint16_t types[RELAY_MESSAGES];
  uint32_t lens[RELAY_MESSAGES]; /* of the payload */
  unsigned fds[RELAY_MESSAGES];
} relay_log_t;

typedef struct relay_s relay_t;

typedef struct relay_way_s {
  relay_t *relay;
  handoff_side_t from;
  uv_poll_t poll;
  int fd; /* towards `from` */
  relay_log_t log;
  uint32_t inserted;
  uint8_t *bytes; /* of the message at hand */
  size_t len;
  int fds[SLUICE__FRAME_FDS + 1];
  unsigned fd_count;
  uint8_t *kept; /* held back, to be passed on after the next */
  size_t kept_len;
  int kept_fds[SLUICE__FRAME_FDS + 1];
  unsigned kept_fd_count;
} relay_way_t;

struct relay_s {
  const alteration_t *alteration;
  relay_way_t ways[2]; /* by side */
  int is_closed;
  int was_altered;
};

/* Between the two sockets of `h`, before handoff_run(). */
void relay_open(relay_t *relay, handoff_t *h, const alteration_t *alteration);
/* Before handoff_close(). */
void relay_close(relay_t *relay, handoff_t *h);

#endif
