/* channel.h - messages over a unix socket, both ways, on a loop.
 *
 *   channel.c      life: polling, the deadline, closing
 *   channel_in.c   messages taken apart, in whatever pieces they come
 *   channel_out.c  messages sent, at once or when the socket takes them
 *   channel_end.c  the last word, and closing when it is said
 *
 * Bytes of the stream are read only when somebody asks for them: what is not
 * asked for stays in the socket and holds back the sender. Knows frames and
 * descriptors, nothing of saves, restores or who may say what when.
 *
 * Invariant: after an error of the input nothing more is reported; what had
 * arrived before it has been. A closed channel calls nobody. */
#ifndef SLUICE_HANDOVER_CHANNEL_H
#define SLUICE_HANDOVER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include <sluice/sink.h>
#include <sluice/source.h>

#include "handover/frame.h"
#include "session/engine.h"

typedef struct sluice__channel_s sluice__channel_t;
typedef struct sluice__parcel_s sluice__parcel_t; /* a message going out */

/* From the loop, or inside sluice__channel_drain(). Each may close it. */
typedef struct sluice__channel_ops_s {
  /* A whole message, any but STREAM. What the callee does not take of its
   * descriptors is closed. */
  void (*message)(void *ctx, const sluice__frame_t *frame,
                  const uint8_t *payload);
  /* Nothing more will come: UV_EOF, or why. Once. */
  void (*ended)(void *ctx, int code, const sluice_error_t *err);
  /* The deadline has passed. */
  void (*late)(void *ctx);
  /* Optional. What had to wait for the socket is out. */
  void (*sent)(void *ctx);
  /* Optional. The engine closes; not from the loop. */
  void (*leave)(void *ctx);
} sluice__channel_ops_t;

/* What whoever reads the stream waits for. */
typedef enum sluice__want_e {
  SLUICE__WANT_NOTHING,
  SLUICE__WANT_BYTES,  /* to be put to want_buf */
  SLUICE__WANT_WORD,   /* that there are bytes: it fetches them itself */
  SLUICE__WANT_RELEASE /* it was given up, and is told so from the loop */
} sluice__want_t;

struct sluice__channel_s {
  sluice__guest_t guest; /* first: leave() gets this */
  sluice_engine_t *engine;
  uv_poll_t poll;
  uv_timer_t timer;
  uv_idle_t later;
  int handles_open;
  int fd;
  const sluice__channel_ops_t *ops; /* NULL: closed */
  void *ctx;
  uint64_t timeout_ms;
  bool takes_stream; /* else a STREAM message is an error */
  bool is_expecting; /* an answer: the deadline does not move */
  uint64_t busy_ns;  /* spent in callbacks on the loop */

  /* in */
  uint8_t header[SLUICE__FRAME_HEADER];
  size_t header_len;
  sluice__frame_t frame;
  /* Of a message other than STREAM; a small one is in small[], so that what
   * decides who runs can always be taken. */
  uint8_t *payload;
  uint8_t small[SLUICE__FRAME_FAIL_MAX];
  size_t payload_len;
  uint32_t in_number;
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

  /* out */
  sluice__parcel_t *first;
  sluice__parcel_t *last;
  uint32_t out_number;
  bool has_moved; /* a byte has gone since the deadline was set */
  int out_code;   /* latched */
  bool is_torn;   /* a message was begun and will not be ended */
  sluice_sink_cb cut_cb;
  void *cut_ctx;

  /* the end */
  uint8_t words[SLUICE__FRAME_HEADER + SLUICE__FRAME_FAIL_MAX];
  size_t words_len;
  size_t words_sent;
  bool insists;
};

/* channel.c: works on a duplicate of `fd`, which has to be a unix stream socket
 * (UV_EINVAL); the caller closes its own. */
int sluice__channel_open(sluice__channel_t **out, sluice_engine_t *engine,
                         int fd, uint32_t timeout_ms,
                         const sluice__channel_ops_t *ops, void *ctx);
/* Starts or stops the deadline for an answer. While none is expected, it is
 * that for bytes on their way out. */
void sluice__channel_expect(sluice__channel_t *ch, bool on);
/* Another deadline for this one; 0: never. */
void sluice__channel_expect_within(sluice__channel_t *ch, uint64_t ms);
/* The deadline is now: `late` comes from the loop. */
void sluice__channel_hurry(sluice__channel_t *ch);
/* Closes the socket. Nobody waits for anything. NULL is fine. */
void sluice__channel_close(sluice__channel_t *ch);
/* What is polled for; the parts call it when that may have changed. */
void sluice__channel_poll(sluice__channel_t *ch);

/* channel_in.c: reads and reports what is there. */
void sluice__channel_drain(sluice__channel_t *ch);
/* As in sluice_source_ops_t; at least one byte is asked for. */
ptrdiff_t sluice__channel_read(sluice__channel_t *ch, void *buf, size_t len,
                               sluice_source_cb cb, void *ctx);
ptrdiff_t sluice__channel_read_into(sluice__channel_t *ch,
                                    const struct iovec *places, int count,
                                    sluice_source_cb cb, void *ctx);
/* Whoever waits gets UV_ECANCELED, from the loop. */
void sluice__channel_unread(sluice__channel_t *ch);
/* Somebody waits for what comes next of the stream. */
bool sluice__channel_is_read(const sluice__channel_t *ch);
/* The next descriptor of the message at hand; the caller's now. -1: none. */
int sluice__channel_take_fd(sluice__channel_t *ch, uint32_t index);
void sluice__channel_drop_fds(sluice__channel_t *ch);
void sluice__channel_free_payload(sluice__channel_t *ch, uint8_t *payload);
/* No more is read, and, from now on, the peer can say no more. */
void sluice__channel_deafen(sluice__channel_t *ch);

/* channel_end.c: closes the socket when what was sent before has gone, and
 * then FAIL with `words` (NULL: nothing), and not before. Nobody is called any
 * more. `insists`: nor if that cannot be sent, as long as there is a peer:
 * silence would be taken for death. */
void sluice__channel_farewell(sluice__channel_t *ch, const void *words,
                              size_t len, bool insists);
/* Goes on with it; it may be closed then. */
void sluice__channel_speak(sluice__channel_t *ch);
/* The engine closes: no patience. */
void sluice__channel_leave(sluice__guest_t *guest);

/* channel_out.c: 0 (sent, or on its way) or why not. `payload` is copied. */
int sluice__channel_send(sluice__channel_t *ch, sluice__frame_type_t type,
                         const void *payload, size_t len);
int sluice__channel_send_fds(sluice__channel_t *ch, const void *payload,
                             size_t len, const int *fds, uint32_t count);
/* STREAM, as in sluice_sink_ops_t. */
int sluice__channel_write(sluice__channel_t *ch, const void *data, size_t len,
                          sluice_sink_cb cb, void *ctx);
/* No answer is expected any more: the deadline for what is on its way. */
void sluice__channel_watch(sluice__channel_t *ch);
/* Gives up the STREAM messages on their way; as `abort` of a sink. */
int sluice__channel_cut(sluice__channel_t *ch, sluice_sink_cb cb, void *ctx);
/* Sends what it can; calls back who waits for it. From the loop. */
void sluice__channel_flush(sluice__channel_t *ch);
void sluice__channel_finish_cut(sluice__channel_t *ch);
void sluice__channel_drop_out(sluice__channel_t *ch);
/* What is on its way, and what comes after it, is never sent. */
void sluice__channel_tear(sluice__channel_t *ch);

#endif
