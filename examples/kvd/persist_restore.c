/* persist_restore.c - at the start: the newest image that is good.
 *
 *   for each image, newest first:
 *     how large is its heap? --> make room --> read --> is it a database?
 *
 * An image that is damaged, truncated or of something else is refused with its
 * reason and stays where it is; the next older one is tried. When none is good
 * the server does not start. There are no
 * clients yet, so pages are read straight into the heap, and it is no matter
 * what a bad image leaves there.
 *
 * With --load mapped the image's file is the heap until pages are written, and
 * mapped-verify goes through it behind: damage is then found while clients are
 * served, and said aloud: what is damaged is in use, and whether an older image
 * is better is for the operator to judge. */
#include "persist.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct attempt_s {
  persist_t *p;
  uint64_t bytes; /* of the heap in the image */
  bool is_over;
  sluice_error_t err;
} attempt_t;

/* --- how large --- */

/* Feeds the decoder as it asks; 1: an item. */
static int next_item(sluice_decoder_t *d, int fd, sluice_item_t *item,
                     sluice_error_t *err) {
  void *room;
  size_t len;
  ssize_t n;
  int r;

  while ((r = sluice_decoder_next(d, item, err)) == SLUICE_WAIT) {
    sluice_decoder_space(d, &room, &len);
    n = read(fd, room, len < HEAP_PAGE ? len : HEAP_PAGE);
    if (n < 0) {
      return sluice_fail(err, uv_translate_sys_error(errno), "cannot be read");
    }
    if (n == 0) {
      sluice_decoder_eof(d);
    } else {
      sluice_decoder_fill(d, (size_t)n);
    }
  }
  return r;
}

/* The heap's region is declared before any page of it. */
static int find_region(attempt_t *a, int fd, sluice_decoder_t *d) {
  sluice_item_t item;
  int r;

  while ((r = next_item(d, fd, &item, &a->err)) == SLUICE_MORE) {
    if (item.kind == SLUICE_ITEM_REGION) {
      a->bytes = item.u.region.bytes;
      return 0;
    }
    if (item.kind == SLUICE_ITEM_PAGES || item.kind == SLUICE_ITEM_ZEROS) {
      break;
    }
  }
  return r < 0 ? r : sluice_fail(&a->err, SLUICE_EMISSING, "it holds no heap");
}

static int measure(attempt_t *a, const char *path) {
  sluice_decoder_t *d = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  int r;

  if (fd < 0) {
    return sluice_fail(&a->err, uv_translate_sys_error(errno),
                       "cannot be opened");
  }
  r = sluice_decoder_new(&d, NULL, NULL);
  if (r == 0) {
    r = find_region(a, fd, d);
  }
  sluice_decoder_free(d);
  (void)close(fd);
  return r;
}

static int make_room(attempt_t *a) {
  heap_t *h = &a->p->db->heap;

  if (a->bytes < HEAP_PAGE || a->bytes > h->reserved ||
      heap_commit(h, a->bytes) != 0) {
    return sluice_fail(&a->err, UV_ENOMEM,
                       "its heap of %" PRIu64
                       " bytes has no room in the %" PRIu64 " of --reserve",
                       a->bytes, h->reserved);
  }
  return 0;
}

/* --- reading --- */

/* What was read was verified on the way; what is only mapped was not. */
static bool was_verified(const sluice_restore_stats_t *stats) {
  return stats->way == SLUICE_RESTORE_EAGER ||
         stats->way == SLUICE_RESTORE_VERIFY_MAPPED;
}

static void on_restored(sluice_restore_t *restore, int status) {
  persist_t *p = sluice_restore_data(restore);
  attempt_t *a = p->attempt;

  sluice_restore_stats(restore, &p->load, sizeof(p->load));
  if (status < 0) {
    a->err = *sluice_restore_error(restore);
  } else if (was_verified(&p->load)) {
    p->verified = 0;
  }
  /* Busy while it is verified behind. */
  p->behind = sluice_restore_free(restore) == UV_EBUSY ? restore : NULL;
  a->is_over = true;
}

static void on_damaged(sluice_restore_t *restore,
                       const sluice_damage_t *damage) {
  persist_t *p = sluice_restore_data(restore);

  printf("kvd: image %" PRIu64 " is damaged: %" PRIu64 " bytes at %" PRIu64
         " of the heap, %" PRIu64 " of the file\n",
         p->restored, damage->bytes, damage->offset, damage->at);
  fflush(stdout);
}

static void on_verified(sluice_restore_t *restore, int status) {
  persist_t *p = sluice_restore_data(restore);

  sluice_restore_stats(restore, &p->load, sizeof(p->load));
  p->verified = status;
  if (status == 0) {
    printf("kvd: image %" PRIu64 " is verified\n", p->restored);
  } else {
    printf("kvd: image %" PRIu64 " is not verified: %s: %s\n", p->restored,
           sluice_err_name(status), sluice_restore_error(restore)->message);
  }
  fflush(stdout);
  (void)sluice_restore_free(restore);
  p->behind = NULL;
}

