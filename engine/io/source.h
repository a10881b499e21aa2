/* source.h - how a session drives a source, whoever made it. The mirror of
 * sink.h: fills in what a source leaves out. Loop thread.
 *
 * open:  1 ready at once, 0 `cb` will be called (0 or an error), < 0 failed.
 * read:  > 0 bytes, there at once; 0 `cb` will be called (bytes, 0 at the end
 *        of input, or an error); UV_EOF the end of input; < 0 failed.
 *
 * That holds whatever a source of the host's own does: what it does wrong is
 * SLUICE_EHANDLER. */
#ifndef SLUICE_IO_SOURCE_H
#define SLUICE_IO_SOURCE_H

#include <stdbool.h>

#include <sluice/source.h>

/* As sluice__sink_take(). */
int sluice__source_take(sluice_source_t *source);
void sluice__source_give_back(sluice_source_t *source);

/* `err` is the source's until it is closed: it says there what went wrong, here
 * and in what follows. */
int sluice__source_open(sluice_source_t *source, uv_loop_t *loop,
                        sluice_source_cb cb, void *ctx, sluice_error_t *err);
ptrdiff_t sluice__source_read(sluice_source_t *source, void *buf, size_t len,
                              sluice_source_cb cb, void *ctx);
/* See sluice_source_ops_t; UV_EAGAIN where it is left out. */
ptrdiff_t sluice__source_read_into(sluice_source_t *source,
                                   const struct iovec *places, int count,
                                   sluice_source_cb cb, void *ctx);
bool sluice__source_reads_into(const sluice_source_t *source);
void sluice__source_cancel(sluice_source_t *source);

/* A file to be read by position; negative: none. */
int sluice__source_file(const sluice_source_t *source);

/* See sluice_source_ops_t. */
bool sluice__source_stays_open(const sluice_source_t *source);

/* See sluice_source_ops_t; 0 where it is left out, and of NULL. */
uint64_t sluice__source_busy_ns(sluice_source_t *source);

/* Frees the source; no read may be under way. NULL is fine. */
void sluice__source_close(sluice_source_t *source);

/* As sluice__sink_abandon() and sluice__sink_new(). */
void sluice__source_abandon(sluice_source_t *source);
int sluice__source_new(sluice_source_t **out, const sluice_source_ops_t *ops,
                       void (*abandon)(void *self), void *self);

/* As sluice_source_fd(); an owned descriptor is closed with the source, and
 * stays the caller's on failure. */
int sluice__source_descriptor(sluice_source_t **out, int fd, bool is_owned);

#endif
