/* region_file.c - see region_file.h. Must know no format and no region's name.
 */
#include "files/region_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <sluice/decoder.h>

enum { RUN_BYTES = 1024 * 1024 };

int region_file_begin(region_file_t *r, target_t *t,
                      const sluice_region_t *region, failure_t *f) {
  *r = (region_file_t){.target = t, .page_size = region->page_size};
  r->run = malloc(RUN_BYTES);
  if (page_states_init(&r->states, region->bytes / region->page_size) < 0 ||
      r->run == NULL) {
    return fail_with(f, t->name, UV_ENOMEM, "no memory for the region");
  }
  return ftruncate(t->fd, (off_t)region->bytes) < 0
             ? fail_system(f, t->name, errno, "write")
             : 0;
}

void region_file_done(region_file_t *r) {
  page_states_done(&r->states);
  free(r->run);
  r->run = NULL;
}

int region_file_flush(region_file_t *r, failure_t *f) {
  size_t done = 0;

  while (done < r->run_len) {
    ssize_t n = pwrite(r->target->fd, r->run + done, r->run_len - done,
                       (off_t)(r->run_at + done));

    if (n < 0 && errno != EINTR) {
      return fail_system(f, r->target->name, errno, "write");
    }
    done += n > 0 ? (size_t)n : 0;
  }
  r->run_len = 0;
  return 0;
}

static int mark(region_file_t *r, uint64_t offset, uint64_t count,
                page_state_t state, failure_t *f) {
  return page_states_set(&r->states, offset / r->page_size, count, state) < 0
             ? fail_with(f, r->target->name, UV_ENOMEM,
                         "no memory for the region")
             : 0;
}

static int put_page(region_file_t *r, uint64_t offset, const uint8_t *page,
                    failure_t *f) {
  if (r->run_len + r->page_size > RUN_BYTES ||
      offset != r->run_at + r->run_len) {
    if (region_file_flush(r, f) < 0) {
      return f->error.code;
    }
    r->run_at = offset;
  }
  memcpy(r->run + r->run_len, page, r->page_size);
  r->run_len += r->page_size;
  return mark(r, offset, 1, PAGE_DATA, f);
}

/* A hole, or zeros where the file system has no holes. */
static int erase(region_file_t *r, uint64_t offset, failure_t *f) {
  static const uint8_t zeros[SLUICE_PAGE_MAX];

  if (fallocate(r->target->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                (off_t)offset, (off_t)r->page_size) == 0) {
    return 0;
  }
  if (errno != EOPNOTSUPP ||
      pwrite(r->target->fd, zeros, r->page_size, (off_t)offset) < 0) {
    return fail_system(f, r->target->name, errno, "write");
  }
  return 0;
}

/* Where nothing was written there is nothing to do. */
static int put_zeros(region_file_t *r, uint64_t offset, uint64_t count,
                     failure_t *f) {
  int code = region_file_flush(r, f);

  if (code < 0 || r->states.count[PAGE_DATA] == 0) {
    return code;
  }
  for (uint64_t i = 0; i < count; i++) {
    uint64_t at = offset + i * r->page_size;

    if (page_states_get(&r->states, at / r->page_size) == PAGE_DATA &&
        erase(r, at, f) < 0) {
      return f->error.code;
    }
  }
  return mark(r, offset, count, PAGE_ZERO, f);
}

static bool is_zero(const uint8_t *page, size_t len) {
  return page[0] == 0 && memcmp(page, page + 1, len - 1) == 0;
}

static int put_pages(region_file_t *r, const sluice_run_t *run, failure_t *f) {
  for (uint64_t i = 0; i < run->count; i++) {
    const uint8_t *page = run->data + i * r->page_size;
    uint64_t at = run->offset + i * r->page_size;
    int code = is_zero(page, r->page_size) ? put_zeros(r, at, 1, f)
                                           : put_page(r, at, page, f);

    if (code < 0) {
      return code;
    }
  }
  return 0;
}

/* QEMU of 2008 could send pages full of any byte. */
static int put_fill(region_file_t *r, const sluice_run_t *run, failure_t *f) {
  uint8_t page[SLUICE_PAGE_MAX];
  int code = 0;

  memset(page, run->fill, r->page_size);
  for (uint64_t i = 0; i < run->count && code == 0; i++) {
    code = put_page(r, run->offset + i * r->page_size, page, f);
  }
  return code;
}

static int put_delta(region_file_t *r, const sluice_item_t *item,
                     failure_t *f) {
  const sluice_run_t *run = &item->u.run;
  sluice_error_t error = {0};
  uint8_t page[SLUICE_PAGE_MAX];
  ssize_t n;

  if (region_file_flush(r, f) < 0) {
    return f->error.code;
  }
  n = pread(r->target->fd, page, r->page_size, (off_t)run->offset);
  if (n != (ssize_t)r->page_size) {
    return fail_system(f, r->target->name, n < 0 ? errno : EIO, "read back");
  }
  if (sluice_delta_apply(page, r->page_size, run->data, run->len, &error) < 0) {
    error.offset = item->offset;
    return fail_stream(f, r->target->name, &error);
  }
  return put_page(r, run->offset, page, f);
}

int region_file_take(region_file_t *r, const sluice_item_t *item,
                     failure_t *f) {
  const sluice_run_t *run = &item->u.run;

  if (item->kind == SLUICE_ITEM_PAGES) {
    return put_pages(r, run, f);
  }
  if (item->kind == SLUICE_ITEM_DELTA) {
    return put_delta(r, item, f);
  }
  return run->fill == 0 ? put_zeros(r, run->offset, run->count, f)
                        : put_fill(r, run, f);
}
