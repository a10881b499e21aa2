/* script.h - what one client of check.c asks for, and what it must be answered.
 *
 * Each client has keys of its own, so whatever it asks for has one right
 * answer, down to the byte: a write that was lost, done twice or done in
 * another order shows in the next answer about that key. Knows no sockets. */
#ifndef KVD_TESTS_SCRIPT_H
#define KVD_TESTS_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

typedef struct text_s {
  char *at;
  size_t len;
  size_t cap;
} text_t;

void text_add(text_t *t, const void *bytes, size_t n);
void text_drop(text_t *t, size_t n); /* from the front */

typedef struct script_s {
  unsigned number; /* of the client */
  uint64_t rng;
  uint64_t asked;
  long long counter;
  uint64_t set; /* which value the key has; 0: none */
  uint64_t large;
  text_t log;    /* what was appended */
  text_t ask;    /* requests that are not sent yet */
  text_t answer; /* answers that have not come yet */
} script_t;

void script_open(script_t *s, unsigned number, uint64_t seed);

/* Adds one request and its answer. */
void script_ask(script_t *s);

/* Adds those that tell all of what the keys must hold now. */
void script_ask_all(script_t *s);

/* Below `below`, from the client's own row of random numbers. */
uint64_t script_draw(script_t *s, uint64_t below);

#endif
