/* source_memory.c - a stream that lies in memory already; never waits. */
#include "io/source.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

struct memory_source {
  const uint8_t *data; /* borrowed; what is left of it */
  size_t len;
};

static ptrdiff_t read_memory(void *self, void *buf, size_t len,
                             sluice_source_cb cb, void *ctx) {
  struct memory_source *m = self;
  size_t n = len < m->len ? len : m->len;

  (void)cb;
  (void)ctx;
  if (m->len == 0) {
    return UV_EOF;
  }
  memcpy(buf, m->data, n);
  m->data += n;
  m->len -= n;
  return (ptrdiff_t)n;
}

static ptrdiff_t read_memory_into(void *self, const struct iovec *places,
                                  int count, sluice_source_cb cb, void *ctx) {
  const struct memory_source *m = self;
  ptrdiff_t got = 0;

  for (int i = 0; i < count && m->len > 0; i++) {
    got += read_memory(self, places[i].iov_base, places[i].iov_len, cb, ctx);
  }
  return got == 0 ? UV_EOF : got;
}

static const sluice_source_ops_t memory_ops = {.size = sizeof(memory_ops),
                                               .read = read_memory,
                                               .close = free,
                                               .read_into = read_memory_into};

int sluice_source_memory(sluice_source_t **out, const void *data, size_t len) {
  struct memory_source *m;
  int r;

  if (data == NULL && len > 0) {
    return UV_EINVAL;
  }
  m = malloc(sizeof(*m));
  if (m == NULL) {
    return UV_ENOMEM;
  }
  m->data = data;
  m->len = len;
  r = sluice__source_new(out, &memory_ops, free, m);
  if (r < 0) {
    free(m);
  }
  return r;
}
