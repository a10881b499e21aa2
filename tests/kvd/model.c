/* model.c - changes keys at random, knows what each of them should be, and has
 * an image made in the middle of it.
 *
 *   model PORT SEED COUNT FILE
 *
 * COUNT changes, BGSAVE, and changes until that is over, all on one connection
 * and in pipelines, so that the instant of the image lies between two of them.
 * FILE gets what the keys were then (see image.c, which compares). Exits 0, or
 * 3 when the server says that the save failed. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  SMALL = 3000,   /* keys s0.. with values that fit an entry */
  LARGE = 40,     /* l0.. blobs */
  COUNTERS = 100, /* n0.. */
  FLEETING = 300, /* e0.. that expire soon, whether somebody looks or not */
  KEYS = SMALL + LARGE + COUNTERS + FLEETING,
  BATCH = 128 * 1024,
  VALUE_MAX = 2 * 1024 * 1024
};

typedef struct entry_s {
  char *value; /* NULL: no such key */
  size_t len;
  uint64_t expires;
} entry_t;

static entry_t keys[KEYS];
static char batch[BATCH + VALUE_MAX + 4096];
static size_t batch_len;
static unsigned expected; /* replies */
static int fd;
static uint64_t rng;
static uint64_t number; /* of changes; makes values differ */

static void fail(const char *what) {
  fprintf(stderr, "model: %s\n", what);
  exit(1);
}

static uint64_t draw(uint64_t below) {
  uint64_t z = rng += 0x9e3779b97f4a7c15u;

  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (z ^ z >> 31) % below;
}

static uint64_t now_ms(void) {
  struct timespec t;

  clock_gettime(CLOCK_REALTIME, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void name_key(unsigned i, char *out, size_t size) {
  static const struct {
    char letter;
    unsigned count;
  } kinds[] = {{'s', SMALL}, {'l', LARGE}, {'n', COUNTERS}, {'e', FLEETING}};

  for (unsigned k = 0; k < 4; k++) {
    if (i < kinds[k].count) {
      snprintf(out, size, "%c%u", kinds[k].letter, i);
      return;
    }
    i -= kinds[k].count;
  }
}

/* --- the connection --- */

static void dial(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

  fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)(void *)&to, sizeof(to)) != 0) {
    fail("cannot connect");
  }
}

static void send_batch(void) {
  for (size_t at = 0; at < batch_len;) {
    ssize_t n = write(fd, batch + at, batch_len - at);

    if (n <= 0) {
      fail("cannot send");
    }
    at += (size_t)n;
  }
  batch_len = 0;
}

static char read_byte(void) {
  static char buf[65536];
  static ssize_t have;
  static ssize_t at;

  if (at == have) {
    have = read(fd, buf, sizeof(buf));
    at = 0;
    if (have <= 0) {
      fail("the server is gone");
    }
  }
  return buf[at++];
}

static void read_line(char *out, size_t size) {
  size_t n = 0;

  while (n < size - 1 && (out[n] = read_byte()) != '\n') {
    n++;
  }
  out[n] = '\0';
}

static void expect_replies(void) {
  char line[512];

  send_batch();
  for (; expected > 0; expected--) {
    read_line(line, sizeof(line));
    if (line[0] != '+' && line[0] != ':') {
      fail(line);
    }
  }
}

static void put_bytes(const char *p, size_t n) {
  memcpy(batch + batch_len, p, n);
  batch_len += n;
}

static void put_arg(const char *p, size_t n) {
  batch_len += (size_t)sprintf(batch + batch_len, "$%zu\r\n", n);
  put_bytes(p, n);
  put_bytes("\r\n", 2);
}

static void put_word(const char *word) {
  put_arg(word, strlen(word));
}

static void put_head(unsigned args) {
  if (batch_len > BATCH) {
    expect_replies();
  }
  batch_len += (size_t)sprintf(batch + batch_len, "*%u\r\n", args);
  expected++;
}

static void send_command(const char *verb, const char *key, const char *value,
                         size_t len) {
  put_head(2 + (value != NULL));
  put_word(verb);
  put_word(key);
  if (value != NULL) {
    put_arg(value, len);
  }
}

/* --- changes, here and there --- */

static void forget(entry_t *k) {
  free(k->value);
  *k = (entry_t){0};
}

static void fill(char *out, size_t n) {
  number++;
  for (size_t i = 0; i < n; i++) {
    out[i] = (char)('a' + (number * 7 + i * 13 + i / 4096) % 26);
  }
}

static void append(entry_t *k, const char *more, size_t n) {
  k->value = realloc(k->value, k->len + n + 1);
  if (k->value == NULL) {
    fail("out of memory");
  }
  memcpy(k->value + k->len, more, n);
  k->len += n;
}

static void change_set(unsigned i, size_t len, uint64_t expires) {
  static char value[VALUE_MAX];
  char name[32];
  char at[32];
  entry_t *k = &keys[i];

  fill(value, len);
  name_key(i, name, sizeof(name));
  forget(k);
  append(k, value, len);
  k->expires = expires;
  put_head(expires != 0 ? 5 : 3);
  put_word("SET");
  put_word(name);
  put_arg(value, len);
  if (expires != 0) {
    snprintf(at, sizeof(at), "%" PRIu64, expires);
    put_word("PXAT");
    put_word(at);
  }
}

