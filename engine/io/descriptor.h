/* descriptor.h - what kind of thing a descriptor is, and how to wait for it.
 *
 * The one place that decides between polling and the thread pool; also lends a
 * private duplicate in non-blocking mode and puts the mode back. A duplicate
 * shares the open file with the original (position, O_NONBLOCK), but is another
 * number to epoll: the host, or libuv, may poll the original meanwhile, and may
 * close it. Loop thread. */
#ifndef SLUICE_IO_DESCRIPTOR_H
#define SLUICE_IO_DESCRIPTOR_H

#include <stdbool.h>

#include <uv.h>

typedef enum sluice__wait_e {
  SLUICE__WAIT_POLL,   /* pipe, socket, terminal: non-blocking, and polled */
  SLUICE__WAIT_POOL,   /* file, block device, tape: blocks, on the pool */
  SLUICE__WAIT_INSTANT /* null, zero, full: never block, cannot be polled */
} sluice__wait_t;

/* A descriptor on loan: `fd` is ours, what is behind it is not. */
typedef struct sluice__loan_s {
  int fd; /* -1: none */
  sluice__wait_t wait;
  bool is_socket;
  bool is_fifo;
  bool is_file;      /* a regular one: can be synced */
  bool was_blocking; /* give it back so */
} sluice__loan_t;

/* Duplicates `fd` and finds out what it is; does not block. 0 or a UV_E* code.
 */
int sluice__loan_take(sluice__loan_t *loan, int fd);

/* Makes it non-blocking and prepares `poll`, or, when epoll refuses, turns
 * `wait` into SLUICE__WAIT_POOL and returns 0 all the same. Call it for
 * SLUICE__WAIT_POLL only. */
int sluice__loan_poll(sluice__loan_t *loan, uv_loop_t *loop, uv_poll_t *poll);

/* Restores the blocking mode and closes the duplicate; the poll handle must be
 * closing already. */
void sluice__loan_return(sluice__loan_t *loan);
/* Closes the duplicate and changes nothing: in a forked child, whose parent
 * still uses what is behind it. */
void sluice__loan_drop(sluice__loan_t *loan);

/* A regular file on tmpfs? Quick, but for file systems on a network. */
bool sluice__file_is_in_memory(int fd);

#endif
