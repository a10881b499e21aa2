/* across.c - clients in the midst of something, while servers come and go.
 *
 *   across PORT   begins, says "ready", waits for SIGTERM, goes on, and looks
 *                 whether all came out as if there had been one server
 *
 * Requests of which half was sent; a large value of which half was sent; one of
 * which half was read, and that was replaced meanwhile; replies that nobody has
 * read yet; and the end of a connection behind them. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  LARGE = 20 * 1000 * 1000, /* more than sockets hold */
  HALF = 3 * 1000 * 1000 + 17,
  MIDDLE = 20000, /* copied for each reply */
  MANY = 600,
  SLICE = 100 * 1000
};

static int port;

_Noreturn static void fail(const char *what) {
  fprintf(stderr, "across: %s\n", what);
  exit(1);
}

static int dial(void) {
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);

  if (connect(fd, (struct sockaddr *)(void *)&to, sizeof(to)) != 0) {
    fail("cannot connect");
  }
  return fd;
}

static void put(int fd, const void *bytes, size_t n) {
  const char *p = bytes;

  while (n > 0) {
    ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

    if (sent <= 0) {
      fail("cannot send");
    }
    p += sent;
    n -= (size_t)sent;
  }
}

static void say(int fd, const char *text) {
  put(fd, text, strlen(text));
}

static void get(int fd, char *p, size_t n) {
  while (n > 0) {
    ssize_t r = recv(fd, p, n, 0);

    if (r <= 0) {
      fail("the reply ends too early");
    }
    p += r;
    n -= (size_t)r;
  }
}

static void expect(int fd, const char *text) {
  char got[256] = "";

  get(fd, got, strlen(text));
  if (strcmp(got, text) != 0) {
    fprintf(stderr, "across: expected %s, got %s\n", text, got);
    exit(1);
  }
}

static void expect_end(int fd) {
  char byte;

  if (recv(fd, &byte, 1, 0) != 0) {
    fail("the connection goes on after QUIT");
  }
}

/* The bytes from..to of the value number `which`. */
static void make(char *out, size_t from, size_t to, unsigned which) {
  for (size_t i = from; i < to; i++) {
    out[i - from] = (char)(i * 31 + i / 1000 + which);
  }
}

static void put_value(int fd, size_t from, size_t to, unsigned which) {
  static char slice[SLICE];

  for (size_t at = from; at < to; at += SLICE) {
    size_t n = to - at < SLICE ? to - at : (size_t)SLICE;

    make(slice, at, at + n, which);
    put(fd, slice, n);
  }
}

static void expect_value(int fd, size_t from, size_t to, unsigned which) {
  static char slice[SLICE];
  static char got[SLICE];

  for (size_t at = from; at < to; at += SLICE) {
    size_t n = to - at < SLICE ? to - at : (size_t)SLICE;

    make(slice, at, at + n, which);
    get(fd, got, n);
    if (memcmp(got, slice, n) != 0) {
      fail("a value came back changed");
    }
  }
}

static void begin_set(int fd, const char *key, size_t bytes) {
  char head[128];

  snprintf(head, sizeof(head), "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n",
           strlen(key), key, bytes);
  say(fd, head);
}

static void set_value(const char *key, size_t bytes, unsigned which) {
  int fd = dial();

  begin_set(fd, key, bytes);
  put_value(fd, 0, bytes, which);
  say(fd, "\r\n");
  expect(fd, "+OK\r\n");
  close(fd);
}

static void ask_large(int fd, const char *key, size_t bytes) {
  char line[128];

  snprintf(line, sizeof(line), "GET %s\r\n", key);
  say(fd, line);
  snprintf(line, sizeof(line), "$%zu\r\n", bytes);
  expect(fd, line);
}

static volatile sig_atomic_t is_time;

static void on_signal(int number) {
  (void)number;
  is_time = 1;
}

/* The clients, by what they are in the midst of. */
static struct {
  int line;
  int request;
  int arriving;
  int several;
  int reading;
  int replaced;
  int deleted;
  int unread;
  int leaving;
} in;

static void begin_requests(void) {
  in.line = dial();
  say(in.line, "SET line va");
  in.request = dial();
  say(in.request, "PING\r\n*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nhe");
  expect(in.request, "+PONG\r\n");
  in.arriving = dial();
  begin_set(in.arriving, "arriving", LARGE);
  put_value(in.arriving, 0, HALF, 1);
  in.several = dial();
  say(in.several, "*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$50000\r\n");
  put_value(in.several, 0, 50000, 2);
  say(in.several, "\r\n$1\r\nb\r\n$60000\r\n");
  put_value(in.several, 0, 1234, 3);
}

static void begin_replies(void) {
  set_value("large", LARGE, 4);
  set_value("gone", LARGE, 5);
  set_value("kept", LARGE, 6);
  set_value("middle", MIDDLE, 7);
  in.replaced = dial();
  ask_large(in.replaced, "large", LARGE);
  in.deleted = dial();
  ask_large(in.deleted, "gone", LARGE);
  in.reading = dial();
  ask_large(in.reading, "kept", LARGE);
  expect_value(in.reading, 0, 7777, 6);
  set_value("large", 100, 8);
  in.unread = dial();
  in.leaving = dial();
  for (unsigned i = 0; i < MANY; i++) {
    say(in.unread, "GET middle\r\n");
    say(in.leaving, "GET middle\r\n");
  }
  say(in.leaving, "QUIT\r\n");
  say(in.unread, "INCR last\r\n");
  say(in.reading, "DEL gone\r\n");
}

static void end_requests(void) {
  say(in.line, "lue\r\nGET line\r\n");
  expect(in.line, "+OK\r\n$5\r\nvalue\r\n");
  say(in.request, "llo\r\nGET key\r\n");
  expect(in.request, "+OK\r\n$5\r\nhello\r\n");
  put_value(in.arriving, HALF, LARGE, 1);
  say(in.arriving, "\r\n");
  expect(in.arriving, "+OK\r\n");
  ask_large(in.arriving, "arriving", LARGE);
  expect_value(in.arriving, 0, LARGE, 1);
  put_value(in.several, 1234, 60000, 3);
  say(in.several, "\r\nGET a\r\nGET b\r\n");
  expect(in.several, "+OK\r\n$50000\r\n");
  expect_value(in.several, 0, 50000, 2);
  expect(in.several, "\r\n$60000\r\n");
  expect_value(in.several, 0, 60000, 3);
}

static void expect_many(int fd) {
  for (unsigned i = 0; i < MANY; i++) {
    expect(fd, "$20000\r\n");
    expect_value(fd, 0, MIDDLE, 7);
    expect(fd, "\r\n");
  }
}

static void end_replies(void) {
  expect_value(in.replaced, 0, LARGE, 4); /* what it was when asked for */
  expect(in.replaced, "\r\n");
  expect_value(in.reading, 7777, LARGE, 6);
  expect(in.reading, "\r\n:1\r\n");
  expect_value(in.deleted, 0, LARGE, 5);
  expect_many(in.unread);
  expect(in.unread, ":1\r\n");
  expect_many(in.leaving);
  expect(in.leaving, "+OK\r\n");
  expect_end(in.leaving);
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_handler = on_signal};
  sigset_t term;
  sigset_t none;

  if (argc != 2) {
    fail("usage: across PORT");
  }
  port = atoi(argv[1]);
  sigaction(SIGTERM, &action, NULL);
  sigemptyset(&none);
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, NULL);
  begin_requests();
  begin_replies();
  printf("ready\n");
  fflush(stdout);
  while (!is_time) {
    sigsuspend(&none);
  }
  end_requests();
  end_replies();
  return 0;
}
