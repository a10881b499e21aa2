/* reply.h - the kinds of reply of RESP2. */
#ifndef KVD_REPLY_H
#define KVD_REPLY_H

#include "out.h"

void reply_status(out_t *o, const char *text); /* "+OK" */
void reply_error(out_t *o, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* "ERR what": code and text */
void reply_integer(out_t *o, int64_t value);
void reply_bulk(out_t *o, bytes_t b);
void reply_blob(out_t *o, ref_t blob); /* as a bulk, not copied */
void reply_null(out_t *o);
void reply_array(out_t *o, size_t n); /* n replies follow */

static inline void reply_text(out_t *o, const char *text) {
  reply_bulk(o, (bytes_t){text, __builtin_strlen(text)});
}

#endif
