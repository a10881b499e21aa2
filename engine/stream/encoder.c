/* encoder.c - order of calls and ranges; formats are in the dialects, below.
 *
 * Invariant: after the first error no dialect runs again but for `abort`. */
#include "stream/encoder.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <sluice/options.h>

#include "stream/encoder_base.h"

/* Phases that a call is right in. */
enum {
  IN_NEW = 1u << SLUICE__ENCODE_NEW,
  IN_IDLE = 1u << SLUICE__ENCODE_IDLE,
  IN_PAYLOAD = 1u << SLUICE__ENCODE_PAYLOAD,
  IN_ENDING = 1u << SLUICE__ENCODE_ENDING
};

static int misplaced(sluice_encoder_t *e, const char *call) {
  return sluice__encoder_fail(e, SLUICE_ESTATE, "%s is out of order here",
                              call);
}

static int order(sluice_encoder_t *e, unsigned phases, const char *call) {
  if (e == NULL) {
    return UV_EINVAL;
  }
  if (e->error.code != 0) {
    return e->error.code;
  }
  return (phases & 1u << e->phase) != 0 ? 0 : misplaced(e, call);
}

/* As order(), and for what else the call cannot do without. */
static int order_with(sluice_encoder_t *e, unsigned phases, bool has_all,
                      const char *call) {
  int r = order(e, phases, call);

  return r < 0 || has_all
             ? r
             : sluice__encoder_fail(e, UV_EINVAL, "%s lacks an argument", call);
}

/* Closes the payload that lingers, if one does. */
static int end_lingering(sluice_encoder_t *e) {
  bool lingers = e->lingers;

  e->lingers = false;
  return lingers ? e->ops->close(e) : 0;
}

static const char *copy_name(char *to, const char *from) {
  (void)snprintf(to, SLUICE_NAME_MAX + 1, "%s", from == NULL ? "" : from);
  return to;
}

static void copy_strings(sluice_encoder_t *e) {
  if (e->options.image_id != NULL) {
    memcpy(e->image_id, e->options.image_id, sizeof(e->image_id));
  }
  if (e->options.parent_id != NULL) {
    memcpy(e->parent_id, e->options.parent_id, sizeof(e->parent_id));
  }
  e->options.image_id = e->image_id;
  e->options.parent_id = e->parent_id;
  e->options.host = copy_name(e->host, e->options.host);
  e->options.host_version = copy_name(e->host_version, e->options.host_version);
}

static int take_options(sluice_encoder_t *e,
                        const sluice_encoder_options_t *options,
                        const sluice_output_t *output) {
  sluice_output_t o;
  int r = SLUICE_OPTIONS_COPY(&o, output, "output", sluice_output_t,
                              chunk_bytes, NULL);

  sluice__stage_init(&e->stage, &o);
  if (r == 0) {
    r = SLUICE_OPTIONS_COPY(&e->options, options, "encoder options",
                            sluice_encoder_options_t, no_frames, NULL);
  }
  copy_strings(e);
  return r < 0 || o.lend == NULL || o.emit == NULL ? UV_EINVAL : 0;
}

static int choose_dialect(sluice_encoder_t *e) {
  const sluice_output_t *out = &e->stage.output;

  if (e->options.keep_last && (out->patch == NULL || out->fetch == NULL)) {
    return UV_EINVAL;
  }
  switch (e->options.format) {
  case SLUICE_FORMAT_UNKNOWN:
  case SLUICE_FORMAT_NATIVE: e->ops = &sluice__encode_native; return 0;
  case SLUICE_FORMAT_QEMU3: e->ops = &sluice__encode_qemu3; return 0;
  case SLUICE_FORMAT_QEMU2: return UV_EINVAL;
  }
  return UV_EINVAL;
}

/* Only native records gain from large ones; those of QEMU's stream that share
 * a frame would become longer, and all of them other bytes. */
int sluice__encoder_set_chunk(sluice_encoder_t *e, size_t bytes) {
  bool is_native = e->ops == &sluice__encode_native;

  bytes = bytes == 0 ? SLUICE_CHUNK_BYTES : bytes;
  if (bytes < SLUICE_CHUNK_BYTES || bytes > SLUICE_CHUNK_BYTES_MAX ||
      (bytes & (bytes - 1)) != 0) {
    return UV_EINVAL;
  }
  assert(e->phase == SLUICE__ENCODE_NEW);
  e->stage.chunk_bytes = is_native ? bytes : SLUICE_CHUNK_BYTES;
  return 0;
}

