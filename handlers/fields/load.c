/* load.c - loading: fields and structures, of either format. See load.h.
 *
 * Native payloads are walked in the order of the stream's own schema, by a
 * plan; QEMU's in the order of the table. Everything is read into the shadow;
 * memory is taken only after a count has passed its bound from the table and
 * the bytes for it are there. */
#include "fields/load.h"

#include <inttypes.h>
#include <stdlib.h>
#include <uv.h>

#include "fields/own.h"

int sluice__load_nested(sluice__load_t *l, const sluice__step_t *step, void *to,
                        void *live) {
  int r = sluice__path_enter(&l->path);

  if (r == 0) {
    r = sluice__load_table(l, step->plan, step->to->table,
                           step->to->table->version, to, live);
    sluice__path_leave(&l->path);
  }
  return r;
}

/* ---- shapes ---- */

static int load_structs(sluice__load_t *l, const sluice__step_t *step,
                        void *first, void *live, size_t n) {
  const sluice_field_t *f = step->to;
  int r = 0;

  for (size_t i = 0; i < n && r == 0; i++) {
    if (f->shape != SLUICE_SHAPE_ONE && f->shape != SLUICE_SHAPE_POINTER) {
      l->path.at[l->path.depth].index = (uint32_t)i;
    }
    r = sluice__load_nested(l, step, (char *)first + i * f->size,
                            live == NULL ? NULL : (char *)live + i * f->size);
  }
  return r;
}

static int load_inline(sluice__load_t *l, const sluice__step_t *step, void *to,
                       void *live, size_t n) {
  const sluice_field_t *f = step->to;

  if (f->type == SLUICE_FIELD_TEXT) {
    return sluice__load_text(l, f, sluice__field_at(f, to));
  }
  if (f->type == SLUICE_FIELD_STRUCT) {
    return load_structs(l, step, sluice__field_at(f, to),
                        live == NULL ? NULL : sluice__field_at(f, live), n);
  }
  return sluice__load_scalars(l, step, sluice__field_at(f, to), n);
}

/* The count is a field that came before; a native stream says it again. */
static int load_count(sluice__load_t *l, const sluice_field_t *f,
                      const void *to, size_t *out) {
  uint64_t n = sluice__field_count(f, to);
  uint32_t said = 0;
  int r = l->plan == NULL ? 0 : sluice__load_u32(l, &said);

  if (r != 0) {
    return r;
  }
  if (n > f->max) {
    return sluice__path_fail(&l->path, SLUICE_ECORRUPT,
                             "has %" PRIu64 " elements, at most %" PRIu32, n,
                             f->max);
  }
  if (l->plan != NULL && said != n) {
    return sluice__path_fail(&l->path, SLUICE_ECORRUPT,
                             "has %" PRIu32 " elements, its count is %" PRIu64,
                             said, n);
  }
  *out = (size_t)n;
  return 0;
}

/* Each element has a byte or more: announced ones that cannot be there take no
 * memory. (Where `more` gets input as needed, the table's bound must do.) */
static int take_array(sluice__load_t *l, const sluice_field_t *f, void *to,
                      const void *live, size_t n) {
  void *p;

  if (l->in.more == NULL && n > sluice__in_left(&l->in)) {
    return sluice__path_fail(&l->path, SLUICE_ECORRUPT, "is truncated");
  }
  p = n == 0 ? NULL : calloc(n, f->size);
  if (p == NULL && n > 0) {
    return sluice__path_fail(&l->path, UV_ENOMEM, "has no memory");
  }
  sluice__own_replace(f, to, live, p);
  return 0;
}

static int load_owned(sluice__load_t *l, const sluice__step_t *step, void *to,
                      const void *live, size_t n) {
  const sluice_field_t *f = step->to;
  int r = take_array(l, f, to, live, n);

  if (r != 0 || n == 0) {
    return r;
  }
  return f->type == SLUICE_FIELD_STRUCT
             ? load_structs(l, step, sluice__field_pointer(f, to), NULL, n)
             : sluice__load_scalars(l, step, sluice__field_pointer(f, to), n);
}

static int load_counted(sluice__load_t *l, const sluice__step_t *step, void *to,
                        void *live) {
  size_t n = 0;
  int r = load_count(l, step->to, to, &n);

  if (r != 0) {
    return r;
  }
  return step->to->shape == SLUICE_SHAPE_OWNED
             ? load_owned(l, step, to, live, n)
             : load_inline(l, step, to, live, n);
}

