/* test_postcopy_faults.c - pages that come after the commit, without memory for
 * them, and with a kernel that is interrupted or refuses amid it. */
#define BOX_LOW_PAGES                                                          \
  900 /* so that no other block is as long as their map                        \
       */
#include "postcopy_box.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#include "image/demand/pager.h"
#include "session/registry.h"
#include "session/restore/region_names.h"
#include "skip.h"
#include "suite.h"

enum { PAGES = LOW_PAGES / 2 + HIGH_PAGES, MAP_BYTES = (PAGES / 64 + 1) * 8 };

/* ---- the C library's memory, by size ---- */

static size_t refused; /* blocks of so many bytes; 0: none */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);

int __real_posix_memalign(void **out, size_t align, size_t size);
int __wrap_posix_memalign(void **out, size_t align, size_t size);

/* A map of late pages comes from calloc(); another is as large, and not meant.
 */
int __wrap_posix_memalign(void **out, size_t align, size_t size) {
  return size == refused && size != MAP_BYTES
             ? ENOMEM
             : __real_posix_memalign(out, align, size);
}

void *__wrap_malloc(size_t size) {
  return size == refused ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
  return n * size == refused ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
  return size == refused ? NULL : __real_realloc(p, size);
}

/* ---- calls of the thread's ---- */

#define POISON 0x08 /* the number of its request */

static struct {
  atomic_uint interrupted; /* so many calls are, still */
  atomic_uint number;      /* of the requests that are */
  atomic_int refuses_poison;
  atomic_int read_error;
} kernel;

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
ssize_t __real_pread(int fd, void *buf, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t at);

static int fail_as(int code) {
  errno = code;
  return -1;
}

/* A page of it was copied, then it was interrupted. */
static int copy_a_page(int fd, struct uffdio_copy *copy) {
  struct uffdio_copy first = *copy;
  int r;

  first.len = KERNEL_PAGE;
  r = __real_ioctl(fd, UFFDIO_COPY, &first);
  copy->copy = r == 0 ? KERNEL_PAGE : -EAGAIN;
  return fail_as(EAGAIN);
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
  unsigned left = atomic_load(&kernel.interrupted);
  va_list args;
  void *arg;

  va_start(args, request);
  arg = va_arg(args, void *);
  va_end(args);
  if (_IOC_NR(request) == POISON && atomic_load(&kernel.refuses_poison)) {
    return fail_as(ENOMEM);
  }
  if (left > 0 && _IOC_NR(request) == atomic_load(&kernel.number)) {
    atomic_store(&kernel.interrupted, left - 1);
    return request == UFFDIO_COPY ? copy_a_page(fd, arg) : fail_as(EAGAIN);
  }
  return __real_ioctl(fd, request, arg);
}

ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t at) {
  return atomic_load(&kernel.read_error) != 0
             ? fail_as(atomic_load(&kernel.read_error))
             : __real_pread(fd, buf, len, at);
}

static void open_late(void) {
  refused = 0;
  memset(&kernel, 0, sizeof(kernel));
  setup();
}

/* ---- before the commit ---- */

static const size_t blocks[] = {
    sizeof(sluice__demand_t), 1024 * sizeof(sluice__demand_extent_t),
    sizeof(sluice__region_name_t), SLUICE__DEMAND_BUFFER, MAP_BYTES};

START_TEST(without_memory_for_late_pages_all_is_read_before_the_commit) {
  refused = blocks[_i];
  ck_assert_int_eq(restore_late(1), 0);
  refused = 0;
  ck_assert_int_eq(late.status, 0);
  if (can_fill() || _i < 3) {
    ck_assert_str_eq(box.stats.late_reason, "no memory");
  }
  ck_assert_uint_eq(box.stats.late_bytes, 0);
  ck_assert_uint_gt(box.stats.read_bytes, 0);
  assert_same();
}
END_TEST

START_TEST(a_handler_that_names_no_place_has_all_before_the_commit) {
  sluice_section_t *section = sluice__registry_find(box.to.registry, "ram", 0);
  const sluice_handler_t *handler = section->handler;
  sluice_handler_t changed = *handler;

  changed.restore_late_place = NULL;
  section->handler = &changed;
  ck_assert_int_eq(restore_late(1), 0);
  section->handler = handler;
  ck_assert_int_eq(late.status, 0);
  ck_assert_uint_eq(box.stats.late_bytes, 0);
  ck_assert_uint_gt(box.stats.read_bytes, 0);
  assert_same();
}
END_TEST

/* ---- after it ---- */

static void touch_all(void) {
  assert_same_memory();
}

static const unsigned requests[] = {_UFFDIO_COPY, _UFFDIO_ZEROPAGE};

START_TEST(a_call_that_is_interrupted_is_made_again) {
  if (!can_fill()) {
    skip(NO_FILL);
    return;
  }
  atomic_store(&kernel.number, requests[_i]);
  atomic_store(&kernel.interrupted, 5);
  late.touch = touch_all;
  ck_assert_int_eq(restore_late(1), 0);
  assert_filled();
  if (requests[_i] == _UFFDIO_COPY) {
    ck_assert_uint_eq(atomic_load(&kernel.interrupted), 0);
  }
}
END_TEST

static void break_file(void) {
  atomic_store(&kernel.read_error, EIO);
}

/* Rows: each page is poisoned at the second try; the kernel does not poison,
 * and whoever waits is let go all the same. */
START_TEST(pages_that_cannot_be_read_are_told_by_the_code_of_the_read) {
  if (!can_fill()) {
    skip(NO_FILL);
    return;
  }
  atomic_store(&kernel.number, POISON);
  atomic_store(&kernel.interrupted, 3);
  atomic_store(&kernel.refuses_poison, _i);
  late.touch = break_file;
  ck_assert_int_eq(restore_late(1), 0);
  if (late.status == 0) {
    skip("the thread was through before the file broke");
    return;
  }
  ck_assert_int_eq(late.status, UV_EIO);
  ck_assert_uint_gt(box.stats.late_lost, 0);
  ck_assert_uint_eq(box.stats.late_lost % KERNEL_PAGE, 0);
  ck_assert_ptr_nonnull(strstr(box.rig.error.message, "after the commit"));
}
END_TEST

Suite *postcopy_faults_suite(void) {
  Suite *s = suite_create("postcopy_faults");
  TCase *t = tcase_create("faults");

  tcase_add_checked_fixture(t, open_late, box_close);
  tcase_add_loop_test(
      t, without_memory_for_late_pages_all_is_read_before_the_commit, 0,
      sizeof(blocks) / sizeof(blocks[0]));
  tcase_add_test(t, a_handler_that_names_no_place_has_all_before_the_commit);
  tcase_add_loop_test(t, a_call_that_is_interrupted_is_made_again, 0,
                      sizeof(requests) / sizeof(requests[0]));
  tcase_add_loop_test(
      t, pages_that_cannot_be_read_are_told_by_the_code_of_the_read, 0, 2);
  suite_add_tcase(s, t);
  return s;
}
