/* path.h - where in nested structures a value is: "uart.fifo[3].level".
 *
 * Kept while walking, written out only for an error. Names are borrowed. Shared
 * by saving, loading and printing; bounded, so that nothing recurses further
 * than SLUICE_FIELDS_DEPTH. */
#ifndef SLUICE_FIELDS_PATH_H
#define SLUICE_FIELDS_PATH_H

#include <stdint.h>

#include <sluice/fields.h>

#define SLUICE__NO_INDEX UINT32_MAX

typedef struct sluice__place_s {
  const char *name;
  uint32_t index; /* of the element, or SLUICE__NO_INDEX */
} sluice__place_t;

typedef struct sluice__path_s {
  unsigned depth; /* of the structure that is walked; 0: the outermost */
  sluice__place_t at[SLUICE_FIELDS_DEPTH + 1]; /* at[depth]: its field */
  sluice_error_t *err;
} sluice__path_t;

/* Into the structure that is the field at hand. SLUICE_ELIMIT: too deep. */
int sluice__path_enter(sluice__path_t *path);

static inline void sluice__path_leave(sluice__path_t *path) {
  path->depth--;
}

static inline void sluice__path_at(sluice__path_t *path, const char *name) {
  path->at[path->depth].name = name;
  path->at[path->depth].index = SLUICE__NO_INDEX;
}

/* Fails with "field 'uart.fifo[3]' ..." and returns `code`. */
int sluice__path_fail(const sluice__path_t *path, int code, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

#endif
