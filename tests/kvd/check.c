/* check.c - many clients at once, each of which knows every answer beforehand.
 *
 *   check PORT [CLIENTS [DEPTH [SEED]]]
 *
 * They ask, DEPTH requests ahead, until SIGTERM. Then what is on its way is
 * waited for, all connect anew, and look whether their keys hold what was
 * acknowledged. Requests are sent in pieces that end anywhere, so that at any
 * moment some are half there. The first answer of all is told on stdout.
 *
 * Exits 0: all was right; 1: an answer was wrong; 3: a connection has ended.
 * PORT may also be the path of a unix socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "script.h"

enum { CLIENTS_MAX = 2000, READ = 65536, WRONG = 1, GONE = 3 };

typedef struct client_s {
  script_t script;
  int fd;
} client_t;

static client_t clients[CLIENTS_MAX];
static struct pollfd polls[CLIENTS_MAX];
static unsigned client_count = 50;
static unsigned depth = 16;
static const char *place;
static volatile sig_atomic_t is_ending;

static void on_signal(int number) {
  (void)number;
  is_ending = 1;
}

_Noreturn static void end(int code, const client_t *c, const char *what) {
  fprintf(stderr, "check: client %u, after %llu requests: %s\n",
          c->script.number, (unsigned long long)c->script.asked, what);
  exit(code);
}

/* --- connections --- */

static int dial_tcp(void) {
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)atoi(place)),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);

  return connect(fd, (struct sockaddr *)(void *)&to, sizeof(to)) == 0 ? fd : -1;
}

static int dial_unix(void) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);

  snprintf(to.sun_path, sizeof(to.sun_path), "%s", place);
  return connect(fd, (struct sockaddr *)(void *)&to, sizeof(to)) == 0 ? fd : -1;
}

static void dial(client_t *c) {
  c->fd = strchr(place, '/') != NULL ? dial_unix() : dial_tcp();
  if (c->fd < 0) {
    end(GONE, c, "cannot connect");
  }
  (void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

/* --- one client --- */

static void tell_wrong(const client_t *c, const char *got, size_t n) {
  const text_t *answer = &c->script.answer;
  size_t i = 0;

  while (i < n && i < answer->len && got[i] == answer->at[i]) {
    i++;
  }
  i = i > 20 ? i - 20 : 0;
  fprintf(stderr, "check: expected '%.*s', got '%.*s'\n",
          (int)(answer->len - i < 80 ? answer->len - i : 80),
          answer->len > i ? answer->at + i : "", (int)(n - i < 80 ? n - i : 80),
          got + i);
  end(WRONG, c, "a wrong answer");
}

static void take_answers(client_t *c) {
  static char got[READ];
  ssize_t n = recv(c->fd, got, sizeof(got), 0);

  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (n <= 0) {
    end(GONE, c, n == 0 ? "the connection has ended" : strerror(errno));
  }
  if ((size_t)n > c->script.answer.len ||
      memcmp(got, c->script.answer.at, (size_t)n) != 0) {
    tell_wrong(c, got, (size_t)n);
  }
  text_drop(&c->script.answer, (size_t)n);
}

/* A piece that ends anywhere; now and then one of a few bytes. */
static void send_some(client_t *c) {
  text_t *ask = &c->script.ask;
  size_t max = script_draw(&c->script, 4) == 0 ? 7 : READ;
  size_t n =
      1 + (size_t)script_draw(&c->script, ask->len < max ? ask->len : max);
  ssize_t sent = send(c->fd, ask->at, n, MSG_NOSIGNAL);

  if (sent > 0) {
    text_drop(ask, (size_t)sent);
  } else if (errno != EAGAIN && errno != EINTR) {
    end(GONE, c, strerror(errno));
  }
}

/* As long as little is on its way, in bytes: large values count as many. */
static void ask_ahead(client_t *c) {
  script_t *s = &c->script;

  while (s->ask.len < depth * 40u && s->answer.len < depth * 12u) {
    script_ask(s);
  }
}

static bool is_idle(const client_t *c) {
  return c->script.ask.len == 0 && c->script.answer.len == 0;
}

static void serve(client_t *c, short events) {
  if (events & (POLLIN | POLLERR | POLLHUP)) {
    take_answers(c);
  }
  if (!is_ending) {
    ask_ahead(c);
  }
  if ((events & POLLOUT) && c->script.ask.len > 0) {
    send_some(c);
  }
}

/* --- all of them --- */

static bool are_idle(void) {
  for (unsigned i = 0; i < client_count; i++) {
    if (!is_idle(&clients[i])) {
      return false;
    }
  }
  return true;
}

static void turn(void) {
  for (unsigned i = 0; i < client_count; i++) {
    const client_t *c = &clients[i];

    polls[i].fd = c->fd;
    polls[i].events = (short)(POLLIN | (c->script.ask.len > 0 ? POLLOUT : 0));
  }
  (void)poll(polls, client_count, 1000);
  for (unsigned i = 0; i < client_count; i++) {
    serve(&clients[i], polls[i].revents);
    polls[i].revents = 0;
  }
}

/* The server knows nothing of who they were. */
static void look_again(void) {
  for (unsigned i = 0; i < client_count; i++) {
    close(clients[i].fd);
    dial(&clients[i]);
    script_ask_all(&clients[i].script);
  }
  while (!are_idle()) {
    turn();
  }
}

static uint64_t count_asked(void) {
  uint64_t n = 0;

  for (unsigned i = 0; i < client_count; i++) {
    n += clients[i].script.asked;
  }
  return n;
}

static void take_options(int argc, char **argv, uint64_t *seed) {
  if (argc < 2 || argc > 5) {
    fprintf(stderr, "usage: check PORT [CLIENTS [DEPTH [SEED]]]\n");
    exit(2);
  }
  place = argv[1];
  client_count = argc > 2 ? (unsigned)atoi(argv[2]) : client_count;
  client_count = client_count < CLIENTS_MAX ? client_count : CLIENTS_MAX;
  depth = argc > 3 ? (unsigned)atoi(argv[3]) : depth;
  *seed = argc > 4 ? strtoull(argv[4], NULL, 10) : (uint64_t)time(NULL);
  printf("SEED=%llu\n", (unsigned long long)*seed);
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_handler = on_signal};
  bool is_said = false;
  uint64_t seed;

  take_options(argc, argv, &seed);
  sigaction(SIGTERM, &action, NULL);
  for (unsigned i = 0; i < client_count; i++) {
    script_open(&clients[i].script, i, seed);
    dial(&clients[i]);
  }
  while (!is_ending || !are_idle()) {
    turn();
    if (!is_said && clients[0].script.asked > 2 * (uint64_t)depth) {
      printf("asking\n");
      fflush(stdout);
      is_said = true;
    }
  }
  look_again();
  printf("%llu requests, all answered right\n",
         (unsigned long long)count_asked());
  return 0;
}
