/* number.h - numbers as Redis reads and writes them: decimal, no blanks, no
 * plus sign, no leading zeros, within 64 bits. */
#ifndef KVD_NUMBER_H
#define KVD_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NUMBER_MAX = 21 }; /* bytes of the longest, "-9223372036854775808" */

bool number_parse(const char *p, size_t n, int64_t *out);

/* Writes `value` to `out` (NUMBER_MAX bytes, no NUL) and returns its length. */
size_t number_format(int64_t value, char *out);

/* The value of a hexadecimal digit, or -1. */
int number_hex(char c);

#endif
