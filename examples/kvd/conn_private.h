/* conn_private.h - what the two halves of a client, conn.c and conn_out.c, call
 * of each other. */
#ifndef KVD_CONN_PRIVATE_H
#define KVD_CONN_PRIVATE_H

#include "conn.h"

/* Sends what there is; may close the client. */
void conn_flush(conn_t *c);
/* Waits no more for room to send; the first for now. */
void conn_stop_waiter(conn_t *c);
void conn_close_waiter(conn_t *c);

/* The output has become less, or there is more of it: sends, runs the requests
 * that waited, reads on or stops reading. */
void conn_go_on(conn_t *c);

#endif
