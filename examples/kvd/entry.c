/* entry.c - the layout of entries, and nothing about which there are. */
#include "entry.h"

#include <string.h>

#include "alloc.h"
#include "blob.h"

ref_t entry_new(heap_t *h, uint64_t hash, bytes_t key, size_t value_len) {
  ref_t at = alloc_take(h, sizeof(entry_t) + key.n + value_len);
  entry_t *e;

  if (at != 0) {
    e = heap_edit(h, at, sizeof(*e) + key.n + value_len);
    memset(e, 0, sizeof(*e));
    e->hash = hash;
    e->key_len = key.n;
    e->value_len = value_len;
    memcpy(e + 1, key.p, key.n);
  }
  return at;
}

bytes_t entry_key(const heap_t *h, ref_t e) {
  const entry_t *entry = entry_get(h, e);

  return (bytes_t){(const char *)(entry + 1), entry->key_len};
}

bool entry_is(const heap_t *h, ref_t e, uint64_t hash, bytes_t key) {
  const entry_t *entry = entry_get(h, e);

  return entry->hash == hash && entry->key_len == key.n &&
         memcmp(entry + 1, key.p, key.n) == 0;
}

bytes_t entry_value(const heap_t *h, ref_t e) {
  const entry_t *entry = entry_get(h, e);

  if (entry->blob != 0) {
    return blob_bytes(h, entry->blob);
  }
  return (bytes_t){(const char *)(entry + 1) + entry->key_len,
                   entry->value_len};
}

size_t entry_room(const heap_t *h, ref_t e) {
  return alloc_size(h, e) - sizeof(entry_t) - entry_get(h, e)->key_len;
}

void entry_write(heap_t *h, ref_t e, bytes_t value) {
  size_t key_len = entry_get(h, e)->key_len;
  entry_t *entry = heap_edit(h, e, sizeof(entry_t) + key_len + value.n);

  entry->value_len = value.n;
  memmove((char *)(entry + 1) + key_len, value.p, value.n);
}

void entry_append(heap_t *h, ref_t e, bytes_t more) {
  const entry_t *entry = entry_get(h, e);
  ref_t end = e + sizeof(entry_t) + entry->key_len + entry->value_len;
  uint64_t value_len = entry->value_len + more.n;

  memcpy(heap_edit(h, end, more.n), more.p, more.n);
  ((entry_t *)heap_edit(h, e, sizeof(entry_t)))->value_len = value_len;
}
