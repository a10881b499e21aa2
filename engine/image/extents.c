/* extents.c - see extents.h. */
#include "image/extents.h"

/* Where pages may be deferred, what is smaller is not worth a mapping. */
enum { DEFER_LEAST = 64 * SLUICE__EXTENT_PAGE };

static size_t size_class(uint64_t bytes) {
  uint64_t n = bytes / SLUICE__EXTENT_PAGE;

  return n < SLUICE__EXTENT_SIZES ? (size_t)n : SLUICE__EXTENT_SIZES - 1;
}

static sluice__image_extent_t *last_of(const sluice__extents_t *x) {
  return x->count > 0 ? &x->list[x->count - 1] : NULL;
}

static bool is_adjacent(const sluice__image_extent_t *last,
                        const sluice__image_extent_t *run) {
  return last != NULL && last->region == run->region &&
         last->offset + last->bytes == run->offset;
}

bool sluice__extents_join(sluice__extents_t *x,
                          const sluice__image_extent_t *run) {
  sluice__image_extent_t *last = last_of(x);

  if (!is_adjacent(last, run) || last->at + last->bytes != run->at) {
    return false;
  }
  last->bytes += run->bytes;
  return true;
}

static int grow(sluice__extents_t *x, sluice__mem_t *mem) {
  size_t cap = x->cap == 0 ? 1024 : x->cap * 2;
  void *list = sluice__mem_resize(mem, x->list, x->cap * sizeof(*x->list),
                                  cap * sizeof(*x->list));

  if (list == NULL) {
    return sluice__mem_error(mem);
  }
  x->list = list;
  x->cap = cap;
  return 0;
}

/* Nothing is joined to the last one any more. */
static void count_last(sluice__extents_t *x) {
  if (x->count > 0) {
    x->sizes[size_class(last_of(x)->bytes)]++;
  }
}

int sluice__extents_add(sluice__extents_t *x, sluice__mem_t *mem,
                        const sluice__image_extent_t *run) {
  int r = x->count == x->cap ? grow(x, mem) : 0;

  if (r < 0) {
    return r;
  }
  count_last(x);
  x->gaps += !is_adjacent(last_of(x), run);
  x->list[x->count++] = *run;
  return 0;
}

/* From which size on, and how many of the next. */
void sluice__extents_choose(sluice__extents_t *x, uint64_t most,
                            bool may_defer) {
  size_t size = SLUICE__EXTENT_SIZES;
  uint64_t left = most;

  count_last(x);
  while (size > 0 && x->sizes[size - 1] <= left) {
    size--;
    left -= x->sizes[size];
  }
  x->least = (uint64_t)size * SLUICE__EXTENT_PAGE;
  x->equal = size > 0 ? left : 0;
  if (may_defer && x->count > most && x->least < DEFER_LEAST) {
    x->least = DEFER_LEAST; /* each gap between mappings is one more */
    x->equal = 0;
  }
}

bool sluice__extents_next(sluice__extents_t *x, sluice__image_extent_t *out) {
  uint64_t size;

  *out = x->list[x->next++];
  size = ((uint64_t)size_class(out->bytes) + 1) * SLUICE__EXTENT_PAGE;
  if (size == x->least && x->equal > 0) {
    x->equal--;
    return true;
  }
  return size > x->least;
}

/* In front of the list, where those stood that were asked for already. */
void sluice__extents_leave(sluice__extents_t *x,
                           const sluice__image_extent_t *extent) {
  x->list[x->unmapped++] = *extent;
}

void sluice__extents_drop_deferred(sluice__extents_t *x) {
  size_t n = 0;

  for (size_t i = 0; i < x->unmapped; i++) {
    if (!x->list[i].is_deferred) {
      x->list[n++] = x->list[i];
    }
  }
  x->unmapped = n;
}

void sluice__extents_close(sluice__extents_t *x, sluice__mem_t *mem) {
  sluice__mem_free(mem, x->list, x->cap * sizeof(*x->list));
  x->list = NULL;
  x->count = 0;
  x->cap = 0;
}
