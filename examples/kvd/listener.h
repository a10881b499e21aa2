/* listener.h - a socket on which others connect.
 *
 * Not libuv's own: that accepts as soon as somebody connects, and removes the
 * name of a unix socket when it closes. This one can stop, whoever connects
 * then waits in the kernel's backlog, and it can be given to another process,
 * with those who wait. Knows nothing of clients. */
#ifndef KVD_LISTENER_H
#define KVD_LISTENER_H

#include <stdbool.h>

#include <uv.h>

/* `fd` is connected, and the callee's. */
typedef void (*listener_cb)(void *ctx, int fd);

typedef struct listener_s {
  uv_poll_t poll;
  int fd; /* -1: there is none, and nothing below is so */
  bool is_tcp;
  const char *path; /* whose socket it is: ours to remove in the end; or NULL */
  listener_cb accepted;
  void *ctx;
} listener_t;

/* Listening nowhere; listener_close() is fine. */
void listener_init(listener_t *l, listener_cb accepted, void *ctx);

/* UV codes. `port` 0: any. */
int listener_open_tcp(listener_t *l, uv_loop_t *loop, const char *address,
                      int port);
/* Takes the place of a socket that is there already. `path` is borrowed.
 * `is_private`: only this user may connect. */
int listener_open_unix(listener_t *l, uv_loop_t *loop, const char *path,
                       bool is_private);
/* One that listens already; takes `fd`, also when it fails. `path` as above, or
 * NULL. */
int listener_adopt(listener_t *l, uv_loop_t *loop, int fd, const char *path);

/* Nothing where there is none. After listener_start() again when it had to
 * stop for want of descriptors. */
void listener_start(listener_t *l);
void listener_stop(listener_t *l);
/* `is_heard`: somebody else listens there from now on, so its name stays. */
void listener_close(listener_t *l, bool is_heard);

/* -1: none. */
int listener_port(const listener_t *l);
/* Whether `fd` is a unix socket of that name. */
bool listener_is_at(int fd, const char *path);

#endif
