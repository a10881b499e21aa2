/* cmd_set.c - SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms |
 * KEEPTTL]. */
#include "commands_list.h"
#include "number.h"
#include "reply.h"

enum { SET_NX = 1, SET_XX = 2, SET_GET = 4, SET_KEEPTTL = 8, SET_TIME = 16 };

/* What may not stand beside what. */
static const struct {
  const char *word;
  unsigned flag;
  unsigned excluded;
  int64_t unit_ms; /* of the number that follows; 0: none does */
  bool is_absolute;
} words[] = {
    {"nx", SET_NX, SET_XX, 0, false},
    {"xx", SET_XX, SET_NX, 0, false},
    {"get", SET_GET, 0, 0, false},
    {"keepttl", SET_KEEPTTL, SET_TIME, 0, false},
    {"ex", SET_TIME, SET_TIME | SET_KEEPTTL, 1000, false},
    {"px", SET_TIME, SET_TIME | SET_KEEPTTL, 1, false},
    {"exat", SET_TIME, SET_TIME | SET_KEEPTTL, 1000, true},
    {"pxat", SET_TIME, SET_TIME | SET_KEEPTTL, 1, true},
};

enum { WORDS = sizeof(words) / sizeof(words[0]) };

typedef struct set_s {
  unsigned flags;
  size_t time_word;
  size_t time_arg;
  uint64_t expires;
} set_t;

/* Takes the word at `*i`, and its number. */
static bool take_word(const call_t *c, set_t *set, size_t *i) {
  for (size_t w = 0; w < WORDS; w++) {
    if (!call_is(c, *i, words[w].word)) {
      continue;
    }
    if (set->flags & words[w].excluded) {
      return false;
    }
    set->flags |= words[w].flag;
    if (words[w].unit_ms != 0) {
      set->time_word = w;
      set->time_arg = ++*i;
    }
    return *i < c->argc;
  }
  return false;
}

static bool take_time(call_t *c, set_t *set) {
  int64_t t;
  int64_t now = (int64_t)c->db->now_ms;

  if (!call_integer(c, set->time_arg, &t)) {
    return false;
  }
  if (t <= 0 || __builtin_mul_overflow(t, words[set->time_word].unit_ms, &t) ||
      (!words[set->time_word].is_absolute &&
       __builtin_add_overflow(t, now, &t))) {
    reply_error(c->out, "ERR invalid expire time in 'set' command");
    return false;
  }
  set->expires = (uint64_t)t;
  return true;
}

static bool take_words(call_t *c, set_t *set) {
  for (size_t i = 3; i < c->argc; i++) {
    if (!take_word(c, set, &i)) {
      call_reply_syntax(c);
      return false;
    }
  }
  return !(set->flags & SET_TIME) || take_time(c, set);
}

void cmd_set(call_t *c) {
  bytes_t key = call_arg(c, 1);
  set_t set = {0};
  slot_t s;

  if (c->argc > 3 && !take_words(c, &set)) {
    return;
  }
  s = db_find(c->db, key);
  if (set.flags & SET_GET) {
    call_reply_value(c, s);
  }
  if ((set.flags & SET_NX && s.entry != 0) ||
      (set.flags & SET_XX && s.entry == 0)) {
    if (!(set.flags & SET_GET)) {
      reply_null(c->out);
    }
    return;
  }
  if (set.flags & SET_KEEPTTL && s.entry != 0) {
    set.expires = db_expiry(c->db, s);
  }
  if (call_set(c, s, key, 2, set.expires) && !(set.flags & SET_GET)) {
    reply_status(c->out, "OK");
  }
}
