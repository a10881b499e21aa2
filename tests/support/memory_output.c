/* memory_output.c - see memory_output.h. */
#include "memory_output.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "require.h"

void memory_output_init(memory_output_t *m) {
  memset(m, 0, sizeof(*m));
  m->fail_at = SIZE_MAX;
  m->fail_code = UV_EIO;
  m->chunk_bytes = SLUICE_CHUNK_BYTES;
}

void memory_output_done(memory_output_t *m) {
  REQUIRE(m->chunk == NULL); /* was given back */
  free(m->data);
}

static int fails(memory_output_t *m) {
  return m->calls++ >= m->fail_at;
}

static int lend(void *ctx, uint8_t **out) {
  memory_output_t *m = ctx;

  REQUIRE(m->chunk == NULL);
  if (fails(m)) {
    return m->fail_code;
  }
  m->chunk = aligned_alloc(SLUICE_CHUNK_ALIGN, m->chunk_bytes);
  memset(m->chunk, 0xa5, m->chunk_bytes); /* what is not set shows */
  *out = m->chunk;
  return 0;
}

static void keep(memory_output_t *m, const uint8_t *data, size_t len) {
  if (m->len + len > m->cap) {
    m->cap = (m->len + len) * 2;
    m->data = realloc(m->data, m->cap);
  }
  if (len > 0) {
    memcpy(m->data + m->len, data, len);
  }
  m->len += len;
}

static int emit(void *ctx, uint8_t *base, size_t skip, size_t len) {
  memory_output_t *m = ctx;

  REQUIRE(base == m->chunk);
  REQUIRE(skip + len <= m->chunk_bytes);
  if (len > 0) {
    REQUIRE(skip % SLUICE_CHUNK_ALIGN == m->len % SLUICE_CHUNK_ALIGN);
    REQUIRE(m->len / m->chunk_bytes == (m->len + len - 1) / m->chunk_bytes);
  }
  m->chunk = NULL;
  if (len > 0 && fails(m)) {
    free(base);
    return m->fail_code;
  }
  keep(m, base + skip, len);
  free(base);
  return 0;
}

static int patch(void *ctx, uint64_t offset, const void *data, size_t len) {
  memory_output_t *m = ctx;

  REQUIRE(offset + len <= m->len);
  if (fails(m)) {
    return m->fail_code;
  }
  memcpy(m->data + offset, data, len);
  m->patches++;
  return 0;
}

static int fetch(void *ctx, uint64_t offset, void *data, size_t len) {
  memory_output_t *m = ctx;

  REQUIRE(offset + len <= m->len);
  if (fails(m)) {
    return m->fail_code;
  }
  memcpy(data, m->data + offset, len);
  return 0;
}

sluice_output_t memory_output_of(memory_output_t *m) {
  sluice_output_t out = {.size = sizeof(out),
                         .ctx = m,
                         .lend = lend,
                         .emit = emit,
                         .patch = patch,
                         .fetch = fetch,
                         .chunk_bytes = m->chunk_bytes};

  return out;
}
