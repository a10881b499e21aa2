/* conn_state.c - see conn_state.h.
 *
 *   flags, own bytes, parser, replies
 *
 * The parser's state is taken as it stands, so that a value of which half has
 * arrived stays where it is. Every number is bounded before it is used. */
#include "conn_state.h"

#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "resp_inline.h"
#include "server.h"

enum {
  IN_BIG = 1,
  REFUSED = 2,
  HAS_MORE = 4,
  PARSED = 8,
  HELD = 16,
  ENDING = 32,
  ALL_FLAGS = 63
};

typedef struct state_s {
  uint64_t flags;
  bytes_t own; /* borrowed */
} state_t;

/* --- packed --- */

static uint64_t flags_of(const conn_t *c) {
  return (c->in_big ? (uint64_t)IN_BIG : 0) |
         (c->is_refused ? (uint64_t)REFUSED : 0) |
         (c->has_more ? (uint64_t)HAS_MORE : 0) |
         (c->is_parsed ? (uint64_t)PARSED : 0) |
         (c->is_held ? (uint64_t)HELD : 0) |
         (c->is_ending ? (uint64_t)ENDING : 0);
}

static void pack_args(const resp_t *r, pack_t *p) {
  pack_number(p, r->argc);
  for (size_t i = 0; i < r->argc; i++) {
    pack_number(p, r->args[i].at);
    pack_number(p, r->args[i].len);
    pack_number(p, r->args[i].place);
  }
}

static void pack_parser(const resp_t *r, pack_t *p) {
  const uint64_t numbers[] = {r->state,   r->has_places, r->pos,
                              r->scanned, r->expected,   r->bulk_len,
                              r->total,   r->big_left,   r->big_place};

  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
    pack_number(p, numbers[i]);
  }
  pack_args(r, p);
}

void conn_state_pack(const conn_t *c, pack_t *p) {
  pack_number(p, flags_of(c));
  pack_number(p, c->own_len);
  pack_bytes(p, (bytes_t){c->own, c->own_len});
  pack_parser(&c->resp, p);
  out_pack(&c->out, p);
}

/* --- unpacked --- */

static bool take_arg(resp_t *r, const heap_t *h, size_t own_len, unpack_t *u) {
  uint64_t at = unpack_number(u);
  uint64_t len = unpack_number(u);
  uint64_t place = unpack_number(u);

  if (u->failed || len > RESP_BULK_MAX || at > own_len ||
      (place == 0 && len > own_len - at) ||
      (place != 0 && !blob_is_at(h, place, len))) {
    return false;
  }
  return resp_push(r, (resp_arg_t){(size_t)at, (size_t)len, place});
}

static bool take_args(resp_t *r, const heap_t *h, size_t own_len, unpack_t *u) {
  uint64_t n = unpack_number(u);

  if (n > RESP_ARGS_MAX) {
    return false;
  }
  while (n-- > 0) {
    if (!take_arg(r, h, own_len, u)) {
      return false;
    }
  }
  return true;
}

static bool is_bounded(const resp_t *r, size_t own_len) {
  return r->pos <= own_len && r->scanned <= own_len &&
         r->expected <= RESP_ARGS_MAX && r->bulk_len <= RESP_BULK_MAX &&
         r->total <= RESP_TOTAL_MAX && r->big_left <= r->bulk_len;
}

/* A large value that is arriving has room for all that is to come. */
static bool has_place(const resp_t *r, const heap_t *h) {
  return r->state != RESP_AT_BIG || r->big_place == 0 ||
         blob_is_at(h, r->big_place, r->bulk_len);
}

static bool take_parser(resp_t *r, const heap_t *h, size_t own_len,
                        unpack_t *u) {
  uint64_t state = unpack_number(u);

  if (state > RESP_AT_BIG) {
    return false;
  }
  r->state = (resp_state_t)state;
  r->has_places = unpack_number(u) != 0;
  r->pos = unpack_number(u);
  r->scanned = unpack_number(u);
  r->expected = unpack_number(u);
  r->bulk_len = unpack_number(u);
  r->total = unpack_number(u);
  r->big_left = unpack_number(u);
  r->big_place = unpack_number(u);
  return !u->failed && is_bounded(r, own_len) && has_place(r, h) &&
         take_args(r, h, own_len, u);
}

static bool take_head(state_t *s, unpack_t *u) {
  s->flags = unpack_number(u);
  s->own = unpack_bytes(u, unpack_number(u));
  return !u->failed && s->flags <= ALL_FLAGS;
}

/* A request that is parsed and not run is there; one of which a large part is
 * still to come knows that. */
static bool is_sound(const state_t *s, const resp_t *r) {
  bool in_big = (s->flags & IN_BIG) != 0;

  return ((s->flags & PARSED) == 0 || (r->argc > 0 && r->pos > 0)) &&
         (!in_big || (r->state == RESP_AT_BIG && r->big_left > 0)) &&
         ((s->flags & PARSED) == 0 || s->own.n > 0);
}

static bool take_state(state_t *s, resp_t *r, out_t *out, const heap_t *h,
                       unpack_t *u) {
  return take_head(s, u) && take_parser(r, h, s->own.n, u) && is_sound(s, r) &&
         out_unpack(out, h, u) && u->left == 0;
}

bool conn_state_check(const heap_t *h, bytes_t state) {
  unpack_t u = {.at = state.p, .left = state.n};
  state_t s = {0};
  resp_t r;
  bool is_good;

  resp_init(&r);
  is_good = take_state(&s, &r, NULL, h, &u);
  resp_done(&r);
  return is_good;
}

/* --- a client again --- */

static bool keep_own(conn_t *c, bytes_t own) {
  if (own.n == 0) {
    return true;
  }
  c->own = malloc(own.n);
  if (c->own == NULL) {
    return false;
  }
  memcpy(c->own, own.p, own.n);
  c->own_len = own.n;
  c->own_cap = own.n;
  return true;
}

static void set_flags(conn_t *c, uint64_t flags) {
  c->in_big = (flags & IN_BIG) != 0;
  c->is_refused = (flags & REFUSED) != 0;
  c->has_more = (flags & HAS_MORE) != 0;
  c->is_parsed = (flags & PARSED) != 0;
  c->is_ending = (flags & ENDING) != 0;
  if ((flags & HELD) != 0) {
    commands_wait_for_save(c);
  }
}

conn_t *conn_state_open(server_t *server, int fd, bool is_tcp, bytes_t state) {
  unpack_t u = {.at = state.p, .left = state.n};
  state_t s = {0};
  conn_t *c = conn_open(server, fd, is_tcp);

  if (c == NULL) {
    return NULL;
  }
  if (!take_state(&s, &c->resp, &c->out, &server->db.heap, &u) ||
      !keep_own(c, s.own)) {
    conn_close(c);
    return NULL;
  }
  set_flags(c, s.flags);
  return c;
}
