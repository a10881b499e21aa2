/* compare.c - will images of one program load into another? By their schemas.
 *
 * What is said here must agree with what plan.c does when an image is loaded:
 * a test loads what this says will load. Fields are compared by name, nested
 * structures pair by pair, each pair once. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "fields/path.h"
#include "fields/schema.h"

enum {
  BOTH = SLUICE_BREAKS_OLD_IMAGE | SLUICE_BREAKS_NEW_IMAGE,
  PATH_BYTES = 512
};

typedef sluice__schema_table_t table_t;
typedef sluice__schema_field_t field_t;

typedef struct compare_s {
  const sluice_schema_t *before;
  const sluice_schema_t *after;
  sluice_finding_cb cb;
  void *data;
  uint8_t *seen; /* a bit for each pair of tables */
  unsigned breaks;
  unsigned depth;
  bool has_grown; /* in the table at hand */
  char path[PATH_BYTES];
} compare_t;

static void compare_tables(compare_t *c, const table_t *b, const table_t *a);

static void tell(compare_t *c, const char *name, sluice_change_t change,
                 unsigned breaks, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void tell(compare_t *c, const char *name, sluice_change_t change,
                 unsigned breaks, const char *format, ...) {
  char path[PATH_BYTES + SLUICE_NAME_MAX + 2];
  char text[192];
  sluice_finding_t finding = {change, breaks, path, text};
  va_list ap;

  c->breaks |= breaks;
  if (c->cb == NULL) {
    return;
  }
  va_start(ap, format);
  (void)vsnprintf(text, sizeof(text), format, ap);
  va_end(ap);
  (void)snprintf(path, sizeof(path), "%s%s%s", c->path,
                 c->path[0] != '\0' && name[0] != '\0' ? "." : "", name);
  c->cb(c->data, &finding);
}

/* ---- one field ---- */

static const char *shape_name(unsigned shape) {
  static const char *const names[] = {"", " array", " counted array",
                                      " counted array", " pointer"};

  return shape < sizeof(names) / sizeof(names[0]) ? names[shape] : "";
}

static bool is_integer(unsigned type) {
  return sluice__type_is_unsigned(type) || sluice__type_is_signed(type);
}

static void compare_type(compare_t *c, const field_t *b, const field_t *a) {
  unsigned breaks = BOTH;
  bool is_resized = b->shape == a->shape && is_integer(b->type) &&
                    is_integer(a->type) &&
                    sluice__type_bytes(b->type) != sluice__type_bytes(a->type);

  if (b->type == a->type && b->shape == a->shape) {
    return;
  }
  if (b->shape == a->shape && sluice__type_widens(b->type, a->type)) {
    breaks &= ~(unsigned)SLUICE_BREAKS_OLD_IMAGE;
  }
  if (b->shape == a->shape && sluice__type_widens(a->type, b->type)) {
    breaks &= ~(unsigned)SLUICE_BREAKS_NEW_IMAGE;
  }
  tell(c, a->name, is_resized ? SLUICE_CHANGE_RESIZED : SLUICE_CHANGE_RETYPED,
       breaks, "was %s%s, is %s%s", sluice__type_name(b->type),
       shape_name(b->shape), sluice__type_name(a->type), shape_name(a->shape));
}

/* A bound that grew is one that the old program refuses, and so on. */
static void compare_max(compare_t *c, const field_t *b, const field_t *a) {
  bool is_exact = a->shape == SLUICE_SHAPE_ARRAY;
  unsigned breaks =
      a->max > b->max ? SLUICE_BREAKS_NEW_IMAGE : SLUICE_BREAKS_OLD_IMAGE;

  if (b->max != a->max && b->shape == a->shape) {
    tell(c, a->name, SLUICE_CHANGE_RESIZED, is_exact ? (unsigned)BOTH : breaks,
         "held %s%" PRIu32 ", holds %s%" PRIu32, is_exact ? "" : "up to ",
         b->max, is_exact ? "" : "up to ", a->max);
  }
}

static bool has(const field_t *f, unsigned flag) {
  return (f->flags & flag) != 0;
}

/* Does `in` take every value that `out` may have? */
static bool takes(const field_t *in, const field_t *out) {
  bool is_signed = sluice__type_is_signed(in->type);

  if (has(in, SLUICE__SCHEMA_EQUAL)) {
    return has(out, SLUICE__SCHEMA_EQUAL);
  }
  if (!has(in, SLUICE__SCHEMA_RANGE)) {
    return true;
  }
  return has(out, SLUICE__SCHEMA_RANGE) && out->low >= in->low &&
         (is_signed ? (int64_t)out->high <= (int64_t)in->high
                    : out->high <= in->high);
}

static bool same_check(const field_t *b, const field_t *a) {
  unsigned flags = SLUICE__SCHEMA_RANGE | SLUICE__SCHEMA_EQUAL;

  return (b->flags & flags) == (a->flags & flags) && b->low == a->low &&
         b->high == a->high;
}

static void compare_check(compare_t *c, const field_t *b, const field_t *a) {
  unsigned breaks = 0;

  if (same_check(b, a)) {
    return;
  }
  breaks |= takes(a, b) ? 0u : (unsigned)SLUICE_BREAKS_OLD_IMAGE;
  breaks |= takes(b, a) ? 0u : (unsigned)SLUICE_BREAKS_NEW_IMAGE;
  tell(c, a->name, SLUICE_CHANGE_CHECK, breaks,
       "other values are taken than before");
}

static void compare_rest(compare_t *c, const field_t *b, const field_t *a) {
  bool was = has(b, SLUICE__SCHEMA_OPTIONAL);
  bool is = has(a, SLUICE__SCHEMA_OPTIONAL);

  if (was != is) {
    tell(c, a->name, SLUICE_CHANGE_OPTIONAL, 0, "was %s, is %s",
         was ? "optional" : "required", is ? "optional" : "required");
  }
  if (b->since != a->since) {
    tell(c, a->name, SLUICE_CHANGE_SINCE, 0,
         "was since version %" PRIu32 ", is since %" PRIu32, b->since,
         a->since);
  }
}

static void go_in(compare_t *c, const char *name, const table_t *b,
                  const table_t *a) {
  size_t len = strlen(c->path);
  bool has_grown = c->has_grown;

  if (++c->depth <= SLUICE_FIELDS_DEPTH) {
    (void)snprintf(c->path + len, sizeof(c->path) - len, "%s%s",
                   len > 0 ? "." : "", name);
    compare_tables(c, b, a);
  }
  c->depth--;
  c->path[len] = '\0';
  c->has_grown = has_grown;
}

static void compare_field(compare_t *c, const field_t *b, const field_t *a) {
  if (strcmp(b->name, a->name) != 0) {
    bool old_knows = b->alias != NULL && strcmp(b->alias, a->name) == 0;

    tell(c, a->name, SLUICE_CHANGE_RENAMED,
         old_knows || a->alias != NULL ? 0u : (unsigned)SLUICE_BREAKS_NEW_IMAGE,
         "was '%.80s'", b->name);
  }
  compare_type(c, b, a);
  compare_max(c, b, a);
  compare_check(c, b, a);
  compare_rest(c, b, a);
  if (b->type == a->type && b->table != SLUICE__SCHEMA_NO_TABLE) {
    go_in(c, a->name, &c->before->tables[b->table],
          &c->after->tables[a->table]);
  }
}

/* ---- fields of a table ---- */

static bool is_same(const field_t *x, const field_t *y) {
  return strcmp(x->name, y->name) == 0 ||
         (x->alias != NULL && strcmp(x->alias, y->name) == 0) ||
         (y->alias != NULL && strcmp(y->alias, x->name) == 0);
}

/* The number of the same field in `t`, or its field_count. */
static unsigned find(const table_t *t, const field_t *f, unsigned guess) {
  unsigned i = 0;

  if (guess < t->field_count && strcmp(t->fields[guess].name, f->name) == 0) {
    return guess;
  }
  while (i < t->field_count && !is_same(&t->fields[i], f)) {
    i++;
  }
  return i;
}

/* An image without a field loads when the field is of a later version than the
 * image, or optional. */
static void tell_added(compare_t *c, const table_t *b, const field_t *f) {
  bool is_optional = has(f, SLUICE__SCHEMA_OPTIONAL);
  unsigned breaks = 0;

  c->has_grown = true;
  if (f->since <= b->version && !is_optional) {
    breaks |= SLUICE_BREAKS_OLD_IMAGE;
  }
  if (!is_optional) {
    breaks |= SLUICE_BREAKS_NEW_IMAGE;
  }
  tell(c, f->name, SLUICE_CHANGE_ADDED, breaks, "%s %s since version %" PRIu32,
       is_optional ? "optional" : "required", sluice__type_name(f->type),
       f->since);
}

static void tell_removed(compare_t *c, const table_t *a, const field_t *f) {
  bool is_optional = has(f, SLUICE__SCHEMA_OPTIONAL);
  unsigned breaks = 0;

  c->has_grown = true;
  if (!is_optional) {
    breaks |= SLUICE_BREAKS_OLD_IMAGE;
    breaks |= f->since <= a->version ? (unsigned)SLUICE_BREAKS_NEW_IMAGE : 0u;
  }
  tell(c, f->name, SLUICE_CHANGE_REMOVED, breaks, "%s %s",
       is_optional ? "optional" : "required", sluice__type_name(f->type));
}

static void compare_fields(compare_t *c, const table_t *b, const table_t *a) {
  unsigned last = 0;
  bool is_told = false;

  for (unsigned i = 0; i < a->field_count; i++) {
    unsigned k = find(b, &a->fields[i], i);

    if (k == b->field_count) {
      tell_added(c, b, &a->fields[i]);
      continue;
    }
    if (k < last && !is_told) {
      is_told = true;
      tell(c, a->fields[i].name, SLUICE_CHANGE_REORDERED, 0,
           "comes behind fields that it came before");
    }
    last = k > last ? k : last;
    compare_field(c, &b->fields[k], &a->fields[i]);
  }
  for (unsigned i = 0; i < b->field_count; i++) {
    if (find(a, &b->fields[i], i) == a->field_count) {
      tell_removed(c, a, &b->fields[i]);
    }
  }
}

/* ---- subsections and versions ---- */

static const table_t *find_sub(const sluice_schema_t *schema, const table_t *t,
                               const char *name) {
  for (unsigned i = 0; i < t->sub_count; i++) {
    if (strcmp(schema->tables[t->subs[i]].name, name) == 0) {
      return &schema->tables[t->subs[i]];
    }
  }
  return NULL;
}

/* Subsections may be absent, and are read only when present. */
static void compare_subs(compare_t *c, const table_t *b, const table_t *a) {
  for (unsigned i = 0; i < a->sub_count; i++) {
    const table_t *sub = &c->after->tables[a->subs[i]];
    const table_t *was = find_sub(c->before, b, sub->name);

    if (was != NULL) {
      go_in(c, sub->name, was, sub);
    } else {
      tell(c, sub->name, SLUICE_CHANGE_ADDED,
           sub->optional ? 0u : (unsigned)SLUICE_BREAKS_NEW_IMAGE,
           "%s subsection", sub->optional ? "optional" : "required");
    }
  }
  for (unsigned i = 0; i < b->sub_count; i++) {
    const table_t *sub = &c->before->tables[b->subs[i]];

    if (find_sub(c->after, a, sub->name) == NULL) {
      tell(c, sub->name, SLUICE_CHANGE_REMOVED,
           sub->optional ? 0u : (unsigned)SLUICE_BREAKS_OLD_IMAGE,
           "%s subsection", sub->optional ? "optional" : "required");
    }
  }
}

static bool is_version_taken(const table_t *reader, uint32_t version) {
  return version >= reader->min_version && version <= reader->version;
}

static void compare_versions(compare_t *c, const table_t *b, const table_t *a) {
  unsigned breaks = 0;

  breaks |=
      is_version_taken(a, b->version) ? 0u : (unsigned)SLUICE_BREAKS_OLD_IMAGE;
  breaks |=
      is_version_taken(b, a->version) ? 0u : (unsigned)SLUICE_BREAKS_NEW_IMAGE;
  if (b->version != a->version || b->min_version != a->min_version) {
    tell(c, "", SLUICE_CHANGE_VERSION, breaks,
         "was %" PRIu32 " (accepts from %" PRIu32 "), is %" PRIu32
         " (accepts from %" PRIu32 ")",
         b->version, b->min_version, a->version, a->min_version);
  } else if (c->has_grown) {
    tell(c, "", SLUICE_CHANGE_NOT_RAISED, 0,
         "fields came or went, the version still is %" PRIu32, a->version);
  }
}

/* True the first time. */
static bool mark_seen(compare_t *c, const table_t *b, const table_t *a) {
  size_t pair = (size_t)(b - c->before->tables) * c->after->table_count +
                (size_t)(a - c->after->tables);
  uint8_t bit = (uint8_t)(1u << pair % 8);
  bool is_first = (c->seen[pair / 8] & bit) == 0;

  c->seen[pair / 8] = (uint8_t)(c->seen[pair / 8] | bit);
  return is_first;
}

static void compare_tables(compare_t *c, const table_t *b, const table_t *a) {
  if (!mark_seen(c, b, a)) {
    return;
  }
  c->has_grown = false;
  compare_fields(c, b, a);
  compare_versions(c, b, a);
  compare_subs(c, b, a);
}

int sluice_schema_compare(const sluice_schema_t *before,
                          const sluice_schema_t *after, sluice_finding_cb cb,
                          void *data) {
  compare_t c = {.before = before, .after = after, .cb = cb, .data = data};

  if (before == NULL || after == NULL) {
    return UV_EINVAL;
  }
  c.seen = calloc((size_t)before->table_count * after->table_count / 8 + 1, 1);
  if (c.seen == NULL) {
    return UV_ENOMEM;
  }
  compare_tables(&c, &before->tables[0], &after->tables[0]);
  free(c.seen);
  return (int)c.breaks;
}

const char *sluice_change_name(sluice_change_t change) {
  switch (change) {
  case SLUICE_CHANGE_ADDED: return "added";
  case SLUICE_CHANGE_REMOVED: return "removed";
  case SLUICE_CHANGE_RESIZED: return "resized";
  case SLUICE_CHANGE_RETYPED: return "retyped";
  case SLUICE_CHANGE_REORDERED: return "reordered";
  case SLUICE_CHANGE_RENAMED: return "renamed";
  case SLUICE_CHANGE_CHECK: return "check";
  case SLUICE_CHANGE_OPTIONAL: return "optional";
  case SLUICE_CHANGE_SINCE: return "since";
  case SLUICE_CHANGE_VERSION: return "version";
  case SLUICE_CHANGE_NOT_RAISED: return "not raised";
  }
  return "?";
}
