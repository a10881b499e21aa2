/* chunks.c - see chunks.h. */
#include "session/save/chunks.h"

#include <assert.h>
#include <string.h>
#include <sys/uio.h>
#include <uv.h>

#include "io/sink.h"

struct sluice__chunk_s {
  sluice__chunks_t *owner;
  sluice__chunk_t *next;
  uint8_t *base;
  size_t skip; /* where its bytes begin */
  size_t len;
  uint32_t holds;
};

/* Found again from its buffer: the node stands behind the bytes. */
static sluice__chunk_t *chunk_of(const sluice__chunks_t *c, uint8_t *base) {
  return (sluice__chunk_t *)(void *)(base + c->chunk_bytes);
}

static size_t size_of_chunk(const sluice__chunks_t *c) {
  return c->chunk_bytes + sizeof(sluice__chunk_t);
}

void sluice__chunks_init(sluice__chunks_t *c, sluice__mem_t *mem,
                         sluice_sink_t *sink, size_t high_bytes) {
  memset(c, 0, sizeof(*c));
  c->mem = mem;
  c->sink = sink;
  c->chunk_bytes = SLUICE_CHUNK_BYTES;
  c->high_bytes = high_bytes;
}

void sluice__chunks_resize(sluice__chunks_t *c, size_t chunk_bytes,
                           size_t high_bytes) {
  assert(c->chunk_count == 0);
  c->chunk_bytes = chunk_bytes;
  c->high_bytes = high_bytes;
}

void sluice__chunks_done(sluice__chunks_t *c) {
  while (c->idle != NULL) {
    sluice__chunk_t *chunk = c->idle;

    c->idle = chunk->next;
    sluice__mem_free_aligned(c->mem, chunk->base, size_of_chunk(c),
                             SLUICE_CHUNK_ALIGN);
    c->chunk_count--;
  }
  assert(c->chunk_count == 0);
}

static int add_chunk(sluice__chunks_t *c) {
  uint8_t *base =
      sluice__mem_alloc_aligned(c->mem, size_of_chunk(c), SLUICE_CHUNK_ALIGN);
  sluice__chunk_t *chunk;

  if (base == NULL) {
    return sluice__mem_error(c->mem);
  }
  chunk = chunk_of(c, base);
  chunk->owner = c;
  chunk->base = base;
  chunk->holds = 0;
  chunk->next = c->idle;
  c->idle = chunk;
  c->chunk_count++;
  return 0;
}

static int lend(void *ctx, uint8_t **out) {
  sluice__chunks_t *c = ctx;
  sluice__chunk_t *chunk;
  int r = c->idle == NULL ? add_chunk(c) : 0;

  if (r < 0) {
    return r;
  }
  assert(c->idle != NULL);
  chunk = c->idle;
  c->idle = chunk->next;
  *out = chunk->base;
  return 0;
}

static void give_back(sluice__chunk_t *chunk) {
  sluice__chunks_t *c = chunk->owner;

  chunk->next = c->idle;
  c->idle = chunk;
}

static void on_chunk_written(void *ctx, int status) {
  sluice__chunk_t *chunk = ctx;
  sluice__chunks_t *c = chunk->owner;

  c->flying_bytes -= chunk->len;
  c->writes--;
  give_back(chunk);
  if (status < 0 && c->code == 0) {
    c->code = status;
  }
  c->on_written(c->ctx, status);
}

static void write_chunk(sluice__chunks_t *c, sluice__chunk_t *chunk) {
  int r;

  if (chunk->len == 0 || c->is_cut || c->code < 0) {
    r = 1; /* nothing, or nobody, to be written to */
  } else {
    r = sluice__sink_write(c->sink, chunk->base + chunk->skip, chunk->len,
                           c->offset, on_chunk_written, chunk);
    c->offset += chunk->len;
  }
  if (r == 1 && chunk->len > 0) {
    c->on_taken(c->ctx);
  }
  if (r == 0) {
    c->writes++;
  } else { /* taken at once, or refused */
    c->flying_bytes -= chunk->len;
    give_back(chunk);
  }
  if (r < 0) {
    c->code = r;
  }
}

/* Those in front that nobody holds. */
static void write_ready(sluice__chunks_t *c) {
  while (c->first != NULL && c->first->holds == 0) {
    sluice__chunk_t *chunk = c->first;

    c->first = chunk->next;
    c->last = chunk->next == NULL ? NULL : c->last;
    write_chunk(c, chunk);
  }
}

/* What the sink takes at once; negative: it failed. */
static ptrdiff_t offer(sluice__chunks_t *c, const sluice__fill_t *still,
                       uint8_t *from, size_t len) {
  struct iovec pieces[SLUICE__FILL_PIECES];
  int count = sluice__fill_gather(still, from, from + len, pieces);
  ptrdiff_t n = sluice__sink_write_now(c->sink, pieces, count, c->offset);

  c->takes_nothing = n == UV_ENOTSUP;
  return n == UV_ENOTSUP ? 0 : n;
}

