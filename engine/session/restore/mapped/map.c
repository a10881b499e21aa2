/* map.c - what the index names becomes memory.
 *
 * Each run of pages is a mapping of the kernel's, of which a process may have
 * so many and no more (vm.max_map_count). Where the index has more runs, the
 * largest are mapped: that leaves the fewest bytes to be read. */
#include "session/restore/restore.h"

#include <string.h>
#include <uv.h>

#include "session/restore/mapped/scatter.h"

/* Where pages may come later, what is smaller is not worth a mapping. */
enum { LATE_LEAST = 64 * SLUICE__PIECE_PAGE };

static size_t size_class(uint64_t bytes) {
  uint64_t n = bytes / SLUICE__PIECE_PAGE;

  return n < SLUICE__PIECE_SIZES ? (size_t)n : SLUICE__PIECE_SIZES - 1;
}

static sluice_section_t *find_section(sluice_restore_t *restore, uint32_t id) {
  sluice_section_t *at = restore->file.last;

  if (at != NULL && at->id == id) {
    return at;
  }
  for (at = restore->session.registry->first; at != NULL; at = at->next) {
    if (at->stage == SLUICE__SECTION_LOADED && at->is_mapping && at->id == id) {
      restore->file.last = at;
      return at;
    }
  }
  return NULL; /* optional, and nobody's */
}

static bool join(sluice__piece_t *last, const sluice__index_run_t *run) {
  if (last->region != run->region ||
      last->offset + last->bytes != run->offset ||
      last->at + last->bytes != run->at) {
    return false;
  }
  last->bytes += run->bytes;
  return true;
}

static int grow(sluice_restore_t *restore) {
  sluice__pieces_t *p = &restore->file.pieces;
  size_t cap = p->cap == 0 ? 1024 : p->cap * 2;
  void *list =
      sluice__mem_resize(&restore->session.mem, p->list,
                         p->cap * sizeof(*p->list), cap * sizeof(*p->list));

  if (list == NULL) {
    return sluice__mem_error(&restore->session.mem);
  }
  p->list = list;
  p->cap = cap;
  return 0;
}

static void count_piece(sluice__pieces_t *p, const sluice__index_run_t *run) {
  const sluice__piece_t *last = p->count > 0 ? &p->list[p->count - 1] : NULL;

  if (last != NULL) {
    p->sizes[size_class(last->bytes)]++;
  }
  if (last == NULL || last->region != run->region ||
      last->offset + last->bytes != run->offset) {
    p->gaps++;
  }
}

int sluice__restore_on_index_run(void *ctx, const sluice__index_run_t *run) {
  sluice_restore_t *restore = ctx;
  sluice__pieces_t *p = &restore->file.pieces;
  sluice_section_t *section;
  int r;

  if (run->at == 0 || (p->count > 0 && join(&p->list[p->count - 1], run))) {
    return 0;
  }
  section = find_section(restore, run->section_id);
  if (section == NULL) {
    return 0;
  }
  r = p->count == p->cap ? grow(restore) : 0;
  if (r < 0) {
    return r;
  }
  count_piece(p, run);
  p->list[p->count++] = (sluice__piece_t){.section = section,
                                          .region_name = run->region_name,
                                          .region = run->region,
                                          .page_size = run->page_size,
                                          .offset = run->offset,
                                          .bytes = run->bytes,
                                          .at = run->at};
  return 0;
}

/* The largest `most` pieces: from which size on, and how many of the next. */
static void choose(sluice__pieces_t *p, uint64_t most) {
  size_t size = SLUICE__PIECE_SIZES;

  while (size > 0 && p->sizes[size - 1] <= most) {
    size--;
    most -= p->sizes[size];
  }
  p->least = (uint64_t)size * SLUICE__PIECE_PAGE;
  p->equal = size > 0 ? most : 0;
}

void sluice__restore_begin_map(sluice_restore_t *restore) {
  sluice__restore_file_t *f = &restore->file;
  sluice__pieces_t *p = &f->pieces;
  uint64_t most = sluice__scatter_most(restore->options.max_mappings,
                                       f->survey.mappings, p->count, p->gaps);

  sluice__restore_enter(restore, SLUICE__RESTORE_MAP, SLUICE_PHASE_MAP);
  sluice__queue_cancel_all(&restore->session.queue);
  if (p->count > 0) {
    p->sizes[size_class(p->list[p->count - 1].bytes)]++;
  }
  choose(p, most);
  if (restore->options.filled != NULL && p->count > most &&
      p->least < LATE_LEAST) {
    p->least = LATE_LEAST; /* each gap between mappings is one more */
    p->equal = 0;
  }
}

static bool is_wanted(sluice__pieces_t *p, const sluice__piece_t *piece) {
  size_t size = size_class(piece->bytes) + 1;

  if ((uint64_t)size * SLUICE__PIECE_PAGE > p->least) {
    return true;
  }
  if ((uint64_t)size * SLUICE__PIECE_PAGE == p->least && p->equal > 0) {
    p->equal--;
    return true;
  }
  return false;
}

int sluice__restore_put_piece(sluice_restore_t *restore,
                              const sluice__piece_t *piece, uint64_t from,
                              uint64_t bytes, const uint8_t *data) {
  sluice_section_t *section = piece->section;
  const sluice_extent_t extent = {.region = piece->region,
                                  .page_size = piece->page_size,
                                  .offset = piece->offset + from,
                                  .bytes = bytes,
                                  .fd = restore->file.survey.fd,
                                  .at = piece->at + from,
                                  .data = data};
  sluice_error_t err = {0};
  int r;

  restore->session.current = section;
  r = section->handler->restore_map(section->self, &extent, &err);
  if (r > SLUICE_MORE || (r == SLUICE_MORE && data != NULL)) {
    r = SLUICE_EHANDLER;
  }
  if (r < 0) {
    sluice__session_fail(&restore->session, r, section, piece->at, &err);
  }
  return r;
}

/* One piece; what cannot be mapped is kept in front of the list. */
static int map_next(sluice_restore_t *restore) {
  sluice__restore_file_t *f = &restore->file;
  sluice__pieces_t *p = &f->pieces;
  sluice__piece_t piece = p->list[p->next++];
  int r = SLUICE_MORE;

  if (is_wanted(p, &piece)) {
    r = sluice__restore_put_piece(restore, &piece, 0, piece.bytes, NULL);
  }
  if (r == SLUICE_DONE) {
    f->stats.mapped_bytes += piece.bytes;
    f->stats.mappings++;
    f->gap++;
  } else if (r == SLUICE_MORE) {
    piece.is_late = sluice__restore_may_be_late(restore, &piece);
    p->list[p->rest++] = piece;
  }
  return r;
}

int sluice__restore_map_turn(sluice_restore_t *restore, sluice__budget_t *b) {
  const sluice__pieces_t *p = &restore->file.pieces;

  while (p->next < p->count) {
    if (map_next(restore) < 0) {
      return SLUICE__WAIT;
    }
    sluice__budget_charge(b, SLUICE__PIECE_PAGE);
    if (sluice__budget_should_yield(b)) {
      return SLUICE__MORE;
    }
  }
  sluice__restore_start_late(restore);
  return sluice__restore_rest_turn(restore, b);
}
