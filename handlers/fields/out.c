/* out.c - growing, and what need not be inline. See out.h. */
#include "fields/out.h"

#include <stdlib.h>
#include <uv.h>

void sluice__out_open(sluice__out_t *out, void *lent, size_t cap, bool is_big) {
  memset(out, 0, sizeof(*out));
  out->base = lent;
  out->cap = cap;
  out->is_big = is_big;
}

void sluice__out_done(sluice__out_t *out) {
  if (out->is_owned) {
    free(out->base);
  }
  memset(out, 0, sizeof(*out));
}

static bool move_to(sluice__out_t *out, size_t cap) {
  uint8_t *base = realloc(out->is_owned ? out->base : NULL, cap);

  if (base == NULL) {
    out->status = UV_ENOMEM;
    out->cap = out->len; /* nothing more fits */
    return false;
  }
  if (!out->is_owned && out->len > 0) {
    memcpy(base, out->base, out->len);
  }
  out->base = base;
  out->cap = cap;
  out->is_owned = true;
  return true;
}

bool sluice__out_grow(sluice__out_t *out, size_t more) {
  size_t cap = out->cap < 256 ? (size_t)256 : out->cap * 2;

  if (out->status < 0) {
    return false;
  }
  if (more > SIZE_MAX / 4 || out->len > SIZE_MAX / 4) {
    out->status = UV_ENOMEM;
    return false;
  }
  return move_to(out, cap - out->len < more ? out->len + more : cap);
}

int sluice__out_take(sluice__out_t *out, uint8_t **bytes, size_t *len) {
  if (out->status == 0 && !out->is_owned) {
    (void)move_to(out, out->len + 1);
  }
  if (out->status < 0) {
    return out->status;
  }
  *bytes = out->base;
  *len = out->len;
  memset(out, 0, sizeof(*out));
  return 0;
}

void sluice__out_bytes(sluice__out_t *out, const void *bytes, size_t len) {
  if (len > 0 && sluice__out_room(out, len)) {
    memcpy(out->base + out->len, bytes, len);
    out->len += len;
  }
}

void sluice__out_zeros(sluice__out_t *out, size_t len) {
  if (len > 0 && sluice__out_room(out, len)) {
    memset(out->base + out->len, 0, len);
    out->len += len;
  }
}

void sluice__out_text(sluice__out_t *out, const char *text) {
  sluice__out_bytes(out, text, strlen(text));
}

void sluice__out_number(sluice__out_t *out, uint64_t v) {
  char digits[20];
  size_t at = sizeof(digits);

  do {
    digits[--at] = (char)('0' + v % 10);
    v /= 10;
  } while (v > 0);
  sluice__out_bytes(out, digits + at, sizeof(digits) - at);
}
