/* passing.h - descriptors that sections pass beside a stream: what a session
 * that is part of a hand-over calls. */
#ifndef SLUICE_SESSION_PASSING_H
#define SLUICE_SESSION_PASSING_H

#include <stdbool.h>

#include <sluice/handler.h>

/* As the functions of handler.h. `pass` is of saves, `take` of restores. */
typedef struct sluice__passing_s {
  void *ctx;
  int (*pass)(void *ctx, const sluice_section_t *section, const char *tag,
              int fd, bool is_memory);
  int (*take)(void *ctx, const sluice_section_t *section, const char *tag);
} sluice__passing_t;

#endif
