/* cmd_server.c - commands on the connection and on the server. */
#include <string.h>

#include "commands_list.h"
#include "reply.h"
#include "server.h"
#include "shutdown.h"

/* An argument sent back; a large one is not copied. */
static void reply_arg(call_t *c, size_t i) {
  if (c->req->args[i].place != 0) {
    reply_blob(c->out, c->req->args[i].place);
  } else {
    reply_bulk(c->out, call_arg(c, i));
  }
}

void cmd_ping(call_t *c) {
  if (c->argc > 2) {
    call_reply_arity(c, "ping");
  } else if (c->argc == 2) {
    reply_arg(c, 1);
  } else {
    reply_status(c->out, "PONG");
  }
}

void cmd_echo(call_t *c) {
  reply_arg(c, 1);
}

void cmd_select(call_t *c) {
  int64_t n;

  if (!call_integer(c, 1, &n)) {
    return;
  }
  if (n != 0) {
    reply_error(c->out, "ERR DB index is out of range");
    return;
  }
  reply_status(c->out, "OK");
}

void cmd_quit(call_t *c) {
  reply_status(c->out, "OK");
  conn_end(c->conn);
}

/* --- saving --- */

static void reply_not_saved(out_t *o, int r) {
  reply_error(o, "ERR %s", persist_strerror(r));
}

void cmd_bgsave(call_t *c) {
  int r;

  if (c->argc > 2 || (c->argc == 2 && !call_is(c, 1, "schedule"))) {
    call_reply_syntax(c);
    return;
  }
  r = persist_begin_save(&c->server->persist, NULL, NULL);
  if (r == 0) {
    reply_status(c->out, "Background saving started");
  } else {
    reply_not_saved(c->out, r);
  }
}

static void on_saved(void *ctx, int status) {
  conn_t *conn = ctx;

  if (status == 0) {
    reply_status(&conn->out, "OK");
  } else {
    reply_not_saved(&conn->out, status);
  }
  conn_release(conn);
}

/* The same save as BGSAVE's. This client waits for it; the others need not. */
void commands_wait_for_save(conn_t *conn) {
  int r = persist_begin_save(&conn->server->persist, on_saved, conn);

  if (r == 0) {
    conn_hold(conn);
  } else {
    reply_not_saved(&conn->out, r);
  }
}

void cmd_save(call_t *c) {
  commands_wait_for_save(c->conn);
}

void cmd_lastsave(call_t *c) {
  reply_integer(c->out, c->server->persist.last_save);
}

/* SHUTDOWN [NOSAVE | SAVE]: no reply but the end of the connection. */
void cmd_shutdown(call_t *c) {
  bool save = c->argc == 2 && call_is(c, 1, "save");
  bool nosave = c->argc == 2 && call_is(c, 1, "nosave");

  if (c->argc > 2 || (c->argc == 2 && !save && !nosave)) {
    call_reply_syntax(c);
    return;
  }
  shutdown_begin(c->server,
                 save     ? SHUTDOWN_SAVE
                 : nosave ? SHUTDOWN_NOSAVE
                          : SHUTDOWN_AS_SET,
                 c->conn);
}

/* --- COMMAND --- */

/* Ten fields in Redis 7; clients look at the first three. */
static void reply_command(call_t *c, const command_t *command) {
  reply_array(c->out, 6);
  reply_text(c->out, command->name);
  reply_integer(c->out, command->arity);
  reply_array(c->out, (command->flags & COMMAND_GROWS) != 0);
  if (command->flags & COMMAND_GROWS) {
    reply_status(c->out, "denyoom");
  }
  reply_integer(c->out, 0);
  reply_integer(c->out, 0);
  reply_integer(c->out, 0);
}

void cmd_command(call_t *c) {
  size_t n;
  const command_t *all = commands_all(&n);

  if (c->argc == 1) {
    reply_array(c->out, n);
    for (size_t i = 0; i < n; i++) {
      reply_command(c, &all[i]);
    }
  } else if (c->argc == 2 && call_is(c, 1, "count")) {
    reply_integer(c->out, (int64_t)n);
  } else if (call_is(c, 1, "docs")) {
    reply_array(c->out, 0); /* redis-cli asks, and can do without */
  } else {
    bytes_t sub = call_arg(c, 1);

    reply_error(c->out, "ERR unknown subcommand '%.*s'. Try COMMAND HELP.",
                sub.n < 128 ? (int)sub.n : 128, sub.p);
  }
}