void sluice__encoder_keep_last(sluice_encoder_t *e) {
  assert(e->phase == SLUICE__ENCODE_NEW && e->stage.output.patch != NULL);
  e->options.keep_last =
      e->ops == &sluice__encode_native && !e->options.no_index;
}

void sluice__encoder_attach(sluice_encoder_t *e,
                            sluice__direct_writer_t *direct,
                            sluice__copy_queue_t *jobs) {
  assert(e->phase == SLUICE__ENCODE_NEW);
  e->direct = direct;
  e->jobs = jobs;
}

uint32_t sluice__encoder_page_size(const sluice_encoder_t *e, uint32_t region) {
  return region < e->region_count ? e->regions[region].page_size : 0;
}

const char *sluice__encoder_region_name(const sluice_encoder_t *e,
                                        uint32_t region) {
  return region < e->region_count ? e->regions[region].name : NULL;
}

int sluice_encoder_new(sluice_encoder_t **out,
                       const sluice_encoder_options_t *options,
                       const sluice_output_t *output,
                       const sluice_alloc_t *alloc) {
  const sluice_alloc_t *a = alloc != NULL ? alloc : sluice_alloc_libc();
  sluice_encoder_t *e;
  int r;

  if (out == NULL) {
    return UV_EINVAL;
  }
  e = a->alloc(a->ctx, sizeof(*e), _Alignof(max_align_t));
  if (e == NULL) {
    return UV_ENOMEM;
  }
  memset(e, 0, sizeof(*e));
  e->alloc = *a;
  r = take_options(e, options, output);
  if (r == 0) {
    r = choose_dialect(e);
  }
  if (r == 0) {
    r = sluice__encoder_set_chunk(e, e->stage.output.chunk_bytes);
  }
  if (r == 0) {
    r = e->ops->init(e);
  }
  if (r < 0) {
    sluice_encoder_free(e);
    return r;
  }
  *out = e;
  return 0;
}

static void free_regions(sluice_encoder_t *e) {
  if (e->regions != NULL) {
    e->alloc.release(e->alloc.ctx, e->regions,
                     e->region_cap * sizeof(*e->regions),
                     _Alignof(max_align_t));
  }
}

void sluice_encoder_free(sluice_encoder_t *e) {
  if (e == NULL) {
    return;
  }
  if (e->ops != NULL) {
    e->ops->free(e);
  }
  sluice__stage_done(&e->stage);
  free_regions(e);
  e->alloc.release(e->alloc.ctx, e, sizeof(*e), _Alignof(max_align_t));
}

int sluice_encoder_header(sluice_encoder_t *e) {
  int r = order(e, IN_NEW, "header");

  if (r < 0) {
    return r;
  }
  e->phase = SLUICE__ENCODE_IDLE;
  return e->ops->header(e);
}

int sluice_encoder_note(sluice_encoder_t *e, const char *name, const void *data,
                        size_t len) {
  int r = order_with(e, IN_IDLE, name != NULL && (data != NULL || len == 0),
                     "note");

  if (r < 0) {
    return r;
  }
  if (len > SLUICE_NOTE_MAX || strlen(name) > SLUICE_NAME_MAX) {
    return sluice__encoder_fail(e, SLUICE_ELIMIT,
                                "note of %zu bytes is over the limit", len);
  }
  r = end_lingering(e);
  return r < 0 ? r : e->ops->note(e, name, data, len);
}

static bool goes_on(const sluice_encoder_t *e, sluice_item_kind_t kind,
                    const sluice_decl_t *decl) {
  return e->lingers && kind == SLUICE_ITEM_PART && decl->id == e->section_id;
}

/* Who declares a section names it. */
static bool is_decl(sluice_item_kind_t kind, const sluice_decl_t *decl) {
  return decl != NULL && (kind != SLUICE_ITEM_SECTION || decl->name != NULL) &&
         (decl->schema != NULL || decl->schema_len == 0);
}

