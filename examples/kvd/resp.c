/* resp.c - the parser's states and limits.
 *
 * Invariant: pos <= len of the last buffer; nothing before pos is read again.
 * Every length is bounded before it is used. */
#include "resp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "resp_inline.h"

void resp_init(resp_t *p) {
  memset(p, 0, sizeof(*p));
  p->args = p->few;
  p->args_cap = RESP_FEW;
}

void resp_done(resp_t *p) {
  if (p->args != p->few) {
    free(p->args);
  }
  p->args = NULL;
}

void resp_next(resp_t *p) {
  if (p->args_cap > 1024) { /* one long request must not cost for ever */
    free(p->args);
    p->args = p->few;
    p->args_cap = RESP_FEW;
  }
  p->state = RESP_AT_START;
  p->has_places = false;
  p->pos = 0;
  p->scanned = 0;
  p->total = 0;
  p->argc = 0;
}

static resp_result_t bad(resp_t *p, const char *what) {
  snprintf(p->error, sizeof(p->error), "%s", what);
  return RESP_BAD;
}

/* The array grows with what arrives, not with what is announced. */
bool resp_push(resp_t *p, resp_arg_t arg) {
  size_t cap = 2 * p->args_cap;
  resp_arg_t *args;

  if (p->argc == p->args_cap) {
    args = realloc(p->args == p->few ? NULL : p->args, cap * sizeof(*args));
    if (args == NULL) {
      return false;
    }
    if (p->args == p->few) {
      memcpy(args, p->few, sizeof(p->few));
    }
    p->args = args;
    p->args_cap = cap;
  }
  p->args[p->argc++] = arg;
  return true;
}

/* The line at pos; RESP_COMMAND: it is complete, `*end` is where it ends. */
static resp_result_t find_line(resp_t *p, const char *buf, size_t len,
                               char mark, const char *too_long, size_t *end) {
  size_t from = p->scanned > p->pos ? p->scanned : p->pos;
  const char *found = memchr(buf + from, mark, len - from);

  if (found == NULL) {
    p->scanned = len;
    return len - p->pos > RESP_LINE_MAX ? bad(p, too_long) : RESP_MORE;
  }
  *end = (size_t)(found - buf);
  return RESP_COMMAND;
}

/* A number after the mark at pos, and "\r\n". As in Redis nobody looks whether
 * the second byte is what it should be. */
static resp_result_t take_number(resp_t *p, const char *buf, size_t len,
                                 const char *too_long, const char *wrong,
                                 int64_t *out) {
  size_t end = 0;
  resp_result_t r = find_line(p, buf, len, '\r', too_long, &end);

  if (r != RESP_COMMAND) {
    return r;
  }
  if (end + 1 >= len) {
    p->scanned = end;
    return RESP_MORE;
  }
  if (!number_parse(buf + p->pos + 1, end - p->pos - 1, out)) {
    return bad(p, wrong);
  }
  p->pos = end + 2;
  return RESP_COMMAND;
}

static resp_result_t take_inline(resp_t *p, char *buf, size_t len) {
  size_t end = 0;
  resp_result_t r = find_line(p, buf, len, '\n',
                              "Protocol error: too big inline request", &end);

  if (r != RESP_COMMAND) {
    return r;
  }
  if (!resp_split_line(p, buf, end)) {
    return bad(p, "Protocol error: unbalanced quotes in request");
  }
  p->pos = end + 1;
  return RESP_COMMAND;
}

static resp_result_t take_count(resp_t *p, const char *buf, size_t len) {
  int64_t n = 0;
  resp_result_t r =
      take_number(p, buf, len, "Protocol error: too big mbulk count string",
                  "Protocol error: invalid multibulk length", &n);

  if (r != RESP_COMMAND) {
    return r;
  }
  if (n > RESP_ARGS_MAX) {
    return bad(p, "Protocol error: invalid multibulk length");
  }
  p->expected = n > 0 ? (size_t)n : 0;
  p->state = RESP_AT_LENGTH;
  return RESP_COMMAND;
}

static resp_result_t bad_mark(resp_t *p, char found) {
  snprintf(p->error, sizeof(p->error), "Protocol error: expected '$', got '%c'",
           found);
  return RESP_BAD;
}

static resp_result_t take_length(resp_t *p, const char *buf, size_t len) {
  int64_t n = 0;
  resp_result_t r;

  if (p->pos < len && buf[p->pos] != '$') {
    return bad_mark(p, buf[p->pos]);
  }
  r = take_number(p, buf, len, "Protocol error: too big bulk count string",
                  "Protocol error: invalid bulk length", &n);
  if (r != RESP_COMMAND) {
    return r;
  }
  if (n < 0 || (uint64_t)n > RESP_BULK_MAX) {
    return bad(p, "Protocol error: invalid bulk length");
  }
  p->total += (size_t)n;
  if (p->total > RESP_TOTAL_MAX) {
    return bad(p, "Protocol error: too big request");
  }
  p->bulk_len = (size_t)n;
  p->big_left = p->bulk_len;
  p->big_place = 0;
  p->state = p->bulk_len < RESP_BIG_MIN ? RESP_AT_BULK : RESP_AT_BIG;
  return RESP_COMMAND;
}

/* The end of an argument, whose last two bytes are "\r\n", unread. */
static resp_result_t end_bulk(resp_t *p, resp_arg_t arg, size_t pos) {
  if (!resp_push(p, arg)) {
    return bad(p, "out of memory");
  }
  p->pos = pos;
  p->state = RESP_AT_LENGTH;
  return RESP_COMMAND;
}

static resp_result_t take_bulk(resp_t *p, size_t len) {
  resp_arg_t arg = {p->pos, p->bulk_len, 0};

  if (len - p->pos < p->bulk_len + 2) {
    return RESP_MORE;
  }
  return end_bulk(p, arg, p->pos + p->bulk_len + 2);
}

static resp_result_t take_big(resp_t *p, size_t len) {
  resp_arg_t arg = {p->pos, p->bulk_len, p->big_place};

  if (p->big_left > 0) {
    return RESP_BIG;
  }
  if (len - p->pos < 2) {
    return RESP_MORE;
  }
  p->has_places = true;
  return end_bulk(p, arg, p->pos + 2);
}

static resp_result_t take_start(resp_t *p, char *buf, size_t len) {
  if (p->pos == len) {
    return RESP_MORE;
  }
  return buf[p->pos] == '*' ? take_count(p, buf, len)
                            : take_inline(p, buf, len);
}

resp_result_t resp_parse(resp_t *p, char *buf, size_t len) {
  resp_result_t r = RESP_COMMAND;

  while (r == RESP_COMMAND) {
    switch (p->state) {
    case RESP_AT_START:
      r = take_start(p, buf, len);
      if (r == RESP_COMMAND && p->state == RESP_AT_START) {
        return r; /* that was a line */
      }
      break;
    case RESP_AT_LENGTH:
      if (p->argc == p->expected) {
        return RESP_COMMAND;
      }
      r = take_length(p, buf, len);
      break;
    case RESP_AT_BULK: r = take_bulk(p, len); break;
    case RESP_AT_BIG: r = take_big(p, len); break;
    }
  }
  return r;
}
