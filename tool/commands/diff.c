/* diff.c - sluice diff: what differs between two images.
 *
 * Sections, their fields by name where the images say which they have, and how
 * many pages of each region changed. Like diff(1) it exits with 1 when there is
 * a difference. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/command.h"
#include "show/field_values.h"

static const args_spec_t spec = {
    .command = "diff",
    .usage = "A B",
    .about = "Compares two images or streams: sections, fields by name, and "
             "how many pages of\neach region differ. Exits with 0 when nothing "
             "does, with 1 when something does.\n",
    .examples = "  sluice diff yesterday.sluice today.sluice\n",
    .min_operands = 2,
    .max_operands = 2,
};

/* The fields of one section, in order. */
typedef struct list_s {
  char **paths;
  char **values;
  size_t count;
  size_t cap;
  bool is_short; /* there was no memory */
} list_t;

typedef struct diff_s {
  image_t a;
  image_t b;
  uint64_t differences;
  failure_t failure;
} diff_t;

static bool grow(list_t *l) {
  size_t cap = l->cap == 0 ? 64 : l->cap * 2;
  char **paths = realloc(l->paths, cap * sizeof(*paths));
  char **values;

  if (paths == NULL) {
    return false;
  }
  l->paths = paths;
  values = realloc(l->values, cap * sizeof(*values));
  if (values == NULL) {
    return false;
  }
  l->values = values;
  l->cap = cap;
  return true;
}

static void keep(void *ctx, const char *path, const char *value) {
  list_t *l = ctx;

  if (l->is_short || (l->count == l->cap && !grow(l))) {
    l->is_short = true;
    return;
  }
  l->paths[l->count] = strdup(path);
  l->values[l->count] = strdup(value);
  l->is_short = l->paths[l->count] == NULL || l->values[l->count] == NULL;
  l->count++;
}

static void list_done(list_t *l) {
  for (size_t i = 0; i < l->count; i++) {
    free(l->paths[i]);
    free(l->values[i]);
  }
  free(l->paths);
  free(l->values);
}

/* Fields mostly are in the same places. */
static const char *value_at(const list_t *l, const char *path, size_t guess) {
  if (guess < l->count && strcmp(l->paths[guess], path) == 0) {
    return l->values[guess];
  }
  for (size_t i = 0; i < l->count; i++) {
    if (strcmp(l->paths[i], path) == 0) {
      return l->values[i];
    }
  }
  return NULL;
}

static void print_section(const image_section_t *s) {
  char name[4 * SLUICE_NAME_MAX + 1];

  (void)printf("%s/%" PRIu32, printable(name, sizeof(name), s->name),
               s->instance);
}

static void print_field(diff_t *d, const image_section_t *s, const char *path,
                        const char *was, const char *is) {
  char clean[2048];

  d->differences++;
  print_section(s);
  (void)printf(": %s: %s -> %s\n", printable(clean, sizeof(clean), path),
               was == NULL ? "absent" : was, is == NULL ? "absent" : is);
}

static void diff_lists(diff_t *d, const image_section_t *s, const list_t *a,
                       const list_t *b) {
  for (size_t i = 0; i < a->count; i++) {
    const char *is = value_at(b, a->paths[i], i);

    if (is == NULL || strcmp(a->values[i], is) != 0) {
      print_field(d, s, a->paths[i], a->values[i], is);
    }
  }
  for (size_t i = 0; i < b->count; i++) {
    if (value_at(a, b->paths[i], i) == NULL) {
      print_field(d, s, b->paths[i], NULL, b->values[i]);
    }
  }
}

static int diff_bytes(diff_t *d, const image_section_t *a,
                      const image_section_t *b) {
  d->differences++;
  print_section(a);
  (void)printf(": %zu bytes -> %zu bytes, not the same ones\n", a->len, b->len);
  return 0;
}

static bool is_same(const image_section_t *a, const image_section_t *b) {
  return a->version == b->version && a->len == b->len &&
         a->schema_len == b->schema_len &&
         (a->len == 0 || memcmp(a->bytes, b->bytes, a->len) == 0) &&
         (a->schema_len == 0 ||
          memcmp(a->schema, b->schema, a->schema_len) == 0);
}

