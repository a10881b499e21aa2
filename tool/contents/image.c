/* image.c - see image.h.
 *
 * A page's fingerprint is FNV-1a over its words, mixed: it tells pages apart
 * that differ by accident, not those that somebody made to look alike. */
#include "contents/image.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/handler.h>

enum { SECTIONS_MAX = 1000000 };

#define SECTION_BYTES_MAX ((size_t)512 * 1024 * 1024) /* of all together */
#define PAGES_MAX         (UINT64_C(1) << 32)

typedef struct load_s {
  image_t *image;
  image_want_t want;
  size_t section_cap;
  size_t held; /* bytes of sections */
  image_section_t *open;
  failure_t *f;
} load_t;

static int no_memory(load_t *l) {
  return fail_with(l->f, l->image->path, UV_ENOMEM, "no memory to load it");
}

static void *copy(const void *from, size_t len) {
  void *to = malloc(len + 1);

  if (to != NULL) {
    memcpy(to, from, len);
    ((char *)to)[len] = '\0';
  }
  return to;
}

static int grow_sections(load_t *l) {
  image_t *image = l->image;
  size_t cap = l->section_cap == 0 ? 64 : l->section_cap * 2;
  image_section_t *sections;

  if (image->section_count < l->section_cap) {
    return 0;
  }
  if (cap > SECTIONS_MAX * (size_t)2) {
    return fail_with(l->f, image->path, SLUICE_ELIMIT, "too many sections");
  }
  sections = realloc(image->sections, cap * sizeof(*sections));
  if (sections == NULL) {
    return no_memory(l);
  }
  image->sections = sections;
  l->section_cap = cap;
  return 0;
}

static int add_section(load_t *l, const sluice_decl_t *decl) {
  image_section_t s = {.id = decl->id,
                       .instance = decl->instance,
                       .version = decl->version,
                       .flags = decl->flags,
                       .payload = decl->payload};

  if (grow_sections(l) < 0) {
    return l->f->error.code;
  }
  s.name = copy(decl->name, strlen(decl->name));
  s.type = copy(decl->type == NULL ? "" : decl->type,
                decl->type == NULL ? 0 : strlen(decl->type));
  if (decl->schema_len > 0) {
    s.schema = copy(decl->schema, decl->schema_len);
    s.schema_len = decl->schema_len;
  }
  l->open = &l->image->sections[l->image->section_count++];
  *l->open = s;
  return s.name == NULL || s.type == NULL ||
                 (decl->schema_len > 0 && s.schema == NULL)
             ? no_memory(l)
             : 0;
}

/* Payloads of a live section may come in any number of pieces. */
static void reopen_section(load_t *l, uint32_t id) {
  l->open = NULL;
  for (size_t i = l->image->section_count; i-- > 0 && l->open == NULL;) {
    if (l->image->sections[i].id == id) {
      l->open = &l->image->sections[i];
    }
  }
}

static int add_bytes(load_t *l, const sluice_bytes_t *piece) {
  image_section_t *s = l->open;
  uint8_t *bytes;

  if (s == NULL || piece->len == 0) {
    return 0;
  }
  if (piece->len > SECTION_BYTES_MAX - l->held) {
    return fail_with(l->f, l->image->path, SLUICE_ELIMIT,
                     "its sections are too large to be kept in memory");
  }
  bytes = realloc(s->bytes, s->len + piece->len);
  if (bytes == NULL) {
    return no_memory(l);
  }
  memcpy(bytes + s->len, piece->data, piece->len);
  s->bytes = bytes;
  s->len += piece->len;
  l->held += piece->len;
  return 0;
}

static int add_region(load_t *l, const sluice_region_t *region) {
  image_t *image = l->image;
  uint64_t pages = region->bytes / region->page_size;
  image_region_t *regions =
      realloc(image->regions, (image->region_count + 1) * sizeof(*regions));
  image_region_t *r;

  if (regions == NULL) {
    return no_memory(l);
  }
  image->regions = regions;
  r = &regions[image->region_count++];
  *r = (image_region_t){.bytes = region->bytes, .page_size = region->page_size};
  r->name = copy(region->name, strlen(region->name));
  if (l->want == IMAGE_ALL && pages <= PAGES_MAX) {
    r->prints = calloc((size_t)pages + 1, sizeof(*r->prints));
  }
  return r->name == NULL || (l->want == IMAGE_ALL && r->prints == NULL)
             ? no_memory(l)
             : 0;
}

