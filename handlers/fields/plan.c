/* plan.c - see plan.h.
 *
 * Pairs are found breadth first from the root; each is made once, so schemas
 * and tables that refer to themselves end as well. */
#include "fields/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <uv.h>

typedef struct pairing_s {
  sluice__plan_t *plan;
  const sluice__plan_table_t *pair; /* that is being filled */
  sluice_error_t *err;
} pairing_t;

static int refuse(const pairing_t *p, int code, const char *field,
                  const char *why) {
  return sluice_fail(p->err, code, "field '%.80s' of '%.60s' %s", field,
                     p->pair->from->name, why);
}

static bool is_alias(const sluice__schema_field_t *from,
                     const sluice_field_t *to) {
  return (to->alias != NULL && strcmp(from->name, to->alias) == 0) ||
         (from->alias != NULL && strcmp(from->alias, to->name) == 0);
}

/* Most often fields are where they were: begin there. */
static const sluice_field_t *find_field(const sluice_table_t *to,
                                        const sluice__schema_field_t *from,
                                        const sluice_field_t *guess) {
  const sluice_field_t *found = NULL;

  if (guess->name != NULL && strcmp(guess->name, from->name) == 0 &&
      guess->type != SLUICE_FIELD_UNUSED) {
    return guess;
  }
  for (const sluice_field_t *f = to->fields; f->name != NULL; f++) {
    if (f->type != SLUICE_FIELD_UNUSED && strcmp(from->name, f->name) == 0) {
      return f;
    }
    if (f->type != SLUICE_FIELD_UNUSED && is_alias(from, f)) {
      found = f;
    }
  }
  return found;
}

static int grow(pairing_t *p) {
  sluice__plan_t *plan = p->plan;
  unsigned cap = plan->cap == 0 ? 4 : plan->cap * 2;
  void *tables;

  if (plan->count < plan->cap) {
    return 0;
  }
  if (plan->count == SLUICE__PLAN_TABLES_MAX) {
    return sluice_fail(p->err, SLUICE_ELIMIT, "the schema has too many tables");
  }
  tables = realloc(plan->tables, cap * sizeof(*plan->tables));
  if (tables == NULL) {
    return sluice_fail(p->err, UV_ENOMEM, "no memory for a schema");
  }
  plan->tables = tables;
  plan->cap = cap;
  return 0;
}

static int check_version(pairing_t *p, const sluice__schema_table_t *from,
                         const sluice_table_t *to) {
  if (from->version > to->version) {
    return sluice_fail(p->err, SLUICE_EVERSION,
                       "'%.60s' has version %" PRIu32
                       ", the table knows up to %" PRIu32,
                       from->name, from->version, to->version);
  }
  if (from->version < to->min_version) {
    return sluice_fail(p->err, SLUICE_EOLDVERSION,
                       "'%.60s' has version %" PRIu32
                       ", the table accepts from %" PRIu32,
                       from->name, from->version, to->min_version);
  }
  return 0;
}

/* The number of the pair in `*out`, which is new or was there. */
static int add_pair(pairing_t *p, const sluice__schema_table_t *from,
                    const sluice_table_t *to, uint16_t *out) {
  sluice__plan_t *plan = p->plan;
  int r;

  for (unsigned i = 0; i < plan->count; i++) {
    if (plan->tables[i].from == from && plan->tables[i].to == to) {
      *out = (uint16_t)i;
      return 0;
    }
  }
  r = check_version(p, from, to);
  if (r == 0) {
    r = grow(p);
  }
  if (r == 0) {
    *out = (uint16_t)plan->count;
    plan->tables[plan->count] = (sluice__plan_table_t){from, to, NULL, NULL};
    plan->count++;
  }
  return r;
}

static unsigned wire_shape(const sluice_field_t *f) {
  return f->shape == SLUICE_SHAPE_OWNED ? SLUICE_SHAPE_COUNTED : f->shape;
}

static int check_fit(const pairing_t *p, const sluice__step_t *step) {
  const sluice__schema_field_t *from = step->from;
  const sluice_field_t *to = step->to;

  if (from->shape != wire_shape(to) ||
      !sluice__type_widens(from->type, to->type)) {
    return refuse(p, SLUICE_EKIND, from->name,
                  "is of another type than the table's");
  }
  if (from->shape == SLUICE_SHAPE_ARRAY && from->max != to->max) {
    return refuse(p, SLUICE_EKIND, from->name,
                  "is of another length than the table's");
  }
  return 0;
}

static bool is_plain(const sluice__step_t *step) {
  return step->from->shape == SLUICE_SHAPE_ONE &&
         step->from->type == step->to->type && step->to->check == 0 &&
         (step->from->flags & SLUICE__SCHEMA_PRESENCE) == 0 &&
         sluice__type_is_scalar(step->to->type) &&
         step->to->type != SLUICE_FIELD_BOOL;
}

/* An array's count must be known by the time it comes, and not change later:
 * what is freed one day is what the count says. */
static int check_count(const pairing_t *p, const sluice__step_t *step) {
  const sluice_field_t *count =
      sluice__field_is_counted(step->to)
          ? sluice__table_count_of(p->pair->to, step->to)
          : NULL;

  if (count == NULL) {
    return 0;
  }
  for (const sluice__step_t *s = p->pair->steps; s != step; s++) {
    if (s->to == count) {
      return 0;
    }
  }
  return refuse(p, SLUICE_EMISSING, count->name,
                "is not in the stream before its array");
}