static int diff_fields(diff_t *d, const image_section_t *a,
                       const image_section_t *b) {
  list_t was = {0};
  list_t is = {0};
  uint64_t before = d->differences;
  int r = field_values_of(&d->a, a, keep, &was, &d->failure);

  if (r > 0) {
    r = field_values_of(&d->b, b, keep, &is, &d->failure);
  }
  if (r > 0 && !was.is_short && !is.is_short) {
    diff_lists(d, a, &was, &is);
  }
  list_done(&was);
  list_done(&is);
  return r == 0 || (r > 0 && d->differences == before) ? diff_bytes(d, a, b)
                                                       : r;
}

static int diff_section(diff_t *d, const image_section_t *a,
                        const image_section_t *b) {
  if (a->payload == SLUICE_PAYLOAD_PAGES || is_same(a, b)) {
    return 0;
  }
  if (a->version != b->version) {
    d->differences++;
    print_section(a);
    (void)printf(": version %" PRIu32 " -> %" PRIu32 "\n", a->version,
                 b->version);
  }
  return diff_fields(d, a, b);
}

static void tell_only(diff_t *d, const image_section_t *s, const char *path) {
  char clean[1024];

  d->differences++;
  print_section(s);
  (void)printf(": only in %s\n", printable(clean, sizeof(clean), path));
}

static int diff_sections(diff_t *d) {
  int r = 0;

  for (size_t i = 0; i < d->a.section_count && r >= 0; i++) {
    const image_section_t *s = &d->a.sections[i];
    const image_section_t *other = image_find(&d->b, s->name, s->instance);

    if (other == NULL) {
      tell_only(d, s, d->a.path);
    } else {
      r = diff_section(d, s, other);
    }
  }
  for (size_t i = 0; i < d->b.section_count; i++) {
    const image_section_t *s = &d->b.sections[i];

    if (image_find(&d->a, s->name, s->instance) == NULL) {
      tell_only(d, s, d->b.path);
    }
  }
  return r;
}

static uint64_t pages_of(const image_region_t *r) {
  return r->bytes / r->page_size;
}

static void diff_region(diff_t *d, const image_region_t *a,
                        const image_region_t *b) {
  char name[4 * SLUICE_NAME_MAX + 1];
  uint64_t changed = 0;

  (void)printable(name, sizeof(name), a->name);
  if (b == NULL || a->bytes != b->bytes || a->page_size != b->page_size) {
    d->differences++;
    (void)printf("region %s: %s\n", name,
                 b == NULL ? "only in one of them" : "of another size");
    return;
  }
  for (uint64_t i = 0; i < pages_of(a); i++) {
    changed += a->prints[i] != b->prints[i] ? 1 : 0;
  }
  if (changed > 0) {
    d->differences++;
    (void)printf("region %s: %" PRIu64 " of %" PRIu64 " pages changed\n", name,
                 changed, pages_of(a));
  }
}

static void diff_regions(diff_t *d) {
  for (size_t i = 0; i < d->a.region_count; i++) {
    diff_region(d, &d->a.regions[i],
                image_find_region(&d->b, d->a.regions[i].name));
  }
  for (size_t i = 0; i < d->b.region_count; i++) {
    if (image_find_region(&d->a, d->b.regions[i].name) == NULL) {
      diff_region(d, &d->b.regions[i], NULL);
    }
  }
}

static int run_diff(int argc, char **argv) {
  diff_t d = {0};
  args_t args;
  int r;

  args_begin(&args, &spec, argc, argv);
  if (args_next(&args) < 0) {
    return args.exit_code;
  }
  r = image_load(&d.a, args.operands[0], IMAGE_ALL, &d.failure);
  if (r == 0) {
    r = image_load(&d.b, args.operands[1], IMAGE_ALL, &d.failure);
  }
  if (r == 0 && diff_sections(&d) >= 0) {
    diff_regions(&d);
    if (fflush(stdout) != 0) {
      (void)fail_stdout(&d.failure);
    }
  }
  image_done(&d.a);
  image_done(&d.b);
  if (d.failure.error.code != 0) {
    return report_failure(&d.failure);
  }
  return d.differences > 0 ? TOOL_FAILED : TOOL_OK;
}

const command_t command_diff = {
    .name = "diff",
    .summary = "show what differs between two images",
    .run = run_diff,
};
