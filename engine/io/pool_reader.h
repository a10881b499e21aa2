/* pool_reader.h - reads from something that blocks, on libuv's pool.
 *
 * What the kernel has in memory is read at once instead, a little at a time: a
 * thread that fetches it brings it to another processor's cache, and costs a
 * round trip. Reads at the descriptor's own position, one read at a time. The
 * kernel reads ahead; this does not. Loop thread. */
#ifndef SLUICE_IO_POOL_READER_H
#define SLUICE_IO_POOL_READER_H

#include <stddef.h>
#include <sys/uio.h>

#include <uv.h>

#include <sluice/source.h>

typedef enum sluice__at_once_e {
  SLUICE__AT_ONCE_NEVER,
  SLUICE__AT_ONCE_CACHED, /* where the kernel says that it need not wait */
  SLUICE__AT_ONCE_ALWAYS  /* the file is memory: it waits as any memory may */
} sluice__at_once_t;

/* Embedded by its owner; nothing to free. */
typedef struct sluice__pool_reader_s {
  uv_loop_t *loop;
  int fd; /* borrowed */
  sluice__at_once_t at_once;
  uv_work_t work;
  void *buf;
  size_t len;
  ptrdiff_t got;
  sluice_source_cb cb; /* NULL: no read is under way */
  void *ctx;
} sluice__pool_reader_t;

void sluice__pool_reader_init(sluice__pool_reader_t *r, uv_loop_t *loop,
                              int fd);

/* As in sluice_source_ops_t. */
ptrdiff_t sluice__pool_reader_read(sluice__pool_reader_t *r, void *buf,
                                   size_t len, sluice_source_cb cb, void *ctx);
/* The same, but only what is in memory: never 0. */
ptrdiff_t sluice__pool_reader_read_into(sluice__pool_reader_t *r,
                                        const struct iovec *places, int count);
void sluice__pool_reader_cancel(sluice__pool_reader_t *r);

#endif
