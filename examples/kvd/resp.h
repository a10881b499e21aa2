/* resp.h - takes requests apart: RESP2 arrays of bulk strings, and lines as one
 * types them ("inline").
 *
 * Works on a buffer that begins with a request and may end anywhere; called
 * again with more, it goes on where it stopped. Arguments are places in the
 * buffer, so the buffer may move in between. It knows no sockets and no heap:
 * an argument of RESP_BIG_MIN bytes or more is not collected in the buffer; the
 * caller puts its bytes where it likes and names that place by a number. */
#ifndef KVD_RESP_H
#define KVD_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESP_BULK_MAX  ((size_t)512 << 20) /* bytes of an argument */
#define RESP_TOTAL_MAX ((size_t)1 << 30)   /* bytes of all of a request */

enum {
  RESP_ARGS_MAX = 1024 * 1024,
  RESP_LINE_MAX = 64 * 1024, /* bytes of an inline request, or of a length */
  RESP_BIG_MIN = 32 * 1024,
  RESP_FEW = 8
};

typedef struct resp_arg_s {
  size_t at; /* from the start of the request */
  size_t len;
  uint64_t place; /* not 0: the bytes are there, and not in the buffer */
} resp_arg_t;

typedef enum resp_result_e {
  RESP_MORE,    /* the buffer ends within the request */
  RESP_COMMAND, /* args[0 .. argc) are complete; argc 0: an empty request */
  RESP_BIG,     /* the next big_left bytes from pos on go elsewhere */
  RESP_BAD      /* the client does not speak RESP: `error` */
} resp_result_t;

typedef enum resp_state_e {
  RESP_AT_START,
  RESP_AT_LENGTH, /* of an argument */
  RESP_AT_BULK,
  RESP_AT_BIG
} resp_state_t;

typedef struct resp_s {
  resp_state_t state;
  bool has_places; /* an argument has a place */
  size_t pos;      /* bytes of the buffer that are taken apart */
  size_t scanned;  /* bytes of the buffer in which there is no end of line */
  size_t expected; /* arguments */
  size_t bulk_len;
  size_t total;
  size_t big_left;    /* bytes still to arrive */
  uint64_t big_place; /* set by the caller at the first RESP_BIG of each */
  size_t argc;
  size_t args_cap;
  resp_arg_t *args;
  resp_arg_t few[RESP_FEW];
  char error[64];
} resp_t;

/* `p` must not move. */
void resp_init(resp_t *p);
void resp_done(resp_t *p);

/* Forgets a request; the next begins with the buffer. */
void resp_next(resp_t *p);

/* `buf` is changed only where an inline request has quotes. */
resp_result_t resp_parse(resp_t *p, char *buf, size_t len);

#endif
