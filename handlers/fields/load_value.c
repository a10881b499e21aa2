/* load_value.c - scalars and texts from a payload, checked. See load.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <uv.h>

#include "fields/load.h"
#include "fields/own.h"

/* Fails by name where the payload ends; passes SLUICE_WAIT on. */
int sluice__load_bytes(sluice__load_t *l, size_t n, const uint8_t **out) {
  int r = sluice__in_take(&l->in, n, out);

  return r < 0 ? sluice__path_fail(&l->path, r, "is truncated") : r;
}

int sluice__load_flag(sluice__load_t *l, bool *out) {
  const uint8_t *p = NULL;
  int r = sluice__load_bytes(l, 1, &p);

  if (r == 0 && *p > 1) {
    return sluice__path_fail(&l->path, SLUICE_ECORRUPT,
                             "is neither there nor not: found %u", *p);
  }
  *out = r == 0 && *p == 1;
  return r;
}

int sluice__load_u32(sluice__load_t *l, uint32_t *out) {
  const uint8_t *p = NULL;
  int r = sluice__load_bytes(l, sizeof(*out), &p);

  *out =
      r == 0 ? (uint32_t)sluice__order_get(p, sizeof(*out), l->in.is_big) : 0;
  return r;
}

/* ---- scalars ---- */

/* A signed value fills all 64 bits. */
static uint64_t extend(unsigned type, uint64_t bits) {
  switch (sluice__type_is_signed(type) ? sluice__type_bytes(type) : 0) {
  case 1: return (uint64_t)(int64_t)(int8_t)bits;
  case 2: return (uint64_t)(int64_t)(int16_t)bits;
  case 4: return (uint64_t)(int64_t)(int32_t)bits;
  default: return bits;
  }
}

static double as_double(unsigned type, uint64_t bits) {
  uint32_t low = (uint32_t)bits;
  float f;
  double d;

  memcpy(&f, &low, sizeof(f));
  memcpy(&d, &bits, sizeof(d));
  return type == SLUICE_FIELD_FLOAT ? (double)f : d;
}

static bool is_in_range(const sluice_field_t *f, uint64_t v) {
  if (sluice__type_is_signed(f->type)) {
    int64_t i = (int64_t)v;

    return i >= f->low && (i < 0 || (uint64_t)i <= f->high);
  }
  if (f->type == SLUICE_FIELD_FLOAT || f->type == SLUICE_FIELD_DOUBLE) {
    double d = as_double(f->type, v);

    return d >= (double)f->low && d <= (double)(int64_t)f->high;
  }
  return (f->low < 0 || v >= (uint64_t)f->low) && v <= f->high;
}

/* A signed range that ends below zero has `high` negative. */
static bool is_below(const sluice_field_t *f, uint64_t v) {
  return (int64_t)v >= f->low && (int64_t)v <= (int64_t)f->high;
}

static int refuse_range(const sluice__load_t *l, const sluice_field_t *f,
                        uint64_t v) {
  if (f->type == SLUICE_FIELD_FLOAT || f->type == SLUICE_FIELD_DOUBLE) {
    return sluice__path_fail(&l->path, SLUICE_ECORRUPT,
                             "is %g, expected %" PRId64 " to %" PRId64,
                             as_double(f->type, v), f->low, (int64_t)f->high);
  }
  return sluice__type_is_signed(f->type)
             ? sluice__path_fail(&l->path, SLUICE_ECORRUPT,
                                 "is %" PRId64 ", expected %" PRId64
                                 " to %" PRId64,
                                 (int64_t)v, f->low, (int64_t)f->high)
             : sluice__path_fail(&l->path, SLUICE_ECORRUPT,
                                 "is %" PRIu64 ", expected %" PRId64
                                 " to %" PRIu64,
                                 v, f->low, f->high);
}

static int check_equal(const sluice__load_t *l, const sluice_field_t *f,
                       uint64_t v, const void *at) {
  uint64_t have = extend(f->type, sluice__host_get(at, f->size));

  return v == have ? 0
                   : sluice__path_fail(&l->path, SLUICE_ECORRUPT,
                                       "is %" PRIu64 ", here it is %" PRIu64, v,
                                       have);
}

