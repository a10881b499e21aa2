/* cmd_string.c - commands on values. */
#include "commands_list.h"
#include "number.h"
#include "reply.h"
#include "server.h"

void cmd_get(call_t *c) {
  call_reply_value(c, db_read(c->db, call_arg(c, 1)));
}

void cmd_getset(call_t *c) {
  slot_t s = db_find(c->db, call_arg(c, 1));

  call_reply_value(c, s); /* before it changes; a failure follows it */
  call_set(c, s, call_arg(c, 1), 2, 0);
}

/* A large value has to move first, which takes turns. */
static void widen(call_t *c, slot_t s, bytes_t key, size_t more) {
  if (server_widen(c->server, s, key, more) == 0) {
    c->is_put_off = true;
  } else {
    commands_refuse(c->out);
  }
}

void cmd_append(call_t *c) {
  bytes_t key = call_arg(c, 1);
  bytes_t more = call_arg(c, 2);
  slot_t s = db_find(c->db, key);
  size_t before = s.entry == 0 ? 0 : db_value(c->db, s).n;

  if (more.n > RESP_BULK_MAX - before) {
    reply_error(c->out, "ERR string exceeds maximum allowed size "
                        "(proto-max-bulk-len)");
    return;
  }
  if (db_must_widen(c->db, s, more.n)) {
    widen(c, s, key, more.n);
  } else if (s.entry == 0) {
    if (call_set(c, s, key, 2, 0)) {
      reply_integer(c->out, (int64_t)more.n);
    }
  } else if (db_append(c->db, s, key, more) == 0) {
    reply_integer(c->out, (int64_t)(before + more.n));
  } else {
    commands_refuse(c->out);
  }
}

void cmd_strlen(call_t *c) {
  slot_t s = db_read(c->db, call_arg(c, 1));

  reply_integer(c->out, s.entry == 0 ? 0 : (int64_t)db_value(c->db, s).n);
}

static void add(call_t *c, int64_t delta) {
  bytes_t key = call_arg(c, 1);
  slot_t s = db_find(c->db, key);
  bytes_t old = {"0", 1};
  char text[NUMBER_MAX];
  int64_t value;

  if (s.entry != 0) {
    old = db_value(c->db, s);
  }
  if (!number_parse(old.p, old.n, &value)) {
    reply_error(c->out, "ERR value is not an integer or out of range");
    return;
  }
  if (__builtin_add_overflow(value, delta, &value)) {
    reply_error(c->out, "ERR increment or decrement would overflow");
    return;
  }
  old = (bytes_t){text, number_format(value, text)};
  if (db_set(c->db, s, key, old, 0, s.entry == 0 ? 0 : db_expiry(c->db, s)) !=
      0) {
    commands_refuse(c->out);
    return;
  }
  reply_integer(c->out, value);
}

void cmd_incr(call_t *c) {
  add(c, 1);
}

void cmd_decr(call_t *c) {
  add(c, -1);
}

void cmd_mget(call_t *c) {
  reply_array(c->out, c->argc - 1);
  for (size_t i = 1; i < c->argc; i++) {
    call_reply_value(c, db_read(c->db, call_arg(c, i)));
  }
}

void cmd_mset(call_t *c) {
  if (c->argc % 2 == 0) {
    call_reply_arity(c, "mset");
    return;
  }
  for (size_t i = 1; i < c->argc; i += 2) {
    bytes_t key = call_arg(c, i);

    if (!call_set(c, db_find(c->db, key), key, i + 1, 0)) {
      return; /* the heap is full: the keys before stay set */
    }
  }
  reply_status(c->out, "OK");
}