/* A structure that is there gets a shadow of its own. */
static int load_pointer(sluice__load_t *l, const sluice__step_t *step, void *to,
                        const void *live) {
  const sluice_field_t *f = step->to;
  void *kept = live == NULL ? NULL : sluice__field_pointer(f, live);
  bool is_there = false;
  void *p;
  int r = sluice__load_flag(l, &is_there);

  if (r != 0 || !is_there) {
    if (r == 0) {
      sluice__own_replace(f, to, live, NULL);
    }
    return r;
  }
  p = calloc(1, f->size);
  if (p == NULL) {
    return sluice__path_fail(&l->path, UV_ENOMEM, "has no memory");
  }
  if (kept != NULL) {
    memcpy(p, kept, f->size);
  }
  sluice__own_replace(f, to, live, p);
  return load_structs(l, step, p, kept, 1);
}

static int load_shape(sluice__load_t *l, const sluice__step_t *step, void *to,
                      void *live) {
  const sluice_field_t *f = step->to;

  switch ((sluice_shape_t)f->shape) {
  case SLUICE_SHAPE_ONE: return load_inline(l, step, to, live, 1);
  case SLUICE_SHAPE_ARRAY: return load_inline(l, step, to, live, f->max);
  case SLUICE_SHAPE_COUNTED:
  case SLUICE_SHAPE_OWNED: return load_counted(l, step, to, live);
  case SLUICE_SHAPE_POINTER: return load_pointer(l, step, to, live);
  }
  return UV_EINVAL;
}

int sluice__load_value(sluice__load_t *l, const sluice__step_t *step, void *to,
                       void *live) {
  const uint8_t *padding;

  switch (step->to->type) {
  case SLUICE_FIELD_STRING: return sluice__load_string(l, step->to, to, live);
  case SLUICE_FIELD_LIST: return sluice__load_list(l, step, to, live);
  case SLUICE_FIELD_UNUSED:
    return sluice__load_bytes(l, step->to->max, &padding);
  default: return load_shape(l, step, to, live); /* all that have a shape */
  }
}

/* ---- native ---- */

static int skip_field(sluice__load_t *l, const sluice__schema_field_t *from) {
  sluice__walk_t w = {l->plan->schema, &l->in, &l->path, NULL, NULL, 0};

  return sluice__walk_field(&w, from);
}

static int load_step(sluice__load_t *l, const sluice__step_t *step, void *to,
                     void *live) {
  bool is_there = true;
  int r = 0;

  sluice__path_at(&l->path, step->from->name);
  if (step->to == NULL) {
    return skip_field(l, step->from);
  }
  if ((step->from->flags & SLUICE__SCHEMA_PRESENCE) != 0) {
    r = sluice__load_flag(l, &is_there);
  }
  return r != 0 || !is_there ? r : sluice__load_value(l, step, to, live);
}

static int load_steps(sluice__load_t *l, const sluice__plan_table_t *pair,
                      void *to, void *live) {
  const sluice__step_t *end = pair->steps + pair->from->field_count;
  const uint8_t *p;
  int r = 0;

  for (const sluice__step_t *step = pair->steps; step != end && r == 0;
       step++) {
    if (step->is_plain && sluice__in_left(&l->in) >= step->to->size) {
      p = l->in.at;
      l->in.at += step->to->size;
      sluice__order_copy((char *)to + step->to->offset, p, step->to->size,
                         l->in.is_big);
      continue;
    }
    r = load_step(l, step, to, live);
  }
  return r;
}

static int load_sub(sluice__load_t *l, const sluice__plan_table_t *pair,
                    unsigned i, void *to, void *live) {
  unsigned plan = pair->subs[i];
  sluice__walk_t w = {l->plan->schema, &l->in, &l->path, NULL, NULL, 0};

  if (plan == SLUICE__PLAN_REFUSE) {
    return sluice__path_fail(&l->path, SLUICE_EUNKNOWN,
                             "is a subsection that is not known");
  }
  if (plan == SLUICE__PLAN_SKIP) {
    return sluice__walk_table(&w, pair->from->subs[i]);
  }
  return sluice__load_table(l, plan, NULL, 0, to, live);
}

static int enter_sub(sluice__load_t *l, const sluice__plan_table_t *pair,
                     unsigned i, void *to, void *live) {
  int r = sluice__path_enter(&l->path);

  if (r == 0) {
    r = load_sub(l, pair, i, to, live);
    sluice__path_leave(&l->path);
  }
  return r;
}

static int load_subs(sluice__load_t *l, const sluice__plan_table_t *pair,
                     void *to, void *live) {
  bool is_there = false;
  int r = 0;

  for (unsigned i = 0; i < pair->from->sub_count && r == 0; i++) {
    sluice__path_at(&l->path,
                    l->plan->schema->tables[pair->from->subs[i]].name);
    r = sluice__load_flag(l, &is_there);
    if (r == 0 && is_there) {
      r = enter_sub(l, pair, i, to, live);
    }
  }
  return r;
}

