/* chunks.c - see chunks.h. */
#include "session/save/chunks.h"

#include <assert.h>
#include <string.h>

struct sluice__save_chunk_s {
  sluice__chunks_t *owner;
  sluice__save_chunk_t *next;
  sluice__save_chunk_t *older; /* of all that there are */
  uint8_t *base;
  uint64_t offset; /* in the stream, once it is with the sink */
  size_t skip;     /* where its bytes begin */
  size_t len;
};

/* Found again from its buffer: the node stands behind the bytes. */
static sluice__save_chunk_t *chunk_of(const sluice__chunks_t *c,
                                      uint8_t *base) {
  return (sluice__save_chunk_t *)(void *)(base + c->chunk_bytes);
}

static size_t size_of_chunk(const sluice__chunks_t *c) {
  return c->chunk_bytes + sizeof(sluice__save_chunk_t);
}

static void on_answered(void *ctx, int status);

void sluice__chunks_init(sluice__chunks_t *c, sluice__mem_t *mem,
                         sluice__direct_writer_t *writer,
                         const sluice__copy_queue_t *jobs, size_t high_bytes) {
  memset(c, 0, sizeof(*c));
  c->mem = mem;
  c->writer = writer;
  c->jobs = jobs;
  c->chunk_bytes = SLUICE_CHUNK_BYTES;
  c->high_bytes = high_bytes;
  sluice__patches_init(&c->patches, mem, writer);
  c->patches.on_patched = on_answered;
  c->patches.ctx = c;
}

void sluice__chunks_resize(sluice__chunks_t *c, size_t chunk_bytes,
                           size_t high_bytes) {
  assert(c->all == NULL);
  c->chunk_bytes = chunk_bytes;
  c->high_bytes = high_bytes;
  sluice__patches_resize(&c->patches, chunk_bytes);
}

void sluice__chunks_done(sluice__chunks_t *c) {
  sluice__patches_done(&c->patches);
  while (c->all != NULL) {
    sluice__save_chunk_t *chunk = c->all;

    c->all = chunk->older;
    sluice__mem_free_aligned(c->mem, chunk->base, size_of_chunk(c),
                             SLUICE_CHUNK_ALIGN);
  }
  c->idle = NULL;
  c->first = NULL;
  c->last = NULL;
  c->written = NULL;
}

static int add_chunk(sluice__chunks_t *c) {
  uint8_t *base =
      sluice__mem_alloc_aligned(c->mem, size_of_chunk(c), SLUICE_CHUNK_ALIGN);
  sluice__save_chunk_t *chunk;

  if (base == NULL) {
    return sluice__mem_error(c->mem);
  }
  chunk = chunk_of(c, base);
  chunk->owner = c;
  chunk->base = base;
  chunk->next = c->idle;
  c->idle = chunk;
  chunk->older = c->all;
  c->all = chunk;
  return 0;
}

