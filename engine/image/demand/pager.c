/* pager.c - waits for those who touch a page, and fills meanwhile.
 *
 * A step is small, so that who waits does not wait long for what nobody asked
 * for. Of the loop's data it touches its own and atomics only.
 *
 * A child that is forked while pages are missing does not get the memory at
 * all: without it the child would find zeros. */
#include "image/demand/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "io/file_job.h"

enum { EVENTS = 16 };

/* Linux 6.6; not in older headers. */
#define FEATURE_POISON (UINT64_C(1) << 14)
struct poison_s {
  struct uffdio_range range;
  uint64_t mode;
  int64_t updated;
};
#define IOC_POISON _IOWR(UFFDIO, 0x08, struct poison_s)

static struct uffdio_range page_at(const uint8_t *at) {
  return (struct uffdio_range){(uintptr_t)at, sluice__demand_page()};
}

/* ---- the kernel's part ---- */

static int open_uffd(void) {
  struct uffdio_api api = {.api = UFFD_API, .features = FEATURE_POISON};
  int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

  if (fd < 0) {
    return uv_translate_sys_error(errno);
  }
  if (ioctl(fd, UFFDIO_API, &api) != 0) {
    (void)close(fd);
    return UV_ENOTSUP;
  }
  return fd;
}

bool sluice__demand_is_possible(void) {
  int fd = open_uffd();

  if (fd >= 0) {
    (void)close(fd);
  }
  return fd >= 0;
}

int sluice__demand_open_fds(sluice__demand_t *demand) {
  demand->uffd = open_uffd();
  if (demand->uffd < 0) {
    return demand->uffd;
  }
  demand->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return demand->stop < 0 ? uv_translate_sys_error(errno) : 0;
}

/* Lets go whoever waits. */
void sluice__demand_close_fds(sluice__demand_t *demand) {
  if (demand->uffd >= 0) {
    (void)close(demand->uffd);
  }
  if (demand->stop >= 0) {
    (void)close(demand->stop);
  }
  demand->uffd = -1;
  demand->stop = -1;
}

void sluice__demand_stop(sluice__demand_t *demand) {
  const uint64_t one = 1;

  (void)!write(demand->stop, &one, sizeof(one));
}

/* The extents from `i` on that are one range; their end. */
static size_t range_of(const sluice__demand_t *demand, size_t i,
                       struct uffdio_range *out) {
  const sluice__demand_extent_t *list = demand->list;
  size_t end = i + 1;

  while (end < demand->count && list[end].pages.gap == list[i].pages.gap) {
    end++;
  }
  out->start = (uintptr_t)list[i].pages.to;
  out->len = (uintptr_t)list[end - 1].pages.to + list[end - 1].pages.bytes -
             out->start;
  return end;
}

static void wake(const sluice__demand_t *demand, struct uffdio_range range) {
  (void)ioctl(demand->uffd, UFFDIO_WAKE, &range);
}

/* The kernel wakes who waits before it takes the range off: a fault that comes
 * in between (Linux 6.18, faults under the lock of one mapping) would wait for
 * ever, perhaps the loop itself. So they are woken once more behind it. */
static void release_ranges(sluice__demand_t *demand, size_t count) {
  for (size_t i = 0; i < count;) {
    struct uffdio_range range;

    i = range_of(demand, i, &range);
    (void)ioctl(demand->uffd, UFFDIO_UNREGISTER, &range);
    wake(demand, range);
    (void)madvise((void *)(uintptr_t)range.start, range.len, MADV_DOFORK);
  }
}

int sluice__demand_register(sluice__demand_t *demand) {
  for (size_t i = 0; i < demand->count;) {
    struct uffdio_register r = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    size_t end = range_of(demand, i, &r.range);

    if (ioctl(demand->uffd, UFFDIO_REGISTER, &r) != 0) {
      int code = uv_translate_sys_error(errno);

      release_ranges(demand, i);
      return code;
    }
    (void)madvise((void *)(uintptr_t)r.range.start, r.range.len, MADV_DONTFORK);
    i = end;
  }
  return 0;
}

/* Whether the page is lost by this: not if it is there, or lost already, nor if
 * the host has unmapped it. */
static bool poison_page(const sluice__demand_t *demand, const uint8_t *at) {
  struct poison_s p = {.range = page_at(at)};
  int r, error;

  do {
    r = ioctl(demand->uffd, IOC_POISON, &p);
    error = r == 0 ? 0 : errno;
  } while (error == EAGAIN);
  if (r != 0) {
    wake(demand, p.range);
  }
  return error != EEXIST && error != ENOENT;
}

static void poison(sluice__demand_t *demand,
                   const sluice__demand_extent_t *extent, uint64_t from,
                   uint64_t bytes, int code) {
  uint64_t before = atomic_load(&demand->lost);
  int none = 0;

  for (uint64_t done = 0; done < bytes; done += sluice__demand_page()) {
    if (poison_page(demand, extent->pages.to + from + done)) {
      (void)atomic_compare_exchange_strong(&demand->code, &none, code);
      sluice__demand_note_lost(demand, extent, from + done);
      none = 0;
    }
  }
  if (atomic_load(&demand->lost) != before) {
    (void)uv_async_send(&demand->async);
  }
}

/* What was read of an extent. Pages that are there already stay as they are.
 * What there is no memory for is lost: it must not be taken for zeros later. */
