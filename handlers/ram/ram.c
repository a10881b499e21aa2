/* ram.c - the section, its regions and its marks: the public face of
 * <sluice/ram.h>. How a save and a restore go is in ram_save.c and
 * ram_restore.c.
 *
 * Invariant: regions come and go only while the section is idle. */
#include <assert.h>
#include <sluice/ram.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <sluice/options.h>

#include "bitmap.h"
#include "hooks.h"
#include "section.h"
#include "snapshot.h"

enum { PAGE_DEFAULT = 4096, VERSION_OLDEST = 1, VERSION_QEMU = 4 };

static void forget_registry(void *self) {
  sluice_ram_t *ram = self;

  ram->registry = NULL;
  ram->own = NULL;
}

/* Version 4 is what QEMU calls this payload; decoders turn older ones into the
 * same items. */
#define RAM_HOOKS                                                              \
  .size = sizeof(sluice_handler_t), .version = VERSION_QEMU,                   \
  .min_version = VERSION_OLDEST, .payload = SLUICE_PAYLOAD_PAGES,              \
  .type = "ram", .save_pending = sluice__ram_save_pending,                     \
  .save_begin = sluice__ram_save_begin, .save_cut = sluice__ram_save_cut,      \
  .save_can_cut = sluice__ram_save_can_cut,                                    \
  .save_start = sluice__ram_save_start, .save_step = sluice__ram_save_step,    \
  .save_returned = sluice__ram_save_returned,                                  \
  .save_finish = sluice__ram_save_finish, .save_end = sluice__ram_save_end,    \
  .restore_begin = sluice__ram_restore_begin,                                  \
  .restore_step = sluice__ram_restore_step,                                    \
  .restore_map = sluice__ram_restore_map,                                      \
  .restore_place = sluice__ram_restore_place,                                  \
  .restore_unmappable = sluice__ram_restore_unmappable,                        \
  .restore_late_place = sluice__ram_restore_late_place,                        \
  .restore_check = sluice__ram_restore_check,                                  \
  .restore_commit = sluice__ram_restore_commit,                                \
  .restore_end = sluice__ram_restore_end, .removed = forget_registry

static const sluice_handler_t ram_handler = {RAM_HOOKS};

/* With a hook to arm, the instant of a cut could not be inside of begin. */
static const sluice_handler_t ram_handler_armed = {
    RAM_HOOKS,
    .save_arm = sluice__ram_save_arm,
    .save_release = sluice__ram_save_release,
};

static uint64_t kernel_page(void) {
  return (uint64_t)sysconf(_SC_PAGESIZE);
}

static const sluice__tracker_t *tracker_of(sluice_ram_tracker_t kind) {
  switch (kind) {
  case SLUICE_RAM_COOPERATIVE: return &sluice__tracker_cooperative;
  case SLUICE_RAM_WRITE_PROTECT: return &sluice__tracker_wp;
  case SLUICE_RAM_STATIC: return &sluice__tracker_static;
  }
  return NULL;
}

static int check_page_size(uint32_t page_size, int is_wp, sluice_error_t *err) {
  if (page_size < SLUICE_PAGE_MIN || page_size > SLUICE_PAGE_MAX ||
      (page_size & (page_size - 1)) != 0) {
    return sluice_fail(
        err, UV_EINVAL, "page size %u is no power of two in %d..%d",
        (unsigned)page_size, (int)SLUICE_PAGE_MIN, (int)SLUICE_PAGE_MAX);
  }
  if (is_wp && page_size % kernel_page() != 0) {
    return sluice_fail(err, UV_EINVAL,
                       "page size %u is not whole pages of the kernel's",
                       (unsigned)page_size);
  }
  return 0;
}

static int is_policy(sluice_ram_preimage_policy_t policy) {
  switch (policy) {
  case SLUICE_RAM_FAIL:
  case SLUICE_RAM_SPILL:
  case SLUICE_RAM_SLOW: return 1;
  }
  return 0;
}