static uint64_t print_of(const uint8_t *bytes, size_t len) {
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  uint64_t any = 0;

  for (size_t i = 0; i + sizeof(uint64_t) <= len; i += sizeof(uint64_t)) {
    uint64_t word;

    memcpy(&word, bytes + i, sizeof(word));
    any |= word;
    h = (h ^ word) * UINT64_C(0x100000001b3);
    h ^= h >> 29;
  }
  return any == 0 ? 0 : (h | 1);
}

/* A delta's page cannot be known without the page: what was there and the delta
 * stand for it. */
static void add_pages(load_t *l, const sluice_item_t *item) {
  const sluice_run_t *run = &item->u.run;
  uint64_t *prints = l->image->regions[run->region].prints;
  uint64_t first = run->offset / run->page_size;

  if (prints == NULL) {
    return;
  }
  for (uint64_t i = 0; i < run->count; i++) {
    if (item->kind == SLUICE_ITEM_PAGES) {
      prints[first + i] =
          print_of(run->data + i * run->page_size, run->page_size);
    } else if (item->kind == SLUICE_ITEM_ZEROS) {
      prints[first + i] = run->fill == 0 ? 0 : run->fill * UINT64_C(3);
    } else {
      prints[first + i] += print_of(run->data, run->len) | 1;
    }
  }
}

static void add_note(load_t *l, const sluice_note_t *note) {
  if (strcmp(note->name, SLUICE_NOTE_QEMU_DESCRIPTION) == 0) {
    json_decref(l->image->description);
    l->image->description =
        json_loadb((const char *)note->data, note->len, 0, NULL);
  }
}

static int take(load_t *l, const sluice_item_t *item) {
  switch (item->kind) {
  case SLUICE_ITEM_HEADER: l->image->format = item->u.header.format; break;
  case SLUICE_ITEM_SECTION: return add_section(l, &item->u.decl);
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END: reopen_section(l, item->u.decl.id); break;
  case SLUICE_ITEM_BYTES: return add_bytes(l, &item->u.bytes);
  case SLUICE_ITEM_REGION: return add_region(l, &item->u.region);
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS:
  case SLUICE_ITEM_DELTA: add_pages(l, item); break;
  case SLUICE_ITEM_NOTE: add_note(l, &item->u.note); break;
  case SLUICE_ITEM_CLOSE:
  case SLUICE_ITEM_COMMAND:
  case SLUICE_ITEM_ABORT:
  case SLUICE_ITEM_TRAILER: break;
  }
  return 0;
}

int image_load(image_t *image, const char *path, image_want_t want,
               failure_t *f) {
  load_t l = {.image = image, .want = want, .f = f};
  const input_options_t how = {0};
  input_t in = {0};
  sluice_item_t item;
  int r;

  memset(image, 0, sizeof(*image));
  image->path = input_name(path);
  r = input_open(&in, path, &how, f);
  while (r >= 0 && (r = input_next(&in, &item, f)) == SLUICE_MORE) {
    r = take(&l, &item);
  }
  input_close(&in);
  return r < 0 ? r : 0;
}

void image_done(image_t *image) {
  for (size_t i = 0; i < image->section_count; i++) {
    free(image->sections[i].name);
    free(image->sections[i].type);
    free(image->sections[i].schema);
    free(image->sections[i].bytes);
  }
  for (size_t i = 0; i < image->region_count; i++) {
    free(image->regions[i].name);
    free(image->regions[i].prints);
  }
  free(image->sections);
  free(image->regions);
  json_decref(image->description);
}

const image_section_t *image_find(const image_t *image, const char *name,
                                  uint32_t instance) {
  for (size_t i = 0; i < image->section_count; i++) {
    const image_section_t *s = &image->sections[i];

    if (s->instance == instance && strcmp(s->name, name) == 0) {
      return s;
    }
  }
  return NULL;
}

const image_region_t *image_find_region(const image_t *image,
                                        const char *name) {
  for (size_t i = 0; i < image->region_count; i++) {
    if (strcmp(image->regions[i].name, name) == 0) {
      return &image->regions[i];
    }
  }
  return NULL;
}
