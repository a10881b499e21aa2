/* sink_memory.c - a stream kept in one growing block of malloc().
 *
 * Everything happens at once, on the loop thread: the block doubles, so a byte
 * is copied about twice at most, and the C library moves large blocks by
 * remapping them. Nothing is told to the host before the save has succeeded. */
#include "io/sink.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

enum { FIRST_BYTES = 64 * 1024 };

struct memory_sink {
  uint8_t *data;
  size_t len;
  size_t capacity;
  size_t max_bytes;
  void **out_data; /* the host's; written by finish only */
  size_t *out_len;
};

/* At least `need`, which is at most the limit, doubled as far as it allows. */
static size_t grown_capacity(const struct memory_sink *m, size_t need) {
  size_t capacity = m->capacity == 0 ? FIRST_BYTES : m->capacity;

  while (capacity < need) {
    capacity = capacity > m->max_bytes / 2 ? m->max_bytes : capacity * 2;
  }
  return capacity < m->max_bytes ? capacity : m->max_bytes;
}

static int reserve(struct memory_sink *m, size_t need) {
  size_t capacity;
  uint8_t *grown;

  if (need <= m->capacity) {
    return 0;
  }
  capacity = grown_capacity(m, need);
  grown = realloc(m->data, capacity);
  if (grown == NULL) {
    return UV_ENOMEM;
  }
  m->data = grown;
  m->capacity = capacity;
  return 0;
}

static int write_memory(void *self, const void *data, size_t len,
                        uint64_t offset, sluice_sink_cb cb, void *ctx) {
  struct memory_sink *m = self;
  int r;

  (void)offset; /* in stream order: the end of what is here */
  (void)cb;
  (void)ctx;
  if (len == 0) {
    return 1;
  }
  if (len > m->max_bytes - m->len) {
    return UV_ENOSPC;
  }
  r = reserve(m, m->len + len);
  if (r < 0) {
    return r;
  }
  memcpy(m->data + m->len, data, len);
  m->len += len;
  return 1;
}

static int patch_memory(void *self, const sluice_patch_t *patches, size_t count,
                        sluice_sink_cb cb, void *ctx) {
  struct memory_sink *m = self;

  (void)cb;
  (void)ctx;
  for (size_t i = 0; i < count; i++) {
    memcpy(m->data + patches[i].offset, patches[i].data, patches[i].len);
  }
  return 1;
}

static int finish_memory(void *self, sluice_sink_cb cb, void *ctx) {
  struct memory_sink *m = self;
  void *trimmed = m->len > 0 ? realloc(m->data, m->len) : NULL;

  (void)cb;
  (void)ctx;
  *m->out_data = trimmed != NULL ? trimmed : m->data;
  *m->out_len = m->len;
  m->data = NULL;
  return 1;
}

static void close_memory(void *self) {
  struct memory_sink *m = self;

  free(m->data);
  free(m);
}

static const sluice_sink_ops_t memory_ops = {.size = sizeof(memory_ops),
                                             .write = write_memory,
                                             .finish = finish_memory,
                                             .patch = patch_memory,
                                             .close = close_memory};

int sluice_sink_memory(sluice_sink_t **out, size_t max_bytes, void **out_data,
                       size_t *out_len) {
  struct memory_sink *m;
  int r;

  if (out_data == NULL || out_len == NULL) {
    return UV_EINVAL;
  }
  m = calloc(1, sizeof(*m));
  if (m == NULL) {
    return UV_ENOMEM;
  }
  m->max_bytes = max_bytes;
  m->out_data = out_data;
  m->out_len = out_len;
  r = sluice__sink_new(out, &memory_ops, close_memory, m);
  if (r < 0) {
    free(m);
  }
  return r;
}
