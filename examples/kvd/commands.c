/* commands.c - the table of commands, and what all of them need. */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "commands_list.h"
#include "number.h"
#include "reply.h"
#include "server.h"

enum { GROWS = COMMAND_GROWS | COMMAND_WRITES };

static const command_t table[] = {
    {"append", 3, GROWS, cmd_append},
    {"bgsave", -1, 0, cmd_bgsave},
    {"command", -1, 0, cmd_command},
    {"config", -2, 0, cmd_config},
    {"dbsize", 1, 0, cmd_dbsize},
    {"decr", 2, GROWS, cmd_decr},
    {"del", -2, COMMAND_WRITES, cmd_del},
    {"echo", 2, 0, cmd_echo},
    {"exists", -2, 0, cmd_exists},
    {"expire", -3, COMMAND_WRITES, cmd_expire},
    {"flushall", -1, COMMAND_WRITES, cmd_flushall},
    {"get", 2, 0, cmd_get},
    {"getset", 3, GROWS, cmd_getset},
    {"incr", 2, GROWS, cmd_incr},
    {"info", -1, 0, cmd_info},
    {"lastsave", 1, 0, cmd_lastsave},
    {"mget", -2, 0, cmd_mget},
    {"mset", -3, GROWS, cmd_mset},
    {"pexpire", -3, COMMAND_WRITES, cmd_pexpire},
    {"ping", -1, 0, cmd_ping},
    {"pttl", 2, 0, cmd_pttl},
    {"quit", -1, 0, cmd_quit},
    {"save", 1, 0, cmd_save},
    {"select", 2, 0, cmd_select},
    {"set", -3, GROWS, cmd_set},
    {"shutdown", -1, 0, cmd_shutdown},
    {"strlen", 2, 0, cmd_strlen},
    {"ttl", 2, 0, cmd_ttl},
};

enum { COMMANDS = sizeof(table) / sizeof(table[0]) };

const command_t *commands_all(size_t *out_count) {
  *out_count = COMMANDS;
  return table;
}

/* --- finding --- */

static int lower(char c) {
  return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : (unsigned char)c;
}

/* -1, 0, 1 as strcmp(); `word` is in lower case and ends with a NUL. */
static int compare(bytes_t b, const char *word) {
  for (size_t i = 0; i < b.n; i++) {
    int c = lower(b.p[i]);
    int w = (unsigned char)word[i];

    if (c != w || c == '\0') {
      return c < w ? -1 : 1;
    }
  }
  return word[b.n] == '\0' ? 0 : -1;
}

/* Five comparisons; the table is sorted. */
static const command_t *find(bytes_t name) {
  size_t low = 0;
  size_t high = COMMANDS;

  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = compare(name, table[middle].name);

    if (order == 0) {
      return &table[middle];
    }
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return NULL;
}

/* --- running --- */

/* A few of the arguments, as Redis does; only what is no NUL is shown. */
static void reply_unknown(call_t *c) {
  char args[160] = "";
  size_t n = 0;
  bytes_t name = call_arg(c, 0);

  for (size_t i = 1; i < c->argc && n < 128; i++) {
    bytes_t arg = call_arg(c, i);
    int max = (int)(128 - n);

    max = arg.n < (size_t)max ? (int)arg.n : max;
    n += (size_t)snprintf(args + n, sizeof(args) - n, "'%.*s' ", max, arg.p);
  }
  reply_error(c->out,
              "ERR unknown command '%.*s', with args beginning with: %s",
              name.n < 128 ? (int)name.n : 128, name.p, args);
}

static bool has_arity(const call_t *c, int arity) {
  return arity >= 0 ? c->argc == (size_t)arity : c->argc >= (size_t)-arity;
}

static bool is_refused(call_t *c, const command_t *command) {
  if ((command->flags & COMMAND_WRITES) == 0) {
    return false;
  }
  if ((command->flags & COMMAND_GROWS) && db_is_full(c->db, 0)) {
    commands_refuse(c->out);
    return true;
  }
  if (persist_is_failing(&c->server->persist)) {
    reply_error(c->out, "MISCONF kvd saves by itself (--save-every), and the "
                        "last save failed: changes are refused until one "
                        "succeeds. See INFO persistence. (--stop-writes no "
                        "allows them.)");
    return true;
  }
  return false;
}

bool commands_run(conn_t *conn, const char *buf) {
  server_t *s = conn->server;
  call_t c = {.server = s,
              .conn = conn,
              .db = &s->db,
              .out = &conn->out,
              .req = &conn->resp,
              .buf = buf,
              .argc = conn->resp.argc};
  const command_t *command = find(call_arg(&c, 0));

  if (command != NULL && (command->flags & COMMAND_WRITES) &&
      !persist_may_write(&s->persist)) {
    return false;
  }
  s->command_total++;
  if (command == NULL) {
    reply_unknown(&c);
  } else if (!has_arity(&c, command->arity)) {
    call_reply_arity(&c, command->name);
  } else if (!is_refused(&c, command)) {
    command->run(&c);
  }
  return !c.is_put_off;
}

void commands_refuse(out_t *o) {
  reply_error(o, "OOM command not allowed when used memory > 'maxmemory'.");
}

/* --- for the commands --- */

bytes_t call_arg(const call_t *c, size_t i) {
  const resp_arg_t *arg = &c->req->args[i];

  if (arg->place != 0) {
    return blob_bytes(&c->db->heap, arg->place);
  }
  return (bytes_t){c->buf + arg->at, arg->len};
}

bool call_is(const call_t *c, size_t i, const char *word) {
  return compare(call_arg(c, i), word) == 0;
}

bool call_integer(call_t *c, size_t i, int64_t *out) {
  bytes_t b = call_arg(c, i);

  if (number_parse(b.p, b.n, out)) {
    return true;
  }
  reply_error(c->out, "ERR value is not an integer or out of range");
  return false;
}

bool call_set(call_t *c, slot_t s, bytes_t key, size_t i, uint64_t expires) {
  resp_arg_t *arg = &c->req->args[i];

  if (db_set(c->db, s, key, call_arg(c, i), arg->place, expires) != 0) {
    commands_refuse(c->out);
    return false;
  }
  arg->place = 0; /* it belongs to the key now */
  return true;
}

void call_reply_value(call_t *c, slot_t s) {
  if (s.entry == 0) {
    reply_null(c->out);
  } else if (db_blob(c->db, s) != 0) {
    reply_blob(c->out, db_blob(c->db, s));
  } else {
    reply_bulk(c->out, db_value(c->db, s));
  }
}

void call_reply_arity(call_t *c, const char *name) {
  reply_error(c->out, "ERR wrong number of arguments for '%s' command", name);
}

void call_reply_syntax(call_t *c) {
  reply_error(c->out, "ERR syntax error");
}
