/* place.c - how much is read at a time, and where to.
 *
 * The data of pages is read straight to where it belongs, if its handler says
 * where that is and the source can: a copy less, and it is verified there while
 * it is still in the processor's cache. All else goes through the decoder's
 * window: little of it while pages are read so, for what is in the window has
 * to be copied. */
#include "session/restore/restore.h"

#include <uv.h>

#include "io/source.h"

enum {
  PLACES = 64,
  PLACED_BYTES = 512 * 1024, /* of one read: 50 us, and in cache when hashed */
  PLACED_LEAST = 16 * 1024, /* a record of less is not worth reads of its own */
  AHEAD_MIN = 4096          /* a header and a table, mostly */
};

static uint8_t *find_place(void *ctx, const sluice_run_t *run) {
  const sluice_restore_t *restore = ctx;
  const sluice_section_t *section = restore->reading;

  if (section == NULL || section->stage != SLUICE__SECTION_BEGUN ||
      section->handler->restore_place == NULL) {
    return NULL;
  }
  return section->handler->restore_place(section->self, run);
}

void sluice__restore_open_place(sluice_restore_t *restore) {
  const sluice__decode_hooks_t hooks = {
      .ctx = restore, .place = find_place, .place_least = PLACED_LEAST};

  restore->ahead = SIZE_MAX;
  if (sluice__source_reads_into(restore->source)) {
    sluice__decoder_set_hooks(restore->decoder, &hooks);
  }
}

/* UV_EAGAIN: into the window, then. */
static ptrdiff_t pull_into_place(sluice_restore_t *restore) {
  struct iovec places[PLACES];
  int count =
      sluice__decoder_places(restore->decoder, places, PLACES, PLACED_BYTES);
  ptrdiff_t got = UV_EAGAIN;

  if (count > 0) {
    got = sluice__source_read_into(restore->source, places, count,
                                   sluice__restore_on_source, restore);
    restore->is_source_busy = got == 0;
    restore->is_placing = got == 0;
    restore->ahead = got == UV_EAGAIN ? SIZE_MAX : AHEAD_MIN;
  }
  if (got > 0) {
    sluice__decoder_placed(restore->decoder, (size_t)got);
  }
  return got;
}

/* The more, the longer no pages were read into place. */
static size_t limit_ahead(sluice_restore_t *restore, size_t len) {
  size_t missing = sluice__decoder_missing(restore->decoder);
  size_t most = restore->ahead > missing ? restore->ahead : missing;

  restore->ahead = most > SIZE_MAX / 2 ? SIZE_MAX : most * 2;
  return most < len ? most : len;
}

static ptrdiff_t pull_into_window(sluice_restore_t *restore) {
  ptrdiff_t got;
  void *buf;
  size_t len;

  sluice_decoder_space(restore->decoder, &buf, &len);
  if (restore->file.is_walking) {
    got = sluice__restore_walk_read(restore, buf, len);
  } else {
    got = sluice__source_read(restore->source, buf, limit_ahead(restore, len),
                              sluice__restore_on_source, restore);
    restore->is_source_busy = got == 0;
    restore->is_placing = false;
  }
  if (got > 0) {
    sluice_decoder_fill(restore->decoder, (size_t)got);
  }
  return got;
}

ptrdiff_t sluice__restore_pull(sluice_restore_t *restore) {
  ptrdiff_t got =
      restore->file.is_walking ? UV_EAGAIN : pull_into_place(restore);

  return got == UV_EAGAIN ? pull_into_window(restore) : got;
}
