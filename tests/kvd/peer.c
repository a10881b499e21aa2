/* peer.c - a client that does what redis-cli does not: raw bytes, garbage,
 * large values that are checked byte by byte, replies that nobody reads.
 *
 *   peer PORT raw                  stdin to the server, its replies to stdout
 *   peer PORT garbage SEED COUNT   COUNT connections of damaged requests
 *   peer PORT large BYTES          sets, reads, overwrites while reading
 *   peer PORT greedy COUNT         asks for a large value COUNT times, unread
 *
 * Exits 0 when all was as it should be, and says what was not. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int port;

static void fail(const char *what) {
  fprintf(stderr, "peer: %s\n", what);
  exit(1);
}

static int dial(void) {
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);

  if (fd < 0 || connect(fd, (struct sockaddr *)(void *)&to, sizeof(to)) != 0) {
    fail("cannot connect");
  }
  return fd;
}

/* false: the other side has closed. */
static bool send_all(int fd, const char *p, size_t n) {
  while (n > 0) {
    ssize_t r = write(fd, p, n);

    if (r <= 0) {
      return false;
    }
    p += r;
    n -= (size_t)r;
  }
  return true;
}

static void must_send(int fd, const char *text) {
  if (!send_all(fd, text, strlen(text))) {
    fail("cannot send");
  }
}

static void must_read(int fd, char *p, size_t n) {
  while (n > 0) {
    ssize_t r = read(fd, p, n);

    if (r <= 0) {
      fail("the reply ends too early");
    }
    p += r;
    n -= (size_t)r;
  }
}

static void expect(int fd, const char *text) {
  char got[256] = "";
  size_t n = strlen(text);

  must_read(fd, got, n);
  if (memcmp(got, text, n) != 0) {
    fprintf(stderr, "peer: expected %s, got %s\n", text, got);
    exit(1);
  }
}

/* --- raw --- */

static void copy_stdin(int fd) {
  char buf[65536];
  ssize_t n;

  while ((n = read(0, buf, sizeof(buf))) > 0) {
    if (!send_all(fd, buf, (size_t)n)) {
      break;
    }
  }
}

static void copy_out(int fd) {
  char buf[65536];
  ssize_t n;

  while ((n = read(fd, buf, sizeof(buf))) > 0) {
    if (!send_all(1, buf, (size_t)n)) {
      fail("cannot write to stdout");
    }
  }
}

/* Both ways at once, so that a long pipeline cannot lock up. */
static void raw(void) {
  int fd = dial();
  pid_t child = fork();

  if (child == 0) {
    copy_stdin(fd);
    _exit(0);
  }
  copy_out(fd);
  waitpid(child, NULL, 0);
}

/* --- garbage --- */

static uint64_t rng;

static uint64_t draw(uint64_t below) {
  uint64_t z = rng += 0x9e3779b97f4a7c15u;

  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (z ^ z >> 31) % below;
}

static const char *const words[] = {"SET",      "GET",
                                    "DEL",      "APPEND",
                                    "GETSET",   "MSET",
                                    "MGET",     "INCR",
                                    "DECR",     "EXPIRE",
                                    "PEXPIRE",  "TTL",
                                    "STRLEN",   "EXISTS",
                                    "CONFIG",   "INFO",
                                    "COMMAND",  "PING",
                                    "ECHO",     "SELECT",
                                    "FLUSHALL", "a",
                                    "b",        "c",
                                    "1",        "-1",
                                    "EX",       "PX",
                                    "NX",       "XX",
                                    "get",      "*",
                                    "",         "99999999999999999999"};

static size_t put_word(char *out, size_t room) {
  static char big[70000];
  const char *word = words[draw(sizeof(words) / sizeof(words[0]))];
  size_t n = strlen(word);

  if (draw(40) == 0) { /* large enough for a place of its own */
    memset(big, 'x', sizeof(big));
    n = (size_t)draw(sizeof(big));
    word = big;
  }
  return (size_t)snprintf(out, room, "$%zu\r\n%.*s\r\n", n, (int)n, word);
}

/* Requests that are right, then, mostly, damaged in a few places. */
static size_t make_garbage(char *out, size_t room) {
  size_t n = 0;

  for (uint64_t i = draw(8); i > 0 && n < room - 500000; i--) {
    uint64_t args = 1 + draw(5);

    n += (size_t)snprintf(out + n, room - n, "*%u\r\n", (unsigned)args);
    while (args-- > 0) {
      n += put_word(out + n, room - n);
    }
  }
  for (uint64_t i = draw(4); i > 0 && n > 0; i--) {
    out[draw(n)] = (char)draw(256);
  }
  return n > 0 && draw(4) == 0 ? (size_t)draw(n) : n; /* cut short */
}

static void read_away(int fd) {
  static char buf[65536];

  while (read(fd, buf, sizeof(buf)) > 0) {
  }
}

static void must_answer(void) {
  int fd = dial();

  must_send(fd, "PING\r\n");
  expect(fd, "+PONG\r\n");
  close(fd);
}

static void garbage(uint64_t seed, unsigned count) {
  static char buf[1000000];

  printf("SEED=%llu\n", (unsigned long long)seed);
  rng = seed;
  for (unsigned i = 0; i < count; i++) {
    int fd = dial();
    size_t n = make_garbage(buf, sizeof(buf));
    size_t first = n > 0 ? (size_t)draw(n) : 0;

    (void)send_all(fd, buf, first); /* in two pieces: it ends anywhere */
    (void)send_all(fd, buf + first, n - first);
    shutdown(fd, SHUT_WR);
    if (draw(2) == 0) { /* else: gone while there are replies */
      read_away(fd);
    }
    close(fd);
  }
  must_answer();
}