static int set_policy(sluice_ram_t *ram, const sluice_ram_options_t *options,
                      sluice_error_t *err) {
  ram->max_preimage = options->max_preimage;
  ram->policy = options->preimage_policy;
  ram->writable = options->writable;
  ram->writable_data = options->data;
  if (!is_policy(ram->policy)) {
    return sluice_fail(err, UV_EINVAL, "no such policy for pre-images: %d",
                       (int)ram->policy);
  }
  if (ram->policy != SLUICE_RAM_SPILL) {
    return 0;
  }
  if (options->spill_dir == NULL) {
    return sluice_fail(err, UV_EINVAL, "spilling needs spill_dir");
  }
  ram->spill_dir = strdup(options->spill_dir);
  return ram->spill_dir != NULL
             ? 0
             : sluice_fail(err, UV_ENOMEM, "no memory for a ram section");
}

static int set_options(sluice_ram_t *ram, const sluice_ram_options_t *options,
                       sluice_error_t *err) {
  uint32_t page_size = options->page_size;
  int r;

  ram->tracker = tracker_of(options->tracker);
  if (ram->tracker == NULL) {
    return sluice_fail(err, UV_EINVAL, "no such tracker: %d",
                       (int)options->tracker);
  }
  page_size = page_size == 0 ? PAGE_DEFAULT : page_size;
  r = check_page_size(page_size, sluice__ram_is_asked(ram), err);
  if (r == 0) {
    ram->page_shift = (uint32_t)__builtin_ctz(page_size);
    ram->max_shadow = options->max_shadow;
    r = set_policy(ram, options, err);
  }
  return r;
}

static int open_ram(sluice_ram_t *ram, const sluice_ram_options_t *options,
                    sluice_error_t *err) {
  sluice_ram_options_t o;
  int r = SLUICE_OPTIONS_COPY(&o, options, "ram options", sluice_ram_options_t,
                              data, err);

  if (r == 0) {
    r = set_options(ram, &o, err);
  }

  assert(r < 0 || ram->tracker != NULL);
  if (r == 0 && ram->tracker->open != NULL) {
    r = ram->tracker->open(&ram->tracker_state, err);
  }
  return r;
}

static int check_new(sluice_ram_t **out, const sluice_registry_t *registry,
                     const char *name, sluice_error_t *err) {
  return out != NULL && registry != NULL && name != NULL
             ? 0
             : sluice_fail(err, UV_EINVAL,
                           "a ram section needs a registry and a name");
}

int sluice_ram_new(sluice_ram_t **out, sluice_registry_t *registry,
                   const char *name, const sluice_section_options_t *section,
                   const sluice_ram_options_t *options, sluice_error_t *err) {
  sluice_ram_t *ram;
  int r = check_new(out, registry, name, err);

  if (r != 0) {
    return r;
  }
  ram = calloc(1, sizeof(*ram));
  if (ram == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for a ram section");
  }
  r = open_ram(ram, options, err);
  if (r == 0) {
    r = sluice_registry_add(registry, name,
                            sluice__ram_is_asked(ram) ? &ram_handler_armed
                                                      : &ram_handler,
                            ram, section, &ram->own, err);
  }
  if (r != 0) {
    (void)sluice_ram_free(ram);
    return r;
  }
  ram->registry = registry;
  *out = ram;
  return 0;
}

int sluice_ram_free(sluice_ram_t *ram) {
  if (ram == NULL) {
    return 0;
  }
  if (ram->registry != NULL) {
    return UV_EBUSY;
  }
  for (uint32_t i = 0; i < ram->region_count; i++) {
    sluice__ram_region_free(ram->regions[i]);
  }
  if (ram->tracker_state != NULL) {
    ram->tracker->close(ram->tracker_state);
  }
  free(ram->regions);
  free(ram->spill_dir);
  free(ram);
  return 0;
}

static int is_name(const char *name) {
  size_t len = name == NULL ? 0 : strlen(name);

  for (size_t i = 0; i < len; i++) {
    if (name[i] <= ' ' || name[i] > '~') {
      return 0;
    }
  }
  return len >= 1 && len <= SLUICE_NAME_MAX;
}

