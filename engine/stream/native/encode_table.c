/* encode_table.c - the table of the PAGES record being built, and where the
 * pages go that it leaves out of its chunk.
 *
 * Beneath the record (encode_record.c), which it does not begin or end. Runs
 * and hashes are put in front of the pages when the record ends. Pages that are
 * left out stand in a list: of borrowed ones it is a copy job, which goes into
 * the queue when the record ends; of stable ones the direct writer is offered
 * them, at the record's end or, where it takes them anywhere, before. */
#include "stream/native/encode.h"

#include <string.h>
#include <sys/uio.h>
#include <uv.h>

#include "stream/bytes.h"

enum { COMMON_PAGE = 4096 };

_Static_assert((int)SLUICE__LIST_PAGES_MAX >= (int)SLUICE__PAGES_PER_RECORD &&
                   (int)SLUICE__LIST_PAGES_MAX >=
                       (int)SLUICE_CHUNK_BYTES_MAX / (int)COMMON_PAGE,
               "a list has room for every page of a record");

static size_t pages_bytes(uint32_t pages) {
  return pages * (sizeof(sluice__native_run_t) + sizeof(uint64_t));
}

int sluice__native_reserve_pages(sluice_encoder_t *e) {
  sluice__encode_pages_t *p = &sluice__encode_native_of(e)->pages;
  uint32_t fill = (uint32_t)(e->stage.chunk_bytes / COMMON_PAGE);
  uint32_t most = fill > (uint32_t)SLUICE__PAGES_PER_RECORD
                      ? fill
                      : (uint32_t)SLUICE__PAGES_PER_RECORD;

  if (p->most != 0) {
    return 0;
  }
  p->runs = e->alloc.alloc(e->alloc.ctx, pages_bytes(most),
                           _Alignof(sluice__native_run_t));
  if (p->runs == NULL) {
    return sluice__encoder_fail(e, UV_ENOMEM, "no memory for a table of pages");
  }
  p->hashes = (uint64_t *)(void *)(p->runs + most);
  p->most = most;
  return 0;
}

void sluice__native_free_pages(sluice_encoder_t *e) {
  sluice__encode_pages_t *p = &sluice__encode_native_of(e)->pages;

  if (p->most != 0) {
    e->alloc.release(e->alloc.ctx, p->runs, pages_bytes(p->most),
                     _Alignof(sluice__native_run_t));
    p->most = 0;
  }
  if (p->stable != NULL) {
    e->alloc.release(e->alloc.ctx, p->stable, sizeof(*p->stable),
                     _Alignof(sluice__page_list_t));
    p->stable = NULL;
  }
}

/* NULL: the sink takes nothing at once, or there is no memory for a list. */
static sluice__page_list_t *find_stable(sluice_encoder_t *e) {
  sluice__encode_pages_t *p = &sluice__encode_native_of(e)->pages;

  if (e->direct == NULL || !sluice__direct_writer_can_take(e->direct)) {
    return NULL;
  }
  if (p->stable == NULL) {
    p->stable = e->alloc.alloc(e->alloc.ctx, sizeof(*p->stable),
                               _Alignof(sluice__page_list_t));
  }
  if (p->stable != NULL) {
    p->stable->out = 0;
  }
  return p->stable;
}

/* NULL: nobody copies for us, or there is no memory for a second thread; but
 * one will do. */
static sluice__page_list_t *find_job(sluice_encoder_t *e,
                                     const sluice__page_source_t *source) {
  sluice__encode_pages_t *p = &sluice__encode_native_of(e)->pages;

  p->job = e->jobs == NULL ? NULL
                           : sluice__copy_queue_append(e->jobs, e->stage.base);
  if (p->job == NULL) {
    return NULL;
  }
  p->job->lender = source->lender;
  p->job->before = source->before;
  return &p->job->list;
}

sluice__page_list_t *
sluice__native_open_list(sluice_encoder_t *e,
                         const sluice__page_source_t *source) {
  sluice__encode_pages_t *p = &sluice__encode_native_of(e)->pages;

  p->list = source->kind == SLUICE__PAGES_STABLE ? find_stable(e)
                                                 : find_job(e, source);
  p->has_no_list = p->list == NULL;
  for (uint32_t i = 0; i < p->count && p->list != NULL; i++) {
    p->list->pages[i].from = NULL;
  }
  return p->list;
}

void sluice__native_drop_pages(sluice_encoder_t *e) {
  sluice__encode_pages_t *p = &sluice__encode_native_of(e)->pages;

  if (p->job != NULL) {
    sluice__copy_queue_drop(e->jobs, p->job);
  }
  p->job = NULL;
  p->list = NULL;
}

/* What the record has so far. */
static void lay_out_list(const sluice__encode_native_t *n) {
  const sluice__encode_pages_t *p = &n->pages;

  p->list->page_size = p->page_size;
  p->list->count = p->count;
  p->list->data = n->at + (p->data - n->start);
}

/* The pages that are not out yet, `data` being where the first of all belongs.
 */
