/* thread.c - waits for those who touch a page, and fills meanwhile.
 *
 * A step is small, so that who waits does not wait long for what nobody asked
 * for. Of the loop's data it touches its own and atomics only.
 *
 * A child that is forked while pages are missing does not get the memory at
 * all: without it the child would find zeros. */
#include "session/restore/late/thread.h"

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

uint64_t sluice__late_page(void) {
  return (uint64_t)sysconf(_SC_PAGESIZE);
}

static struct uffdio_range page_at(const uint8_t *at) {
  return (struct uffdio_range){(uintptr_t)at, sluice__late_page()};
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

bool sluice__late_is_possible(void) {
  int fd = open_uffd();

  if (fd >= 0) {
    (void)close(fd);
  }
  return fd >= 0;
}

int sluice__late_open_fds(sluice__late_t *late) {
  late->uffd = open_uffd();
  if (late->uffd < 0) {
    return late->uffd;
  }
  late->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return late->stop < 0 ? uv_translate_sys_error(errno) : 0;
}

/* Lets go whoever waits. */
void sluice__late_close_fds(sluice__late_t *late) {
  if (late->uffd >= 0) {
    (void)close(late->uffd);
  }
  if (late->stop >= 0) {
    (void)close(late->stop);
  }
  late->uffd = -1;
  late->stop = -1;
}

void sluice__late_stop(sluice__late_t *late) {
  const uint64_t one = 1;

  (void)!write(late->stop, &one, sizeof(one));
}

/* The pieces from `i` on that are one range; their end. */
static size_t range_of(const sluice__late_t *late, size_t i,
                       struct uffdio_range *out) {
  const sluice__late_piece_t *list = late->list;
  size_t end = i + 1;

