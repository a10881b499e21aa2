/* channel.h - messages over a unix socket, both ways, on a loop.
 *
 *   channel.c   life: polling, the deadline, the last word and closing
 *     incoming  messages taken apart, in whatever pieces they come
 *     outgoing  messages sent, at once or when the socket takes them
 *
 *   open --> shut down (the last word is being said) --> closed
 *       \----------------------------------------------^
 *
 * Bytes of the stream are read only when somebody asks for them: what is not
 * asked for stays in the socket and holds back the sender. Knows frames and
 * descriptors, nothing of saves, restores or who may say what when. Loop
 * thread.
 *
 * Invariant: after an error of the input nothing more is reported; what had
 * arrived before it has been. A channel that is shut down calls nobody, but
 * those to whom it owes the end of an _unread() or an _abort_stream(); a closed
 * one nobody at all. */
#ifndef SLUICE_HANDOVER_CHANNEL_H
#define SLUICE_HANDOVER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/sink.h>
#include <sluice/source.h>

#include "handover/frame.h"
#include "session/engine.h"

typedef struct sluice__channel_s sluice__channel_t;

/* From the loop, or inside sluice__channel_shutdown_read(). Each may close it.
 */
typedef struct sluice__channel_ops_s {
  bool takes_stream; /* else a STREAM message is an error */
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
  /* In a forked child: the channel is freed, and its owner is to be. */
  void (*abandon)(void *ctx);
} sluice__channel_ops_t;

/* Works on a duplicate of `fd`, which has to be a unix stream socket
 * (UV_EINVAL); the caller closes its own. */
int sluice__channel_open(sluice__channel_t **out, sluice_engine_t *engine,
                         int fd, uint32_t timeout_ms,
                         const sluice__channel_ops_t *ops, void *ctx);

/* Why that has failed, in words. */
const char *sluice__channel_why(int code);
/* Closes the socket. Nobody waits for anything. */
void sluice__channel_close(sluice__channel_t *ch);
/* Closes it when what was sent before has gone, and then FAIL with `words`
 * (NULL: nothing), and not before. `insists`: nor if that cannot be sent, as
 * long as there is a peer: silence would be taken for death. */
void sluice__channel_shutdown(sluice__channel_t *ch, const void *words,
                              size_t len, bool insists);

/* Starts or stops the deadline for an answer. While none is expected, it is
 * that for bytes on their way out. */
void sluice__channel_expect(sluice__channel_t *ch, bool on);
/* Another deadline for this one; 0: never. */
void sluice__channel_expect_within(sluice__channel_t *ch, uint64_t ms);
/* No answer is expected any more: the deadline for what is on its way. */
void sluice__channel_watch(sluice__channel_t *ch);
/* The deadline is now: `late` comes from the loop. */
void sluice__channel_hurry(sluice__channel_t *ch);
/* Spent in callbacks on the loop. NULL: 0. */
uint64_t sluice__channel_busy_ns(const sluice__channel_t *ch);

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
/* No message is half there. */
bool sluice__channel_is_between(const sluice__channel_t *ch);
/* No more is read, and, from now on, the peer can say no more; what it has said
 * is reported first. */
void sluice__channel_shutdown_read(sluice__channel_t *ch);

/* 0 (sent, or on its way) or why not. `payload` is copied. */
int sluice__channel_send(sluice__channel_t *ch, sluice__frame_type_t type,
                         const void *payload, size_t len);
int sluice__channel_send_fds(sluice__channel_t *ch, const void *payload,
                             size_t len, const int *fds, uint32_t count);
/* STREAM, as in sluice_sink_ops_t. */
int sluice__channel_write(sluice__channel_t *ch, const void *data, size_t len,
                          sluice_sink_cb cb, void *ctx);
/* Gives up the STREAM messages on their way; as `abort` of a sink. */
int sluice__channel_abort_stream(sluice__channel_t *ch, sluice_sink_cb cb,
                                 void *ctx);
/* What is on its way, and what comes after it, is never sent. */
void sluice__channel_tear(sluice__channel_t *ch);
/* All that was sent is with the kernel. */
bool sluice__channel_is_sent(const sluice__channel_t *ch);

#endif
