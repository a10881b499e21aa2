/* shutdown.c - freezes the clients, takes the last image, ends the server.
 *
 *   begin --> [cancel what runs: a hand-over, a save] --> save --> end
 *                                                           |
 *                                     failed: thaw, go on <-+
 *
 * Invariant: the server is ending exactly while this is under way. */
#include "shutdown.h"

#include <stdio.h>

#include "reply.h"

static void give_up(server_t *s) {
  conn_t *c = s->shutdown_conn;

  printf("kvd: not ended: the last image could not be saved\n");
  fflush(stdout);
  s->shutdown_conn = NULL;
  s->is_ending = false;
  server_thaw(s);
  if (c != NULL) {
    reply_error(&c->out, "ERR Errors trying to SHUTDOWN. Check logs.");
    conn_release(c);
  }
}

static void on_saved(void *ctx, int status) {
  server_t *s = ctx;

  if (s->is_stopping) {
    return;
  }
  if (status == 0) {
    server_stop(s);
  } else {
    give_up(s);
  }
}

void shutdown_go_on(void *data) {
  server_t *s = data;

  if (!s->is_ending || s->is_stopping || handover_cancel(&s->handover)) {
    return;
  }
  server_freeze(s);
  if (s->persist.save != NULL) {
    persist_cancel(&s->persist); /* what it saves is old by now */
  } else if (persist_begin_save(&s->persist, on_saved, s) != 0) {
    give_up(s);
  }
}

void shutdown_begin(server_t *s, shutdown_t how, conn_t *c) {
  bool save = how == SHUTDOWN_SAVE ||
              (how == SHUTDOWN_AS_SET && s->options->save_every > 0);

  if (!save || s->is_ending) {
    server_stop(s);
    return;
  }
  s->shutdown_conn = c;
  if (c != NULL) {
    conn_hold(c);
  }
  s->is_ending = true;
  shutdown_go_on(s);
}
