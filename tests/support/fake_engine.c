/* fake_engine.c - see fake_engine.h. */
#include "fake_engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/decoder.h>

/* assert() that a release build keeps: a handler broke the contract. */
static void require(int is_so) {
  if (!is_so) {
    abort();
  }
}

int sluice_fail(sluice_error_t *err, int code, const char *format, ...) {
  va_list ap;

  if (err == NULL || err->code != 0) {
    return code;
  }
  err->code = code;
  va_start(ap, format);
  (void)vsnprintf(err->message, sizeof(err->message), format, ap);
  va_end(ap);
  return code;
}

int sluice_registry_add(sluice_registry_t *registry, const char *name,
                        const sluice_handler_t *handler, void *self,
                        const sluice_section_options_t *options,
                        sluice_section_t **out_section, sluice_error_t *err) {
  if (registry->fail != 0) {
    return sluice_fail(err, registry->fail, "the registry refuses");
  }
  (void)snprintf(registry->name, sizeof(registry->name), "%s", name);
  registry->handler = handler;
  registry->self = self;
  registry->instance = options == NULL ? 0 : options->instance;
  if (out_section != NULL) {
    *out_section = &registry->section;
  }
  return 0;
}

int sluice_registry_is_busy(const sluice_registry_t *registry) {
  return registry != NULL && registry->is_busy;
}

void fake_remove(sluice_registry_t *registry) {
  if (registry->handler != NULL) {
    registry->handler->removed(registry->self);
    registry->handler = NULL;
  }
}

void sluice_section_wake(sluice_section_t *section) {
  section->wakes++;
}

void sluice_section_wake_async(sluice_section_t *section) {
  section->async_wakes++;
}

void sluice_section_urgent(sluice_section_t *section) {
  section->urgents++;
}

/* No save here is a hand-over. */
int sluice_section_pass_memory(sluice_section_t *section, const char *tag,
                               int fd) {
  (void)section;
  (void)tag;
  (void)fd;
  return UV_ENOTSUP;
}

int sluice_section_passed(sluice_section_t *section, const char *tag) {
  (void)section;
  (void)tag;
  return -1;
}

sluice_save_mode_t sluice_section_mode(const sluice_section_t *section) {
  return section->mode;
}

void sluice_section_soundness(const sluice_section_t *section,
                              sluice_soundness_t *out, size_t size) {
  (void)section;
  memset(out, 0, size);
}

int sluice_section_inherit(sluice_section_t *section,
                           const sluice_section_t *from) {
  (void)section;
  (void)from;
  return UV_ENOTSUP;
}

int sluice_delta_apply(uint8_t *page, size_t page_size, const uint8_t *delta,
                       size_t len, sluice_error_t *err) {
  if (len < 2 || delta[0] + len - 1 > page_size) {
    return sluice_fail(err, SLUICE_ECORRUPT, "the toy delta is malformed");
  }
  memcpy(page + delta[0], delta + 1, len - 1);
  return 0;
}

/* The stream. */

void fake_stream_done(fake_stream_t *s) {
  for (size_t i = 0; i < s->count; i++) {
    if (s->items[i].kind == SLUICE_ITEM_REGION) {
      free((void *)(uintptr_t)s->items[i].u.region.name);
    } else {
      free((void *)(uintptr_t)s->items[i].u.run.data);
    }
  }
  free(s->items);
  free(s->late);
  free(s->bytes);
  memset(s, 0, sizeof(*s));
}

static sluice_item_t *append(fake_stream_t *s, sluice_item_kind_t kind) {
  sluice_item_t *item;

  if (s->count == s->capacity) {
    s->capacity = s->capacity * 2 + 64;
    s->items = realloc(s->items, s->capacity * sizeof(*s->items));
    require(s->items != NULL);
  }
  item = &s->items[s->count++];
  memset(item, 0, sizeof(*item));
  item->kind = kind;
  return item;
}

void fake_stream_region(fake_stream_t *s, const char *name, uint32_t index,
                        uint64_t bytes, uint32_t page_size) {
  sluice_item_t *item = append(s, SLUICE_ITEM_REGION);

  item->u.region.name = strdup(name);
  item->u.region.index = index;
  item->u.region.bytes = bytes;
  item->u.region.page_size = page_size;
}

void fake_stream_run(fake_stream_t *s, sluice_item_kind_t kind,
                     const sluice_run_t *run) {
  sluice_item_t *item = append(s, kind);

  item->u.run = *run;
  if (run->data != NULL) {
    uint8_t *copy = malloc(run->len + 1);

    require(copy != NULL);
    memcpy(copy, run->data, run->len);
    item->u.run.data = copy;
  }
}

uint64_t fake_stream_pages(const fake_stream_t *s, size_t from) {
  uint64_t n = 0;

  for (size_t i = from; i < s->count; i++) {
    if (s->items[i].kind != SLUICE_ITEM_REGION) {
      n += s->items[i].u.run.count;
    }
  }
  return n;
}