static void change_delete(unsigned i) {
  char name[32];

  name_key(i, name, sizeof(name));
  forget(&keys[i]);
  send_command("DEL", name, NULL, 0);
}

static void change_append(unsigned i, size_t len) {
  static char more[VALUE_MAX];
  char name[32];

  if (keys[i].len + len > VALUE_MAX) {
    change_delete(i);
    return;
  }
  fill(more, len);
  name_key(i, name, sizeof(name));
  append(&keys[i], more, len);
  send_command("APPEND", name, more, len);
}

static void change_counter(unsigned i) {
  entry_t *k = &keys[i];
  char name[32];
  char text[32] = "";
  int n;

  memcpy(text, k->value != NULL ? k->value : "0", k->len);
  n = snprintf(text, sizeof(text), "%lld", atoll(text) + 1);
  name_key(i, name, sizeof(name));
  forget(k);
  append(k, text, (size_t)n);
  send_command("INCR", name, NULL, 0);
}

static void forget_all(void) {
  for (unsigned i = 0; i < KEYS; i++) {
    forget(&keys[i]);
  }
  put_head(1);
  put_word("FLUSHALL");
}

static void change_large(unsigned i) {
  if (draw(3) == 0) {
    change_append(i, 1 + (size_t)draw(200000));
  } else if (draw(5) == 0) {
    change_delete(i);
  } else {
    change_set(i, (size_t)draw(draw(8) == 0 ? VALUE_MAX : 100000), 0);
  }
}

static void change_small(unsigned i) {
  uint64_t what = draw(10);

  if (what < 6) {
    /* Some have an expiry time that is far away. */
    change_set(i, (size_t)draw(3000),
               draw(8) == 0 ? 4102444800000 + number : 0);
  } else if (what < 8) {
    change_append(i, (size_t)draw(400));
  } else {
    change_delete(i);
  }
}

static void change_one(void) {
  uint64_t what = draw(10000);

  if (what < 8500) {
    change_small((unsigned)draw(SMALL));
  } else if (what < 8700) {
    change_large((unsigned)(SMALL + draw(LARGE)));
  } else if (what < 9500) {
    change_counter((unsigned)(SMALL + LARGE + draw(COUNTERS)));
  } else if (what < 9999) {
    change_set((unsigned)(KEYS - 1 - draw(FLEETING)), (size_t)draw(500),
               now_ms() + 20 + draw(200));
  } else if (draw(20) == 0) {
    forget_all();
  }
}

/* --- the image --- */

static uint64_t hash(const char *p, size_t n) {
  uint64_t h = 14695981039346656037u;

  for (size_t i = 0; i < n; i++) {
    h = (h ^ (unsigned char)p[i]) * 1099511628211u;
  }
  return h;
}

static void write_keys(FILE *f) {
  char name[32];

  for (unsigned i = 0; i < KEYS; i++) {
    const entry_t *k = &keys[i];

    if (k->value != NULL) {
      name_key(i, name, sizeof(name));
      fprintf(f, "%s %zu %016" PRIx64 " %" PRIu64 "\n", name, k->len,
              hash(k->value, k->len), k->expires);
    }
  }
}

/* One of the server's lines of INFO persistence. */
static bool has_info(const char *line) {
  char text[512];
  bool found = false;
  int left;

  expect_replies();
  put_head(2);
  put_word("INFO");
  put_word("persistence");
  expected = 0;
  send_batch();
  read_line(text, sizeof(text));
  for (left = atoi(text + 1); left > 0; left -= (int)strlen(text) + 1) {
    read_line(text, sizeof(text));
    found = found || strncmp(text, line, strlen(line)) == 0;
  }
  read_line(text, sizeof(text));
  return found;
}

static void save_amid_changes(FILE *f) {
  expect_replies();
  put_head(1);
  put_word("BGSAVE");
  write_keys(f);
  do {
    for (int i = 0; i < 2000; i++) {
      change_one();
    }
    if (draw(10) == 0) {
      forget_all();
    }
  } while (has_info("rdb_bgsave_in_progress:1"));
}

int main(int argc, char **argv) {
  FILE *f;

  if (argc != 5) {
    fail("usage: model PORT SEED COUNT FILE");
  }
  dial(atoi(argv[1]));
  rng = strtoull(argv[2], NULL, 10);
  printf("SEED %s\n", argv[2]);
  for (long i = atol(argv[3]); i > 0; i--) {
    change_one();
  }
  f = fopen(argv[4], "w");
  if (f == NULL) {
    fail("cannot write");
  }
  save_amid_changes(f);
  fprintf(f, "= %" PRIu64 "\n", now_ms());
  if (fclose(f) != 0) {
    fail("cannot write");
  }
  return has_info("rdb_last_bgsave_status:ok") ? 0 : 3;
}
