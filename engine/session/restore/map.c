/* map.c - see map.h. */
#include "session/restore/map.h"

#include "image/fragmentation.h"
#include "session/hook.h"

static sluice_section_t *find_section(sluice__map_t *map, uint32_t id) {
  sluice_section_t *at = map->last;

  if (at != NULL && at->id == id) {
    return at;
  }
  for (at = map->session->registry->first; at != NULL; at = at->next) {
    if (at->stage == SLUICE__SECTION_LOADED && at->is_mapping && at->id == id) {
      map->last = at;
      return at;
    }
  }
  return NULL; /* optional, and nobody's */
}

/* It will be memory before anybody has verified it. */
static int note_unverified(const sluice__map_t *map, sluice_section_t *owner,
                           const sluice__index_run_t *run) {
  return map->sound == NULL
             ? 0
             : sluice__sound_list_add(map->sound, owner,
                                      &map->session->registry->alloc, run);
}

static int on_index_run(void *ctx, const sluice__index_run_t *run) {
  sluice__map_t *map = ctx;
  sluice__image_extent_t extent = {.region_name = run->region_name,
                                   .region = run->region,
                                   .page_size = run->page_size,
                                   .offset = run->offset,
                                   .bytes = run->bytes,
                                   .at = run->at};

  int r;

  extent.owner = run->at == 0 ? NULL : find_section(map, run->section_id);
  if (extent.owner == NULL) {
    return 0;
  }
  r = note_unverified(map, extent.owner, run);
  if (r < 0 || sluice__extents_join(&map->extents, &extent)) {
    return r;
  }
  return sluice__extents_add(&map->extents, &map->session->mem, &extent);
}

/* `bytes` of an extent, from byte `from` of it, to its handler: DONE, MORE (not
 * mapped), or an error. */
static int put(void *ctx, const sluice__image_extent_t *extent, uint64_t from,
               uint64_t bytes, const uint8_t *data) {
  sluice__map_t *map = ctx;
  sluice_section_t *section = extent->owner;
  const sluice_extent_t told = {.region = extent->region,
                                .page_size = extent->page_size,
                                .offset = extent->offset + from,
                                .bytes = bytes,
                                .fd = map->file->probe.fd,
                                .at = extent->at + from,
                                .data = data};
  sluice_error_t err = {0};
  int r;

  map->session->current = section;
  r = section->handler->restore_map(section->self, &told, &err);
  r = sluice__hook_check("restore_map", r,
                         data == NULL ? SLUICE_MORE : SLUICE_DONE, &err);
  if (r < 0) {
    return sluice__fault(&map->fault, r, section, extent->at, &err);
  }
  map->stats->read_bytes += data != NULL ? bytes : 0;
  return r;
}

static int map_next(sluice__map_t *map) {
  sluice__image_extent_t extent;
  int r = SLUICE_MORE;

  if (sluice__extents_next(&map->extents, &extent)) {
    r = put(map, &extent, 0, extent.bytes, NULL);
  }
  if (r == SLUICE_DONE) {
    map->stats->mapped_bytes += extent.bytes;
    map->stats->mappings++;
    sluice__postcopy_pass(&map->postcopy);
  } else if (r == SLUICE_MORE) {
    extent.is_deferred = sluice__postcopy_offer(&map->postcopy, &extent);
    sluice__extents_leave(&map->extents, &extent);
  }
  return r;
}

static void begin(sluice__map_t *map) {
  sluice__extents_t *x = &map->extents;

  map->is_begun = true;
  sluice__extents_choose(x,
                         sluice__fragmentation_most(map->max_mappings,
                                                    map->file->probe.mappings,
                                                    x->count, x->gaps),
                         map->postcopy.is_wanted);
}

/* Once, when all that is mapped is. */
static void start_postcopy(sluice__map_t *map) {
  sluice__demand_stats_t demand;

  if (map->stats->late_bytes == 0 && sluice__postcopy_start(&map->postcopy)) {
    sluice__demand_stats(map->postcopy.demand, &demand);
    map->stats->late_bytes = demand.bytes;
    sluice__extents_drop_deferred(&map->extents);
  }
  map->stats->late_reason = map->postcopy.reason;
}

static int read_rest(sluice__map_t *map, sluice__budget_t *b) {
  uint64_t before = map->stats->read_bytes;
  int r;

  (void)sluice__fault(&map->fault, 0, NULL, SLUICE_OFFSET_NONE, NULL);
  r = sluice__fallback_run(&map->fallback, b);
  if (map->stats->read_bytes != before) {
    sluice__session_moved(map->session);
  }
  return r;
}

int sluice__map_run(sluice__map_t *map, sluice__budget_t *b) {
  if (!map->is_begun) {
    begin(map);
  }
  while (map->extents.next < map->extents.count) {
    int r = map_next(map);

    if (r < 0) {
      return r;
    }
    sluice__budget_charge(b, SLUICE__EXTENT_PAGE);
    if (sluice__budget_should_yield(b)) {
      return SLUICE__MORE;
    }
  }
  start_postcopy(map);
  return read_rest(map, b);
}

void sluice__map_open(sluice__map_t *map, sluice_decoder_t *decoder) {
  const sluice__decode_hooks_t hooks = {.ctx = map,
                                        .on_index_run = on_index_run};

  sluice__decoder_set_hooks(decoder, &hooks);
  map->postcopy.fd = map->file->probe.fd;
  map->fallback = (sluice__fallback_t){.job = &map->file->job,
                                       .fd = map->file->probe.fd,
                                       .mem = &map->session->mem,
                                       .extents = &map->extents,
                                       .put = put,
                                       .ctx = map};
}

void sluice__map_close(sluice__map_t *map) {
  sluice__fallback_close(&map->fallback);
  sluice__extents_close(&map->extents, &map->session->mem);
}
