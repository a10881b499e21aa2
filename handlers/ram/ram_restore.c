/* ram_restore.c - pages into staging, staging into place.
 *
 * The stream is untrusted: regions are matched by name and must agree in size
 * and page size, every run is checked against its region before a byte moves.
 * A region's staging buffer is made when the stream declares it, so a stream
 * that names the wrong ones costs nothing. Nothing of the host changes before
 * commit, but for regions in place. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "hooks.h"
#include "memfd.h"
#include "section.h"

#define FILL_BYTES (UINT64_C(1) << 20) /* a turn's: 0.3 ms in fresh memory */

/* Zeros still to be put: a run may be far larger than a slice. */
typedef struct fill_s {
  sluice__ram_region_t *region;
  uint64_t page;
  uint64_t count;
  uint8_t byte;
} fill_t;

struct sluice__ram_restore_s {
  sluice__ram_region_t *last;    /* the region of the run before */
  sluice__ram_region_t *prepare; /* being discarded, or NULL */
  fill_t fill;                   /* count 0: none */
  uint32_t check;                /* regions settled */
};

static int is_in_place(const sluice__ram_region_t *region) {
  return (region->flags & SLUICE_RAM_IN_PLACE) != 0;
}

static int can_remap(const sluice__ram_region_t *region) {
  return (region->flags & SLUICE_RAM_REMAP) != 0;
}

/* Whether the shadows stay under the limit, were all regions declared. */
static int check_limit(const sluice_ram_t *ram, sluice_error_t *err) {
  uint64_t left = ram->max_shadow == 0 ? UINT64_MAX : ram->max_shadow;

  for (uint32_t i = 0; i < ram->region_count; i++) {
    const sluice__ram_region_t *region = ram->regions[i];

    if (is_in_place(region)) {
      continue;
    }
    if (region->bytes > left) {
      return sluice_fail(err, SLUICE_ELIMIT,
                         "region \"%.64s\": %" PRIu64
                         " bytes of shadow, max_shadow %" PRIu64
                         " leaves %" PRIu64,
                         region->name, region->bytes, ram->max_shadow, left);
    }
    left -= region->bytes;
  }
  return 0;
}

int sluice__ram_restore_begin(void *self, sluice_section_t *section,
                              uint32_t version, sluice_error_t *err) {
  sluice_ram_t *ram = self;
  int r = check_limit(ram, err);

  (void)version; /* decoders make the same items of all of them */
  if (r != 0) {
    return r;
  }
  ram->restore = calloc(1, sizeof(*ram->restore));
  if (ram->restore == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory to restore a ram section");
  }
  ram->section = section;
  for (uint32_t i = 0; i < ram->region_count; i++) {
    ram->regions[i]->wire = SLUICE__WIRE_NONE;
  }
  ram->state = SLUICE__RAM_RESTORE;
  return 0;
}

static sluice__ram_region_t *find_name(const sluice_ram_t *ram,
                                       const char *name) {
  for (uint32_t i = 0; i < ram->region_count; i++) {
    if (strcmp(ram->regions[i]->name, name) == 0) {
      return ram->regions[i];
    }
  }
  return NULL;
}

static int is_declared(const sluice__ram_region_t *region) {
  return region->staging.written != NULL || region->adopted.at != NULL;
}

static int match_region(const sluice_ram_t *ram,
                        const sluice__ram_region_t *region,
                        const sluice_region_t *in, sluice_error_t *err) {
  uint32_t page_size = UINT32_C(1) << ram->page_shift;

  if (is_declared(region)) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "region \"%.64s\" is declared twice", in->name);
  }
  if (in->bytes != region->bytes) {
    return sluice_fail(err, SLUICE_EKIND,
                       "region \"%.64s\": %" PRIu64
                       " bytes in the stream, %" PRIu64 " registered",
                       in->name, in->bytes, region->bytes);
  }
  if (in->page_size != page_size) {
    return sluice_fail(err, SLUICE_EKIND,
                       "region \"%.64s\": pages of %u bytes in the stream, "
                       "of %u registered",
                       in->name, (unsigned)in->page_size, (unsigned)page_size);
  }
  return 0;
}

