/* scrub.c - see scrub.h. */
#include "image/scrub.h"

#include <sluice/handler.h>
#include <string.h>
#include <unistd.h>

#include "queue.h"

static void flush(sluice__scrub_t *v) {
  if (v->found.bytes > 0) {
    v->tell(v->ctx, &v->found);
    v->found.bytes = 0;
  }
}

static bool goes_on(const sluice_damage_t *range, const sluice_damage_t *page) {
  return range->bytes > 0 && page->offset == range->offset + range->bytes &&
         page->at == range->at + range->bytes &&
         page->instance == range->instance &&
         strcmp(page->region, range->region) == 0 &&
         strcmp(page->section, range->section) == 0;
}

static void add(sluice__scrub_t *v, const sluice_damage_t *part) {
  if (v->found_part != NULL && v->found_part(v->ctx, part)) {
    return;
  }
  if (goes_on(&v->found, part)) {
    v->found.bytes += part->bytes;
    return;
  }
  flush(v);
  v->found = *part;
}

/* A page of the image may be several of the kernel's. */
static void on_damage(void *ctx, const sluice_damage_t *page) {
  const uint64_t most = (uint64_t)sysconf(_SC_PAGESIZE);
  sluice__scrub_t *v = ctx;
  sluice_damage_t part = *page;

  v->damaged += page->bytes;
  for (uint64_t done = 0; done < page->bytes; done += part.bytes) {
    part.offset = page->offset + done;
    part.at = page->at + done;
    part.bytes = page->bytes - done < most ? page->bytes - done : most;
    add(v, &part);
  }
}

int sluice__scrub_open(sluice__scrub_t *v, const sluice_alloc_t *alloc,
                       size_t max_memory) {
  const sluice_decoder_options_t o = {.size = sizeof(o),
                                      .format = SLUICE_FORMAT_NATIVE,
                                      .max_memory = max_memory,
                                      .check_index = 1};
  const sluice__decode_hooks_t hooks = {
      .ctx = v, .on_damage = v->tell != NULL ? on_damage : NULL};
  int r = sluice_decoder_new(&v->decoder, &o, alloc);

  if (r == 0) {
    sluice__decoder_set_hooks(v->decoder, &hooks);
  }
  return r;
}

void sluice__scrub_close(sluice__scrub_t *v) {
  sluice_decoder_free(v->decoder);
  v->decoder = NULL;
}

static void run_read(void *self) {
  sluice__scrub_t *v = self;

  v->got = sluice__file_read(v->fd, v->space, v->space_len, v->at);
}

static int start_read(sluice__scrub_t *v) {
  int r;

  sluice_decoder_space(v->decoder, &v->space, &v->space_len);
  v->at = sluice__decoder_position(v->decoder);
  r = sluice__file_job_start(v->job, run_read, v);
  if (r < 0) {
    v->space = NULL;
    return sluice_fail(&v->error, r, "cannot read the image");
  }
  return SLUICE__WAIT;
}

static int take_read(sluice__scrub_t *v) {
  v->space = NULL;
  if (v->got < 0) {
    v->error.offset = v->at;
    return sluice_fail(&v->error, (int)v->got, "cannot read the image: %s",
                       sluice_strerror((int)v->got));
  }
  if (v->got == 0) {
    sluice_decoder_eof(v->decoder);
  } else {
    sluice_decoder_fill(v->decoder, (size_t)v->got);
  }
  return 0;
}

static int next(sluice__scrub_t *v, sluice__budget_t *b) {
  uint64_t before = sluice_decoder_offset(v->decoder);
  sluice_item_t item;
  int r = sluice_decoder_next(v->decoder, &item, &v->error);

  sluice__budget_charge(b, sluice_decoder_offset(v->decoder) - before);
  switch (r) {
  case SLUICE_MORE: return SLUICE__MORE;
  case SLUICE_WAIT: return start_read(v);
  case SLUICE_DONE: flush(v); return SLUICE__DONE;
  default: flush(v); return r;
  }
}

int sluice__scrub_run(sluice__scrub_t *v, sluice__budget_t *b) {
  int r;

  if (v->job->is_busy) {
    return SLUICE__WAIT;
  }
  if (v->space != NULL) {
    r = take_read(v);
    if (r < 0) {
      return r;
    }
  }
  do {
    r = next(v, b);
  } while (r == SLUICE__MORE && !sluice__budget_should_yield(b));
  return r;
}
