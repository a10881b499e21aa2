/* blob.c - who keeps a large value alive.
 *
 * Invariant: a blob is owned by one key, or is in limbo, never both; one whose
 * pin is `dropped` is in limbo and goes with its last reader. */
#include "blob.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "alloc.h"

/* On a plain list: what one client has pinned is bounded by its output limit,
 * and the list is searched for large values only. */
struct pin_s {
  pin_t *next;
  ref_t blob;
  unsigned readers;
  bool dropped;
};

static const blob_t *get(const blobs_t *b, ref_t blob) {
  return (const blob_t *)heap_get(b->heap, blob);
}

static blob_t *edit(blobs_t *b, ref_t blob) {
  return heap_edit(b->heap, blob, sizeof(blob_t));
}

static void enter_limbo(blobs_t *b, ref_t at) {
  ref_t head = heap_get_word(b->heap, b->limbo);
  blob_t *blob = edit(b, at);

  blob->next = head;
  blob->prev = 0;
  blob->in_limbo = 1;
  if (head != 0) {
    edit(b, head)->prev = at;
  }
  heap_put_word(b->heap, b->limbo, at);
}

static void leave_limbo(blobs_t *b, ref_t at) {
  blob_t *blob = edit(b, at);

  if (blob->next != 0) {
    edit(b, blob->next)->prev = blob->prev;
  }
  if (blob->prev != 0) {
    edit(b, blob->prev)->next = blob->next;
  } else {
    heap_put_word(b->heap, b->limbo, blob->next);
  }
  blob->next = 0;
  blob->prev = 0;
  blob->in_limbo = 0;
}

ref_t blob_new(blobs_t *b, uint64_t len, uint64_t room) {
  ref_t at = 0;

  assert(len <= room);
  if (room <= HEAP_RESERVE_MAX) {
    at = alloc_take(b->heap, sizeof(blob_t) + room);
  }
  if (at != 0) {
    edit(b, at)->len = len;
    enter_limbo(b, at);
  }
  return at;
}

void blob_adopt(blobs_t *b, ref_t blob) {
  leave_limbo(b, blob);
}

static pin_t **find_pin(blobs_t *b, ref_t blob) {
  pin_t **p = &b->pins;

  while (*p != NULL && (*p)->blob != blob) {
    p = &(*p)->next;
  }
  return p;
}

void blob_drop(blobs_t *b, ref_t blob) {
  pin_t *pin = *find_pin(b, blob);
  bool in_limbo = get(b, blob)->in_limbo != 0;

  if (b->is_given_up) {
    return;
  }
  if (pin == NULL) {
    if (in_limbo) {
      leave_limbo(b, blob);
    }
    alloc_free(b->heap, blob);
    return;
  }
  pin->dropped = true;
  if (!in_limbo) {
    enter_limbo(b, blob);
  }
}

int blob_pin(blobs_t *b, ref_t blob) {
  pin_t *pin = *find_pin(b, blob);

  if (pin == NULL) {
    pin = calloc(1, sizeof(*pin));
    if (pin == NULL) {
      return UV_ENOMEM;
    }
    pin->blob = blob;
    pin->next = b->pins;
    b->pins = pin;
  }
  pin->readers++;
  return 0;
}

int blob_pin_again(blobs_t *b, ref_t blob) {
  int r = blob_pin(b, blob);

  if (r == 0) {
    (*find_pin(b, blob))->dropped = get(b, blob)->in_limbo != 0;
  }
  return r;
}

bool blob_is_at(const heap_t *h, ref_t blob, uint64_t len) {
  return blob != 0 && blob % 16 == 0 && heap_has(h, blob, sizeof(blob_t)) &&
         blob_bytes(h, blob).n >= len &&
         heap_has(h, blob + sizeof(blob_t), len);
}

void blob_unpin(blobs_t *b, ref_t blob) {
  pin_t **at = find_pin(b, blob);
  pin_t *pin = *at;

  assert(pin != NULL);
  if (--pin->readers > 0) {
    return;
  }
  *at = pin->next;
  if (pin->dropped && !b->is_given_up) {
    leave_limbo(b, blob);
    alloc_free(b->heap, blob);
  }
  free(pin);
}

bool blob_has_room(blobs_t *b, ref_t blob, uint64_t len) {
  return alloc_extend(b->heap, blob, sizeof(blob_t) + len);
}

void blob_append(blobs_t *b, ref_t blob, bytes_t more) {
  uint64_t len = get(b, blob)->len;

  memcpy(blob_edit(b->heap, blob, len, more.n), more.p, more.n);
  edit(b, blob)->len = len + more.n;
}

void blob_empty_limbo(blobs_t *b) {
  ref_t blob;

  while ((blob = heap_get_word(b->heap, b->limbo)) != 0) {
    blob_drop(b, blob);
  }
}