/* All of it, for a sink that takes anything. */
static void put_all(sluice__chunks_t *c, const struct iovec *pieces, int count,
                    uint64_t len, uint64_t offset) {
  ptrdiff_t n =
      len == 0 ? 0 : sluice__sink_write_now(c->sink, pieces, count, offset);

  if (n < 0 || (uint64_t)n != len) {
    c->code = n < 0 ? (int)n : UV_EIO;
  } else if (n > 0) {
    c->on_taken(c->ctx);
  }
}

static void put_pages(sluice__chunks_t *c, const sluice__fill_t *fill,
                      uint64_t offset) {
  struct iovec pieces[SLUICE__FILL_PIECES];
  uint64_t out = (uint64_t)fill->out * fill->page_size;
  uint64_t end = (uint64_t)fill->count * fill->page_size;
  int count = sluice__fill_gather(fill, fill->data, fill->data + end, pieces);

  put_all(c, pieces, count, end - out, offset + out);
}

/* The table and what precedes it, when the pages are out. */
static ptrdiff_t put_rest(sluice__chunks_t *c, const sluice__fill_t *fill,
                          uint8_t *from, size_t len) {
  size_t head = (size_t)(fill->data - from);
  struct iovec piece = {from, head};

  put_pages(c, fill, c->offset + head);
  if (c->code == 0) {
    put_all(c, &piece, 1, head, c->offset);
  }
  return c->code < 0 ? c->code : (ptrdiff_t)len;
}

/* After this no page of the host's is needed any more. */
static void put_still(sluice__chunks_t *c, sluice__chunk_t *chunk) {
  const sluice__fill_t *still = c->still;
  uint8_t *from = chunk->base + chunk->skip;
  ptrdiff_t n = 0;

  c->still = NULL;
  if (c->code == 0 && !c->is_cut && chunk->len > 0) {
    n = still->out > 0 ? put_rest(c, still, from, chunk->len)
                       : offer(c, still, from, chunk->len);
  }
  if (n < 0 || c->code < 0) {
    c->code = n < 0 ? (int)n : c->code;
    return;
  }
  c->offset += (uint64_t)n;
  chunk->skip += (size_t)n;
  chunk->len -= (size_t)n;
  c->is_draining = chunk->len > 0;
  if (n > 0) {
    c->on_taken(c->ctx);
  }
  sluice__fill_copy(still, from + n);
}

bool sluice__chunks_can_take_now(const sluice__chunks_t *c) {
  return !c->takes_nothing && c->flying_bytes == 0 && c->code == 0 &&
         !c->is_cut;
}

bool sluice__chunks_can_put(const sluice__chunks_t *c) {
  return sluice__chunks_can_take_now(c) && sluice__sink_is_random(c->sink);
}

bool sluice__chunks_may_linger(const sluice__chunks_t *c) {
  return c->takes_nothing || sluice__sink_is_random(c->sink);
}

void sluice__chunks_put_still(sluice__chunks_t *c, sluice__fill_t *fill,
                              uint64_t offset) {
  if (sluice__chunks_can_put(c)) {
    put_pages(c, fill, offset);
    fill->out = fill->count;
  }
}

void sluice__chunks_lend_still(sluice__chunks_t *c,
                               const sluice__fill_t *fill) {
  assert(c->still == NULL);
  c->still = fill;
}

static int emit(void *ctx, uint8_t *base, size_t skip, size_t len) {
  sluice__chunks_t *c = ctx;
  sluice__chunk_t *chunk = chunk_of(c, base);

  chunk->skip = skip;
  chunk->len = len;
  chunk->next = NULL;
  if (c->still != NULL) {
    put_still(c, chunk);
    len = chunk->len;
  }
  c->flying_bytes += len;
  if (c->last == NULL) {
    c->first = chunk;
  } else {
    c->last->next = chunk;
  }
  c->last = chunk;
  write_ready(c);
  return c->code;
}

sluice__chunk_t *sluice__chunks_hold(sluice__chunks_t *c, uint8_t *base) {
  sluice__chunk_t *chunk = chunk_of(c, base);

  chunk->holds++;
  return chunk;
}

void sluice__chunks_release(sluice__chunks_t *c, sluice__chunk_t *chunk) {
  int before = c->code;

  assert(chunk->holds > 0);
  chunk->holds--;
  write_ready(c);
  if (c->code != before) {
    c->on_written(c->ctx, c->code); /* no call of the encoder's tells it */
  }
}

sluice_output_t sluice__chunks_output(sluice__chunks_t *c) {
  return (sluice_output_t){
      .size = sizeof(sluice_output_t), .ctx = c, .lend = lend, .emit = emit};
}
