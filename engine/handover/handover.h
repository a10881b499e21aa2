/* handover.h - what the two files of the old side share.
 *
 *   handover.c       who says what when, and how it ends
 *   handover_sink.c  the sink that the save writes to: the socket; its `finish`
 *                    is the switch
 *
 *   HELLO --> STREAM --> READY --> RUNNING --> over
 *
 * Each state is named after what is waited for (STREAM: the save, which may
 * send but not pause the host before the successor is prepared). The save ends
 * well when the successor has said RUNNING, so whatever a save undoes when
 * it fails is undone in a hand-over that fails at its very end.
 *
 * Invariant: `is_running` is decided once; COMMIT is sent at most once; the
 * host is resumed only after FAIL was sent, or to a peer that is gone. */
#ifndef SLUICE_HANDOVER_HANDOVER_H
#define SLUICE_HANDOVER_HANDOVER_H

#include <stdbool.h>

#include <sluice/handover.h>

#include "handover/channel.h"
#include "handover/passed.h"
#include "session/passing.h"

typedef enum sluice__handover_state_e {
  SLUICE__HANDOVER_HELLO,
  SLUICE__HANDOVER_STREAM,
  SLUICE__HANDOVER_READY,
  SLUICE__HANDOVER_RUNNING,
  SLUICE__HANDOVER_OVER
} sluice__handover_state_t;

struct sluice_handover_s {
  sluice_alloc_t alloc;
  sluice_handover_options_t options; /* `save` points nowhere */
  sluice_handover_cb cb;
  sluice_save_t *save;
  sluice__channel_t *channel;
  sluice__passing_t passing;
  sluice__handover_state_t state;
  bool is_host_paused; /* pause was called, resume not */
  bool is_running;     /* the successor: said so */
  bool is_prepared;    /* ... that it only waits for the state */
  bool is_ready;       /* ... that it is, before the save knew it was done */
  bool takes_memory;   /* ... by descriptor */
  sluice_error_t error;
  sluice_handover_stats_t stats;
  uint64_t paused_ns;
  uint64_t sent_ns;
  uint64_t ready_ns;

  sluice_sink_cb open_cb; /* of the sink, while they are owed */
  sluice_sink_cb finish_cb;
  void *sink_ctx;
  sluice__batch_t batch;
  uint8_t offer[SLUICE__FRAME_GREETING + SLUICE_OFFER_MAX];
};

/* handover_sink.c; it calls nothing of handover.c. */
extern const sluice_sink_ops_t sluice__handover_sink;
/* READY has come: COMMIT. < 0: it cannot be sent. */
int sluice__handover_commit(sluice_handover_t *h);
int sluice__handover_pass(void *ctx, const sluice_section_t *section,
                          const char *tag, int fd, bool is_memory);

#endif
