/* sink.h - where a stream goes.
 *
 * A sink is made by one of the calls below, taken by sluice_save_begin(), and
 * freed by the session. It goes to one session only: a second one is refused
 * (UV_EBUSY). One that no session took is freed by sluice_sink_free().
 * Everything on the loop thread. A sink never blocks the
 * loop. */
#ifndef SLUICE_SINK_H
#define SLUICE_SINK_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>
#include <sluice/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of <uv.h>. */
typedef struct uv_loop_s uv_loop_t;
typedef struct uv_stream_s uv_stream_t;
/* Of <sys/uio.h>. */
struct iovec;

typedef struct sluice_sink_s sluice_sink_t;

/* Called once for each accepted operation, from the loop, never from inside the
 * call that started it. `status` 0 or a negative code. */
typedef void (*sluice_sink_cb)(void *ctx, int status);

/* Bytes that replace others of the stream. */
typedef struct sluice_patch_s {
  const void *data;
  size_t len;
  uint64_t offset; /* in the stream */
} sluice_patch_t;

/* A sink of the host's own. In order of life:
 *
 *   open  (write | patch)...  (finish | abort)  close
 *
 * All but `close` answer alike: 1 done at once (`cb` is not called), 0 `cb`
 * will be called, a negative code failed (`cb` is not called). One that is left
 * out is done at once.
 *
 * Several writes may be under way; they are given in stream order, and complete
 * in any order. After a failed write or patch comes `abort`; after a failed
 * `open`, `finish` or `abort` only `close`: they clean up themselves.
 *
 * A sink that does not keep to this fails the session with SLUICE_EHANDLER,
 * which names the call and what it did: it returned another positive number, it
 * took more than it was given, it called back inside the call, twice, after it
 * returned anything but 0, or with a positive status. After `close` it must not
 * call back at all: nothing is there any more that could tell. */
typedef struct sluice_sink_ops_s {
  uint32_t size; /* sizeof(sluice_sink_ops_t) */
  /* Optional. Ready to take writes, on `loop`. `err` stays valid until `close`
   * and takes what is to be said about a failure, of this call or of a later
   * one; before that is answered. NULL is possible: sluice_fail() knows. */
  int (*open)(void *self, uv_loop_t *loop, sluice_sink_cb cb, void *ctx,
              sluice_error_t *err);
  /* Takes `len` bytes for stream offset `offset`. `data` stays valid until
   * `cb`. */
  int (*write)(void *self, const void *data, size_t len, uint64_t offset,
               sluice_sink_cb cb, void *ctx);
  /* Optional. Everything was written, no write or patch is under way: make it
   * last (sync, rename). */
  int (*finish)(void *self, sluice_sink_cb cb, void *ctx);
  /* Optional, unless writes or patches can take for ever. Undo: no half-written
   * image stays. With some under way: end them soon; their callbacks come
   * first, with any status, and not from inside this call. */
  int (*abort)(void *self, sluice_sink_cb cb, void *ctx);
  /* Optional. Frees `self`; nothing is under way. Handles that need a close
   * callback free themselves there. */
  void (*close)(void *self);
  /* Optional. Nanoseconds that callbacks of its own (of poll handles, say) have
   * taken on the loop so far: they are not taken for the host's. */
  uint64_t (*busy_ns)(const void *self);
  /* Optional; only with no write under way. Of `count` pieces in a row, for
   * stream offset `offset` on, takes as many bytes as it can without waiting,
   * and answers how many: 0 to all. It copies them; after the call they are
   * another's. The rest comes by `write`, which calls back when there is room.
   * Pages are so written from where the host has them. A negative code is a
   * write that failed, but UV_ENOTSUP: take it by `write`, do not ask again. */
  ptrdiff_t (*write_now)(void *self, const struct iovec *pieces, int count,
                         uint64_t offset);
  /* Optional, goes with write_now. Not 0: it takes all that it is given, and
   * for any offset, of bytes that come later too: as a file in memory does. So
   * a record's pages are written before its table is known. Asked once it is
   * open. */
  int (*is_random)(const void *self);
  /* Optional. What a write has at most, but for small ones: a power of two in
   * SLUICE_CHUNK_BYTES..SLUICE_CHUNK_BYTES_MAX (encoder.h); what else it says
   * is taken down to the next of them. Large ones are for what will be mapped:
   * that needs a mapping a write. A session with little memory, or little
   * `staging`, or with threads to fill them, takes smaller ones. Asked once it
   * is open; left out: SLUICE_CHUNK_BYTES. */
  size_t (*chunk_bytes)(const void *self);
  /* Optional. Overwrites bytes that it has: each of `count` pieces, one after
   * the other, where it belongs. `patches` and what they point to stay valid
   * until `cb`. Only bytes whose write has been answered, or that write_now()
   * took, and one call at a time. Writes of what follows in the stream may be
   * under way meanwhile. A piece is a hash of 8 bytes, or pages. With patch
   * each page is in the image once: one that is sent again takes its former
   * place. After a failure the bytes may be the old, the new or neither. */
  int (*patch)(void *self, const sluice_patch_t *patches, size_t count,
               sluice_sink_cb cb, void *ctx);
  /* Optional, goes with patch. 0: it cannot patch after all. Asked once it is
   * open; left out: it can. */
  int (*can_patch)(const void *self);
} sluice_sink_ops_t;

