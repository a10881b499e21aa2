/* decode_native_place.c - pages that are put where they belong before they are
 * verified.
 *
 * The table of a PAGES record stands before its data, so whoever reads the
 * stream can be told where each byte of the data goes. What was put there is
 * verified there, and only then told of.
 *
 * Invariant: while a page is half in its place the window is empty. Of pages
 * that are in place and not verified yet no two are the same: else the first
 * would be gone before it was looked at. */
#include "stream/decode_native.h"

/* What of a run begins with its page `in_run`. */
static sluice_run_t rest_of(const sluice__decode_pages_t *p,
                            const sluice__native_run_t *run, uint32_t in_run) {
  return (sluice_run_t){.region = run->region,
                        .page_size = p->page_size,
                        .offset = run->offset + (uint64_t)in_run * p->page_size,
                        .count = run->count - in_run};
}

static uint64_t bytes_of(const sluice_run_t *run) {
  return run->count * run->page_size;
}

/* Of the record's data, beside what is in place. */
static uint64_t bytes_left(const sluice_decoder_t *d) {
  const sluice__decode_native_t *n = d->state;
  const sluice__decode_pages_t *p = &n->pages;

  return (uint64_t)(p->page_count - p->in_data) * p->page_size -
         d->window.placed;
}

static bool is_behind(const sluice_run_t *last, const sluice_run_t *run) {
  return run->region > last->region ||
         (run->region == last->region &&
          run->offset >= last->offset + bytes_of(last));
}

/* Where the data goes from the next page on, whatever of it has come. */
static int find_places(sluice_decoder_t *d, struct iovec *out, int max,
                       uint64_t most) {
  const sluice__decode_native_t *n = d->state;
  const sluice__decode_pages_t *p = &n->pages;
  sluice_run_t last = {0};
  int count = 0;

  for (uint32_t i = p->run; i < p->run_count && count < max && most > 0; i++) {
    sluice__native_run_t run = sluice__native_run_at(p, i);
    sluice_run_t rest = rest_of(p, &run, count == 0 ? p->in_run : 0);
    uint64_t bytes = bytes_of(&rest) < most ? bytes_of(&rest) : most;
    uint8_t *at = NULL;

    if (count == 0 || is_behind(&last, &rest)) {
      at = d->hooks.place(d->hooks.ctx, &rest);
    }
    if (at == NULL) {
      break;
    }
    out[count++] = (struct iovec){at, (size_t)bytes};
    most -= bytes;
    last = rest;
  }
  return count;
}

/* Behind the data, if all of it is told of, and there is a place left. */
static int add_room(sluice_decoder_t *d, struct iovec *out, int count) {
  uint64_t told = 0;
  size_t len = 0;
  uint8_t *room;

  for (int i = 0; i < count; i++) {
    told += out[i].iov_len;
  }
  if (told < bytes_left(d)) {
    return count;
  }
  room = sluice__window_space(&d->window, &len);
  if (len > SLUICE__NATIVE_ALIGN) {
    len = SLUICE__NATIVE_ALIGN; /* where data would begin: a header and table */
  }
  out[count] = (struct iovec){room, len};
  return count + 1;
}

/* No page waits, and what has come of the next one is in one piece. */
static bool is_worth_it(const sluice_decoder_t *d) {
  const sluice__decode_native_t *n = d->state;
  const sluice__decode_pages_t *p = &n->pages;
  size_t have = sluice__window_have(&d->window);

  return n->step == SLUICE__DECODE_PAGES &&
         (uint64_t)p->page_count * p->page_size >= d->hooks.place_least &&
         have < p->page_size && d->window.placed < p->page_size &&
         (have == 0 || d->window.placed == 0);
}

int sluice__native_places(sluice_decoder_t *d, struct iovec *out, int max,
                          size_t most) {
  sluice__window_t *w = &d->window;
  size_t have = sluice__window_have(w);
  int count;

  if (max < 2 || !is_worth_it(d)) {
    return 0;
  }
  count = find_places(d, out, max - 1, most);
  if (count == 0 || out[0].iov_len <= have + w->placed) {
    return 0;
  }
  /* A part of the first page has come already. */
  sluice__window_place(w, (uint8_t *)out[0].iov_base + w->placed, have);
  out[0].iov_base = (uint8_t *)out[0].iov_base + w->placed;
  out[0].iov_len -= (size_t)w->placed;
  return add_room(d, out, count);
}

void sluice__native_placed(sluice_decoder_t *d, size_t len) {
  uint64_t left = bytes_left(d);
  size_t placed = left < len ? (size_t)left : len;

  d->window.placed += placed;
  if (len > placed) {
    sluice__window_fill(&d->window, len - placed);
  }
}

/* The page that is half in its place, from the window as far as that goes. */
static void complete_page(sluice_decoder_t *d, uint8_t *at) {
  const sluice__decode_native_t *n = d->state;
  sluice__window_t *w = &d->window;
  size_t missing = n->pages.page_size - (size_t)w->placed;
  size_t have = sluice__window_have(w);

  sluice__window_place(w, at + w->placed, have < missing ? have : missing);
}

int sluice__native_at_hand(sluice_decoder_t *d, const sluice__native_run_t *run,
                           const uint8_t **data, size_t *bytes) {
  const sluice__decode_native_t *n = d->state;
  const sluice__decode_pages_t *p = &n->pages;
  sluice_run_t rest = rest_of(p, run, p->in_run);

  if (d->window.placed > 0) {
    uint8_t *at = d->hooks.place(d->hooks.ctx, &rest);

    if (at == NULL) {
      return SLUICE__NATIVE_REFUSE(d, SLUICE_EHANDLER,
                                   "pages have lost their place");
    }
    if (d->window.placed < p->page_size) {
      complete_page(d, at);
    }
    if (d->window.placed >= p->page_size) {
      *data = at;
      *bytes = (size_t)d->window.placed;
      return SLUICE__WHOLE;
    }
  }
  *data = sluice__window_peek(&d->window, p->page_size);
  *bytes = sluice__window_have(&d->window);
  return *data != NULL ? SLUICE__WHOLE
                       : sluice__decoder_starve(
                             d, sluice__native_section_name(n), "page");
}
