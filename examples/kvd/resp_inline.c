/* resp_inline.c - quotes and escapes of lines, by Redis's rules: "..." knows
 * \n \r \t \b \a \xHH and \c for any other c; '...' knows \'; a quote that
 * closes must be followed by a blank or the end. */
#include "resp_inline.h"

#include <ctype.h>

#include "number.h"

typedef struct line_s {
  const char *in;
  const char *end;
  char *out; /* never ahead of `in` */
} line_t;

static bool at_blank(const line_t *l) {
  return l->in == l->end || isspace((unsigned char)*l->in);
}

static char unescape(char c) {
  switch (c) {
  case 'n': return '\n';
  case 'r': return '\r';
  case 't': return '\t';
  case 'b': return '\b';
  case 'a': return '\a';
  default: return c;
  }
}

static void copy_escape(line_t *l) {
  int high = -1;
  int low = -1;

  if (l->end - l->in >= 4 && l->in[1] == 'x') {
    high = number_hex(l->in[2]);
    low = number_hex(l->in[3]);
  }
  if (high >= 0 && low >= 0) {
    *l->out++ = (char)(high * 16 + low);
    l->in += 4;
    return;
  }
  *l->out++ = unescape(l->in[1]);
  l->in += 2;
}

/* The opening quote is at `in`. */
static bool copy_quoted(line_t *l) {
  char quote = *l->in++;

  while (l->in < l->end && *l->in != quote) {
    bool escapes = *l->in == '\\' && l->end - l->in > 1;

    if (escapes && quote == '"') {
      copy_escape(l);
    } else if (escapes && l->in[1] == '\'') {
      *l->out++ = '\'';
      l->in += 2;
    } else {
      *l->out++ = *l->in++;
    }
  }
  if (l->in == l->end) {
    return false;
  }
  l->in++;
  return at_blank(l);
}

static bool copy_word(line_t *l) {
  while (!at_blank(l)) {
    if (*l->in == '"' || *l->in == '\'') {
      return copy_quoted(l);
    }
    *l->out++ = *l->in++;
  }
  return true;
}

bool resp_split_line(resp_t *p, char *buf, size_t end) {
  line_t l = {buf + p->pos, buf + end, buf + p->pos};

  for (;;) {
    resp_arg_t arg = {0};

    while (l.in < l.end && at_blank(&l)) {
      l.in++;
    }
    if (l.in == l.end) {
      return true;
    }
    arg.at = (size_t)(l.out - buf);
    if (!copy_word(&l)) {
      return false;
    }
    arg.len = (size_t)(l.out - buf) - arg.at;
    if (!resp_push(p, arg)) {
      return false;
    }
  }
}
