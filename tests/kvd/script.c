/* script.c - see script.h. */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  LOG_MAX = 800 * 1024, /* over it the key is deleted: it has moved by then */
  SMALL = 300,
  LARGE = 200 * 1024, /* large enough to have a place of its own in kvd */
  LARGE_EVERY = 150
};

/* --- texts --- */

void text_add(text_t *t, const void *bytes, size_t n) {
  if (t->cap - t->len < n) {
    t->cap = 2 * (t->len + n);
    t->at = realloc(t->at, t->cap);
    if (t->at == NULL) {
      abort();
    }
  }
  memcpy(t->at + t->len, bytes, n);
  t->len += n;
}

void text_drop(text_t *t, size_t n) {
  memmove(t->at, t->at + n, t->len - n);
  t->len -= n;
}

static void add_word(text_t *t, const char *word) {
  text_add(t, word, strlen(word));
}

static void add_bulk(text_t *t, const char *bytes, size_t n) {
  char head[32];

  snprintf(head, sizeof(head), "$%zu\r\n", n);
  add_word(t, head);
  text_add(t, bytes, n);
  add_word(t, "\r\n");
}

static void add_number(text_t *t, long long n) {
  char line[32];

  snprintf(line, sizeof(line), ":%lld\r\n", n);
  add_word(t, line);
}

/* --- requests --- */

void script_open(script_t *s, unsigned number, uint64_t seed) {
  memset(s, 0, sizeof(*s));
  s->number = number;
  s->rng = seed + number * 0x632be59bd9b4e019u;
}

uint64_t script_draw(script_t *s, uint64_t below) {
  uint64_t z = s->rng += 0x9e3779b97f4a7c15u;

  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (z ^ z >> 31) % below;
}

/* The command, on the client's key of that name; `more` words follow. */
static void begin(script_t *s, const char *command, const char *name,
                  unsigned more) {
  char head[64];
  char key[64];
  int n = snprintf(key, sizeof(key), "check:%d:%u:%s", (int)getpid(), s->number,
                   name);

  snprintf(head, sizeof(head), "*%u\r\n", 2 + more);
  add_word(&s->ask, head);
  add_bulk(&s->ask, command, strlen(command));
  add_bulk(&s->ask, key, (size_t)n);
  s->asked++;
}

/* The `which`th value of the client: it tells where it comes from. */
static size_t make_value(const script_t *s, uint64_t which, char *out) {
  size_t max = which % LARGE_EVERY == 1 ? LARGE : SMALL;
  size_t n = (size_t)(which * 2654435761u % max) + 20;

  for (size_t i = 0; i < n; i++) {
    out[i] = (char)('a' + (which + i + s->number) % 26);
  }
  return n + (size_t)snprintf(out + n, 32, "%llu", (unsigned long long)which);
}

static void ask_value(script_t *s, const char *name, uint64_t which) {
  static char value[LARGE + 64];

  begin(s, "GET", name, 0);
  if (which == 0) {
    add_word(&s->answer, "$-1\r\n");
  } else {
    add_bulk(&s->answer, value, make_value(s, which, value));
  }
}

static void set_value(script_t *s, const char *name, uint64_t which) {
  static char value[LARGE + 64];

  begin(s, "SET", name, 1);
  add_bulk(&s->ask, value, make_value(s, which, value));
  add_word(&s->answer, "+OK\r\n");
}

static void ask_log(script_t *s) {
  begin(s, "GET", "log", 0);
  if (s->log.len == 0) {
    add_word(&s->answer, "$-1\r\n");
  } else {
    add_bulk(&s->answer, s->log.at, s->log.len);
  }
}

static void drop_log(script_t *s) {
  begin(s, "DEL", "log", 0);
  add_number(&s->answer, s->log.len > 0);
  s->log.len = 0;
}

/* Every eighth client adds much at once, so that its value moves to grow. */
static void append_log(script_t *s) {
  static char more[20000];
  size_t n = s->number % 8 == 0 ? sizeof(more) : 40;

  if (s->log.len > LOG_MAX) {
    drop_log(s);
  }
  memset(more, '.', n);
  snprintf(more, sizeof(more), "%llu", (unsigned long long)s->asked);
  begin(s, "APPEND", "log", 1);
  add_bulk(&s->ask, more, n);
  text_add(&s->log, more, n);
  add_number(&s->answer, (long long)s->log.len);
}

static void count(script_t *s) {
  begin(s, "INCR", "counter", 0);
  add_number(&s->answer, ++s->counter);
}

void script_ask(script_t *s) {
  switch (script_draw(s, 8)) {
  case 0:
  case 1: append_log(s); break;
  case 2: set_value(s, "value", s->set = s->asked + 2); break;
  case 3: ask_value(s, "value", s->set); break;
  case 4:
    if (script_draw(s, 20) == 0) {
      set_value(s, "large", s->large = s->asked * LARGE_EVERY + 1);
    } else if (script_draw(s, 20) == 0) {
      ask_value(s, "large", s->large);
    } else {
      count(s);
    }
    break;
  default: count(s); break;
  }
}

void script_ask_all(script_t *s) {
  char text[32];

  ask_log(s);
  ask_value(s, "value", s->set);
  ask_value(s, "large", s->large);
  begin(s, "GET", "counter", 0);
  snprintf(text, sizeof(text), "%lld", s->counter);
  if (s->counter == 0) {
    add_word(&s->answer, "$-1\r\n");
  } else {
    add_bulk(&s->answer, text, strlen(text));
  }
}
