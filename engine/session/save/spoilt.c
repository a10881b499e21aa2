/* spoilt.c - see spoilt.h. */
#include "session/save/spoilt.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <sluice/item.h>

#include "stream/encoder.h"

/* A page that was lost cannot be read: the kernel says so here, and by a signal
 * elsewhere. Zeros are as good as anything then. */
static void read_memory(void *to, const uint8_t *page, size_t size) {
  const struct iovec local = {.iov_base = to, .iov_len = size};
  const struct iovec remote = {.iov_base = (void *)(uintptr_t)page,
                               .iov_len = size};
  ssize_t n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

  if (n < 0 && errno != EFAULT && errno != EHWPOISON) {
    memcpy(to, page, size); /* the call is not allowed here */
  } else if (n != (ssize_t)size) {
    memset(to, 0, size);
  }
}

static int put_spoilt(sluice_writer_t *w, uint32_t region, uint64_t offset,
                      const uint8_t *page, uint32_t page_size) {
  uint8_t copy[SLUICE_PAGE_MAX];
  const sluice__page_source_t source = {
      .base = copy, .count = 1, .kind = SLUICE__PAGES_SPOILT};

  read_memory(copy, page, page_size);
  return sluice__encoder_pages(w->encoder, region, offset, &source);
}

/* How many from the first on are not damaged? */
static uint64_t count_sound(const sluice_writer_t *w, const char *name,
                            uint64_t offset, uint32_t page_size,
                            uint64_t count) {
  uint64_t n = 0;

  while (n < count && !sluice__soundness_is_damaged(w->section->soundness, name,
                                                    offset + n * page_size)) {
    n++;
  }
  return n;
}

/* Borrowed ones before and behind a damaged page are counted as one loan: it
 * was read at once. */
int sluice__spoilt_pages(sluice_writer_t *w, uint32_t region, uint64_t offset,
                         const sluice__page_source_t *source) {
  const char *name = sluice__encoder_region_name(w->encoder, region);
  uint32_t page_size = sluice__encoder_page_size(w->encoder, region);
  sluice__page_source_t at = *source;
  uint64_t left = source->count;
  int r = 0;

  if (name == NULL) {
    return sluice__encoder_pages(w->encoder, region, offset, source);
  }
  while (left > 0 && r == 0) {
    at.count = count_sound(w, name, offset, page_size, left);
    if (at.count > 0) {
      r = sluice__encoder_pages(w->encoder, region, offset, &at);
    } else {
      r = put_spoilt(w, region, offset, at.base, page_size);
      at.count = 1;
    }
    at.base += at.count * page_size;
    at.before += at.count;
    offset += at.count * page_size;
    left -= at.count;
  }
  return r;
}
