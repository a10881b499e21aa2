/* conn_state.h - what a server knows of a client, as bytes for its successor.
 *
 * Requests half arrived, replies not yet sent, large values on their way in or
 * out (by their place in the heap), and whether it waits for a save. The
 * connection itself is passed beside. */
#ifndef KVD_CONN_STATE_H
#define KVD_CONN_STATE_H

#include "bytes.h"
#include "conn.h"
#include "heap.h"
#include "pack.h"

enum { CONN_STATE_VERSION = 1 };

/* Of a client that is neither read from nor written to at present. */
void conn_state_pack(const conn_t *c, pack_t *p);

/* Whether the bytes make sense, with that heap. */
bool conn_state_check(const heap_t *h, bytes_t state);

/* A client from what conn_state_check() has found good; takes `fd`. It does
 * nothing before it is resumed (conn_yield). NULL: no memory, and the
 * connection is closed. */
conn_t *conn_state_open(struct server_s *s, int fd, bool is_tcp, bytes_t state);

#endif