void fake_stream_replay(const fake_stream_t *s, uint32_t region,
                        uint8_t *memory, size_t bytes) {
  (void)bytes; /* looked at by the assertion only */
  for (size_t i = 0; i < s->count; i++) {
    const sluice_run_t *run = &s->items[i].u.run;

    if (s->items[i].kind == SLUICE_ITEM_REGION || run->region != region) {
      continue;
    }
    require(run->offset + run->count * run->page_size <= bytes);
    if (s->items[i].kind == SLUICE_ITEM_PAGES) {
      memcpy(memory + run->offset, run->data, run->len);
    } else {
      memset(memory + run->offset, 0, (size_t)(run->count * run->page_size));
    }
  }
}

/* The writer. */

static int writer_call(sluice_writer_t *w, size_t bytes) {
  if (w->status == 0 && w->fail_in > 0 && --w->fail_in == 0) {
    w->status = w->fail;
  }
  if (w->status == 0) {
    w->left = bytes < w->left ? w->left - bytes : 0;
  }
  return w->status;
}

size_t sluice_writer_left(const sluice_writer_t *w) {
  return w->left;
}

int sluice_writer_should_yield(sluice_writer_t *w) {
  w->asked++;
  return w->left == 0 || (w->units > 0 && w->asked % w->units == 0);
}

int sluice_writer_status(const sluice_writer_t *w) {
  return w->status;
}

int sluice_writer_bytes(sluice_writer_t *w, const void *data, size_t len) {
  fake_stream_t *s = w->out;

  if (writer_call(w, len) != 0) {
    return w->status;
  }
  s->bytes = realloc(s->bytes, s->len + len + 1);
  require(s->bytes != NULL);
  memcpy(s->bytes + s->len, data, len);
  s->len += len;
  return 0;
}

int sluice_writer_u64(sluice_writer_t *w, uint64_t v) {
  return sluice_writer_bytes(w, &v, sizeof(v));
}

int sluice_writer_region(sluice_writer_t *w, const char *name, uint64_t bytes,
                         uint32_t page_size, uint32_t *out_index) {
  if (writer_call(w, 64) != 0) {
    return w->status;
  }
  *out_index = w->out->regions++;
  fake_stream_region(w->out, name, *out_index, bytes, page_size);
  return 0;
}

static const sluice_region_t *region_of(const fake_stream_t *s,
                                        uint32_t index) {
  for (size_t i = 0; i < s->count; i++) {
    if (s->items[i].kind == SLUICE_ITEM_REGION &&
        s->items[i].u.region.index == index) {
      return &s->items[i].u.region;
    }
  }
  return NULL;
}

