/* resp_inline.h - splits a typed line into arguments; for resp.c. */
#ifndef KVD_RESP_INLINE_H
#define KVD_RESP_INLINE_H

#include "resp.h"

/* Splits [p->pos, end) of `buf`, in place: what quotes and escapes stand for is
 * never longer than they are. false: a quote does not end where it should. */
bool resp_split_line(resp_t *p, char *buf, size_t end);

/* Adds an argument; false: no memory. */
bool resp_push(resp_t *p, resp_arg_t arg);

#endif
