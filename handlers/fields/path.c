/* path.c - see path.h. */
#include "fields/path.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

int sluice__path_enter(sluice__path_t *path) {
  if (path->depth >= SLUICE_FIELDS_DEPTH) {
    return sluice__path_fail(path, SLUICE_ELIMIT,
                             "is deeper than %d structures",
                             SLUICE_FIELDS_DEPTH);
  }
  path->depth++;
  path->at[path->depth].name = NULL;
  path->at[path->depth].index = SLUICE__NO_INDEX;
  return 0;
}

static size_t append_place(char *text, size_t len, size_t cap,
                           const sluice__place_t *place) {
  const char *dot = len == 0 ? "" : ".";
  int more;

  if (place->name == NULL || len >= cap) {
    return len;
  }
  if (place->index == SLUICE__NO_INDEX) {
    more = snprintf(text + len, cap - len, "%s%s", dot, place->name);
  } else {
    more = snprintf(text + len, cap - len, "%s%s[%" PRIu32 "]", dot,
                    place->name, place->index);
  }
  return more < 0 ? len : len + (size_t)more;
}

int sluice__path_fail(const sluice__path_t *path, int code, const char *format,
                      ...) {
  char where[112] = "";
  char what[96] = "";
  size_t len = 0;
  va_list ap;

  for (unsigned i = 0; i <= path->depth; i++) {
    len = append_place(where, len, sizeof(where), &path->at[i]);
  }
  va_start(ap, format);
  (void)vsnprintf(what, sizeof(what), format, ap);
  va_end(ap);
  return len == 0 ? sluice_fail(path->err, code, "the structure %s", what)
                  : sluice_fail(path->err, code, "field '%s' %s", where, what);
}