static void place(sluice__demand_t *demand,
                  const sluice__demand_extent_t *extent, uint64_t from,
                  uint64_t bytes) {
  uint8_t *to = extent->pages.to + from;
  uint64_t done = 0;

  while (done < bytes) {
    struct uffdio_copy copy = {.dst = (uintptr_t)(to + done),
                               .src = (uintptr_t)(demand->buf + done),
                               .len = bytes - done};
    int r = ioctl(demand->uffd, UFFDIO_COPY, &copy);

    if (r != 0 && errno == EAGAIN) {
      done += copy.copy > 0 ? (uint64_t)copy.copy : 0;
    } else if (r != 0 && errno == EEXIST) {
      wake(demand, page_at(to + done));
      done += sluice__demand_page();
    } else if (r != 0 && errno != ENOENT) {
      poison(demand, extent, from + done, bytes - done,
             uv_translate_sys_error(errno));
      return;
    } else {
      return; /* all of it, or the host has unmapped it */
    }
  }
}

static void place_zeros(const sluice__demand_t *demand, uint8_t *to) {
  struct uffdio_zeropage zero = {.range = page_at(to)};
  int r;

  do {
    r = ioctl(demand->uffd, UFFDIO_ZEROPAGE, &zero);
  } while (r != 0 && errno == EAGAIN);
  if (r != 0) {
    wake(demand, zero.range);
  }
}

/* ---- filling ---- */

/* What can be read of `bytes` of an extent; bytes from the first on. */
static uint64_t fill_some(sluice__demand_t *demand,
                          const sluice__demand_extent_t *extent, uint64_t from,
                          uint64_t bytes, int *out_code) {
  ptrdiff_t got = sluice__file_read(demand->fd, demand->buf, (size_t)bytes,
                                    extent->pages.at + from);
  uint64_t good =
      got <= 0 ? 0
               : (uint64_t)got / sluice__demand_page() * sluice__demand_page();

  *out_code = got < 0 ? (int)got : SLUICE_ETRUNCATED;
  if (good > 0) {
    place(demand, extent, from, good);
  }
  return good;
}

/* No more than the buffer takes. Where something cannot be read it is tried
 * page by page: what stands beside a bad page is good. */
static void fill(sluice__demand_t *demand,
                 const sluice__demand_extent_t *extent, uint64_t from,
                 uint64_t bytes) {
  const uint64_t page = sluice__demand_page();
  int code;
  uint64_t done = fill_some(demand, extent, from, bytes, &code);

  for (; done < bytes; done += page) {
    if (fill_some(demand, extent, from + done, page, &code) == 0) {
      poison(demand, extent, from + done, page, code);
    }
  }
}

static void skip_done(sluice__demand_t *demand) {
  while (demand->first < demand->count &&
         demand->list[demand->first].done ==
             demand->list[demand->first].pages.bytes) {
    demand->first++;
  }
  if (demand->cursor >= demand->count || demand->cursor < demand->first) {
    demand->cursor = demand->first;
  }
}

/* A buffer full at most of the extent at the cursor, then the next extent. */
static void fill_next(sluice__demand_t *demand) {
  sluice__demand_extent_t *extent = &demand->list[demand->cursor];
  uint64_t n = extent->pages.bytes - extent->done;

  n = n < SLUICE__DEMAND_BUFFER ? n : (uint64_t)SLUICE__DEMAND_BUFFER;
  if (n > 0) {
    fill(demand, extent, extent->done, n);
    extent->done += n;
    atomic_fetch_sub(&demand->left, n);
  }
  if (extent->done == extent->pages.bytes) {
    demand->cursor++;
    skip_done(demand);
  }
}

/* What follows is likely to be touched next. */
static void serve(sluice__demand_t *demand, uint8_t *at) {
  size_t i = sluice__demand_find(demand->list, demand->count, at);

  atomic_fetch_add(&demand->faults, 1);
  if (i < demand->count) {
    demand->cursor = i;
  }
  if (i == demand->count || at < demand->list[i].pages.to) {
    place_zeros(demand, at);
  } else {
    const sluice__demand_extent_t *extent = &demand->list[i];

    fill(demand, extent, (uint64_t)(at - extent->pages.to),
         sluice__demand_page());
  }
  skip_done(demand);
}

static void take_events(sluice__demand_t *demand) {
  struct uffd_msg events[EVENTS];
  ssize_t n = read(demand->uffd, events, sizeof(events));

  for (ssize_t i = 0; n > 0 && i < n / (ssize_t)sizeof(events[0]); i++) {
    if (events[i].event == UFFD_EVENT_PAGEFAULT) {
      uint64_t page =
          events[i].arg.pagefault.address & ~(sluice__demand_page() - 1);

      serve(demand, (uint8_t *)(uintptr_t)page);
    }
  }
}

void *sluice__demand_thread(void *arg) {
  sluice__demand_t *demand = arg;
  struct pollfd fds[2] = {{.fd = demand->uffd, .events = POLLIN},
                          {.fd = demand->stop, .events = POLLIN}};

  while (demand->first < demand->count && fds[1].revents == 0) {
    int n = poll(fds, 2, 0);

    if (n > 0 && fds[0].revents != 0) {
      take_events(demand);
    } else if (fds[1].revents == 0) {
      fill_next(demand);
    }
  }
  release_ranges(demand, demand->count);
  atomic_store(&demand->is_over, true);
  (void)uv_async_send(&demand->async);
  return NULL;
}