static int is_placed(const sluice_ram_t *ram, const void *base, uint64_t bytes,
                     uint32_t flags) {
  uint64_t page = UINT64_C(1) << ram->page_shift;
  uint64_t align = page < kernel_page() ? page : kernel_page();
  int is_whole = (flags & SLUICE_RAM_REMAP) != 0 || sluice__ram_is_asked(ram);
  uint64_t whole = is_whole ? kernel_page() : align;
  uintptr_t at = (uintptr_t)base;

  return base != NULL && bytes > 0 && bytes <= SIZE_MAX &&
         bytes <= UINTPTR_MAX - at && bytes % page == 0 && bytes % whole == 0 &&
         at % whole == 0;
}

static int is_taken(const sluice_ram_t *ram, const char *name) {
  for (uint32_t i = 0; i < ram->region_count; i++) {
    if (strcmp(ram->regions[i]->name, name) == 0) {
      return 1;
    }
  }
  return 0;
}

static int is_over_another(const sluice_ram_t *ram, const void *base,
                           uint64_t bytes) {
  uintptr_t at = (uintptr_t)base;

  for (uint32_t i = 0; i < ram->region_count; i++) {
    uintptr_t other = (uintptr_t)ram->regions[i]->base;

    if (at < other + ram->regions[i]->bytes && other < at + bytes) {
      return 1;
    }
  }
  return 0;
}

static int check_region(const sluice_ram_t *ram, const char *name,
                        const void *base, uint64_t bytes, uint32_t flags) {
  const uint32_t known = SLUICE_RAM_IN_PLACE | SLUICE_RAM_REMAP;

  if (ram == NULL || !is_name(name) || (flags & ~known) != 0 ||
      !is_placed(ram, base, bytes, flags)) {
    return UV_EINVAL;
  }
  if (sluice__ram_is_busy(ram)) {
    return UV_EBUSY;
  }
  if (is_taken(ram, name)) {
    return SLUICE_EEXISTS;
  }
  return is_over_another(ram, base, bytes) ? UV_EINVAL : 0;
}

/* Room for one more. */
static int grow_regions(sluice_ram_t *ram) {
  uint32_t capacity = ram->region_capacity * 2 + 4;
  sluice__ram_region_t **regions;

  if (ram->region_count < ram->region_capacity) {
    return 0;
  }
  if (ram->region_capacity > UINT32_MAX / 4) {
    return UV_ENOMEM;
  }
  regions = realloc(ram->regions, capacity * sizeof(*regions));
  if (regions == NULL) {
    return UV_ENOMEM;
  }
  ram->regions = regions;
  ram->region_capacity = capacity;
  return 0;
}

int sluice_ram_add_region(sluice_ram_t *ram, const char *name, void *base,
                          uint64_t bytes, uint32_t flags,
                          uint32_t *out_region) {
  int r = check_region(ram, name, base, bytes, flags);
  sluice__ram_region_t *region;

  if (r == 0) {
    r = grow_regions(ram);
  }
  if (r != 0) {
    return r;
  }
  region = sluice__ram_region_new(name, base, bytes, ram->page_shift, flags);
  if (region == NULL) {
    return UV_ENOMEM;
  }
  if (out_region != NULL) {
    *out_region = ram->region_count;
  }
  ram->regions[ram->region_count++] = region;
  ram->pages += region->pages;
  return 0;
}

/* The pages of a range, clipped to the region; false: there are none. */
static int find_span(const sluice_ram_t *ram, uint32_t region, uint64_t offset,
                     uint64_t len, sluice__ram_span_t *out) {
  const sluice__ram_region_t *in = sluice__ram_region_of(ram, region);
  uint64_t last;

  if (in == NULL || len == 0 || offset >= in->bytes) {
    return 0;
  }
  last = len > in->bytes - offset ? in->bytes - 1 : offset + len - 1;
  out->region = region;
  out->page = offset >> ram->page_shift;
  out->count = (last >> ram->page_shift) - out->page + 1;
  return 1;
}

int sluice_ram_blank(sluice_ram_t *ram, uint32_t region, uint64_t offset) {
  sluice__ram_region_t *in = sluice__ram_region_of(ram, region);
  uint64_t page;

  if (in == NULL || ram->tracker->mode != SLUICE__TRACKER_TOLD) {
    return UV_EINVAL;
  }
  page = offset >> ram->page_shift;
  if (offset > in->bytes || offset != page << ram->page_shift) {
    return UV_EINVAL;
  }
  if (sluice__ram_is_busy(ram)) {
    return UV_EBUSY;
  }
  ram->marked -= sluice__ram_region_blank(in, page);
  return 0;
}

