/* cmd_config.c - CONFIG GET pattern...: what clients and benchmarks ask for. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "commands_list.h"
#include "reply.h"
#include "server.h"

enum { VALUE_MAX = 64, PATTERN_MAX = 128 };

typedef const char *(*setting_cb)(const server_t *s, char *room);

static const char *get_bind(const server_t *s, char *room) {
  (void)room;
  return s->options->bind;
}

static const char *get_dir(const server_t *s, char *room) {
  (void)room;
  return s->options->dir;
}

static const char *get_file(const server_t *s, char *room) {
  (void)room;
  return s->options->file_name;
}

static const char *get_socket(const server_t *s, char *room) {
  (void)room;
  return s->options->unix_socket == NULL ? "" : s->options->unix_socket;
}

static const char *get_port(const server_t *s, char *room) {
  snprintf(room, VALUE_MAX, "%d", s->port);
  return room;
}

static const char *get_max_memory(const server_t *s, char *room) {
  snprintf(room, VALUE_MAX, "%llu", (unsigned long long)s->db.max_memory);
  return room;
}

static const char *get_max_bulk(const server_t *s, char *room) {
  (void)s;
  snprintf(room, VALUE_MAX, "%zu", RESP_BULK_MAX);
  return room;
}

static const char *get_save(const server_t *s, char *room) {
  if (s->options->save_every == 0) {
    return "";
  }
  snprintf(room, VALUE_MAX, "%u 1", s->options->save_every);
  return room;
}

static const char *get_no(const server_t *s, char *room) {
  (void)s;
  (void)room;
  return "no";
}

static const char *get_one(const server_t *s, char *room) {
  (void)s;
  (void)room;
  return "1";
}

static const char *get_policy(const server_t *s, char *room) {
  (void)s;
  (void)room;
  return "noeviction";
}

static const struct {
  const char *name;
  setting_cb get;
} settings[] = {
    {"appendonly", get_no},
    {"bind", get_bind},
    {"databases", get_one},
    {"dbfilename", get_file},
    {"dir", get_dir},
    {"maxmemory", get_max_memory},
    {"maxmemory-policy", get_policy},
    {"port", get_port},
    {"proto-max-bulk-len", get_max_bulk},
    {"save", get_save},
    {"unixsocket", get_socket},
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

/* Whether one of the patterns, from argument 2 on, is for this name. */
static bool is_asked(const call_t *c, const char *name) {
  char pattern[PATTERN_MAX];

  for (size_t i = 2; i < c->argc; i++) {
    bytes_t b = call_arg(c, i);

    if (b.n >= sizeof(pattern)) {
      continue;
    }
    memcpy(pattern, b.p, b.n);
    pattern[b.n] = '\0';
    if (fnmatch(pattern, name, FNM_CASEFOLD) == 0) {
      return true;
    }
  }
  return false;
}

static void get(call_t *c) {
  bool asked[SETTINGS];
  char room[VALUE_MAX];
  size_t n = 0;

  for (size_t i = 0; i < SETTINGS; i++) {
    asked[i] = is_asked(c, settings[i].name);
    n += asked[i];
  }
  reply_array(c->out, 2 * n);
  for (size_t i = 0; i < SETTINGS; i++) {
    if (asked[i]) {
      reply_text(c->out, settings[i].name);
      reply_text(c->out, settings[i].get(c->server, room));
    }
  }
}

void cmd_config(call_t *c) {
  bytes_t sub = call_arg(c, 1);

  if (!call_is(c, 1, "get")) {
    reply_error(c->out, "ERR unknown subcommand '%.*s'. Try CONFIG HELP.",
                sub.n < 128 ? (int)sub.n : 128, sub.p);
  } else if (c->argc < 3) {
    call_reply_arity(c, "config|get");
  } else {
    get(c);
  }
}
