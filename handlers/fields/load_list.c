/* load_list.c - lists: staged until the commit, or put together at once.
 *
 * A list of the structure itself must not change before the commit: its new
 * elements wait in a staged list. A list in something that was made for this
 * load (an element, a structure behind a new pointer) is seen by nobody yet, so
 * elements are added as they come. */
#include <inttypes.h>
#include <stdlib.h>
#include <uv.h>

#include "fields/load.h"
#include "fields/own.h"

static sluice__staged_t *stage_list(sluice__load_t *l, const sluice_field_t *f,
                                    void *owner) {
  if (l->staged_count == l->staged_cap) {
    size_t cap = l->staged_cap == 0 ? 4 : l->staged_cap * 2;
    void *staged = realloc(l->staged, cap * sizeof(*l->staged));

    if (staged == NULL) {
      return NULL;
    }
    l->staged = staged;
    l->staged_cap = cap;
  }
  l->staged[l->staged_count] = (sluice__staged_t){.field = f, .owner = owner};
  return &l->staged[l->staged_count++];
}

static bool hold(sluice__staged_t *s, void *element) {
  if (s->count == s->cap) {
    size_t cap = s->cap == 0 ? 16 : s->cap * 2;
    void *elements = realloc(s->elements, cap * sizeof(*s->elements));

    if (elements == NULL) {
      return false;
    }
    s->elements = elements;
    s->cap = cap;
  }
  s->elements[s->count++] = element;
  return true;
}

static void *make_element(sluice__load_t *l, const sluice_field_t *f,
                          void *owner) {
  return f->list->make != NULL ? f->list->make(owner, l->path.err)
                               : calloc(1, f->table->structure_size);
}

static int no_memory(const sluice__load_t *l) {
  return sluice__path_fail(&l->path, UV_ENOMEM, "has no memory");
}

/* `number` is that of the staged list; SIZE_MAX: `owner` is new. */
static int load_element(sluice__load_t *l, const sluice__step_t *step,
                        void *owner, size_t number) {
  const sluice_field_t *f = step->to;
  void *element = make_element(l, f, owner);
  int r;

  if (element == NULL) {
    return no_memory(l);
  }
  r = sluice__load_nested(l, step, element, NULL);
  if (r == 0 && number != SIZE_MAX && !hold(&l->staged[number], element)) {
    r = no_memory(l);
  } else if (r == 0 && number == SIZE_MAX) {
    f->list->add(owner, element);
  }
  if (r != 0) {
    sluice__own_drop(f, element);
  }
  return r;
}

static int load_elements(sluice__load_t *l, const sluice__step_t *step,
                         void *owner, size_t number) {
  uint32_t max = step->to->max;
  bool is_there = true;
  int r = 0;

  for (uint32_t i = 0; r == 0 && is_there; i++) {
    l->path.at[l->path.depth].index = i;
    r = sluice__load_flag(l, &is_there);
    if (r == 0 && is_there && i == max) {
      return sluice__path_fail(&l->path, SLUICE_ECORRUPT,
                               "is one element over its bound of %" PRIu32,
                               max);
    }
    if (r == 0 && is_there) {
      r = load_element(l, step, owner, number);
    }
  }
  return r;
}

int sluice__load_list(sluice__load_t *l, const sluice__step_t *step, void *to,
                      void *live) {
  size_t number = l->staged_count;

  if (live == NULL) {
    return load_elements(l, step, to, SIZE_MAX);
  }
  if (stage_list(l, step->to, live) == NULL) {
    return no_memory(l);
  }
  return load_elements(l, step, live, number);
}

static void forget(sluice__load_t *l) {
  for (size_t i = 0; i < l->staged_count; i++) {
    free(l->staged[i].elements);
  }
  free(l->staged);
  l->staged = NULL;
  l->staged_count = 0;
  l->staged_cap = 0;
}

void sluice__load_drop_lists(sluice__load_t *l) {
  for (size_t i = 0; i < l->staged_count; i++) {
    for (size_t k = 0; k < l->staged[i].count; k++) {
      sluice__own_drop(l->staged[i].field, l->staged[i].elements[k]);
    }
  }
  forget(l);
}

void sluice__load_put_lists(sluice__load_t *l) {
  for (size_t i = 0; i < l->staged_count; i++) {
    const sluice__staged_t *s = &l->staged[i];

    s->field->list->clear(s->owner);
    for (size_t k = 0; k < s->count; k++) {
      s->field->list->add(s->owner, s->elements[k]);
    }
  }
  forget(l);
}