static int is_zero(const uint8_t *p, size_t len) {
  return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

int sluice_writer_pages(sluice_writer_t *w, uint32_t region, uint64_t offset,
                        const void *data, uint64_t count) {
  const sluice_region_t *to = region_of(w->out, region);
  size_t len = (size_t)(count * to->page_size);
  sluice_run_t run = {.region = region,
                      .page_size = to->page_size,
                      .offset = offset,
                      .count = count};

  if (writer_call(w, len) != 0) {
    return w->status;
  }
  require(count > 0 && offset % to->page_size == 0 && offset < to->bytes);
  require(count <= (to->bytes - offset) / to->page_size);
  if (is_zero(data, len)) {
    fake_stream_run(w->out, SLUICE_ITEM_ZEROS, &run);
    return 0;
  }
  run.data = data;
  run.len = len;
  fake_stream_run(w->out, SLUICE_ITEM_PAGES, &run);
  return 0;
}

/* Read at once, unless the test has them read later. */
int sluice_writer_lend_pages(sluice_writer_t *w, uint32_t region,
                             uint64_t offset, const void *data,
                             uint64_t count) {
  int r = sluice_writer_pages(w, region, offset, data, count);

  if (r == 0) {
    w->lent += count;
  }
  if (r == 0 && w->is_late &&
      w->out->items[w->out->count - 1].kind == SLUICE_ITEM_PAGES) {
    w->out->late =
        realloc(w->out->late, (w->out->late_count + 1) * sizeof(*w->out->late));
    require(w->out->late != NULL);
    w->out->late[w->out->late_count++] =
        (fake_loan_t){.item = w->out->count - 1, .from = data, .end = w->lent};
  }
  return r;
}

int sluice_writer_still_pages(sluice_writer_t *w, uint32_t region,
                              uint64_t offset, const void *data,
                              uint64_t count) {
  return sluice_writer_lend_pages(w, region, offset, data, count);
}

uint64_t sluice_writer_returned(const sluice_writer_t *w) {
  return w->out->late_count == 0 ? w->lent : w->out->late[0].end - 1;
}

/* The race is the point: whoever reads a lent page late reads what is there. */
uint64_t fake_read_lent(sluice_writer_t *w) {
  fake_stream_t *s = w->out;

  for (size_t i = 0; i < s->late_count; i++) {
    sluice_run_t *run = &s->items[s->late[i].item].u.run;

    memcpy((void *)(uintptr_t)run->data, s->late[i].from, run->len);
  }
  s->late_count = 0;
  return w->lent;
}

/* The reader. */

int sluice_reader_should_yield(sluice_reader_t *r) {
  r->asked++;
  return r->units > 0 && r->asked % r->units == 0;
}

static size_t bytes_here(const sluice_reader_t *r) {
  size_t end = r->arrived < r->in->len ? r->arrived : r->in->len;

  return end - r->byte;
}

/* What a read finds when there are no bytes for it. */
static int no_bytes(sluice_reader_t *r) {
  if (r->arrived < r->in->len) {
    return SLUICE_WAIT;
  }
  r->status = SLUICE_ECORRUPT;
  return r->status;
}

int sluice_reader_exact(sluice_reader_t *r, void *buf, size_t len) {
  if (r->status != 0) {
    return r->status;
  }
  if (bytes_here(r) < len) {
    return no_bytes(r);
  }
  memcpy(buf, r->in->bytes + r->byte, len);
  r->byte += len;
  return 0;
}

int sluice_reader_u64(sluice_reader_t *r, uint64_t *out) {
  return sluice_reader_exact(r, out, sizeof(*out));
}

int sluice_reader_some(sluice_reader_t *r, void *buf, size_t len, size_t *got) {
  size_t n = bytes_here(r) < len ? bytes_here(r) : len;

  *got = 0;
  if (r->status != 0) {
    return r->status;
  }
  if (n == 0) {
    return r->arrived < r->in->len ? SLUICE_WAIT : 0;
  }
  *got = n;
  return sluice_reader_exact(r, buf, n);
}

int sluice_reader_next(sluice_reader_t *r, sluice_item_t *item) {
  if (r->at == r->in->count) {
    return SLUICE_DONE;
  }
  if (r->wait_every > 0 && r->at % r->wait_every == 0 && !r->is_held) {
    r->is_held = 1;
    return SLUICE_WAIT;
  }
  r->is_held = 0;
  *item = r->in->items[r->at++];
  return SLUICE_MORE;
}

/* Whole operations. */

static int save_live(sluice_registry_t *registry, sluice_writer_t *w,
                     size_t left, sluice_error_t *err) {
  const sluice_handler_t *h = registry->handler;
  int r = h->save_start == NULL ? 0 : h->save_start(registry->self, w, err);

  if (r != 0) {
    return r;
  }
  do {
    w->left = left;
    r = h->save_step(registry->self, w, err);
  } while (r == SLUICE_MORE);
  return r < 0 ? r : 0;
}

static int save_paused(sluice_registry_t *registry, sluice_writer_t *w,
                       size_t left, sluice_error_t *err) {
  int r;

  do {
    w->left = left;
    r = registry->handler->save_finish(registry->self, w, err);
  } while (r == SLUICE_MORE);
  return r;
}

int fake_save(sluice_registry_t *registry, fake_stream_t *out, size_t left,
              sluice_error_t *err) {
  const sluice_handler_t *h = registry->handler;
  sluice_writer_t w = {.out = out, .left = left};
  int r = h->save_begin(registry->self, &registry->section, err);

  if (r != 0) {
    return r;
  }
  if (h->save_step != NULL) {
    r = save_live(registry, &w, left, err);
  }
  if (r == 0) {
    r = save_paused(registry, &w, left, err);
  }
  h->save_end(registry->self, r);
  return r;
}

static int restore_all(sluice_registry_t *registry, const fake_stream_t *in,
                       sluice_error_t *err) {
  const sluice_handler_t *h = registry->handler;
  sluice_reader_t r = {
      .in = in, .arrived = SIZE_MAX, .wait_every = 3, .units = 5};
  int result;

  do {
    result = h->restore_step(registry->self, &r, err);
  } while (result > 0);
  while (result == 0 && h->restore_check != NULL) {
    result = h->restore_check(registry->self, err);
    if (result == SLUICE_DONE) {
      break;
    }
    result = result == SLUICE_MORE ? 0 : result;
  }
  return result;
}

static int restore_or_drop(sluice_registry_t *registry, const fake_stream_t *in,
                           int is_dropped, sluice_error_t *err) {
  const sluice_handler_t *h = registry->handler;
  int r = h->restore_begin(registry->self, &registry->section, h->version, err);

  if (r != 0) {
    return r;
  }
  r = restore_all(registry, in, err);
  if (r == 0 && !is_dropped) {
    h->restore_commit(registry->self);
  }
  h->restore_end(registry->self, is_dropped ? UV_ECANCELED : r);
  return r;
}

int fake_restore(sluice_registry_t *registry, const fake_stream_t *in,
                 sluice_error_t *err) {
  return restore_or_drop(registry, in, 0, err);
}

int fake_restore_and_drop(sluice_registry_t *registry, const fake_stream_t *in,
                          sluice_error_t *err) {
  return restore_or_drop(registry, in, 1, err);
}