/* --- large --- */

enum { SLICE = 1 << 20 };

/* Every word of a large value tells its place and its round. */
static void fill(char *p, uint64_t at, size_t n, uint64_t round) {
  for (size_t i = 0; i < n; i += 8) {
    uint64_t word = (at + i) * 0x9e3779b97f4a7c15u + round;

    memcpy(p + i, &word, 8);
  }
}

static void send_value(int fd, uint64_t len, uint64_t round) {
  static char slice[SLICE];
  char head[128];

  snprintf(head, sizeof(head), "*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%llu\r\n",
           (unsigned long long)len);
  must_send(fd, head);
  for (uint64_t at = 0; at < len; at += SLICE) {
    size_t n = len - at < SLICE ? (size_t)(len - at) : SLICE;

    fill(slice, at, SLICE, round);
    if (!send_all(fd, slice, n)) {
      fail("cannot send a large value");
    }
  }
  must_send(fd, "\r\n");
}

static void expect_bytes(int fd, uint64_t from, uint64_t to, uint64_t round) {
  static char got[SLICE];
  static char slice[SLICE];

  for (uint64_t at = from; at < to; at += SLICE) {
    size_t n = to - at < SLICE ? (size_t)(to - at) : SLICE;

    must_read(fd, got, n);
    fill(slice, at, SLICE, round);
    if (memcmp(got, slice, n) != 0) {
      fail("a large value came back changed");
    }
  }
}

static void ask_large(int fd, uint64_t len) {
  char head[64];

  must_send(fd, "GET large\r\n");
  snprintf(head, sizeof(head), "$%llu\r\n", (unsigned long long)len);
  expect(fd, head);
}

static void large(uint64_t len) {
  char head[64];
  int one = dial();
  int two = dial();

  send_value(one, len, 1);
  expect(one, "+OK\r\n");
  ask_large(one, len);
  expect_bytes(one, 0, SLICE, 1); /* and stops reading for now */
  send_value(two, len, 2);
  expect(two, "+OK\r\n");
  ask_large(two, len);
  expect_bytes(two, 0, SLICE, 2);
  must_answer();
  expect_bytes(one, SLICE, len, 1); /* what it was when it was asked for */
  expect(one, "\r\n");
  must_send(one, "DEL large\r\nDBSIZE\r\n");
  expect(one, ":1\r\n:0\r\n");
  expect_bytes(two, SLICE, len, 2);
  expect(two, "\r\n");
  send_value(one, len, 3);
  expect(one, "+OK\r\n");
  must_send(one, "STRLEN large\r\nDEL large\r\n");
  snprintf(head, sizeof(head), ":%llu\r\n:1\r\n", (unsigned long long)len);
  expect(one, head);
  close(two);
  close(one);
}

/* --- greedy --- */

enum {
  GREEDY_VALUE = 20000,       /* small enough to be copied for each reply */
  GREEDY_LIMIT = 64 * 1048576 /* a few MiB, and what a sanitizer wants */
};

/* Bytes that the server has in memory. */
static long long resident(void) {
  char info[4096] = "";
  char *found;
  ssize_t n;
  int fd = dial();

  must_send(fd, "INFO memory\r\n");
  n = read(fd, info, sizeof(info) - 1);
  found = n > 0 ? strstr(info, "used_memory_rss:") : NULL;
  if (found == NULL) {
    fail("INFO does not say used_memory_rss");
  }
  close(fd);
  return atoll(found + strlen("used_memory_rss:"));
}

/* A client that asks and does not read must not make the server collect what it
 * asks for; afterwards it gets all of it. */
static void greedy(unsigned count) {
  long long before = resident();
  int fd = dial();

  send_value(fd, GREEDY_VALUE, 7);
  expect(fd, "+OK\r\n");
  for (unsigned i = 0; i < count; i++) {
    must_send(fd, "GET large\r\n");
  }
  for (int i = 0; i < 200; i++) {
    must_answer();
  }
  if (resident() > before + GREEDY_LIMIT) {
    fail("the server collects what is not read");
  }
  for (unsigned i = 0; i < count; i++) {
    expect(fd, "$20000\r\n");
    expect_bytes(fd, 0, GREEDY_VALUE, 7);
    expect(fd, "\r\n");
  }
  close(fd);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fail("usage: peer PORT raw | garbage SEED COUNT | large BYTES | "
         "greedy COUNT");
  }
  signal(SIGPIPE, SIG_IGN);
  port = atoi(argv[1]);
  if (strcmp(argv[2], "raw") == 0) {
    raw();
  } else if (strcmp(argv[2], "garbage") == 0 && argc == 5) {
    garbage(strtoull(argv[3], NULL, 10), (unsigned)atoi(argv[4]));
  } else if (strcmp(argv[2], "large") == 0 && argc == 4) {
    large(strtoull(argv[3], NULL, 10));
  } else if (strcmp(argv[2], "greedy") == 0 && argc == 4) {
    greedy((unsigned)atoi(argv[3]));
  } else {
    fail("what?");
  }
  return 0;
}
