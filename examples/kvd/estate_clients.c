/* estate_clients.c - listeners and connections, one after the other.
 *
 *   old   next: TCP listener, unix listener, that for successors, each client
 *   new   check: its state is looked at and kept; take: its descriptor, too
 *
 * Taking cannot fail, so whatever could is done by the check. */
#include "estate_clients.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn_state.h"
#include "server.h"

enum { LISTENERS = 3, ITEMS_MIN = 64 };

/* Replies that nobody reads can be 1 MiB a client. */
static const uint64_t max_bytes = (uint64_t)1 << 30;

/* --- old --- */

static int fill_listener(const listener_t *l, uint32_t tag,
                         sluice_descriptor_t *out) {
  *out = (sluice_descriptor_t){.fd = l->fd, .tag = tag, .bytes = ""};
  return l->fd >= 0;
}

static int next_listener(estate_t *e, sluice_descriptor_t *out) {
  const server_t *s = e->server;
  const listener_t *const all[LISTENERS] = {&s->tcp, &s->pipe,
                                            &s->handover.listener};

  while (e->listed < LISTENERS) {
    uint32_t tag = e->listed++; /* their tags count them */

    if (fill_listener(all[tag], tag, out)) {
      return 1;
    }
  }
  return 0;
}

static int next_conn(estate_t *e, sluice_descriptor_t *out,
                     sluice_error_t *err) {
  conn_t *c = e->conn;
  uv_os_fd_t fd = -1;

  if (c == NULL) {
    return 0;
  }
  e->conn = c->next;
  e->state.len = 0;
  conn_state_pack(c, &e->state);
  if (e->state.failed || uv_fileno(&c->h.handle, &fd) != 0) {
    return sluice_fail(err, UV_ENOMEM, "no memory for a client's state");
  }
  *out = (sluice_descriptor_t){
      .fd = fd,
      .tag = c->h.handle.type == UV_TCP ? ESTATE_TCP_CONN : ESTATE_CONN,
      .bytes = e->state.at,
      .len = e->state.len};
  return 1;
}

static int next(void *data, int is_first, sluice_descriptor_t *out,
                sluice_error_t *err) {
  estate_t *e = data;

  if (is_first) {
    e->listed = 0;
    e->conn = e->server->conns;
  }
  return next_listener(e, out) == 1 ? 1 : next_conn(e, out, err);
}

/* --- new --- */

static bool has_room(estate_t *e) {
  size_t cap = 2 * e->cap > ITEMS_MIN ? 2 * e->cap : ITEMS_MIN;
  estate_item_t *items;

  if (e->count < e->cap) {
    return true;
  }
  items = realloc(e->items, cap * sizeof(*items));
  if (items != NULL) {
    e->items = items;
    e->cap = cap;
  }
  return items != NULL;
}

static int keep(estate_t *e, const sluice_descriptor_t *in,
                sluice_error_t *err) {
  char *copy = malloc(in->len + 1);

  if (copy == NULL || !has_room(e)) {
    free(copy);
    return sluice_fail(err, UV_ENOMEM, "no memory for a client's state");
  }
  if (in->len > 0) {
    memcpy(copy, in->bytes, in->len);
  }
  e->items[e->count++] =
      (estate_item_t){.fd = -1, .tag = in->tag, .state = {copy, in->len}};
  return 0;
}

static int check(void *data, const sluice_descriptor_t *in,
                 sluice_error_t *err) {
  estate_t *e = data;
  bytes_t state = {in->bytes, in->len};

  if (in->tag > ESTATE_CONN ||
      (in->tag >= ESTATE_TCP_CONN &&
       !conn_state_check(&e->server->db.heap, state))) {
    return sluice_fail(err, SLUICE_ECORRUPT, "what client %zu is doing: %s",
                       e->count, "no state of kvd's");
  }
  return keep(e, in, err);
}

static void take(void *data, const sluice_descriptor_t *in) {
  estate_t *e = data;

  e->items[e->taken++].fd = in->fd;
}

void estate_drop_items(estate_t *e) {
  for (size_t i = 0; i < e->count; i++) {
    char *state = NULL;

    if (e->items[i].fd >= 0) {
      (void)close(e->items[i].fd);
    }
    memcpy(&state, &e->items[i].state.p, sizeof(state)); /* it was not const */
    free(state);
  }
  free(e->items);
}

int estate_add_clients(estate_t *e, sluice_error_t *err) {
  const sluice_descriptors_options_t options = {.size = sizeof(options),
                                                .version = CONN_STATE_VERSION,
                                                .max_bytes = max_bytes,
                                                .data = e,
                                                .next = next,
                                                .check = check,
                                                .take = take};

  return sluice_descriptors_new(&e->descriptors, e->registry, "clients", NULL,
                                &options, err);
}
