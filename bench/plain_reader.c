/* plain_reader.c - see plain_reader.h. The numbers are those of the format in
 * docs/format.md; only little-endian machines and streams of our own bench. */
#include "plain_reader.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  FILE_HEADER_LENGTH = 12,
  RECORD = 32,
  RECORD_LENGTH = 16,
  PAGES = 5,
  TRAILER = 12,
  RUNS = RECORD,
  DATA = RECORD + 8,
  PAGE_SIZE = RECORD + 12,
  TABLE = RECORD + 16,
  RUN = 16,
  HEAD = 64 * 1024 /* read ahead at most: tables and small records */
};

typedef struct plain_s {
  int fd;
  uint8_t *base;
  size_t bytes;
  uint8_t head[2 * HEAD];
  size_t from, to; /* what is in `head` and not used */
} plain_t;

static uint32_t get32(const uint8_t *p) {
  uint32_t v;

  memcpy(&v, p, sizeof(v));
  return v;
}

static uint64_t get64(const uint8_t *p) {
  uint64_t v;

  memcpy(&v, p, sizeof(v));
  return v;
}

/* `want` bytes at hand, what comes by itself included. */
static int need(plain_t *r, size_t want) {
  if (want > HEAD) {
    errno = EPROTO;
    return -1;
  }
  if (r->from + want > sizeof(r->head)) {
    memmove(r->head, r->head + r->from, r->to - r->from);
    r->to -= r->from;
    r->from = 0;
  }
  while (r->to - r->from < want) {
    ssize_t n = read(r->fd, r->head + r->to, want - (r->to - r->from));

    if (n <= 0) {
      return -1;
    }
    r->to += (size_t)n;
  }
  return 0;
}

static size_t take(plain_t *r, uint8_t *to, size_t len) {
  size_t n = r->to - r->from < len ? r->to - r->from : len;

  memcpy(to, r->head + r->from, n);
  r->from += n;
  return n;
}

/* One run straight into place, and behind the last one the next header. */
static int read_run(plain_t *r, uint64_t offset, size_t len, size_t ahead) {
  size_t done = take(r, r->base + offset, len);

  while (done < len) {
    struct iovec iov[2] = {{r->base + offset + done, len - done},
                           {r->head, ahead}};
    ssize_t n = readv(r->fd, iov, ahead > 0 ? 2 : 1);

    if (n <= 0) {
      return -1;
    }
    done += (size_t)n;
  }
  if (done > len) {
    r->from = 0;
    r->to = done - len;
  }
  return 0;
}

static int read_runs(plain_t *r, const uint8_t *table, uint32_t runs,
                     uint32_t page_size) {
  for (uint32_t i = 0; i < runs; i++) {
    const uint8_t *run = table + (size_t)i * RUN;
    uint64_t len = (uint64_t)get32(run + 4) * page_size;
    uint64_t offset = get64(run + 8);

    if (offset > r->bytes || len > r->bytes - offset) {
      errno = EPROTO;
      return -1;
    }
    if (read_run(r, offset, (size_t)len, i + 1 == runs ? 4096 : 0) != 0) {
      return -1;
    }
  }
  return 0;
}

static int read_pages(plain_t *r) {
  static uint8_t table[HEAD];
  const uint8_t *p = r->head + r->from;
  uint32_t data = get32(p + DATA);
  uint32_t runs = get32(p + RUNS);
  uint32_t page_size = get32(p + PAGE_SIZE);

  if (need(r, data) != 0) {
    return -1;
  }
  memcpy(table, r->head + r->from + TABLE, data - TABLE);
  r->from += data;
  return read_runs(r, table, runs, page_size);
}

static int skip(plain_t *r, uint64_t len) {
  while (len > 0) {
    size_t n = len < HEAD ? (size_t)len : HEAD;

    if (need(r, n) != 0) {
      return -1;
    }
    r->from += n;
    len -= n;
  }
  return 0;
}

static int read_record(plain_t *r, uint16_t *type) {
  uint64_t length;

  if (need(r, TABLE) != 0) {
    return -1;
  }
  memcpy(type, r->head + r->from, sizeof(*type));
  length = get64(r->head + r->from + RECORD_LENGTH);
  if (*type == PAGES) {
    return read_pages(r);
  }
  return skip(r, RECORD + ((length + 7) & ~UINT64_C(7)));
}

int plain_read(int fd, uint8_t *base, size_t bytes) {
  static plain_t r;
  uint16_t type = 0;
  int result;

  r = (plain_t){.fd = fd, .base = base, .bytes = bytes};
  result =
      need(&r, RECORD) != 0 ? -1 : skip(&r, get32(r.head + FILE_HEADER_LENGTH));
  while (result == 0 && type != TRAILER) {
    result = read_record(&r, &type);
  }
  return result;
}
