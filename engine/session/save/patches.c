/* patches.c - see patches.h. */
#include "session/save/patches.h"

#include <assert.h>
#include <string.h>

#include <sluice/encoder.h>
#include <sluice/item.h>

enum {
  HASH_BYTES = 8,
  COMMON_PAGE = 4096,
  /* For each page of the common size, and its hash, a piece. */
  PIECE_BYTES = COMMON_PAGE / 2
};

/* Pages that are side by side, in the stream and here, are one piece, and so
 * are their hashes: hence the two places. */
struct sluice__patch_batch_s {
  sluice__patch_batch_t *next;
  uint64_t end; /* of the bytes it replaces */
  size_t bytes;
  size_t count;
  size_t fill;
  size_t small_fill;
  sluice_patch_t *last_page; /* pieces; NULL: none yet */
  sluice_patch_t *last_small;
  uint8_t *small; /* the three are behind the struct */
  uint8_t *data;
  sluice_patch_t pieces[];
};

void sluice__patches_init(sluice__patches_t *p, sluice__mem_t *mem,
                          sluice__direct_writer_t *writer) {
  memset(p, 0, sizeof(*p));
  p->mem = mem;
  p->writer = writer;
  sluice__patches_resize(p, SLUICE_CHUNK_BYTES);
}

void sluice__patches_resize(sluice__patches_t *p, size_t batch_bytes) {
  assert(p->open == NULL && p->first == NULL && p->idle == NULL);
  p->batch_bytes = batch_bytes;
  p->pieces_max = batch_bytes / PIECE_BYTES;
}

static size_t size_of_batch(const sluice__patches_t *p) {
  return sizeof(sluice__patch_batch_t) +
         p->pieces_max * (sizeof(sluice_patch_t) + HASH_BYTES) + p->batch_bytes;
}

static sluice__patch_batch_t *new_batch(sluice__patches_t *p) {
  sluice__patch_batch_t *batch = sluice__mem_alloc(p->mem, size_of_batch(p));

  if (batch != NULL) {
    batch->small = (uint8_t *)(batch->pieces + p->pieces_max);
    batch->data = batch->small + p->pieces_max * HASH_BYTES;
  }
  return batch;
}

static void free_batches(sluice__patches_t *p, sluice__patch_batch_t **list) {
  while (*list != NULL) {
    sluice__patch_batch_t *batch = *list;

    *list = batch->next;
    sluice__mem_free(p->mem, batch, size_of_batch(p));
  }
}

void sluice__patches_done(sluice__patches_t *p) {
  free_batches(p, &p->open);
  free_batches(p, &p->first);
  free_batches(p, &p->idle);
  p->last = NULL;
  p->flying_bytes = 0;
}

static int open_batch(sluice__patches_t *p) {
  sluice__patch_batch_t *batch = p->idle;

  if (batch != NULL) {
    p->idle = batch->next;
  } else {
    batch = new_batch(p);
  }
  if (batch == NULL) {
    return sluice__mem_error(p->mem);
  }
  memset(batch, 0, offsetof(sluice__patch_batch_t, small));
  p->open = batch;
  return 0;
}

/* A page leaves room for its hash: they are not to be parted, for a stream that
 * ends early is read up to there. */
static bool has_room(const sluice__patches_t *p, bool is_small) {
  const sluice__patch_batch_t *b = p->open;

  return b->small_fill + HASH_BYTES <= p->pieces_max * HASH_BYTES &&
         (is_small ? b->count < p->pieces_max
                   : p->batch_bytes - b->fill >= SLUICE_PAGE_MAX &&
                         b->count + 2 <= p->pieces_max);
}

static void add_piece(sluice__patch_batch_t *b, sluice_patch_t **last,
                      const uint8_t *data, size_t len, uint64_t offset) {
  sluice_patch_t *at = *last;

  if (at != NULL && at->offset + at->len == offset) {
    at->len += len;
    return;
  }
  at = &b->pieces[b->count++];
  *at = (sluice_patch_t){.data = data, .len = len, .offset = offset};
  *last = at;
}

int sluice__patches_add(sluice__patches_t *p, uint64_t offset, const void *data,
                        size_t len) {
  bool is_small = len <= HASH_BYTES;
  sluice__patch_batch_t *b;
  uint8_t *to;

  if (p->open != NULL && !has_room(p, is_small)) {
    sluice__patches_close(p);
  }
  if (p->open == NULL && open_batch(p) < 0) {
    return sluice__mem_error(p->mem);
  }
  b = p->open;
  to = is_small ? b->small + b->small_fill : b->data + b->fill;
  memcpy(to, data, len);
  add_piece(b, is_small ? &b->last_small : &b->last_page, to, len, offset);
  b->small_fill += is_small ? len : 0;
  b->fill += is_small ? 0 : len;
  b->bytes += len;
  b->end = offset + len > b->end ? offset + len : b->end;
  return 0;
}

void sluice__patches_close(sluice__patches_t *p) {
  sluice__patch_batch_t *b = p->open;

  if (b == NULL) {
    return;
  }
  p->open = NULL;
  if (p->first == NULL) {
    p->first = b;
  } else {
    p->last->next = b;
  }
  p->last = b;
  p->flying_bytes += b->bytes;
}

static void retire_first(sluice__patches_t *p) {
  sluice__patch_batch_t *b = p->first;

  p->first = b->next;
  p->last = p->first == NULL ? NULL : p->last;
  p->flying_bytes -= b->bytes;
  b->next = p->idle;
  p->idle = b;
}

static void on_batch_over(void *ctx, int status) {
  sluice__patches_t *p = ctx;

  p->is_busy = false;
  retire_first(p);
  sluice__direct_writer_patched(p->writer, status);
  p->on_patched(p->ctx, status);
}

void sluice__patches_go(sluice__patches_t *p, uint64_t known) {
  while (p->first != NULL && !p->is_busy && p->first->end <= known) {
    int r = sluice__direct_writer_patch(p->writer, p->first->pieces,
                                        p->first->count, on_batch_over, p);

    p->is_busy = r == 0;
    if (r != 0) {
      retire_first(p); /* done at once, or nobody wants it any more */
    }
  }
}