/* What is mapped from an image cannot be mapped from a memfd. */
static sluice_restore_way_t way_of(const persist_t *p) {
  return p->db->heap.memfd >= 0 ? SLUICE_RESTORE_EAGER : p->options->load;
}

/* The loop runs for this alone: nobody is served yet. */
static int read_all(attempt_t *a, sluice_source_t *source,
                    sluice_registry_t *registry) {
  const sluice_restore_options_t options = {.size = sizeof(options),
                                            .host = "kvd",
                                            .data = a->p,
                                            .way = way_of(a->p),
                                            .damaged = on_damaged,
                                            .verified = on_verified};
  sluice_restore_t *restore;
  int r;

  a->p->attempt = a;
  a->p->verified = 1;
  r = sluice_restore_begin(&restore, a->p->engine, registry, source, &options,
                           on_restored, &a->err);
  if (r != 0) {
    sluice_source_free(source);
    return r;
  }
  while (!a->is_over) {
    (void)uv_run(a->p->loop, UV_RUN_ONCE);
  }
  return a->err.code;
}

/* Kept as long as the server runs: each save has a section of its own, and has
 * to know what it may believe. */
static void keep_origin(persist_t *p, sluice_registry_t *registry,
                        sluice_ram_t *ram) {
  p->origin_registry = registry;
  p->origin = ram;
}

static void drop_origin(persist_t *p) {
  (void)sluice_registry_free(p->origin_registry);
  (void)sluice_ram_free(p->origin);
  keep_origin(p, NULL, NULL);
}

static int read_into(attempt_t *a, const char *path,
                     sluice_registry_t *registry) {
  const sluice_ram_options_t options = {.size = sizeof(options),
                                        .page_size = HEAP_PAGE};
  const uint32_t flags = a->p->db->heap.memfd >= 0
                             ? SLUICE_RAM_IN_PLACE
                             : SLUICE_RAM_IN_PLACE | SLUICE_RAM_REMAP;
  sluice_source_t *source;
  sluice_ram_t *ram = NULL;
  int r = sluice_ram_new(&ram, registry, "heap", NULL, &options, &a->err);

  keep_origin(a->p, registry, ram);
  if (r != 0) {
    return r;
  }
  r = sluice_ram_add_region(ram, "heap", a->p->db->heap.base, a->bytes, flags,
                            NULL);
  if (r == 0) {
    r = sluice_source_file(&source, path);
  }
  return r == 0 ? read_all(a, source, registry) : r;
}

/* Every byte of it was checked by its checksums, or will be: the root will do.
 */
static int attach(attempt_t *a) {
  heap_t *h = &a->p->db->heap;

  if (heap_header(h)->top != a->bytes || db_attach(a->p->db) != 0) {
    return sluice_fail(&a->err, SLUICE_EKIND, "it is not a database of kvd's");
  }
  return 0;
}

static int try_image(attempt_t *a, const char *path) {
  sluice_registry_t *registry = NULL;
  int r = measure(a, path);

  if (r == 0) {
    r = make_room(a);
  }
  if (r == 0) {
    r = sluice_registry_new(&registry, NULL);
  }
  if (r == 0) {
    r = read_into(a, path, registry);
  }
  if (r == 0) {
    r = attach(a);
  }
  if (r != 0 && a->p->behind != NULL) {
    sluice_restore_cancel(a->p->behind);
  }
  if (r != 0) {
    drop_origin(a->p);
  }
  return r;
}

/* --- which one --- */

static void say_restored(persist_t *p, const char *path, uint64_t number,
                         uint64_t begun_ns) {
  p->restored = number;
  p->restore_ms = (uv_hrtime() - begun_ns) / 1000000;
  printf("kvd: restored %s: %" PRIu64 " keys, %.1f MiB in %.2f s\n", path,
         db_count(p->db), (double)heap_header(&p->db->heap)->top / (1 << 20),
         (double)p->restore_ms / 1000);
}

static int try_number(persist_t *p, uint64_t number) {
  attempt_t a = {.p = p};
  uint64_t begun = uv_hrtime();
  char path[PATH_MAX];
  int r = images_path(&p->images, number, path);

  if (r != 0) {
    return r;
  }
  r = try_image(&a, path);
  if (r == 0) {
    say_restored(p, path, number, begun);
  } else {
    printf("kvd: refused %s: %s: %s\n", path, sluice_err_name(r),
           a.err.code != 0 ? a.err.message : sluice_strerror(r));
  }
  return r;
}

/* Or is it ours: no memory, no permission? Then an older one must not take its
 * place. */
static bool is_its_fault(int code) {
  return code <= SLUICE_ECORRUPT || code == UV_EIO;
}

int persist_restore_newest(persist_t *p) {
  for (size_t i = 0; i < p->images.count; i++) {
    int r = try_number(p, p->images.list[i].number);

    if (r == 0 || !is_its_fault(r)) {
      return r;
    }
    p->images.list[i].is_refused = true;
  }
  if (p->images.count == 0) {
    printf("kvd: no image in %s: beginning empty\n", p->options->dir);
    return UV_ENOENT;
  }
  return SLUICE_ECORRUPT; /* as Redis: to begin empty would hide it */
}
