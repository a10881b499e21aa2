/* tracker_wp.c - the kernel tells what was written (Linux 6.7).
 *
 * A region is registered with userfaultfd for asynchronous write-protect: the
 * first write to a protected page unprotects it in the kernel, nobody is woken.
 * PAGEMAP_SCAN then lists the unprotected pages of a range and protects them
 * again, as one. Fresh registrations have nothing protected, so the first look
 * at a range both arms it and reports all of it.
 *
 * Its errors are negated errno numbers: on Unix that is what UV_E* codes are.
 *
 * Both descriptors belong to the address space that opened them. They are
 * opened for each save, never kept: a host may fork between two. */
#include "tracker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "kernel_wp.h"

enum {
  /* Kernel pages one look may report, and protects: 0.04 ms on the machine of
   * bench/results, so that a busy host's short slices can be kept to. */
  LOOK_PAGES_MAX = 1024,
  LOOK_SPANS_MAX = 1024,
  NO_FD = -1
};

typedef struct wp_s {
  int uffd;
  int pagemap;
  sluice__pm_region_t found[LOOK_SPANS_MAX];
  sluice__span_t spans[LOOK_SPANS_MAX];
} wp_t;

/* A lack of descriptors or memory passes: it says nothing about the kernel. */
static int fail_open(sluice_error_t *err, const char *what) {
  if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
    return sluice_fail(err, -errno, "no write-protect: %s: %s", what,
                       strerror(errno));
  }
  return sluice_fail(err, UV_ENOTSUP,
                     "no asynchronous write-protect (needs Linux 6.7): %s: %s",
                     what, strerror(errno));
}

static int open_uffd(wp_t *wp, sluice_error_t *err) {
  struct uffdio_api api = {.api = UFFD_API};

  api.features = SLUICE__UFFD_WP_ASYNC | SLUICE__UFFD_WP_UNPOPULATED;
  wp->uffd = (int)syscall(SYS_userfaultfd,
                          O_CLOEXEC | O_NONBLOCK | SLUICE__UFFD_USER_MODE_ONLY);
  if (wp->uffd < 0) {
    return fail_open(err, "userfaultfd");
  }
  if (ioctl(wp->uffd, UFFDIO_API, &api) != 0) {
    return fail_open(err, "UFFDIO_API");
  }
  return 0;
}

static int open_pagemap(wp_t *wp, sluice_error_t *err) {
  wp->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  return wp->pagemap < 0 ? fail_open(err, "/proc/self/pagemap") : 0;
}

static void wp_end(void *state) {
  wp_t *wp = state;

  if (wp->uffd >= 0) {
    (void)close(wp->uffd);
  }
  if (wp->pagemap >= 0) {
    (void)close(wp->pagemap);
  }
  wp->uffd = NO_FD;
  wp->pagemap = NO_FD;
}

static int wp_begin(void *state, sluice_error_t *err) {
  int r = open_uffd(state, err);

  if (r == 0) {
    r = open_pagemap(state, err);
  }
  if (r != 0) {
    wp_end(state);
  }
  return r;
}

/* Whether the kernel knows PAGEMAP_SCAN: lists nothing of our own page. */
static int try_scan(wp_t *wp, sluice_error_t *err) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t start = (uintptr_t)wp & ~(page - 1);
  sluice__pm_scan_t scan = {.size = sizeof(scan),
                            .start = start,
                            .end = start + page,
                            .category_mask = SLUICE__PM_PAGE_IS_WRITTEN,
                            .return_mask = SLUICE__PM_PAGE_IS_WRITTEN};

  scan.vec = (uintptr_t)wp->found;
  scan.vec_len = LOOK_SPANS_MAX;
  return ioctl(wp->pagemap, SLUICE__PM_SCAN, &scan) < 0
             ? fail_open(err, "PAGEMAP_SCAN")
             : 0;
}

static int wp_open(void **out_state, sluice_error_t *err) {
  wp_t *wp = calloc(1, sizeof(*wp));
  int r;

  if (wp == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for the tracker");
  }
  wp->uffd = NO_FD;
  wp->pagemap = NO_FD;
  r = wp_begin(wp, err);
  if (r == 0) {
    r = try_scan(wp, err);
    wp_end(wp);
  }
  if (r != 0) {
    free(wp);
    return r;
  }
  *out_state = wp;
  return 0;
}

static void wp_close(void *state) {
  free(state);
}

static int wp_arm(void *state, uint8_t *base, uint64_t bytes,
                  sluice_error_t *err) {
  wp_t *wp = state;
  struct uffdio_register reg = {.mode = UFFDIO_REGISTER_MODE_WP};

  reg.range.start = (uintptr_t)base;
  reg.range.len = bytes;
  if (ioctl(wp->uffd, UFFDIO_REGISTER, &reg) != 0) {
    return sluice_fail(err, -errno,
                       "memory cannot be write-protected: UFFDIO_REGISTER: %s",
                       strerror(errno));
  }
  return 0;
}

static void wp_disarm(void *state, uint8_t *base, uint64_t bytes) {
  wp_t *wp = state;
  struct uffdio_range range = {.start = (uintptr_t)base, .len = bytes};

  /* It fails where the host has unmapped the memory: nothing is armed then. */
  (void)ioctl(wp->uffd, UFFDIO_UNREGISTER, &range);
}

static int scan_pages(wp_t *wp, const sluice__look_t *look,
                      uint64_t *out_reached) {
  uintptr_t base = (uintptr_t)look->base;
  sluice__pm_scan_t scan = {.size = sizeof(scan),
                            .flags = SLUICE__PM_SCAN_WP_MATCHING |
                                     SLUICE__PM_SCAN_CHECK_WPASYNC,
                            .start = base + look->from,
                            .end = base + look->to,
                            .vec = (uintptr_t)wp->found,
                            .vec_len = LOOK_SPANS_MAX,
                            .max_pages = LOOK_PAGES_MAX,
                            .category_mask = SLUICE__PM_PAGE_IS_WRITTEN,
                            .return_mask = SLUICE__PM_PAGE_IS_WRITTEN};
  int n = ioctl(wp->pagemap, SLUICE__PM_SCAN, &scan);

  /* No second try after EINTR: pages may be protected again and not listed.
   * Only a deadly signal interrupts it. */
  *out_reached = scan.walk_end - base;
  return n < 0 ? -errno : n;
}

static int wp_look(void *state, sluice__look_t *look, sluice_error_t *err) {
  wp_t *wp = state;
  uintptr_t base = (uintptr_t)look->base;
  int n = scan_pages(wp, look, &look->reached);

  if (n < 0) {
    return sluice_fail(err, n,
                       "written pages cannot be listed: PAGEMAP_SCAN: %s",
                       strerror(-n));
  }
  for (int i = 0; i < n; i++) {
    wp->spans[i].from = wp->found[i].start - base;
    wp->spans[i].to = wp->found[i].end - base;
  }
  look->spans = wp->spans;
  look->span_count = (size_t)n;
  return 0;
}

const sluice__tracker_t sluice__tracker_wp = {
    .mode = SLUICE__TRACKER_ASKED,
    .open = wp_open,
    .close = wp_close,
    .begin = wp_begin,
    .arm = wp_arm,
    .look = wp_look,
    .disarm = wp_disarm,
    .end = wp_end,
};
