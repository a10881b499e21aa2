/* sink.h - how a session drives a sink, whoever made it.
 *
 * Fills in what a sink leaves out, so that the session knows one convention
 * only: 1 done at once (`cb` is not called), 0 `cb` will be called, from the
 * loop and once, < 0 failed (`cb` is not called). That holds whatever a sink of
 * the host's own does: what it does wrong is SLUICE_EHANDLER (sink_call.h).
 * Loop thread. */
#ifndef SLUICE_IO_SINK_H
#define SLUICE_IO_SINK_H

#include <stdbool.h>

#include <sluice/sink.h>

/* A session's from now on, which will close it: 0, or UV_EBUSY when it is one's
 * already. Given back where begin fails. */
int sluice__sink_take(sluice_sink_t *sink);
void sluice__sink_give_back(sluice_sink_t *sink);

/* `err` is the sink's until it is closed: it says there what went wrong, here
 * and in what follows. */
int sluice__sink_open(sluice_sink_t *sink, uv_loop_t *loop, sluice_sink_cb cb,
                      void *ctx, sluice_error_t *err);
int sluice__sink_write(sluice_sink_t *sink, const void *data, size_t len,
                       uint64_t offset, sluice_sink_cb cb, void *ctx);
/* See sluice_sink_ops_t; UV_ENOTSUP where it is left out. */
ptrdiff_t sluice__sink_write_now(sluice_sink_t *sink,
                                 const struct iovec *pieces, int count,
                                 uint64_t offset);
bool sluice__sink_is_random(const sluice_sink_t *sink);
/* Was it made by sluice_sink_file()? */
bool sluice__sink_is_file(const sluice_sink_t *sink);
/* A size that a chunk can have, whatever the sink says. */
size_t sluice__sink_chunk_bytes(const sluice_sink_t *sink);
/* Can bytes be replaced that it has? Once it is open. */
bool sluice__sink_can_patch(const sluice_sink_t *sink);
/* See sluice_sink_ops_t; it can patch. */
int sluice__sink_patch(sluice_sink_t *sink, const sluice_patch_t *patches,
                       size_t count, sluice_sink_cb cb, void *ctx);
/* After a breach that nobody was told of yet it undoes, and fails. */
int sluice__sink_finish(sluice_sink_t *sink, sluice_sink_cb cb, void *ctx);
int sluice__sink_abort(sluice_sink_t *sink, sluice_sink_cb cb, void *ctx);

/* See sluice_sink_ops_t; 0 where it is left out, and of NULL. */
uint64_t sluice__sink_busy_ns(sluice_sink_t *sink);

/* Frees the sink; nothing may be under way. NULL is fine. */
void sluice__sink_close(sluice_sink_t *sink);

/* In a forked child: frees the sink and closes what it has open, whatever is
 * under way. No loop, file or peer is touched, and nobody is called: of a sink
 * of the host's own only what is around it is freed. NULL is fine. */
void sluice__sink_abandon(sluice_sink_t *sink);

/* As sluice_sink_custom(), of a sink of ours. `abandon` does to `self` what
 * that is to do. */
int sluice__sink_new(sluice_sink_t **out, const sluice_sink_ops_t *ops,
                     void (*abandon)(void *self), void *self);

/* As sluice_sink_fd(); an owned descriptor is closed with the sink, and stays
 * the caller's on failure. */
int sluice__sink_descriptor(sluice_sink_t **out, int fd, bool is_owned);

#endif
