/* main.c - kvd: a key-value server that speaks RESP2, as Redis does. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#include "options.h"
#include "server.h"
#include "takeover.h"

static void say_ready(const server_t *s) {
  if (s->options->takeover != NULL) {
    printf("kvd: taken over: %llu keys, %llu clients\n",
           (unsigned long long)db_count(&s->db),
           (unsigned long long)s->handover.taken.clients);
  }
  if (s->port >= 0) {
    printf("kvd: listening on %s:%d\n", s->options->bind, s->port);
  }
  if (s->options->unix_socket != NULL) {
    printf("kvd: listening on %s\n", s->options->unix_socket);
  }
  fflush(stdout);
}

static int restore_and_listen(server_t *s) {
  int r = persist_restore_newest(&s->persist);

  if (r != 0 && r != UV_ENOENT) {
    fprintf(stderr, "kvd: cannot restore: %s\n", persist_strerror(r));
    return r;
  }
  r = server_listen(s);
  if (r != 0) {
    fprintf(stderr, "kvd: cannot listen: %s\n", uv_strerror(r));
    return r;
  }
  say_ready(s);
  return 0;
}

static int begin(server_t *s) {
  int r;

  if (s->options->takeover == NULL) {
    return restore_and_listen(s);
  }
  r = takeover_run(s, s->options->takeover);
  if (r == 0) {
    say_ready(s);
  }
  return r;
}

static int run(server_t *s, uv_loop_t *loop, const options_t *options) {
  int r = server_init(s, loop, options);

  if (r != 0) {
    fprintf(stderr, "kvd: cannot start: %s\n", uv_strerror(r));
    return 1;
  }
  r = begin(s);
  if (r != 0) {
    server_stop(s);
  }
  uv_run(loop, UV_RUN_DEFAULT);
  server_done(s);
  return r == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
  options_t options;
  uv_loop_t loop;
  server_t *server;
  int r = options_parse(&options, argc, argv);

  if (r != 0) {
    return r == 1 ? 0 : r;
  }
  signal(SIGPIPE, SIG_IGN); /* a client that is gone is an error of its write */
  server = malloc(sizeof(*server));
  if (server == NULL || uv_loop_init(&loop) != 0) {
    fputs("kvd: out of memory\n", stderr);
    free(server);
    return 1;
  }
  r = run(server, &loop, &options);
  uv_loop_close(&loop);
  free(server);
  return r;
}
