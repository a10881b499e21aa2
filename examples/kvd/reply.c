/* reply.c - see reply.h. */
#include "reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "number.h"

static void add_text(out_t *o, const char *text) {
  out_add(o, (bytes_t){text, strlen(text)});
}

/* A mark, a number and the end of the line. */
static void add_head(out_t *o, char mark, int64_t value) {
  char *p = out_room(o, NUMBER_MAX + 3);
  size_t n;

  if (p == NULL) {
    return;
  }
  p[0] = mark;
  n = 1 + number_format(value, p + 1);
  p[n++] = '\r';
  p[n++] = '\n';
  out_added(o, n);
}

void reply_status(out_t *o, const char *text) {
  add_text(o, "+");
  add_text(o, text);
  add_text(o, "\r\n");
}

/* The client's own words may be in it: no line may end early. */
void reply_error(out_t *o, const char *format, ...) {
  char line[512];
  va_list ap;

  va_start(ap, format);
  vsnprintf(line, sizeof(line), format, ap);
  va_end(ap);
  for (char *p = line; *p != '\0'; p++) {
    if (*p == '\r' || *p == '\n') {
      *p = ' ';
    }
  }
  add_text(o, "-");
  add_text(o, line);
  add_text(o, "\r\n");
}

void reply_integer(out_t *o, int64_t value) {
  add_head(o, ':', value);
}

void reply_bulk(out_t *o, bytes_t b) {
  add_head(o, '$', (int64_t)b.n);
  out_add(o, b);
  add_text(o, "\r\n");
}

void reply_blob(out_t *o, ref_t blob) {
  add_head(o, '$', (int64_t)blob_bytes(o->blobs->heap, blob).n);
  out_add_blob(o, blob);
  add_text(o, "\r\n");
}

void reply_null(out_t *o) {
  add_text(o, "$-1\r\n");
}

void reply_array(out_t *o, size_t n) {
  add_head(o, '*', (int64_t)n);
}