/* `ops` is borrowed for the life of the sink. UV_EINVAL, UV_ENOMEM. */
SLUICE_EXTERN int sluice_sink_custom(sluice_sink_t **out,
                                     const sluice_sink_ops_t *ops, void *self);

typedef struct sluice_file_options_s {
  uint32_t size;      /* sizeof(sluice_file_options_t) */
  uint32_t mode;      /* permissions, less the umask; 0: 0600 */
  int no_sync;        /* leave out fsync of file and folder: not durable */
  int no_direct;      /* never O_DIRECT */
  uint32_t in_flight; /* writes under way at most; 0: 2 */
} sluice_file_options_t;

/* A file: written in the same folder without a name (O_TMPFILE), off the loop
 * thread; synced, linked to a temporary name (".NAME.XXXXXX.tmp"), renamed to
 * `path`, folder synced. Where a file cannot be without a name it has the
 * temporary one from the beginning. A failed save leaves nothing, and `path` as
 * it was; what a killed one left the next save to `path` removes.
 *
 * A symbolic link stays: what it points to is replaced. One that the system
 * does not let be followed (a stranger's in a sticky folder, where
 * fs.protected_symlinks is set) fails the save: UV_EACCES.
 *
 * `path` is copied, and means what it means now: a later chdir() does not move
 * it. All else about it is found out when the save opens the sink, and told
 * there. `options` may be NULL. UV_EINVAL, UV_ENOMEM, or what getcwd() says for
 * a relative path.
 *
 * Devices and pipes that exist under `path` are written as they are; a FIFO
 * needs its reader first (else UV_ENXIO). */
SLUICE_EXTERN int sluice_sink_file(sluice_sink_t **out, const char *path,
                                   const sluice_file_options_t *options);

/* Removes what killed saves to `path` left: regular files beside it whose names
 * are those of its temporary files, and which no process holds: a save, in this
 * or another process, keeps flock() on its own. For hosts at their start; a
 * later save to `path` does the same. A host of a version before 0.2 that saves
 * to `path` meanwhile holds no lock, and loses its file: its save fails.
 *
 * Returns how many were removed; UV_EINVAL for NULL, or why the folder cannot
 * be read (UV_ENOENT, UV_EACCES, ...). What may not be removed is left, and not
 * counted. Blocks; any thread. */
SLUICE_EXTERN int sluice_sink_file_clean(const char *path);

/* A connected libuv stream (TCP, pipe, tty) of the session's loop. Borrowed:
 * stays open, and must until the session is over; nobody else writes to it
 * meanwhile. What the host had queued there before goes first. */
SLUICE_EXTERN int sluice_sink_stream(sluice_sink_t **out, uv_stream_t *stream);

/* A descriptor of any kind: pipe, socket, file, device. Borrowed: it is not
 * closed, and its blocking mode is what it was once the session is over. Until
 * then a pipe or terminal is non-blocking for everybody who shares it. A file
 * is written from its current position and synced. */
SLUICE_EXTERN int sluice_sink_fd(sluice_sink_t **out, int fd);

/* Memory, grown as needed up to `max_bytes` (then UV_ENOSPC). `*out_data` and
 * `*out_len` are set on success of the save: memory of malloc(), the host's. */
SLUICE_EXTERN int sluice_sink_memory(sluice_sink_t **out, size_t max_bytes,
                                     void **out_data, size_t *out_len);

/* Frees a sink that no session has taken: 0. UV_EBUSY, and nothing happens,
 * while a session has it: that one frees it, before its callback. NULL is fine.
 */
SLUICE_EXTERN int sluice_sink_free(sluice_sink_t *sink);

#ifdef __cplusplus
}
#endif

#endif