static void mark_span(sluice_ram_t *ram, const sluice__ram_span_t *span) {
  sluice__ram_region_t *region = ram->regions[span->region];
  uint64_t changed;

  if (span->page + span->count > region->used) {
    region->used = span->page + span->count;
  }
  if (region->is_passed) { /* its memory is: nothing has to be sent */
    (void)sluice__bitmap_set(region->since, span->page, span->count);
    return;
  }
  changed = sluice__bitmap_set(region->marks, span->page, span->count);
  if (changed > 0) {
    ram->marked += changed;
    if (ram->state == SLUICE__RAM_CLEAN) { /* it waits for just that */
      sluice_section_wake(ram->section);
    }
  }
}

void sluice_ram_dirty(sluice_ram_t *ram, uint32_t region, uint64_t offset,
                      uint64_t len) {
  sluice__ram_span_t span;

  if (!find_span(ram, region, offset, len, &span) ||
      ram->tracker->mode == SLUICE__TRACKER_NEVER) {
    return;
  }
  if (ram->state == SLUICE__RAM_SNAPSHOT) {
    sluice__ram_snapshot_preserve(ram, &span);
  }
  mark_span(ram, &span);
}

int sluice_ram_may_write(sluice_ram_t *ram, uint32_t region, uint64_t offset,
                         uint64_t len) {
  sluice__ram_span_t span;

  if (ram == NULL) {
    return UV_EINVAL;
  }
  if (ram->state == SLUICE__RAM_SNAPSHOT && ram->policy == SLUICE_RAM_SLOW &&
      ram->tracker->mode != SLUICE__TRACKER_NEVER &&
      find_span(ram, region, offset, len, &span) &&
      !sluice__ram_snapshot_may_write(ram, &span)) {
    return UV_EAGAIN;
  }
  sluice_ram_dirty(ram, region, offset, len);
  return 0;
}

int sluice_ram_marks(sluice_ram_t *ram, uint32_t region,
                     sluice_ram_marks_t *out, size_t size) {
  const sluice__ram_region_t *in = sluice__ram_region_of(ram, region);
  const size_t oldest = sizeof(*out);
  sluice_ram_marks_t marks = {.ram = ram, .region = region};

  if (in == NULL || out == NULL || size < oldest) {
    return UV_EINVAL;
  }
  marks.words = in->marks;
  marks.bytes = in->bytes;
  marks.shift = ram->page_shift;
  memset(out, 0, size);
  memcpy(out, &marks, size < sizeof(marks) ? size : sizeof(marks));
  return 0;
}

uint64_t sluice_ram_dirty_pages(const sluice_ram_t *ram) {
  uint64_t n = 0;

  if (ram == NULL) {
    return 0;
  }
  if (ram->tracker->mode != SLUICE__TRACKER_TOLD) {
    return ram->pages;
  }
  for (uint32_t i = 0; i < ram->region_count; i++) {
    n += sluice__ram_region_dirty(ram->regions[i]);
  }
  return n;
}

void sluice_ram_soundness(const sluice_ram_t *ram, sluice_soundness_t *out,
                          size_t size) {
  sluice_section_soundness(ram == NULL ? NULL : ram->own, out, size);
}

int sluice_ram_inherit(sluice_ram_t *ram, const sluice_ram_t *from) {
  return ram == NULL || from == NULL
             ? UV_EINVAL
             : sluice_section_inherit(ram->own, from->own);
}

void sluice_ram_stats(const sluice_ram_t *ram, sluice_ram_stats_t *out,
                      size_t size) {
  sluice_ram_stats_t stats = {0};

  if (ram != NULL && ram->state == SLUICE__RAM_SNAPSHOT) {
    sluice__ram_snapshot_stats(ram, &stats);
  } else if (ram != NULL) {
    stats = ram->stats;
  }
  sluice_result_copy(out, size, &stats, sizeof(stats));
}
