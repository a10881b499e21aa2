/* outgoing.h - a channel's outgoing half: messages sent in order, at once or
 * when the socket takes them; then the last word.
 *
 * A peer takes the end of the input for death unless it is told otherwise. So
 * the last word takes no memory, comes after whatever else could not be sent,
 * and can be tried again when the kernel refuses it. Where a message was torn
 * there is nothing left to say, nor need there be: only the stream is long, and
 * without its end nobody takes over.
 *
 * Says what it wants to wait for; polls for nothing itself. The struct is for
 * outgoing.c. Loop thread. */
#ifndef SLUICE_HANDOVER_OUTGOING_H
#define SLUICE_HANDOVER_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/sink.h>

#include "handover/frame.h"

typedef struct sluice__parcel_s sluice__parcel_t; /* a message going out */

typedef struct sluice__outgoing_s {
  int fd; /* the channel's */
  sluice__parcel_t *first;
  sluice__parcel_t *last;
  uint32_t number; /* of the next message */
  bool has_moved;  /* a byte has gone since this was asked */
  int code;        /* latched */
  bool is_torn;    /* a message was begun and will not be ended */
  uint8_t words[SLUICE__FRAME_HEADER + SLUICE__FRAME_FAIL_MAX]; /* the last */
  size_t words_len;
  size_t words_sent;
} sluice__outgoing_t;

void sluice__outgoing_init(sluice__outgoing_t *out, int fd);

/* 1 sent, 0 on its way, or why it never will be. `payload` is copied, `fds` are
 * borrowed until it has begun. */
int sluice__outgoing_send(sluice__outgoing_t *out, sluice__frame_type_t type,
                          const void *payload, size_t len, const int *fds,
                          uint32_t fd_count);
/* STREAM, as in sluice_sink_ops_t. */
int sluice__outgoing_write(sluice__outgoing_t *out, const void *data,
                           size_t len, sluice_sink_cb cb, void *ctx);

/* It waits until the socket takes more. */
bool sluice__outgoing_wants(const sluice__outgoing_t *out);
/* Messages are on their way, even if they never arrive. */
bool sluice__outgoing_has_messages(const sluice__outgoing_t *out);
/* All that was sent is with the kernel. */
bool sluice__outgoing_is_sent(const sluice__outgoing_t *out);
/* A byte has gone since it was last asked. */
bool sluice__outgoing_has_moved(sluice__outgoing_t *out);

/* Sends what it can; calls back who waits for it, which may drop it all. */
void sluice__outgoing_flush(sluice__outgoing_t *out);
/* The STREAM messages on their way are given up: UV_ECANCELED. */
void sluice__outgoing_abort_stream(sluice__outgoing_t *out);
/* What is on its way, and what comes after it, is never sent. */
void sluice__outgoing_tear(sluice__outgoing_t *out);
/* What is on its way is forgotten; nobody is called. */
void sluice__outgoing_drop(sluice__outgoing_t *out);

/* The last word: FAIL with these. */
void sluice__outgoing_set_words(sluice__outgoing_t *out, const void *words,
                                size_t len);
/* 1 all is said that can be, UV_EAGAIN, or another error; may be tried again.
 * No message is on its way. */
int sluice__outgoing_say(sluice__outgoing_t *out);

#endif