static int match_field(pairing_t *p, unsigned i) {
  const sluice__plan_table_t pair = *p->pair; /* adding pairs may move it */
  sluice__step_t *step = &pair.steps[i];
  int r;

  step->from = &pair.from->fields[i];
  step->to = find_field(pair.to, step->from, step[0].to);
  if (step->to == NULL) {
    return (step->from->flags & SLUICE__SCHEMA_OPTIONAL) != 0
               ? 0
               : refuse(p, SLUICE_EUNKNOWN, step->from->name,
                        "is not known and not optional");
  }
  r = check_fit(p, step);
  if (r == 0) {
    r = check_count(p, step);
  }
  step->is_plain = is_plain(step);
  if (r == 0 && step->from->table != SLUICE__SCHEMA_NO_TABLE) {
    r = add_pair(p, &p->plan->schema->tables[step->from->table],
                 step->to->table, &step->plan);
  }
  return r;
}

static bool is_in_stream(const sluice__plan_table_t *pair,
                         const sluice_field_t *to) {
  for (unsigned i = 0; i < pair->from->field_count; i++) {
    if (pair->steps[i].to == to) {
      return true;
    }
  }
  return false;
}

/* What a stream of this version must have. */
static int check_missing(const pairing_t *p) {
  const sluice__plan_table_t *pair = p->pair;

  for (const sluice_field_t *f = pair->to->fields; f->name != NULL; f++) {
    if (f->since <= pair->from->version && !f->optional &&
        f->type != SLUICE_FIELD_UNUSED && !is_in_stream(pair, f)) {
      return refuse(p, SLUICE_EMISSING, f->name, "is missing from the stream");
    }
  }
  return 0;
}

static int match_sub(pairing_t *p, unsigned i) {
  const sluice__plan_table_t pair = *p->pair;
  const sluice_table_t *const *sub = pair.to->subsections;
  const sluice__schema_table_t *from =
      &p->plan->schema->tables[pair.from->subs[i]];

  for (; sub != NULL && *sub != NULL; sub++) {
    if (strcmp((*sub)->name, from->name) == 0) {
      return add_pair(p, from, *sub, &pair.subs[i]);
    }
  }
  pair.subs[i] = from->optional ? SLUICE__PLAN_SKIP : SLUICE__PLAN_REFUSE;
  return 0;
}

/* Two fields of the stream with aliases could otherwise go to one member. */
static int check_unique(const pairing_t *p) {
  const sluice__plan_table_t *pair = p->pair;

  for (unsigned i = 1; i < pair->from->field_count; i++) {
    for (unsigned k = 0; k < i; k++) {
      if (pair->steps[i].to != NULL && pair->steps[i].to == pair->steps[k].to) {
        return refuse(p, SLUICE_ECORRUPT, pair->steps[i].to->name,
                      "is in the stream twice");
      }
    }
  }
  return 0;
}

static int take_steps(pairing_t *p, sluice__plan_table_t *pair,
                      unsigned fields) {
  const sluice_field_t *guess = pair->to->fields;

  pair->steps = calloc((size_t)fields + 1, sizeof(*pair->steps));
  pair->subs = calloc((size_t)pair->from->sub_count + 1, sizeof(*pair->subs));
  if (pair->steps == NULL || pair->subs == NULL) {
    (void)sluice_fail(p->err, UV_ENOMEM, "no memory for a schema");
    return UV_ENOMEM;
  }
  for (unsigned i = 0; i < fields; i++) {
    pair->steps[i].to = guess; /* where match_field() looks first */
    guess += guess->name != NULL ? 1 : 0;
  }
  return 0;
}

static int fill_pair(pairing_t *p, unsigned number) {
  sluice__plan_table_t *pair = &p->plan->tables[number];
  unsigned fields = pair->from->field_count;
  unsigned subs = pair->from->sub_count;
  int r = take_steps(p, pair, fields);

  for (unsigned i = 0; i < fields && r == 0; i++) {
    p->pair = &p->plan->tables[number];
    r = match_field(p, i);
  }
  for (unsigned i = 0; i < subs && r == 0; i++) {
    p->pair = &p->plan->tables[number];
    r = match_sub(p, i);
  }
  p->pair = &p->plan->tables[number];
  if (r == 0) {
    r = check_unique(p);
  }
  return r == 0 ? check_missing(p) : r;
}

int sluice__plan_make(sluice__plan_t *plan, const sluice_schema_t *schema,
                      const sluice_table_t *root, uint32_t version,
                      sluice_error_t *err) {
  pairing_t p = {plan, NULL, err};
  uint16_t number;
  int r = 0;

  memset(plan, 0, sizeof(*plan));
  plan->schema = schema;
  if (schema->tables[0].version != version) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "the section has version %" PRIu32
                       ", its schema %" PRIu32,
                       version, schema->tables[0].version);
  }
  r = add_pair(&p, &schema->tables[0], root, &number);
  for (unsigned i = 0; i < plan->count && r == 0; i++) {
    r = fill_pair(&p, i);
  }
  if (r < 0) {
    sluice__plan_done(plan);
  }
  return r;
}

void sluice__plan_done(sluice__plan_t *plan) {
  for (unsigned i = 0; i < plan->count; i++) {
    free(plan->tables[i].steps);
    free(plan->tables[i].subs);
  }
  free(plan->tables);
  memset(plan, 0, sizeof(*plan));
}