static int open_staging(sluice_ram_t *ram, sluice__ram_region_t *region,
                        sluice_error_t *err) {
  int r = is_in_place(region)
              ? sluice__staging_open_in_place(
                    &region->staging, region->base, region->pages,
                    ram->page_shift, can_remap(region), region->used == 0)
              : sluice__staging_open(&region->staging, region->base,
                                     region->pages, ram->page_shift);

  if (r != 0) {
    return sluice_fail(
        err, r, "region \"%.64s\": no memory for a shadow of %" PRIu64 " bytes",
        region->name, region->bytes);
  }
  return 0;
}

static int take_region(sluice_ram_t *ram, const sluice_region_t *in,
                       sluice_error_t *err) {
  sluice__ram_region_t *region = find_name(ram, in->name);
  int r;

  if (region == NULL) {
    return sluice_fail(err, SLUICE_EUNKNOWN,
                       "region \"%.64s\" of %" PRIu64
                       " bytes is in the stream, but not registered",
                       in->name, in->bytes);
  }
  r = match_region(ram, region, in, err);
  if (r == 0) {
    r = sluice__ram_adopt_region(ram, region, err);
  }
  if (r == 1) {
    region->wire = in->index;
    return 0;
  }
  if (r == 0) {
    r = open_staging(ram, region, err);
  }
  if (r == 0) {
    region->wire = in->index;
    ram->restore->prepare = region;
  }
  return r;
}

/* Runs come in long rows for one region: look there first. */
static sluice__ram_region_t *find_wire(sluice_ram_t *ram, uint32_t wire) {
  sluice__ram_region_t *last = ram->restore->last;

  if (wire == SLUICE__WIRE_NONE) {
    return NULL;
  }
  if (last != NULL && last->wire == wire) {
    return last;
  }
  for (uint32_t i = 0; i < ram->region_count; i++) {
    if (ram->regions[i]->wire == wire) {
      ram->restore->last = ram->regions[i];
      return ram->regions[i];
    }
  }
  return NULL;
}

static int check_run(const sluice_ram_t *ram,
                     const sluice__ram_region_t *region,
                     const sluice_run_t *run, sluice_error_t *err) {
  uint64_t page_size = UINT64_C(1) << ram->page_shift;

  if (region == NULL) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "pages of region %u, which was not declared",
                       (unsigned)run->region);
  }
  if (region->adopted.at != NULL) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "pages of region \"%.64s\", which was passed",
                       region->name);
  }
  if (run->page_size != page_size || run->offset % page_size != 0 ||
      run->offset > region->bytes ||
      run->count > (region->bytes - run->offset) / page_size) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "region \"%.64s\" of %" PRIu64 " bytes: %" PRIu64
                       " pages of %u at %" PRIu64 " do not fit",
                       region->name, region->bytes, run->count,
                       (unsigned)run->page_size, run->offset);
  }
  return 0;
}

static int take_pages(sluice_ram_t *ram, sluice__ram_region_t *region,
                      const sluice_run_t *run, sluice_error_t *err) {
  uint64_t page = run->offset >> ram->page_shift;

  /* `count` was bounded by the region: no overflow. */
  if (run->len != run->count << ram->page_shift) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "region \"%.64s\": %zu bytes for %" PRIu64 " pages",
                       region->name, run->len, run->count);
  }
  if (run->count > 0) {
    sluice__staging_put(&region->staging, page, run->data, run->count);
  }
  return 0;
}

static int take_delta(sluice_ram_t *ram, sluice__ram_region_t *region,
                      const sluice_run_t *run, sluice_error_t *err) {
  if (run->count != 1) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "region \"%.64s\": a delta of %" PRIu64
                       " pages, expected 1",
                       region->name, run->count);
  }
  return sluice__staging_delta(&region->staging, run->offset >> ram->page_shift,
                               run->data, run->len, err);
}

