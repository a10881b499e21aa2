/* table.c - linear hashing.
 *
 * Invariant: an entry hangs in bucket table_bucket_of(its hash). With n buckets
 * and p the power of two with p <= n - 1 < 2p, buckets 0 .. n-1-p and p .. n-1
 * are told apart by one bit of the hash more than those between. */
#include "table.h"

#include <string.h>

#include "alloc.h"
#include "entry.h"
#include <xxhash.h>

static uint64_t power_below(uint64_t i) {
  return (uint64_t)1 << (63 - __builtin_clzll(i));
}

static unsigned segment_of(uint64_t bucket) {
  return bucket < TABLE_FIRST ? 0u : 54u - (unsigned)__builtin_clzll(bucket);
}

ref_t table_bucket(const table_t *t, uint64_t i) {
  unsigned k = segment_of(i);
  uint64_t first = k == 0 ? 0 : (uint64_t)TABLE_FIRST << (k - 1);

  return t->segments[k] + (i - first) * sizeof(ref_t);
}

uint64_t table_bucket_of(const table_t *t, uint64_t hash) {
  uint64_t power = power_below(t->buckets - 1);
  uint64_t i = hash & (2 * power - 1);

  return i < t->buckets ? i : i & (power - 1);
}

static table_t *edit(heap_t *h, ref_t table) {
  return heap_edit(h, table, sizeof(table_t));
}

ref_t table_new(heap_t *h) {
  const size_t bytes = TABLE_FIRST * sizeof(ref_t);
  ref_t table = alloc_take(h, sizeof(table_t));
  ref_t segment = table == 0 ? 0 : alloc_take(h, bytes);
  table_t *t;

  if (segment == 0) {
    if (table != 0) {
      alloc_free(h, table);
    }
    return 0;
  }
  memset(heap_edit(h, segment, bytes), 0, bytes);
  t = edit(h, table);
  memset(t, 0, sizeof(*t));
  t->buckets = TABLE_FIRST;
  t->segments[0] = segment;
  return table;
}

void table_free(heap_t *h, ref_t table) {
  assert(table_get(h, table)->count == 0);
  for (unsigned k = 0; k < TABLE_SEGMENTS; k++) {
    if (table_get(h, table)->segments[k] != 0) {
      alloc_free(h, table_get(h, table)->segments[k]);
    }
  }
  alloc_free(h, table);
}

void table_set_next(heap_t *h, ref_t table, ref_t next) {
  edit(h, table)->next = next;
}

uint64_t table_hash(const heap_t *h, bytes_t key) {
  return XXH3_64bits_withSeed(key.p, key.n, heap_header(h)->seed);
}

slot_t table_find(const heap_t *h, ref_t table, bytes_t key) {
  const table_t *t = table_get(h, table);
  slot_t s = {.hash = table_hash(h, key)};

  s.link = table_bucket(t, table_bucket_of(t, s.hash));
  s.entry = heap_get_word(h, s.link);
  while (s.entry != 0 && !entry_is(h, s.entry, s.hash, key)) {
    s.link = s.entry; /* an entry begins with its link to the next */
    s.entry = heap_get_word(h, s.link);
  }
  return s;
}

/* --- one bucket more, one bucket less --- */

/* Makes room for bucket `i`. Says whether there is. */
static bool has_segment(heap_t *h, ref_t table, uint64_t i) {
  unsigned k = segment_of(i);
  ref_t segment;

  if (k >= TABLE_SEGMENTS) {
    return false;
  }
  if (table_get(h, table)->segments[k] != 0) {
    return true;
  }
  segment = alloc_take(h, power_below(i) * sizeof(ref_t));
  if (segment != 0) {
    edit(h, table)->segments[k] = segment;
  }
  return segment != 0;
}

/* Moves the entries with `bit` in their hash from the chain at `link` to the
 * empty one at `to`. */
static void move_marked(heap_t *h, ref_t link, ref_t to, uint64_t bit) {
  ref_t e;

  while ((e = heap_get_word(h, link)) != 0) {
    if ((entry_get(h, e)->hash & bit) == 0) {
      link = e;
      continue;
    }
    heap_put_word(h, link, heap_get_word(h, e));
    heap_put_word(h, e, heap_get_word(h, to));
    heap_put_word(h, to, e);
  }
}

static void split(heap_t *h, ref_t table) {
  uint64_t n = table_get(h, table)->buckets;
  uint64_t power = power_below(n);
  ref_t from;
  ref_t to;

  if (!has_segment(h, table, n)) {
    return;
  }
  from = table_bucket(table_get(h, table), n - power);
  to = table_bucket(table_get(h, table), n);
  heap_put_word(h, to, 0);
  move_marked(h, from, to, power);
  edit(h, table)->buckets = n + 1;
}

static void free_segment(heap_t *h, ref_t table, unsigned k) {
  alloc_free(h, table_get(h, table)->segments[k]);
  edit(h, table)->segments[k] = 0;
}

static void merge(heap_t *h, ref_t table) {
  uint64_t last = table_get(h, table)->buckets - 1;
  uint64_t power = power_below(last);
  ref_t link = table_bucket(table_get(h, table), last - power);
  ref_t chain = heap_get_word(h, table_bucket(table_get(h, table), last));
  ref_t e;

  if (chain != 0) {
    while ((e = heap_get_word(h, link)) != 0) {
      link = e;
    }
    heap_put_word(h, link, chain);
  }
  edit(h, table)->buckets = last;
  if (last == power) {
    free_segment(h, table, segment_of(last));
  }
}

/* --- what others call --- */

void table_insert(heap_t *h, ref_t table, ref_t entry) {
  const table_t *t = table_get(h, table);
  uint64_t i = table_bucket_of(t, entry_get(h, entry)->hash);
  ref_t link = table_bucket(t, i);

  heap_put_word(h, entry, heap_get_word(h, link));
  heap_put_word(h, link, entry);
  edit(h, table)->count++;
  if (t->count > t->buckets) {
    split(h, table);
  }
}

void table_replace(heap_t *h, slot_t slot, ref_t entry) {
  heap_put_word(h, entry, heap_get_word(h, slot.entry));
  heap_put_word(h, slot.link, entry);
}

void table_remove(heap_t *h, ref_t table, slot_t slot) {
  const table_t *t = table_get(h, table);

  heap_put_word(h, slot.link, heap_get_word(h, slot.entry));
  edit(h, table)->count--;
  for (int i = 0; i < 2 && t->count < t->buckets / 2; i++) {
    if (t->buckets > TABLE_FIRST) {
      merge(h, table);
    }
  }
}

ref_t table_pop(heap_t *h, ref_t table) {
  const table_t *t = table_get(h, table);
  ref_t link;
  ref_t e;

  while (t->buckets > 0) {
    link = table_bucket(t, t->buckets - 1);
    e = heap_get_word(h, link);
    if (e != 0) {
      heap_put_word(h, link, heap_get_word(h, e));
      edit(h, table)->count--;
      return e;
    }
    edit(h, table)->buckets--;
  }
  return 0;
}
