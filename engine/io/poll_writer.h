/* poll_writer.h - writes chunks to a pipe, socket, terminal or the like.
 *
 * Writes at once what the descriptor takes, queues the rest and polls. Nothing
 * is ever handed to uv_write(), which cannot be taken back: so the owner's
 * memory is in use only as long as it has an answer outstanding, and an abort
 * is answered in the next turn however stuck the peer is.
 *
 * Invariant: bytes leave in the order of the calls. After an error nothing is
 * written any more. Loop thread. */
#ifndef SLUICE_IO_POLL_WRITER_H
#define SLUICE_IO_POLL_WRITER_H

#include <stddef.h>

#include <sys/uio.h>
#include <uv.h>

#include <sluice/sink.h>

#include "io/descriptor.h"

typedef struct sluice__poll_writer_s sluice__poll_writer_t;

/* Takes over `*loan` on success. `stream`, if not NULL, is the libuv stream
 * behind it: what the host has queued there goes first. When epoll refuses
 * the descriptor, `loan->wait` becomes SLUICE__WAIT_POOL, `*out` NULL, and 0 is
 * returned. UV_ENOMEM and what uv_poll_init() says. */
int sluice__poll_writer_new(sluice__poll_writer_t **out, uv_loop_t *loop,
                            sluice__loan_t *loan, const uv_stream_t *stream);

/* As in sluice_sink_ops_t. */
int sluice__poll_writer_write(sluice__poll_writer_t *w, const void *data,
                              size_t len, sluice_sink_cb cb, void *ctx);
/* UV_ENOTSUP of what gains nothing by it: pipes and unix sockets, whose reader
 * is woken for each piece and sleeps while the next is hashed (measured: 5 to
 * 10 % slower than copying ahead, and as much more processor time; TCP: 20 %
 * faster, with a tenth less). */
ptrdiff_t sluice__poll_writer_write_now(sluice__poll_writer_t *w,
                                        const struct iovec *pieces, int count);
int sluice__poll_writer_abort(sluice__poll_writer_t *w, sluice_sink_cb cb,
                              void *ctx);

/* As in sluice_sink_ops_t; 0 of NULL. */
uint64_t sluice__poll_writer_busy_ns(const sluice__poll_writer_t *w);

/* Returns the descriptor at once; the memory goes when libuv lets go of the
 * handles. NULL is fine. */
void sluice__poll_writer_close(sluice__poll_writer_t *w);
/* In a forked child: all of it is gone, the handles' memory too. */
void sluice__poll_writer_abandon(sluice__poll_writer_t *w);

#endif