static int take_run(sluice_ram_t *ram, const sluice_item_t *item,
                    sluice_error_t *err) {
  const sluice_run_t *run = &item->u.run;
  sluice__ram_region_t *region = find_wire(ram, run->region);
  int r = check_run(ram, region, run, err);

  if (r != 0) {
    return r;
  }
  assert(region != NULL); /* check_run() refuses what is not declared */
  if (item->kind == SLUICE_ITEM_PAGES) {
    return take_pages(ram, region, run, err);
  }
  if (item->kind == SLUICE_ITEM_DELTA) {
    return take_delta(ram, region, run, err);
  }
  ram->restore->fill.region = region;
  ram->restore->fill.page = run->offset >> ram->page_shift;
  ram->restore->fill.count = run->count;
  ram->restore->fill.byte = run->fill;
  return 0;
}

static int take_item(sluice_ram_t *ram, const sluice_item_t *item,
                     sluice_error_t *err) {
  switch (item->kind) {
  case SLUICE_ITEM_REGION: return take_region(ram, &item->u.region, err);
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS:
  case SLUICE_ITEM_DELTA: return take_run(ram, item, err);
  case SLUICE_ITEM_HEADER:
  case SLUICE_ITEM_NOTE:
  case SLUICE_ITEM_SECTION:
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END:
  case SLUICE_ITEM_CLOSE:
  case SLUICE_ITEM_BYTES:
  case SLUICE_ITEM_COMMAND:
  case SLUICE_ITEM_ABORT:
  case SLUICE_ITEM_TRAILER: break;
  }
  return sluice_fail(err, SLUICE_EKIND,
                     "an item of kind %d in a section of pages",
                     (int)item->kind);
}

static void fill_slice(sluice_ram_t *ram) {
  fill_t *fill = &ram->restore->fill;
  uint64_t max = FILL_BYTES >> ram->page_shift;
  uint64_t n = fill->count < max ? fill->count : max;

  sluice__staging_fill(&fill->region->staging, fill->page, n, fill->byte);
  fill->page += n;
  fill->count -= n;
}

static int check_complete(const sluice_ram_t *ram, sluice_error_t *err) {
  for (uint32_t i = 0; i < ram->region_count; i++) {
    const sluice__ram_region_t *region = ram->regions[i];

    if (!is_declared(region)) {
      return sluice_fail(err, SLUICE_EMISSING,
                         "region \"%.64s\" of %" PRIu64
                         " bytes is registered, but not in the stream",
                         region->name, region->bytes);
    }
  }
  return SLUICE_DONE;
}

static int read_item(sluice_ram_t *ram, sluice_reader_t *r,
                     sluice_error_t *err) {
  sluice_item_t item;
  int result = sluice_reader_next(r, &item);

  if (result == SLUICE_DONE) {
    return check_complete(ram, err);
  }
  if (result != SLUICE_MORE) {
    return result;
  }
  result = take_item(ram, &item, err);
  return result < 0 ? result : SLUICE_MORE;
}

/* One bounded piece of work. MORE: there may be another. */
static int restore_turn(sluice_ram_t *ram, sluice_reader_t *r,
                        sluice_error_t *err) {
  if (ram->restore->prepare != NULL) {
    if (sluice__staging_prepare(&ram->restore->prepare->staging) ==
        SLUICE_DONE) {
      ram->restore->prepare = NULL;
    }
    return SLUICE_MORE;
  }
  if (ram->restore->fill.count > 0) {
    fill_slice(ram);
    return SLUICE_MORE;
  }
  return read_item(ram, r, err);
}

int sluice__ram_restore_step(void *self, sluice_reader_t *r,
                             sluice_error_t *err) {
  int result;

  do {
    result = restore_turn(self, r, err);
  } while (result == SLUICE_MORE && !sluice_reader_should_yield(r));
  return result;
}