/* ---- a structure ---- */

/* Arrays that were not loaded must still fit counts that were. */
static int check_kept(sluice__load_t *l, const sluice_field_t *f,
                      const void *to, const void *live) {
  uint64_t n = sluice__field_count(f, to);
  void *p =
      f->shape == SLUICE_SHAPE_OWNED ? sluice__field_pointer(f, to) : NULL;
  bool is_kept =
      p != NULL && live != NULL && p == sluice__field_pointer(f, live);

  sluice__path_at(&l->path, f->name);
  if ((n > f->max && f->exists == NULL) ||
      (f->shape == SLUICE_SHAPE_OWNED && p == NULL && n > 0 &&
       f->exists == NULL) ||
      (is_kept && n != sluice__field_count(f, live))) {
    return sluice__path_fail(
        &l->path, SLUICE_ECORRUPT,
        "does not have the %" PRIu64 " elements that its count says", n);
  }
  return 0;
}

static int finish_table(sluice__load_t *l, const sluice_table_t *table,
                        uint32_t version, void *to, const void *live) {
  int r = 0;

  for (const sluice_field_t *f = table->fields; f->name != NULL && r == 0;
       f++) {
    r = sluice__field_is_counted(f) ? check_kept(l, f, to, live) : 0;
  }
  sluice__path_at(&l->path, NULL);
  if (r == 0 && table->post_load != NULL) {
    r = table->post_load(to, version, l->path.err);
    r = r < 0 ? sluice__path_fail(&l->path, r, "was refused by its post_load")
              : 0;
  }
  return r;
}

static int begin_table(sluice__load_t *l, const sluice_table_t *table,
                       void *to) {
  int r = table->pre_load == NULL ? 0 : table->pre_load(to, l->path.err);

  return r < 0 ? sluice__path_fail(&l->path, r, "was refused by its pre_load")
               : 0;
}

int sluice__load_table(sluice__load_t *l, unsigned plan,
                       const sluice_table_t *table, uint32_t version, void *to,
                       void *live) {
  const sluice__plan_table_t *pair =
      l->plan == NULL ? NULL : &l->plan->tables[plan];
  int r;

  if (pair != NULL) {
    table = pair->to;
    version = pair->from->version;
  }
  r = begin_table(l, table, to);
  if (r == 0) {
    r = pair != NULL ? load_steps(l, pair, to, live)
                     : sluice__load_qemu_fields(l, table, version, to, live);
  }
  if (r == 0) {
    r = pair != NULL ? load_subs(l, pair, to, live)
                     : sluice__load_qemu_subs(l, table, to, live);
  }
  return r == 0 ? finish_table(l, table, version, to, live) : r;
}

/* ---- the whole ---- */

static int run(sluice__load_t *l) {
  int r = sluice__load_table(l, 0, l->table, l->version, l->shadow, l->live);

  l->path.depth = 0; /* failing left it where that was */
  return r;
}

int sluice__load_run(sluice__load_t *load, sluice_error_t *err) {
  int r;

  load->path.depth = 0;
  load->path.err = err;
  sluice__path_at(&load->path, NULL);
  load->shadow = malloc(load->table->structure_size);
  if (load->shadow == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for a shadow");
  }
  memcpy(load->shadow, load->live, load->table->structure_size);
  r = run(load);
  if (r != 0) {
    sluice__load_discard(load);
  }
  return r;
}

int sluice__load_reserve(sluice__load_t *load, sluice_error_t *err) {
  for (size_t i = 0; i < load->staged_count; i++) {
    const sluice__staged_t *s = &load->staged[i];
    int r = s->field->list->reserve == NULL
                ? 0
                : s->field->list->reserve(s->owner, s->count, err);

    if (r < 0) {
      return sluice_fail(err, r, "list '%.100s' has no room for %zu elements",
                         s->field->name, s->count);
    }
  }
  return 0;
}

void sluice__load_commit(sluice__load_t *load) {
  sluice__load_put_lists(load);
  sluice__own_commit(load->table, load->live, load->shadow);
  free(load->shadow);
  load->shadow = NULL;
  sluice__own_tell(load->table, load->live);
}

void sluice__load_discard(sluice__load_t *load) {
  sluice__load_drop_lists(load);
  if (load->shadow != NULL) {
    sluice__own_discard(load->table, load->shadow, load->live);
    free(load->shadow);
    load->shadow = NULL;
  }
}
