/* incoming.h - a channel's incoming half: messages taken apart, in whatever
 * pieces they come.
 *
 *   header --> payload --> `message` --> header
 *         \--> STREAM: its bytes are lent to who reads, then header
 *
 * Bytes of the stream are read only when somebody asks for them: what is not
 * asked for stays in the socket and holds back the sender. Says what it wants
 * to wait for; polls for nothing itself. The struct is for incoming.c. Loop
 * thread.
 *
 * Invariant: after an error nothing more is reported; what had arrived before
 * it has been. */
#ifndef SLUICE_HANDOVER_INCOMING_H
#define SLUICE_HANDOVER_INCOMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <sluice/source.h>

#include "handover/frame.h"

/* From inside _drain() and _shutdown(). Each may close it. */
typedef struct sluice__incoming_ops_s {
  /* A whole message, any but STREAM. What the callee does not take of its
   * descriptors is closed. */
  void (*message)(void *ctx, const sluice__frame_t *frame,
                  const uint8_t *payload);
  /* Nothing more will come: UV_EOF, or why. Once. */
  void (*ended)(void *ctx, int code, const sluice_error_t *err);
} sluice__incoming_ops_t;

/* What whoever reads the stream waits for. */
typedef enum sluice__want_e {
  SLUICE__WANT_NOTHING,
  SLUICE__WANT_BYTES,  /* to be put to want_buf */
  SLUICE__WANT_WORD,   /* that there are bytes: it fetches them itself */
  SLUICE__WANT_RELEASE /* it was given up, and is told so from the loop */
} sluice__want_t;

typedef struct sluice__incoming_s {
  int fd;                            /* the channel's */
  const sluice__incoming_ops_t *ops; /* NULL: nobody is called any more */
  void *ctx;
  bool takes_stream; /* else a STREAM message is an error */
  uint8_t header[SLUICE__FRAME_HEADER];
  size_t header_len;
  sluice__frame_t frame;
  /* Of a message other than STREAM; a small one is in small[], so that what
   * decides who runs can always be taken. */
  uint8_t *payload;
  uint8_t small[SLUICE__FRAME_FAIL_MAX];
  size_t payload_len;
  uint32_t number;
  uint32_t stream_left; /* of the STREAM message at hand */
  int fds[SLUICE__FRAME_FDS];
  uint32_t fd_count;
  bool is_short_of_fds; /* the kernel had no room for all of them */
  bool is_over;         /* `ended` was called */
  bool is_unsure;       /* ... as reading failed: there may be more */
  sluice__want_t want;
  void *want_buf;
  size_t want_len;
  sluice_source_cb want_cb;
  void *want_ctx;
} sluice__incoming_t;

/* Nothing is read before _drain() or a _read(). */
void sluice__incoming_init(sluice__incoming_t *in, int fd, bool takes_stream,
                           const sluice__incoming_ops_t *ops, void *ctx);
/* What has come and was not reported is dropped. */
void sluice__incoming_close(sluice__incoming_t *in);

/* It waits for input. Neither a stream that nobody asks for is waited for, nor
 * what follows it. */
bool sluice__incoming_wants(const sluice__incoming_t *in);
/* Reads and reports what is there. */
void sluice__incoming_drain(sluice__incoming_t *in);

/* As in sluice_source_ops_t; at least one byte is asked for. */
ptrdiff_t sluice__incoming_read(sluice__incoming_t *in, void *buf, size_t len,
                                sluice_source_cb cb, void *ctx);
ptrdiff_t sluice__incoming_read_into(sluice__incoming_t *in,
                                     const struct iovec *places, int count,
                                     sluice_source_cb cb, void *ctx);
/* Somebody waits for what comes next of the stream. */
bool sluice__incoming_is_read(const sluice__incoming_t *in);
/* It is given up. True: who waited is to be told, by _release(). */
bool sluice__incoming_unread(sluice__incoming_t *in);
void sluice__incoming_release(sluice__incoming_t *in);

/* The next descriptor of the message at hand; the caller's now. -1: none. */
int sluice__incoming_take_fd(sluice__incoming_t *in, uint32_t index);
/* No message is half there. */
bool sluice__incoming_is_between(const sluice__incoming_t *in);

/* The peer can say no more from now on; what it has said is reported. */
void sluice__incoming_shutdown(sluice__incoming_t *in);
/* Nobody is called and nothing read any more. */
void sluice__incoming_mute(sluice__incoming_t *in);

#endif