int sluice__ram_restore_unmappable(void *self) {
  const sluice_ram_t *ram = self;
  int can_move = sluice__staging_can_move_mappings();

  for (uint32_t i = 0; i < ram->region_count; i++) {
    const sluice__ram_region_t *region = ram->regions[i];

    if (!can_remap(region) || (!is_in_place(region) && !can_move)) {
      return 1;
    }
  }
  return 0;
}

int sluice__ram_restore_map(void *self, const sluice_extent_t *extent,
                            sluice_error_t *err) {
  sluice_ram_t *ram = self;
  sluice__ram_region_t *region = find_wire(ram, extent->region);
  const sluice_run_t run = {.region = extent->region,
                            .page_size = extent->page_size,
                            .offset = extent->offset,
                            .count = extent->bytes >> ram->page_shift,
                            .data = extent->data,
                            .len = (size_t)extent->bytes};
  int r = check_run(ram, region, &run, err);

  if (r != 0) {
    return r;
  }
  assert(region != NULL); /* check_run() refuses what is not declared */
  if (extent->data != NULL) {
    return take_pages(ram, region, &run, err);
  }
  r = sluice__staging_map(&region->staging, run.offset >> ram->page_shift,
                          run.count, extent->fd, extent->at);
  return r < 0 ? sluice_fail(err, r, "region \"%.64s\": no memory for it",
                             region->name)
               : r;
}

uint8_t *sluice__ram_restore_place(void *self, const sluice_run_t *run) {
  sluice_ram_t *ram = self;
  sluice__ram_region_t *region = find_wire(ram, run->region);

  if (ram->restore->prepare != NULL || ram->restore->fill.count > 0 ||
      check_run(ram, region, run, NULL) != 0) {
    return NULL;
  }
  return sluice__staging_place(&region->staging,
                               run->offset >> ram->page_shift);
}

/* A staging buffer that is moved at the commit would leave them behind. */
void *sluice__ram_restore_late_place(void *self,
                                     const sluice_extent_t *extent) {
  sluice_ram_t *ram = self;
  sluice__ram_region_t *region = find_wire(ram, extent->region);
  const sluice_run_t run = {.region = extent->region,
                            .page_size = extent->page_size,
                            .offset = extent->offset,
                            .count = extent->bytes >> ram->page_shift};

  if (region == NULL || !is_in_place(region) ||
      check_run(ram, region, &run, NULL) != 0) {
    return NULL;
  }
  return sluice__staging_late_place(&region->staging,
                                    run.offset >> ram->page_shift, run.count);
}

int sluice__ram_restore_check(void *self, sluice_error_t *err) {
  sluice_ram_t *ram = self;

  (void)err;
  if (ram->restore->check == ram->region_count) {
    return SLUICE_DONE;
  }
  if (sluice__staging_settle(&ram->regions[ram->restore->check]->staging) ==
      SLUICE_DONE) {
    ram->restore->check++;
  }
  return SLUICE_MORE;
}

void sluice__ram_restore_commit(void *self) {
  sluice_ram_t *ram = self;

  for (uint32_t i = 0; i < ram->region_count; i++) {
    sluice__ram_region_t *region = ram->regions[i];

    region->is_mapped = region->staging.is_mapped;
    if (region->adopted.at != NULL) {
      sluice__adopted_commit(&region->adopted, region->base);
      continue;
    }
    sluice__staging_commit(&region->staging, region->base, can_remap(region));
  }
}

void sluice__ram_restore_end(void *self, int status) {
  sluice_ram_t *ram = self;

  for (uint32_t i = 0; i < ram->region_count; i++) {
    sluice__ram_region_t *region = ram->regions[i];

    if (status != 0) {
      sluice__staging_unmap(&region->staging);
    }
    if (status == 0 || is_in_place(region)) {
      sluice__ram_region_renewed(region);
    }
    sluice__staging_close(&region->staging);
    if (region->adopted.at != NULL) {
      sluice__adopted_close(&region->adopted);
    }
  }
  free(ram->restore);
  ram->restore = NULL;
  ram->section = NULL;
  ram->state = SLUICE__RAM_IDLE;
}
