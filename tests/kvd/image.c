/* image.c - looks into the newest good image of a kvd, without a server.
 *
 *   image DIR         says whether all of it is in order: every block, every
 * key image DIR FILE    and whether its keys are those that model.c wrote
 *
 * A key that expires before the model's end may be missing: whether the server
 * had looked at it by the instant is not known. Keys of redis-benchmark's,
 * which fill an image, are passed over. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db_private.h"
#include "entry.h"
#include "persist.h"
#include "verify.h"

enum { NAME_MAX_BYTES = 32, LINES_MAX = 10000 };

typedef struct line_s {
  char name[NAME_MAX_BYTES];
  size_t len;
  uint64_t hash;
  uint64_t expires;
  bool is_found;
} line_t;

static line_t lines[LINES_MAX];
static size_t line_count;
static uint64_t end_ms;
static int wrong;

static void say(const char *what, const char *name) {
  if (wrong++ < 10) {
    fprintf(stderr, "image: %s: %s\n", name, what);
  }
}

static int read_model(const char *path) {
  FILE *f = fopen(path, "r");
  line_t *l = lines;

  if (f == NULL) {
    return 1;
  }
  while (line_count < LINES_MAX &&
         fscanf(f, "%31s %zu %" SCNx64 " %" SCNu64, l->name, &l->len, &l->hash,
                &l->expires) == 4) {
    l = &lines[++line_count];
  }
  end_ms = l->len; /* the last line: "= time" */
  return fclose(f) != 0 || strcmp(l->name, "=") != 0;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(((const line_t *)a)->name, ((const line_t *)b)->name);
}

static uint64_t hash(const char *p, size_t n) {
  uint64_t h = 14695981039346656037u;

  for (size_t i = 0; i < n; i++) {
    h = (h ^ (unsigned char)p[i]) * 1099511628211u;
  }
  return h;
}

static void check_entry(const heap_t *h, ref_t e) {
  bytes_t key = entry_key(h, e);
  bytes_t value = entry_value(h, e);
  line_t wanted = {.len = 0};
  line_t *l;

  if (key.n > 4 && memcmp(key.p, "key:", 4) == 0) {
    return;
  }
  memcpy(wanted.name, key.p, key.n < NAME_MAX_BYTES ? key.n : 1);
  l = bsearch(&wanted, lines, line_count, sizeof(*lines), compare_names);
  if (l == NULL) {
    say("is in the image, but was no key", wanted.name);
    return;
  }
  l->is_found = true;
  if (value.n != l->len || hash(value.p, value.n) != l->hash) {
    say("has another value", l->name);
  }
  if (entry_get(h, e)->expires != l->expires) {
    say("has another expiry time", l->name);
  }
}

static void check_keys(const heap_t *h) {
  const table_t *t = table_get(h, db_root(h)->table);

  qsort(lines, line_count, sizeof(*lines), compare_names);
  for (uint64_t i = 0; i < t->buckets; i++) {
    ref_t e = heap_get_word(h, table_bucket(t, i));

    for (; e != 0; e = heap_get_word(h, e)) {
      check_entry(h, e);
    }
  }
  for (size_t i = 0; i < line_count; i++) {
    if (!lines[i].is_found &&
        (lines[i].expires == 0 || lines[i].expires > end_ms)) {
      say("is missing", lines[i].name);
    }
  }
}

static void check_heap(const heap_t *h) {
  const char *what = "";

  if (verify_all(h, &what) != 0) {
    say(what, "heap");
  }
}

static void ignore(void *data) {
  (void)data;
}

int main(int argc, char **argv) {
  options_t options = {.dir = argc > 1 ? argv[1] : ".",
                       .file_name = "kvd.image"};
  const persist_hooks_t hooks = {.writable = ignore, .over = ignore};
  uv_loop_t *loop = uv_default_loop();
  static persist_t p;
  static turn_t turn;
  static db_t db;

  if (argc < 2 || argc > 3 || (argc == 3 && read_model(argv[2]) != 0)) {
    fprintf(stderr, "usage: image DIR [FILE]\n");
    return 2;
  }
  if (db_open(&db, (uint64_t)64 << 30, 1) != 0 || turn_init(&turn, loop) != 0 ||
      persist_init(&p, loop, &db, &turn, &options, &hooks) != 0 ||
      persist_restore_newest(&p) != 0) {
    fprintf(stderr, "image: no image\n");
    return 1;
  }
  check_heap(&db.heap);
  if (argc == 3) {
    check_keys(&db.heap);
  }
  persist_close(&p);
  turn_close(&turn);
  uv_run(loop, UV_RUN_DEFAULT);
  uv_loop_close(loop);
  db_close(&db);
  return wrong == 0 ? 0 : 1;
}
