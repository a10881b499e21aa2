/* commands.h - finds the command of a request and runs it.
 *
 * Each command is a function on a call: arguments in, a reply out. A new one is
 * a function in one of the cmd_*.c files and a row of the table in commands.c.
 */
#ifndef KVD_COMMANDS_H
#define KVD_COMMANDS_H

#include "bytes.h"
#include "conn.h"
#include "db.h"
#include "out.h"
#include "resp.h"

typedef struct call_s {
  struct server_s *server;
  conn_t *conn;
  db_t *db;
  out_t *out;
  resp_t *req;
  const char *buf; /* where the request begins */
  size_t argc;     /* args, with the command's own name */
  bool is_put_off; /* it has to wait, and will be run again */
} call_t;

enum {
  COMMAND_GROWS = 1, /* refused when memory is full */
  COMMAND_WRITES = 2 /* changes keys: may have to wait for a save */
};

typedef struct command_s {
  const char *name; /* lower case */
  int arity;        /* arguments with the name; -n: n or more */
  unsigned flags;
  void (*run)(call_t *c);
} command_t;

/* Runs the complete request of a client. false: it has to wait, and nothing has
 * happened. */
bool commands_run(conn_t *conn, const char *buf);

/* The client waits for the next save to end, as after SAVE. */
void commands_wait_for_save(conn_t *conn);

/* What a request gets whose large argument found no room. */
void commands_refuse(out_t *o);

/* All of them, for COMMAND. */
const command_t *commands_all(size_t *out_count);

/* --- for the commands --- */

bytes_t call_arg(const call_t *c, size_t i);

/* Whether the argument is this word (given in lower case). */
bool call_is(const call_t *c, size_t i, const char *word);

/* Takes an argument as a number, or replies that it is none. */
bool call_integer(call_t *c, size_t i, int64_t *out);

/* Sets a key to argument `i`, which, if it is a large one, is not copied. Says
 * whether it did; if not, it has replied. */
bool call_set(call_t *c, slot_t s, bytes_t key, size_t i, uint64_t expires);

/* Replies with a value, or that there is none. */
void call_reply_value(call_t *c, slot_t s);

void call_reply_arity(call_t *c, const char *name);
void call_reply_syntax(call_t *c);

#endif