  while (end < late->count && list[end].pages.gap == list[i].pages.gap) {
    end++;
  }
  out->start = (uintptr_t)list[i].pages.to;
  out->len = (uintptr_t)list[end - 1].pages.to + list[end - 1].pages.bytes -
             out->start;
  return end;
}

static void wake(const sluice__late_t *late, struct uffdio_range range) {
  (void)ioctl(late->uffd, UFFDIO_WAKE, &range);
}

/* The kernel wakes who waits before it takes the range off: a fault that comes
 * in between (Linux 6.18, faults under the lock of one mapping) would wait for
 * ever, perhaps the loop itself. So they are woken once more behind it. */
static void release_ranges(sluice__late_t *late, size_t count) {
  for (size_t i = 0; i < count;) {
    struct uffdio_range range;

    i = range_of(late, i, &range);
    (void)ioctl(late->uffd, UFFDIO_UNREGISTER, &range);
    wake(late, range);
    (void)madvise((void *)(uintptr_t)range.start, range.len, MADV_DOFORK);
  }
}

int sluice__late_register(sluice__late_t *late) {
  for (size_t i = 0; i < late->count;) {
    struct uffdio_register r = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    size_t end = range_of(late, i, &r.range);

    if (ioctl(late->uffd, UFFDIO_REGISTER, &r) != 0) {
      int code = uv_translate_sys_error(errno);

      release_ranges(late, i);
      return code;
    }
    (void)madvise((void *)(uintptr_t)r.range.start, r.range.len, MADV_DONTFORK);
    i = end;
  }
  return 0;
}

/* Whether the page is lost by this: not if it is there, or lost already, nor if
 * the host has unmapped it. */
static bool poison_page(const sluice__late_t *late, const uint8_t *at) {
  struct poison_s p = {.range = page_at(at)};
  int r, error;

  do {
    r = ioctl(late->uffd, IOC_POISON, &p);
    error = r == 0 ? 0 : errno;
  } while (error == EAGAIN);
  if (r != 0) {
    wake(late, p.range);
  }
  return error != EEXIST && error != ENOENT;
}

static void poison(sluice__late_t *late, const sluice__late_piece_t *piece,
                   uint64_t from, uint64_t bytes, int code) {
  uint64_t before = atomic_load(&late->lost);
  int none = 0;

  for (uint64_t done = 0; done < bytes; done += sluice__late_page()) {
    if (poison_page(late, piece->pages.to + from + done)) {
      (void)atomic_compare_exchange_strong(&late->code, &none, code);
      sluice__late_note_lost(late, piece, from + done);
      none = 0;
    }
  }
  if (atomic_load(&late->lost) != before) {
    (void)uv_async_send(&late->async);
  }
}

/* What was read of a piece. Pages that are there already stay as they are. What
 * there is no memory for is lost: it must not be taken for zeros later. */
static void place(sluice__late_t *late, const sluice__late_piece_t *piece,
                  uint64_t from, uint64_t bytes) {
  uint8_t *to = piece->pages.to + from;
  uint64_t done = 0;

  while (done < bytes) {
    struct uffdio_copy copy = {.dst = (uintptr_t)(to + done),
                               .src = (uintptr_t)(late->buf + done),
                               .len = bytes - done};
    int r = ioctl(late->uffd, UFFDIO_COPY, &copy);

    if (r != 0 && errno == EAGAIN) {
      done += copy.copy > 0 ? (uint64_t)copy.copy : 0;
    } else if (r != 0 && errno == EEXIST) {
      wake(late, page_at(to + done));
      done += sluice__late_page();
    } else if (r != 0 && errno != ENOENT) {
      poison(late, piece, from + done, bytes - done,
             uv_translate_sys_error(errno));
      return;
    } else {
      return; /* all of it, or the host has unmapped it */
    }
  }
}

static void place_zeros(const sluice__late_t *late, uint8_t *to) {
  struct uffdio_zeropage zero = {.range = page_at(to)};
  int r;

  do {
    r = ioctl(late->uffd, UFFDIO_ZEROPAGE, &zero);
  } while (r != 0 && errno == EAGAIN);
  if (r != 0) {
    wake(late, zero.range);
  }
}

/* ---- filling ---- */

/* What can be read of `bytes` of a piece; bytes from the first on. */
static uint64_t fill_some(sluice__late_t *late,
                          const sluice__late_piece_t *piece, uint64_t from,
                          uint64_t bytes, int *out_code) {
  ptrdiff_t got = sluice__file_read(late->fd, late->buf, (size_t)bytes,
                                    piece->pages.at + from);
  uint64_t good =
      got <= 0 ? 0 : (uint64_t)got / sluice__late_page() * sluice__late_page();

  *out_code = got < 0 ? (int)got : SLUICE_ETRUNCATED;
  if (good > 0) {
    place(late, piece, from, good);
  }
  return good;
}

/* No more than the buffer takes. Where something cannot be read it is tried
 * page by page: what stands beside a bad page is good. */
static void fill(sluice__late_t *late, const sluice__late_piece_t *piece,
                 uint64_t from, uint64_t bytes) {
  const uint64_t page = sluice__late_page();
  int code;
  uint64_t done = fill_some(late, piece, from, bytes, &code);

  for (; done < bytes; done += page) {
    if (fill_some(late, piece, from + done, page, &code) == 0) {
      poison(late, piece, from + done, page, code);
    }
  }
}

static void skip_done(sluice__late_t *late) {
  while (late->first < late->count &&
         late->list[late->first].done == late->list[late->first].pages.bytes) {
    late->first++;
  }
  if (late->cursor >= late->count || late->cursor < late->first) {
    late->cursor = late->first;
  }
}

/* A buffer full at most of the piece at the cursor, then the next piece. */
static void fill_next(sluice__late_t *late) {
  sluice__late_piece_t *piece = &late->list[late->cursor];
  uint64_t n = piece->pages.bytes - piece->done;

  n = n < SLUICE__LATE_BUFFER ? n : (uint64_t)SLUICE__LATE_BUFFER;
  if (n > 0) {
    fill(late, piece, piece->done, n);
    piece->done += n;
    atomic_fetch_sub(&late->left, n);
  }
  if (piece->done == piece->pages.bytes) {
    late->cursor++;
    skip_done(late);
  }
}

size_t sluice__late_find(const sluice__late_piece_t *list, size_t count,
                         const uint8_t *at) {
  size_t low = 0;
  size_t high = count;

  while (low < high) {
    size_t mid = low + (high - low) / 2;

    if (list[mid].pages.to + list[mid].pages.bytes <= at) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return low;
}

/* What follows is likely to be touched next. */
static void serve(sluice__late_t *late, uint8_t *at) {
  size_t i = sluice__late_find(late->list, late->count, at);

  atomic_fetch_add(&late->faults, 1);
  if (i < late->count) {
    late->cursor = i;
  }
  if (i == late->count || at < late->list[i].pages.to) {
    place_zeros(late, at);
  } else {
    const sluice__late_piece_t *piece = &late->list[i];

    fill(late, piece, (uint64_t)(at - piece->pages.to), sluice__late_page());
  }
  skip_done(late);
}

static void take_events(sluice__late_t *late) {
  struct uffd_msg events[EVENTS];
  ssize_t n = read(late->uffd, events, sizeof(events));

  for (ssize_t i = 0; n > 0 && i < n / (ssize_t)sizeof(events[0]); i++) {
    if (events[i].event == UFFD_EVENT_PAGEFAULT) {
      uint64_t page =
          events[i].arg.pagefault.address & ~(sluice__late_page() - 1);

      serve(late, (uint8_t *)(uintptr_t)page);
    }
  }
}

void *sluice__late_run(void *arg) {
  sluice__late_t *late = arg;
  struct pollfd fds[2] = {{.fd = late->uffd, .events = POLLIN},
                          {.fd = late->stop, .events = POLLIN}};

  while (late->first < late->count && fds[1].revents == 0) {
    int n = poll(fds, 2, 0);

    if (n > 0 && fds[0].revents != 0) {
      take_events(late);
    } else if (fds[1].revents == 0) {
      fill_next(late);
    }
  }
  release_ranges(late, late->count);
  atomic_store(&late->is_over, true);
  (void)uv_async_send(&late->async);
  return NULL;
}
