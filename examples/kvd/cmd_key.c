/* cmd_key.c - commands on keys, whatever their values. */
#include "commands_list.h"
#include "reply.h"

void cmd_del(call_t *c) {
  int64_t n = 0;

  for (size_t i = 1; i < c->argc; i++) {
    slot_t s = db_find(c->db, call_arg(c, i));

    if (s.entry != 0) {
      db_delete(c->db, s);
      n++;
    }
  }
  reply_integer(c->out, n);
}

void cmd_exists(call_t *c) {
  int64_t n = 0;

  for (size_t i = 1; i < c->argc; i++) {
    n += db_read(c->db, call_arg(c, i)).entry != 0;
  }
  reply_integer(c->out, n);
}

/* --- expiry --- */

enum { EXPIRE_NX = 1, EXPIRE_XX = 2, EXPIRE_GT = 4, EXPIRE_LT = 8 };

static bool take_flag(call_t *c, size_t i, unsigned *flags) {
  static const char *const words[] = {"nx", "xx", "gt", "lt"};

  for (unsigned w = 0; w < 4; w++) {
    if (call_is(c, i, words[w])) {
      *flags |= 1u << w;
      return true;
    }
  }
  return false;
}

static bool take_flags(call_t *c, unsigned *flags) {
  *flags = 0;
  for (size_t i = 3; i < c->argc; i++) {
    if (!take_flag(c, i, flags)) {
      reply_error(c->out, "ERR Unsupported option %.*s",
                  call_arg(c, i).n < 128 ? (int)call_arg(c, i).n : 128,
                  call_arg(c, i).p);
      return false;
    }
  }
  if (*flags & EXPIRE_NX && *flags & ~(unsigned)EXPIRE_NX) {
    reply_error(c->out, "ERR NX and XX, GT or LT options at the same time "
                        "are not compatible");
    return false;
  }
  if (*flags & EXPIRE_GT && *flags & EXPIRE_LT) {
    reply_error(c->out,
                "ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

/* A key that never expires counts as one that does after all others. */
static bool allows(unsigned flags, uint64_t before, int64_t after) {
  if ((flags & EXPIRE_NX && before != 0) ||
      (flags & EXPIRE_XX && before == 0)) {
    return false;
  }
  if (flags & EXPIRE_GT && (before == 0 || after <= (int64_t)before)) {
    return false;
  }
  return !(flags & EXPIRE_LT && before != 0 && after >= (int64_t)before);
}

static bool take_time(call_t *c, const char *name, int64_t unit, int64_t *out) {
  if (!call_integer(c, 2, out)) {
    return false;
  }
  if (__builtin_mul_overflow(*out, unit, out) ||
      __builtin_add_overflow(*out, (int64_t)c->db->now_ms, out)) {
    reply_error(c->out, "ERR invalid expire time in '%s' command", name);
    return false;
  }
  return true;
}

static void expire(call_t *c, const char *name, int64_t unit) {
  unsigned flags;
  int64_t t;
  slot_t s;

  if (!take_flags(c, &flags) || !take_time(c, name, unit, &t)) {
    return;
  }
  s = db_find(c->db, call_arg(c, 1));
  if (s.entry == 0 || !allows(flags, db_expiry(c->db, s), t)) {
    reply_integer(c->out, 0);
    return;
  }
  if (t <= (int64_t)c->db->now_ms) {
    db_delete(c->db, s);
  } else {
    db_set_expiry(c->db, s, (uint64_t)t);
  }
  reply_integer(c->out, 1);
}

void cmd_expire(call_t *c) {
  expire(c, "expire", 1000);
}

void cmd_pexpire(call_t *c) {
  expire(c, "pexpire", 1);
}

/* Milliseconds left; -1: for ever, -2: no such key. */
static int64_t time_left(call_t *c) {
  slot_t s = db_find(c->db, call_arg(c, 1));

  if (s.entry == 0) {
    return -2;
  }
  return db_expiry(c->db, s) == 0
             ? -1
             : (int64_t)(db_expiry(c->db, s) - c->db->now_ms);
}

void cmd_ttl(call_t *c) {
  int64_t left = time_left(c);

  reply_integer(c->out, left < 0 ? left : (left + 500) / 1000);
}

void cmd_pttl(call_t *c) {
  reply_integer(c->out, time_left(c));
}

/* --- all keys --- */

void cmd_dbsize(call_t *c) {
  reply_integer(c->out, (int64_t)db_count(c->db));
}

void cmd_flushall(call_t *c) {
  if (c->argc > 2 ||
      (c->argc == 2 && !call_is(c, 1, "async") && !call_is(c, 1, "sync"))) {
    call_reply_syntax(c);
  } else if (db_clear(c->db) != 0) {
    commands_refuse(c->out);
  } else {
    reply_status(c->out, "OK");
  }
}