static void put_pages(sluice_encoder_t *e, sluice__page_list_t *list,
                      uint64_t data) {
  struct iovec pieces[SLUICE__LIST_PIECES];
  uint8_t *end = list->data + (size_t)list->count * list->page_size;
  int count = sluice__page_list_gather(list, list->data, end, pieces);

  (void)sluice__direct_writer_put(e->direct, pieces, count,
                                  data + (uint64_t)list->out * list->page_size);
  list->out = list->count;
}

bool sluice__native_put_early(sluice_encoder_t *e, size_t least) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  sluice__page_list_t *list = n->pages.list;

  if ((size_t)(n->pages.count - list->out) * n->pages.page_size >= least &&
      sluice__direct_writer_can_put(e->direct)) {
    lay_out_list(n);
    put_pages(e, list, n->pages.data);
  }
  return list->out == n->pages.count;
}

bool sluice__native_settle(sluice_encoder_t *e) {
  const sluice__encode_native_t *n = sluice__encode_native_of(e);

  if (n->type != SLUICE__NATIVE_PAGES || n->pages.list == NULL ||
      n->pages.job != NULL) {
    return true;
  }
  return sluice__native_put_early(e, 0);
}

/* The table and what precedes it, when the pages are out. */
static ptrdiff_t put_rest(sluice_encoder_t *e, sluice__page_list_t *list,
                          uint8_t *from, size_t len) {
  struct iovec head = {from, (size_t)(list->data - from)};

  if (!sluice__direct_writer_can_put(e->direct)) {
    return e->direct->code;
  }
  put_pages(e, list, e->stage.emitted + head.iov_len);
  (void)sluice__direct_writer_put(e->direct, &head, 1, e->stage.emitted);
  if (e->direct->code < 0) {
    return e->direct->code;
  }
  sluice__direct_writer_pass(e->direct, e->stage.emitted + len);
  return (ptrdiff_t)len;
}

int sluice__native_write_stable(sluice_encoder_t *e) {
  sluice__page_list_t *list = sluice__encode_native_of(e)->pages.stable;
  struct iovec pieces[SLUICE__LIST_PIECES];
  uint8_t *from = e->stage.base + e->stage.skip;
  uint8_t *to = e->stage.base + e->stage.fill;
  ptrdiff_t n;

  if (list->out > 0) {
    n = put_rest(e, list, from, (size_t)(to - from));
  } else {
    n = sluice__direct_writer_offer(
        e->direct, pieces, sluice__page_list_gather(list, from, to, pieces));
  }
  if (n < 0) {
    sluice__stage_fail(&e->stage, (int)n);
    return (int)n;
  }
  sluice__page_list_copy(list, from + n);
  return sluice__stage_pass(&e->stage, (size_t)n);
}

static uint8_t *put_runs(const sluice__encode_pages_t *p, uint8_t *to) {
  for (uint32_t i = 0; i < p->run_count; i++) {
    sluice__put_le32(to, p->runs[i].region);
    sluice__put_le32(to + 4, p->runs[i].count);
    sluice__put_le64(to + 8, p->runs[i].offset);
    to += SLUICE__PAGES_RUN_BYTES;
  }
  return to;
}

static uint8_t *put_hashes(const sluice__encode_pages_t *p, uint8_t *to) {
  for (uint32_t i = 0; i < p->count; i++) {
    sluice__put_le64(to, p->hashes[i]);
    to += SLUICE__PAGES_HASH_BYTES;
  }
  return to;
}

/* The record is laid out. Returns whether its pages are stable ones. */
static bool give_list(sluice_encoder_t *e, uint8_t *hashes) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  sluice__encode_pages_t *p = &n->pages;
  bool is_stable = p->list != NULL && p->job == NULL;

  if (p->list != NULL) {
    lay_out_list(n);
    p->list->hashes = hashes;
  }
  if (p->job != NULL) {
    sluice__copy_job_is_ready(p->job, p->data);
  }
  p->job = NULL;
  p->list = NULL;
  return is_stable;
}

int sluice__native_seal_pages(sluice_encoder_t *e, size_t *out_covered) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  const sluice__encode_pages_t *p = &n->pages;
  uint8_t *data = n->at + (p->data - n->start);
  uint8_t *hashes;
  uint8_t *gap;

  sluice__put_le32(n->at + SLUICE__PAGES_RUNS, p->run_count);
  sluice__put_le32(n->at + SLUICE__PAGES_PAGES, p->count);
  sluice__put_le32(n->at + SLUICE__PAGES_DATA, (uint32_t)(p->data - n->start));
  sluice__put_le32(n->at + SLUICE__PAGES_PAGE_SIZE, p->page_size);
  hashes = put_runs(p, n->at + SLUICE__PAGES_TABLE);
  gap = put_hashes(p, hashes);
  memset(gap, 0, (size_t)(data - gap));
  if (n->has_map &&
      sluice__page_map_record(&n->map, p->data,
                              n->start + (uint64_t)(hashes - n->at)) < 0) {
    return sluice__encoder_fail(e, UV_ENOMEM, "no memory for the page map");
  }
  *out_covered = (size_t)(hashes - n->at) - SLUICE__RECORD_BYTES;
  return give_list(e, hashes);
}
