/* poll_reader.h - reads from a pipe, socket, terminal or the like.
 *
 * Reads at once what is there, else polls. uv_read_start() is not used: it
 * takes more than was asked for, and what follows a stream's end must stay in
 * the pipe for whoever reads it next.
 *
 * Invariant: at most one read is under way; nothing is read between reads.
 * Loop thread. */
#ifndef SLUICE_IO_POLL_READER_H
#define SLUICE_IO_POLL_READER_H

#include <stddef.h>

#include <uv.h>

#include <sluice/source.h>

#include "io/descriptor.h"

typedef struct sluice__poll_reader_s sluice__poll_reader_t;

/* Takes over `*loan` on success. When epoll refuses the descriptor,
 * `loan->wait` becomes SLUICE__WAIT_POOL, `*out` NULL, and 0 is returned.
 * UV_ENOMEM and what uv_poll_init() says. */
int sluice__poll_reader_new(sluice__poll_reader_t **out, uv_loop_t *loop,
                            sluice__loan_t *loan);

/* As in sluice_source_ops_t. */
ptrdiff_t sluice__poll_reader_read(sluice__poll_reader_t *r, void *buf,
                                   size_t len, sluice_source_cb cb, void *ctx);
ptrdiff_t sluice__poll_reader_read_into(sluice__poll_reader_t *r,
                                        const struct iovec *places, int count,
                                        sluice_source_cb cb, void *ctx);
void sluice__poll_reader_cancel(sluice__poll_reader_t *r);

/* As in sluice_source_ops_t; 0 of NULL. */
uint64_t sluice__poll_reader_busy_ns(const sluice__poll_reader_t *r);

/* Returns the descriptor at once; the memory goes when libuv lets go of the
 * handles. NULL is fine. */
void sluice__poll_reader_close(sluice__poll_reader_t *r);
/* In a forked child: all of it is gone, the handles' memory too. */
void sluice__poll_reader_abandon(sluice__poll_reader_t *r);

#endif
