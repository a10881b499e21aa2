/* number.c - see number.h. Every request has several: no scanf() here. */
#include "number.h"

#include <string.h>

static bool parse_digits(const char *p, size_t n, uint64_t *out) {
  uint64_t v = 0;

  if (n == 0 || n > 19 || (p[0] == '0' && n > 1)) {
    return false;
  }
  for (size_t i = 0; i < n; i++) {
    unsigned digit = (unsigned)(unsigned char)p[i] - '0';

    if (digit > 9) {
      return false;
    }
    v = v * 10 + digit; /* 19 digits fit */
  }
  *out = v;
  return true;
}

bool number_parse(const char *p, size_t n, int64_t *out) {
  bool negative = n > 0 && p[0] == '-';
  uint64_t v;

  if (!parse_digits(p + negative, n - negative, &v)) {
    return false;
  }
  if (v > (uint64_t)INT64_MAX + negative || (negative && v == 0)) {
    return false;
  }
  *out = negative ? (int64_t)(0 - v) : (int64_t)v;
  return true;
}

size_t number_format(int64_t value, char *out) {
  char digits[NUMBER_MAX];
  char *p = digits + sizeof(digits);
  uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  size_t n;

  do {
    *--p = (char)('0' + v % 10);
    v /= 10;
  } while (v > 0);
  if (value < 0) {
    *--p = '-';
  }
  n = (size_t)(digits + sizeof(digits) - p);
  memcpy(out, p, n);
  return n;
}

int number_hex(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
