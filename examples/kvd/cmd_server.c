/* cmd_server.c - commands on the connection and on the server. */
#include <string.h>

#include "commands_list.h"
#include "reply.h"
#include "server.h"

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

static void reply_saving(call_t *c, int r, const char *good) {
  if (r == 0) {
    reply_status(c->out, good);
  } else {
    reply_error(c->out, "ERR %s", persist_strerror(r));
  }
}

void cmd_bgsave(call_t *c) {
  if (c->argc > 2 || (c->argc == 2 && !call_is(c, 1, "schedule"))) {
    call_reply_syntax(c);
    return;
  }
  reply_saving(c, persist_begin_save(&c->server->persist),
               "Background saving started");
}

void cmd_save(call_t *c) {
  reply_saving(c, persist_save_now(&c->server->persist), "OK");
}

void cmd_lastsave(call_t *c) {
  reply_integer(c->out, c->server->persist.last_save);
}

/* SHUTDOWN [NOSAVE | SAVE]: no reply but the end of the connection. */
void cmd_shutdown(call_t *c) {
  bool save = c->argc == 2 && call_is(c, 1, "save");
  int r;

  if (c->argc > 2 || (c->argc == 2 && !save && !call_is(c, 1, "nosave"))) {
    call_reply_syntax(c);
    return;
  }
  r = save ? persist_save_now(&c->server->persist) : 0;
  if (r != 0) {
    reply_error(c->out, "ERR Errors trying to SHUTDOWN. Check logs.");
    return;
  }
  server_stop(c->server);
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