static int lend(void *ctx, uint8_t **out) {
  sluice__chunks_t *c = ctx;
  sluice__save_chunk_t *chunk;
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

static void give_back(sluice__save_chunk_t *chunk) {
  sluice__chunks_t *c = chunk->owner;

  chunk->next = c->idle;
  c->idle = chunk;
}

/* The sink has all bytes before. */
static uint64_t find_known(const sluice__chunks_t *c) {
  uint64_t known = UINT64_MAX;

  for (const sluice__save_chunk_t *at = c->written; at != NULL; at = at->next) {
    known = at->offset;
  }
  return known;
}

/* The sink has answered: what waited for that goes to it. Also a patch's end.
 */
static void on_answered(void *ctx, int status) {
  sluice__chunks_t *c = ctx;

  sluice__patches_go(&c->patches, find_known(c));
  c->on_written(c->ctx, status < 0 ? status : c->writer->code);
}

static void take_from_written(sluice__chunks_t *c,
                              const sluice__save_chunk_t *chunk) {
  sluice__save_chunk_t **at = &c->written;

  while (*at != chunk) {
    at = &(*at)->next;
  }
  *at = chunk->next;
}

static void on_chunk_written(void *ctx, int status) {
  sluice__save_chunk_t *chunk = ctx;
  sluice__chunks_t *c = chunk->owner;

  c->flying_bytes -= chunk->len;
  take_from_written(c, chunk);
  give_back(chunk);
  sluice__direct_writer_answered(c->writer, status);
  on_answered(c, status);
}

static void write_chunk(sluice__chunks_t *c, sluice__save_chunk_t *chunk) {
  int r;

  chunk->offset = c->writer->offset;
  r = sluice__direct_writer_write(c->writer, chunk->base + chunk->skip,
                                  chunk->len, on_chunk_written, chunk);
  if (r != 0) { /* taken at once, or refused */
    c->flying_bytes -= chunk->len;
    give_back(chunk);
    return;
  }
  chunk->next = c->written;
  c->written = chunk;
}

/* Those in front that wait for no job. */
static void write_ready(sluice__chunks_t *c) {
  while (c->first != NULL &&
         !sluice__copy_queue_awaits(c->jobs, c->first->base)) {
    sluice__save_chunk_t *chunk = c->first;

    c->first = chunk->next;
    c->last = chunk->next == NULL ? NULL : c->last;
    write_chunk(c, chunk);
  }
}

static int emit(void *ctx, uint8_t *base, size_t skip, size_t len) {
  sluice__chunks_t *c = ctx;
  sluice__save_chunk_t *chunk = chunk_of(c, base);

  chunk->skip = skip;
  chunk->len = len;
  chunk->next = NULL;
  c->flying_bytes += len;
  if (c->last == NULL) {
    c->first = chunk;
  } else {
    c->last->next = chunk;
  }
  c->last = chunk;
  write_ready(c);
  return c->writer->code;
}

void sluice__chunks_go_on(sluice__chunks_t *c) {
  int before = c->writer->code;

  write_ready(c);
  if (c->writer->code != before) {
    c->on_written(c->ctx, c->writer->code); /* no call of the encoder's tells */
  }
}

/* The chunk that waits and has the byte at `offset`; NULL: the sink has it.
 * What is put into the sink before its turn is in no chunk. */
static sluice__save_chunk_t *find_held(const sluice__chunks_t *c,
                                       uint64_t offset, uint64_t *out_at) {
  sluice__save_chunk_t *at = c->first;
  uint64_t start = c->writer->offset;

  while (at != NULL && offset >= start && offset - start >= at->len) {
    start += at->len;
    at = at->next;
  }
  *out_at = offset - start;
  return offset < start ? NULL : at;
}

/* A page or its hash: within one record, and so within one chunk. */
static int patch(void *ctx, uint64_t offset, const void *data, size_t len) {
  sluice__chunks_t *c = ctx;
  uint64_t at;
  sluice__save_chunk_t *held = find_held(c, offset, &at);
  int r = 0;

  if (held != NULL) {
    assert(at + len <= held->len);
    memcpy(held->base + held->skip + at, data, len);
  } else {
    r = sluice__patches_add(&c->patches, offset, data, len);
    sluice__patches_go(&c->patches, find_known(c));
  }
  return r < 0 ? r : c->writer->code;
}

void sluice__chunks_flush(sluice__chunks_t *c) {
  int before = c->writer->code;

  sluice__patches_close(&c->patches);
  sluice__patches_go(&c->patches, find_known(c));
  if (c->writer->code != before) {
    c->on_written(c->ctx, c->writer->code);
  }
}

sluice_output_t sluice__chunks_output(sluice__chunks_t *c) {
  return (sluice_output_t){.size = sizeof(sluice_output_t),
                           .ctx = c,
                           .lend = lend,
                           .emit = emit,
                           .patch = patch};
}
