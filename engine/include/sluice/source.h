/* source.h - where a stream comes from. The mirror of sink.h: taken by
 * sluice_restore_begin(), which refuses one that a session has (UV_EBUSY),
 * freed by the session. Loop thread. */
#ifndef SLUICE_SOURCE_H
#define SLUICE_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <sluice/error.h>
#include <sluice/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of <uv.h>. */
typedef struct uv_loop_s uv_loop_t;
typedef struct uv_stream_s uv_stream_t;

typedef struct sluice_source_s sluice_source_t;

/* `got` > 0: bytes; 0: end of input; < 0: error. Once for each accepted
 * operation, from the loop, never from inside the call that started it. */
typedef void (*sluice_source_cb)(void *ctx, ptrdiff_t got);

/* A source of the host's own:   open  read...  close   One read at a time.
 *
 * One that does not keep to what is said below fails the session with
 * SLUICE_EHANDLER, which names the call and what it did: it gave more than was
 * asked for, it called back inside the call, twice, or after it returned
 * anything but 0. After `close` it must not call back at all. */
typedef struct sluice_source_ops_s {
  uint32_t size; /* sizeof(sluice_source_ops_t) */
  /* Not 0: a connection that outlives the stream. Else the stream must be all
   * there is to read: what follows its end is an error. */
  int stays_open;
  /* Optional. Returns 1 when ready at once (`cb` is not called), 0 when `cb`
   * will be, with 0 (ready; not end of input) or an error, or a negative code.
   * `err` stays valid until `close` and takes what is to be said about a
   * failure, of this call or of a later one; before that is answered. After a
   * failed `open` only `close` comes. */
  int (*open)(void *self, uv_loop_t *loop, sluice_source_cb cb, void *ctx,
              sluice_error_t *err);
  /* Reads 1..len bytes to `buf`, which stays valid until `cb`. Returns the
   * number when they were there at once (`cb` is not called), 0 when `cb` will
   * be called, UV_EOF at the end of input, or another negative code. */
  ptrdiff_t (*read)(void *self, void *buf, size_t len, sluice_source_cb cb,
                    void *ctx);
  /* Optional. The open or read under way should end soon (its `cb` comes in any
   * case). */
  void (*cancel)(void *self);
  /* Optional. Frees `self`; nothing is under way. */
  void (*close)(void *self);
  /* Optional; after `open`. A regular file whose first byte is the stream's and
   * which ends where it does, to be read by position and mapped; it stays the
   * source's. Negative: there is none. */
  int (*file)(void *self);
  /* Optional. Nanoseconds that callbacks of its own (of poll handles, say) have
   * taken on the loop so far: they are not taken for the host's. */
  uint64_t (*busy_ns)(const void *self);
  /* Optional; a struct without it is taken as well. Reads into several places,
   * in order, as readv(): pages go straight to where they belong. What is not
   * there at once is never put there later. Returns
   *   > 0        bytes
   *   0          nothing is here yet: `cb` will be called, with UV_EAGAIN once
   *              it is worth asking again, or with an error
   *   UV_EAGAIN  not in this way, this time: `read` is called instead
   *   UV_EOF, or another negative code */
  ptrdiff_t (*read_into)(void *self, const struct iovec *places, int count,
                         sluice_source_cb cb, void *ctx);
} sluice_source_ops_t;

SLUICE_EXTERN int sluice_source_custom(sluice_source_t **out,
                                       const sluice_source_ops_t *ops,
                                       void *self);

/* A file, read off the loop thread; a pipe or device under that name is read as
 * it is. `path` is copied, and means what it means now: a later chdir() does
 * not move it. It is opened by the restore, which tells what is wrong with it.
 * UV_EINVAL, UV_ENOMEM, or what getcwd() says for a relative path. */
SLUICE_EXTERN int sluice_source_file(sluice_source_t **out, const char *path);

/* A connected libuv stream of the session's loop; borrowed, stays open; nobody
 * else reads from it meanwhile. Nothing behind the stream's end is read from it
 * where the format says where that is. */
SLUICE_EXTERN int sluice_source_stream(sluice_source_t **out,
                                       uv_stream_t *stream);

/* A descriptor of any kind; borrowed as in sluice_sink_fd(). A file is read
 * from its current position. */
SLUICE_EXTERN int sluice_source_fd(sluice_source_t **out, int fd);

/* `len` bytes at `data`, borrowed. */
SLUICE_EXTERN int sluice_source_memory(sluice_source_t **out, const void *data,
                                       size_t len);

/* Frees a source that no session has taken: 0. UV_EBUSY, and nothing happens,
 * while a session has it. NULL is fine. */
SLUICE_EXTERN int sluice_source_free(sluice_source_t *source);

#ifdef __cplusplus
}
#endif

#endif
