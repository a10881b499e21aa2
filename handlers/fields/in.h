/* in.h - bytes of a payload, untrusted, taken from the front.
 *
 * All of it may be there, or (QEMU's formats do not say where a payload ends)
 * `more` gets what is asked for and never a byte beyond. Knows no fields. */
#ifndef SLUICE_FIELDS_IN_H
#define SLUICE_FIELDS_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sluice/error.h>

typedef struct sluice__in_s sluice__in_t;

struct sluice__in_s {
  const uint8_t *at;
  const uint8_t *end;
  bool is_big;
  /* Makes at least `need` bytes be there: 0, SLUICE_WAIT or an error. May move
   * what is there. NULL: there is no more. */
  int (*more)(sluice__in_t *in, size_t need);
  /* Copies the next `need` bytes without taking them: 1, SLUICE_WAIT, an error,
   * or 0 when there are fewer. Goes with `more`. */
  int (*peek)(sluice__in_t *in, uint8_t *out, size_t need);
  void *ctx;
};

static inline size_t sluice__in_left(const sluice__in_t *in) {
  return (size_t)(in->end - in->at);
}

/* `n` bytes at `*out`, valid until the next take. 0, SLUICE_WAIT, or
 * SLUICE_ECORRUPT without a message: the caller knows which field it is. */
static inline int sluice__in_take(sluice__in_t *in, size_t n,
                                  const uint8_t **out) {
  int r = 0;

  if (sluice__in_left(in) < n) {
    r = in->more == NULL ? SLUICE_ECORRUPT : in->more(in, n);
  }
  *out = in->at;
  in->at += r == 0 ? n : 0;
  return r;
}

/* Gets the next `n` bytes, which will be taken one by one, in one go. */
static inline int sluice__in_want(sluice__in_t *in, size_t n) {
  return in->more == NULL || sluice__in_left(in) >= n ? 0 : in->more(in, n);
}

/* As `peek`. */
static inline int sluice__in_peek(sluice__in_t *in, uint8_t *out, size_t need) {
  if (in->peek != NULL && sluice__in_left(in) < need) {
    return in->peek(in, out, need);
  }
  if (sluice__in_left(in) < need) {
    return 0;
  }
  memcpy(out, in->at, need);
  return 1;
}

#endif
