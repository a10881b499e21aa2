/* verify.c - a database looked at with distrust.
 *
 * A bit map has a bit for every block that is taken. Whatever refers to a block
 * claims it: the bit must be there, and is cleared. So a reference into the
 * middle of a block, two to one block and a ring are all found the same way,
 * and a bit left over at the end is a block that nothing leads to. */
#include "verify.h"

#include <stdlib.h>

#include <uv.h>

#include "alloc.h"
#include "blob.h"
#include "db_private.h"
#include "entry.h"
#include "table.h"

typedef struct claims_s {
  const heap_t *heap;
  unsigned char *bits; /* one for every 16 bytes of the heap */
  uint64_t left;
  uint64_t expiring;
  const char *what;
} claims_t;

static void mark(void *ctx, ref_t block) {
  claims_t *c = ctx;

  c->bits[block / 128] |= (unsigned char)(1u << (block / 16 % 8));
  c->left++;
}

static bool claim(claims_t *c, ref_t block, uint64_t bytes) {
  unsigned char bit = (unsigned char)(1u << (block / 16 % 8));

  if (block % 16 != 0 || block >= heap_header(c->heap)->top ||
      (c->bits[block / 128] & bit) == 0 || alloc_size(c->heap, block) < bytes) {
    return false;
  }
  c->bits[block / 128] &= (unsigned char)~bit;
  c->left--;
  return true;
}

static bool wrong(claims_t *c, const char *what) {
  if (c->what == NULL) {
    c->what = what;
  }
  return false;
}

static bool claim_blob(claims_t *c, ref_t blob, bool in_limbo) {
  const blob_t *b;

  if (!claim(c, blob, sizeof(blob_t))) {
    return wrong(c, "a reference to a large value");
  }
  b = (const blob_t *)heap_get(c->heap, blob);
  if (b->len > alloc_size(c->heap, blob) - sizeof(blob_t) ||
      b->in_limbo != (in_limbo ? 1u : 0u)) {
    return wrong(c, "a large value");
  }
  return true;
}

static bool claim_entry(claims_t *c, ref_t at) {
  const entry_t *e;
  uint64_t room;

  if (!claim(c, at, sizeof(entry_t))) {
    return wrong(c, "a reference to an entry");
  }
  e = entry_get(c->heap, at);
  room = alloc_size(c->heap, at) - sizeof(entry_t);
  if (e->key_len > room || e->value_len > room - e->key_len) {
    return wrong(c, "the lengths of an entry");
  }
  if (e->hash != table_hash(c->heap, entry_key(c->heap, at))) {
    return wrong(c, "the hash of a key");
  }
  return e->blob == 0 || claim_blob(c, e->blob, false);
}

/* `doomed`: a table being thrown away; where its entries hang is no matter. */
static bool claim_bucket(claims_t *c, const table_t *t, uint64_t i, bool doomed,
                         uint64_t *left) {
  for (ref_t e = heap_get_word(c->heap, table_bucket(t, i)); e != 0;
       e = entry_get(c->heap, e)->next) {
    if (*left == 0 || !claim_entry(c, e)) {
      return wrong(c, "more entries than were counted");
    }
    --*left;
    if (doomed) {
      continue;
    }
    if (table_bucket_of(t, entry_get(c->heap, e)->hash) != i) {
      return wrong(c, "an entry in the wrong bucket");
    }
    c->expiring += entry_get(c->heap, e)->expires != 0;
  }
  return true;
}

static bool claim_segments(claims_t *c, const table_t *t, bool doomed) {
  uint64_t buckets = 0;

  for (unsigned k = 0; k < TABLE_SEGMENTS; k++) {
    uint64_t n = k == 0 ? TABLE_FIRST : (uint64_t)TABLE_FIRST << (k - 1);

    if (t->segments[k] == 0) {
      continue;
    }
    if (buckets != (k == 0 ? 0 : n) ||
        !claim(c, t->segments[k], n * sizeof(ref_t))) {
      return wrong(c, "a segment of the table");
    }
    buckets += n;
  }
  if (t->buckets > buckets || (!doomed && t->buckets < TABLE_FIRST)) {
    return wrong(c, "the number of buckets");
  }
  return true;
}

static bool claim_table(claims_t *c, ref_t table, bool doomed) {
  const table_t *t;
  uint64_t left;

  if (!claim(c, table, sizeof(table_t))) {
    return wrong(c, "a reference to a table");
  }
  t = table_get(c->heap, table);
  left = t->count;
  if (!claim_segments(c, t, doomed)) {
    return false;
  }
  for (uint64_t i = 0; i < t->buckets; i++) {
    if (!claim_bucket(c, t, i, doomed, &left)) {
      return false;
    }
  }
  return left == 0 || wrong(c, "fewer entries than were counted");
}

static bool claim_limbo(claims_t *c, ref_t head) {
  ref_t prev = 0;

  for (ref_t b = head; b != 0;) {
    const blob_t *blob;

    if (!claim_blob(c, b, true)) {
      return false;
    }
    blob = (const blob_t *)heap_get(c->heap, b);
    if (blob->prev != prev) {
      return wrong(c, "the list of values without a key");
    }
    prev = b;
    b = blob->next;
  }
  return true;
}

static bool claim_root(claims_t *c) {
  const db_root_t *root;

  if (!claim(c, heap_header(c->heap)->root, sizeof(db_root_t))) {
    return wrong(c, "the root");
  }
  root = db_root(c->heap);
  if (!claim_table(c, root->table, false) || !claim_limbo(c, root->limbo)) {
    return false;
  }
  for (ref_t t = root->doomed; t != 0; t = table_get(c->heap, t)->next) {
    if (!claim_table(c, t, true)) {
      return false;
    }
  }
  return c->expiring == root->expiring ||
         wrong(c, "the number of keys with an expiry time");
}

int verify_root(const heap_t *h) {
  int r = heap_check(h);
  ref_t root = r == 0 ? heap_header(h)->root : 0;

  if (r != 0 || root == 0 || root % 16 != 0 ||
      !heap_has(h, root, sizeof(db_root_t)) || db_root(h)->table % 16 != 0 ||
      !heap_has(h, db_root(h)->table, sizeof(table_t)) ||
      db_root(h)->table == 0) {
    return UV_EINVAL;
  }
  return 0;
}

int verify_all(const heap_t *h, const char **what) {
  claims_t c = {.heap = h};

  *what = "the header";
  if (verify_root(h) != 0) {
    return UV_EINVAL;
  }
  c.bits = calloc(heap_header(h)->top / 128 + 1, 1);
  if (c.bits == NULL) {
    *what = "no memory to check with";
    return UV_ENOMEM;
  }
  if (alloc_check(h, mark, &c) != 0) {
    wrong(&c, "a block");
  } else if (claim_root(&c) && c.left != 0) {
    wrong(&c, "a block that nothing leads to");
  }
  free(c.bits);
  *what = c.what;
  return c.what == NULL ? 0 : UV_EINVAL;
}