int sluice_encoder_open(sluice_encoder_t *e, sluice_item_kind_t kind,
                        const sluice_decl_t *decl) {
  int r = order_with(e, IN_IDLE, is_decl(kind, decl), "open");

  if (r == 0 && goes_on(e, kind, decl)) {
    e->lingers = false;
    e->phase = SLUICE__ENCODE_PAYLOAD;
    return 0;
  }
  if (r == 0) {
    r = end_lingering(e);
  }
  if (r < 0) {
    return r;
  }
  e->phase = SLUICE__ENCODE_PAYLOAD;
  e->kind = kind;
  e->section_id = decl->id;
  e->section_flags = decl->flags;
  e->payload = decl->payload;
  return e->ops->open(e, kind, decl);
}

static int grow_regions(sluice_encoder_t *e) {
  uint32_t cap = e->region_cap == 0 ? 8 : e->region_cap * 2;
  sluice__region_t *more;

  if (e->region_count < e->region_cap) {
    return 0;
  }
  more =
      e->alloc.alloc(e->alloc.ctx, cap * sizeof(*more), _Alignof(max_align_t));
  if (more == NULL) {
    return sluice__encoder_fail(e, UV_ENOMEM, "no memory for a region");
  }
  if (e->region_count > 0) {
    memcpy(more, e->regions, e->region_count * sizeof(*more));
  }
  free_regions(e);
  e->regions = more;
  e->region_cap = cap;
  return 0;
}

static bool is_region(const char *name, uint64_t bytes, uint32_t page_size) {
  return name[0] != '\0' && strlen(name) <= SLUICE_NAME_MAX && bytes > 0 &&
         page_size >= SLUICE_PAGE_MIN && page_size <= SLUICE_PAGE_MAX &&
         (page_size & (page_size - 1)) == 0 && bytes % page_size == 0;
}

int sluice_encoder_region(sluice_encoder_t *e, const char *name, uint64_t bytes,
                          uint32_t page_size, uint32_t *out_index) {
  sluice__region_t *region;
  int r =
      order_with(e, IN_PAYLOAD, name != NULL && out_index != NULL, "region");

  if (r < 0) {
    return r;
  }
  if (e->kind != SLUICE_ITEM_SECTION) {
    return misplaced(e, "region");
  }
  if (!is_region(name, bytes, page_size)) {
    return sluice__encoder_fail(e, UV_EINVAL, "region '%s' is malformed", name);
  }
  if (grow_regions(e) < 0) {
    return e->error.code;
  }
  region = &e->regions[e->region_count];
  region->bytes = bytes;
  region->page_size = page_size;
  region->section_id = e->section_id;
  copy_name(region->name, name);
  *out_index = e->region_count++;
  return e->ops->region(e, *out_index);
}

static int check_run(sluice_encoder_t *e, uint32_t index, uint64_t offset,
                     uint64_t count, bool has_data, const char *call) {
  const sluice__region_t *region;
  uint64_t pages;
  int r = order_with(e, IN_PAYLOAD, has_data || count == 0, call);

  if (r < 0) {
    return r;
  }
  if (index >= e->region_count) {
    return sluice__encoder_fail(e, UV_EINVAL, "there is no region %u", index);
  }
  region = &e->regions[index];
  pages = region->bytes / region->page_size;
  if (offset % region->page_size != 0 || offset / region->page_size > pages ||
      count > pages - offset / region->page_size) {
    return sluice__encoder_fail(e, UV_EINVAL, "run is outside of region '%s'",
                                region->name);
  }
  return 0;
}

int sluice__encoder_pages(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                          const sluice__page_source_t *source) {
  int r = check_run(e, region, offset, source->count, source->base != NULL,
                    "pages");

  return r < 0 ? r : e->ops->pages(e, region, offset, source);
}

int sluice_encoder_pages(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                         const void *data, uint64_t count) {
  const sluice__page_source_t source = {.base = data, .count = count};

  return sluice__encoder_pages(e, region, offset, &source);
}

int sluice_encoder_zeros(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                         uint64_t count) {
  int r = check_run(e, region, offset, count, true, "zeros");

  return r < 0 ? r : e->ops->zeros(e, region, offset, count);
}

int sluice_encoder_bytes(sluice_encoder_t *e, const void *data, size_t len) {
  int r = order_with(e, IN_PAYLOAD, data != NULL || len == 0, "bytes");

  return r < 0 || len == 0 ? r : e->ops->bytes(e, data, len);
}