static int check_value(const sluice__load_t *l, const sluice_field_t *f,
                       uint64_t v, const void *at) {
  bool ends_below = sluice__type_is_signed(f->type) && (int64_t)f->high < 0;

  if (f->type == SLUICE_FIELD_BOOL && v > 1) {
    return sluice__path_fail(&l->path, SLUICE_ECORRUPT,
                             "is %" PRIu64 ", expected 0 or 1", v);
  }
  if (f->check == SLUICE_CHECK_EQUAL) {
    return check_equal(l, f, v, at);
  }
  if (f->check == SLUICE_CHECK_RANGE &&
      !(ends_below ? is_below(f, v) : is_in_range(f, v))) {
    return refuse_range(l, f, v);
  }
  return 0;
}

static int load_checked(sluice__load_t *l, const sluice_field_t *f,
                        unsigned type, const uint8_t *p, void *first,
                        size_t n) {
  size_t size = sluice__type_bytes(type);
  int r = 0;

  for (size_t i = 0; i < n && r == 0; i++) {
    uint64_t v = sluice__order_get(p + i * size, size, l->in.is_big);
    void *at = (char *)first + i * f->size;

    if (f->shape != SLUICE_SHAPE_ONE) {
      l->path.at[l->path.depth].index = (uint32_t)i;
    }
    v = extend(type, v);
    r = check_value(l, f, v, at);
    if (r == 0) {
      sluice__host_put(at, f->size, v);
    }
  }
  return r;
}

static void load_as_it_is(const sluice__load_t *l, const sluice_field_t *f,
                          const uint8_t *p, void *first, size_t n) {
  if (f->size == 1) {
    memcpy(first, p, n);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    sluice__order_copy((char *)first + i * f->size, p + i * f->size, f->size,
                       l->in.is_big);
  }
}

int sluice__load_scalars(sluice__load_t *l, const sluice__step_t *step,
                         void *first, size_t n) {
  const sluice_field_t *f = step->to;
  unsigned type = step->from != NULL ? step->from->type : f->type;
  const uint8_t *p = NULL;
  int r = sluice__load_bytes(l, n * sluice__type_bytes(type), &p);

  if (r != 0 || n == 0) {
    return r;
  }
  if (type != f->type || f->check != 0 || type == SLUICE_FIELD_BOOL) {
    return load_checked(l, f, type, p, first, n);
  }
  load_as_it_is(l, f, p, first, n);
  return 0;
}

/* ---- texts ---- */

static int check_length(const sluice__load_t *l, size_t len, size_t max) {
  return len <= max ? 0
                    : sluice__path_fail(&l->path, SLUICE_ECORRUPT,
                                        "has %zu bytes, at most %zu", len, max);
}

/* QEMU's is all of the array, as it lies in memory. */
static int load_fixed_text(sluice__load_t *l, const sluice_field_t *f,
                           char *to) {
  const uint8_t *p = NULL;
  int r = sluice__load_bytes(l, f->max, &p);

  if (r == 0 && memchr(p, '\0', f->max) == NULL) {
    return sluice__path_fail(&l->path, SLUICE_ECORRUPT,
                             "has no NUL in %" PRIu32 " bytes", f->max);
  }
  if (r == 0) {
    memcpy(to, p, f->max);
  }
  return r;
}

int sluice__load_text(sluice__load_t *l, const sluice_field_t *f, char *to) {
  const uint8_t *p = NULL;
  uint32_t len = 0;
  int r;

  if (l->plan == NULL) {
    return load_fixed_text(l, f, to);
  }
  r = sluice__load_u32(l, &len);
  if (r == 0) {
    r = check_length(l, len, f->max - 1);
  }
  if (r == 0) {
    r = sluice__load_bytes(l, len, &p);
  }
  if (r == 0) {
    memcpy(to, p, len);
    memset(to + len, 0, f->max - len);
  }
  return r;
}

static int copy_string(sluice__load_t *l, uint32_t len, char **out) {
  const uint8_t *p = NULL;
  int r = sluice__load_bytes(l, len, &p);

  if (r != 0) {
    return r;
  }
  *out = malloc((size_t)len + 1);
  if (*out == NULL) {
    return sluice__path_fail(&l->path, UV_ENOMEM, "has no memory");
  }
  memcpy(*out, p, len);
  (*out)[len] = '\0';
  return 0;
}

int sluice__load_string(sluice__load_t *l, const sluice_field_t *f,
                        void *shadow, const void *live) {
  char *text = NULL;
  uint32_t len = 0;
  int r = sluice__load_u32(l, &len);

  if (r == 0 && len != UINT32_MAX) {
    r = check_length(l, len, f->max);
    r = r == 0 ? copy_string(l, len, &text) : r;
  }
  if (r == 0) {
    sluice__own_replace(f, shadow, live, text);
  }
  return r;
}
