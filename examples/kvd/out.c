/* out.c - chunks: filled at the last, sent from the first.
 *
 * Invariant: no chunk is empty but the last; `bytes` is the sum of all. */
#include "out.h"

#include <stdlib.h>
#include <string.h>

struct chunk_s {
  chunk_t *next;
  const char *data; /* own[], or bytes in the heap */
  size_t at;        /* sent */
  size_t len;
  ref_t blob; /* 0: own[] is used, OUT_CHUNK long */
  char own[];
};

void out_init(out_t *o, out_pool_t *pool, blobs_t *blobs) {
  memset(o, 0, sizeof(*o));
  o->pool = pool;
  o->blobs = blobs;
}

static void free_chunk(out_t *o, chunk_t *c) {
  if (c->blob != 0) {
    blob_unpin(o->blobs, c->blob);
    free(c);
  } else if (o->pool->count == OUT_POOL_MAX) {
    free(c);
  } else {
    c->next = o->pool->free;
    o->pool->free = c;
    o->pool->count++;
  }
}

void out_done(out_t *o) {
  while (o->first != NULL) {
    chunk_t *c = o->first;

    o->first = c->next;
    free_chunk(o, c);
  }
  o->last = NULL;
  o->bytes = 0;
}

void out_pool_done(out_pool_t *pool) {
  while (pool->free != NULL) {
    chunk_t *c = pool->free;

    pool->free = c->next;
    free(c);
  }
  pool->count = 0;
}

static void append(out_t *o, chunk_t *c) {
  c->next = NULL;
  if (o->last != NULL) {
    o->last->next = c;
  } else {
    o->first = c;
  }
  o->last = c;
}

static chunk_t *take_chunk(out_t *o) {
  chunk_t *c = o->pool->free;

  if (c != NULL) {
    o->pool->free = c->next;
    o->pool->count--;
  } else {
    c = malloc(sizeof(*c) + OUT_CHUNK);
    if (c == NULL) {
      o->failed = true;
      return NULL;
    }
  }
  c->data = c->own;
  c->at = 0;
  c->len = 0;
  c->blob = 0;
  append(o, c);
  return c;
}

/* The last chunk if it has room for `n` more bytes, or a new one. */
static chunk_t *chunk_for(out_t *o, size_t n) {
  chunk_t *c = o->last;

  if (c != NULL && c->blob == 0 && OUT_CHUNK - c->len >= n) {
    return c;
  }
  return take_chunk(o);
}

char *out_room(out_t *o, size_t n) {
  chunk_t *c = chunk_for(o, n);

  return c == NULL ? NULL : c->own + c->len;
}

void out_added(out_t *o, size_t n) {
  o->last->len += n;
  o->bytes += n;
}

void out_add(out_t *o, bytes_t b) {
  while (b.n > 0) {
    chunk_t *c = chunk_for(o, 1);
    size_t n;

    if (c == NULL) {
      return;
    }
    n = OUT_CHUNK - c->len < b.n ? OUT_CHUNK - c->len : b.n;
    memcpy(c->own + c->len, b.p, n);
    out_added(o, n);
    b.p += n;
    b.n -= n;
  }
}

/* The bytes from..to of a blob that is pinned for this, or could not be. */
static void add_pinned(out_t *o, ref_t blob, size_t from, size_t to, int r) {
  chunk_t *c = malloc(sizeof(*c));

  if (c == NULL || r != 0) {
    if (r == 0) {
      blob_unpin(o->blobs, blob);
    }
    free(c);
    o->failed = true;
    return;
  }
  c->data = blob_bytes(o->blobs->heap, blob).p;
  c->at = from;
  c->len = to;
  c->blob = blob;
  append(o, c);
  o->bytes += to - from;
}

void out_add_blob(out_t *o, ref_t blob) {
  size_t n = blob_bytes(o->blobs->heap, blob).n;

  if (n > 0) {
    add_pinned(o, blob, 0, n, blob_pin(o->blobs, blob));
  }
}

unsigned out_gather(const out_t *o, uv_buf_t *bufs, unsigned count,
                    size_t max) {
  unsigned n = 0;

  for (chunk_t *c = o->first; c != NULL && n < count && max > 0; c = c->next) {
    size_t len = c->len - c->at < max ? c->len - c->at : max;
    void *data = NULL;

    /* libuv's buffers are not const, but writing does not change them. */
    memcpy(&data, &(const char *){c->data + c->at}, sizeof(data));
    bufs[n++] = uv_buf_init(data, (unsigned)len);
    max -= len;
  }
  return n;
}

void out_sent(out_t *o, size_t n) {
  o->bytes -= n;
  while (n > 0 || (o->first != NULL && o->first->at == o->first->len)) {
    chunk_t *c = o->first;
    size_t left;

    assert(c != NULL); /* nobody sends more than there is */
    left = c->len - c->at;

    if (n < left) {
      c->at += n;
      return;
    }
    n -= left;
    o->first = c->next;
    if (o->first == NULL) {
      o->last = NULL;
    }
    free_chunk(o, c);
  }
}

/* --- for a successor --- */

void out_pack(const out_t *o, pack_t *p) {
  for (const chunk_t *c = o->first; c != NULL; c = c->next) {
    if (c->at == c->len) {
      continue; /* an empty one, the last */
    }
    pack_number(p, 1);
    pack_number(p, c->blob);
    pack_number(p, c->blob == 0 ? 0 : c->at);
    pack_number(p, c->blob == 0 ? c->len - c->at : c->len);
    if (c->blob == 0) {
      pack_bytes(p, (bytes_t){c->data + c->at, c->len - c->at});
    }
  }
  pack_number(p, 0);
}

static bool unpack_chunk(out_t *o, const heap_t *h, unpack_t *u) {
  ref_t blob = unpack_number(u);
  uint64_t from = unpack_number(u);
  uint64_t to = unpack_number(u);
  bytes_t b = {"", 0};

  if (blob == 0) {
    b = unpack_bytes(u, to);
  } else if (from >= to || !blob_is_at(h, blob, to)) {
    return false;
  }
  if (u->failed || o == NULL) {
    return !u->failed;
  }
  if (blob == 0) {
    out_add(o, b);
  } else {
    add_pinned(o, blob, (size_t)from, (size_t)to,
               blob_pin_again(o->blobs, blob));
  }
  return true;
}

bool out_unpack(out_t *o, const heap_t *h, unpack_t *u) {
  uint64_t more;

  while ((more = unpack_number(u)) == 1) {
    if (!unpack_chunk(o, h, u)) {
      return false;
    }
  }
  return more == 0 && !u->failed;
}