int sluice_encoder_describe(sluice_encoder_t *e, const char *json, size_t len) {
  int r = order_with(e, IN_PAYLOAD, json != NULL || len == 0, "describe");

  return r == 0 && e->ops->describe != NULL ? e->ops->describe(e, json, len)
                                            : r;
}

int sluice_encoder_close(sluice_encoder_t *e) {
  int r = order(e, IN_PAYLOAD, "close");

  if (r < 0) {
    return r;
  }
  e->phase = SLUICE__ENCODE_IDLE;
  return e->ops->close(e);
}

/* Only a PART goes on as another PART. */
static bool may_linger(sluice_encoder_t *e) {
  return e->kind == SLUICE_ITEM_PART && e->ops->linger != NULL &&
         e->ops->linger(e);
}

int sluice__encoder_leave(sluice_encoder_t *e, uint32_t id, bool goes_on) {
  bool is_open = e->phase == SLUICE__ENCODE_PAYLOAD;

  if (e->error.code != 0 || id != e->section_id) {
    return e->error.code; /* what there is is another section's */
  }
  if (!goes_on || (is_open && !may_linger(e))) {
    return is_open ? sluice_encoder_close(e) : end_lingering(e);
  }
  if (is_open) {
    e->phase = SLUICE__ENCODE_IDLE;
    e->lingers = true;
  }
  return 0;
}

static int end_stream(sluice_encoder_t *e) {
  e->phase = SLUICE__ENCODE_OVER;
  (void)sluice__stage_flush(&e->stage);
  return sluice__encoder_staged(e);
}

int sluice_encoder_finish_some(sluice_encoder_t *e, uint64_t pages) {
  uint64_t looks = pages;
  int r = order(e, IN_IDLE | IN_ENDING, "finish");

  if (r < 0) {
    return r;
  }
  e->phase = SLUICE__ENCODE_ENDING;
  r = end_lingering(e);
  if (r < 0) {
    return r;
  }
  r = e->ops->finish(e, &looks);
  return r == 0 ? end_stream(e) : r;
}

int sluice_encoder_finish(sluice_encoder_t *e) {
  return sluice_encoder_finish_some(e, UINT64_MAX);
}

int sluice_encoder_flush(sluice_encoder_t *e) {
  int r = e == NULL ? UV_EINVAL : e->error.code;

  if (r == 0) {
    r = end_lingering(e);
  }
  if (r == 0 && e->ops->flush != NULL) {
    r = e->ops->flush(e);
  }
  if (r == 0) {
    (void)sluice__stage_flush(&e->stage);
    r = sluice__encoder_staged(e);
  }
  return r;
}

int sluice_encoder_abort(sluice_encoder_t *e, const sluice_error_t *reason) {
  int r;

  if (e == NULL) {
    return UV_EINVAL;
  }
  r = e->stage.code;
  e->lingers = false; /* what is half a record is forgotten */
  if (r == 0 && e->phase != SLUICE__ENCODE_NEW && e->ops->abort != NULL) {
    r = e->ops->abort(e, reason);
  }
  if (r == 0) {
    r = sluice__stage_flush(&e->stage);
  }
  e->phase = SLUICE__ENCODE_OVER;
  return r;
}

bool sluice__encoder_shrink(sluice_encoder_t *e) {
  return e->ops->shrink == NULL || e->ops->shrink(e);
}

uint64_t sluice_encoder_offset(const sluice_encoder_t *e) {
  return e == NULL ? 0 : sluice__stage_offset(&e->stage);
}

int sluice_encoder_fetch(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                         void *page) {
  if (e == NULL || page == NULL || !e->options.keep_last ||
      region >= e->region_count || e->ops->fetch == NULL) {
    return UV_EINVAL;
  }
  return e->ops->fetch(e, region, offset, page);
}

void sluice__encoder_totals(const sluice_encoder_t *e, sluice_totals_t *out) {
  *out = e->totals;
  out->bytes = sluice_encoder_offset(e);
}

void sluice_encoder_totals(const sluice_encoder_t *e, sluice_totals_t *out,
                           size_t size) {
  sluice_totals_t totals = {0};

  if (e != NULL) {
    sluice__encoder_totals(e, &totals);
  }
  sluice_result_copy(out, size, &totals, sizeof(totals));
}

const sluice_error_t *sluice_encoder_error(const sluice_encoder_t *e) {
  return e == NULL ? NULL : &e->error;
}
