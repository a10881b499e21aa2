/* test_restore_place.c - restores whose pages are read straight into place:
 * through every kind of source, in whatever pieces it gives, and ended at any
 * step. */
#include <sluice/ram.h>

#include <check.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "folder.h"
#include "map_pages.h"
#include "rig.h"
#include "seed.h"
#include "suite.h"
#include "toy.h"

enum { KERNEL_PAGE = 4096, LOW_PAGES = 70, HIGH_PAGES = 33, OLD = 0xa5 };

typedef struct host_s {
  sluice_registry_t *registry;
  sluice_ram_t *ram, *fine; /* pages of 4096, of 256 */
  uint8_t *low, *high;
  toy_t toy;
} host_t;

static rig_t rig;
static host_t from, to;
static seed_t seed;
static void *image;
static size_t image_len;

static uint8_t *map(size_t pages, int value) {
  uint8_t *p = map_pages(pages * KERNEL_PAGE);

  memset(p, value, pages * KERNEL_PAGE);
  return p;
}

static void open_ram(sluice_ram_t **ram, host_t *h, const char *name,
                     uint32_t page_size, uint8_t *base, size_t pages,
                     uint32_t flags) {
  const sluice_ram_options_t o = {
      .size = sizeof(o), .tracker = SLUICE_RAM_STATIC, .page_size = page_size};

  ck_assert_int_eq(sluice_ram_new(ram, h->registry, name, NULL, &o, NULL), 0);
  ck_assert_int_eq(sluice_ram_add_region(*ram, "memory", base,
                                         pages * KERNEL_PAGE, flags, NULL),
                   0);
}

static void host_open(host_t *h, uint32_t flags, int value) {
  h->low = map(LOW_PAGES, value);
  h->high = map(HIGH_PAGES, value);
  open_ram(&h->ram, h, "low", 4096, h->low, LOW_PAGES, flags);
  open_ram(&h->fine, h, "high", 256, h->high, HIGH_PAGES, flags);
  toy_init(&h->toy, h->registry, "toy", 5000, (unsigned)value);
}

static void host_close(host_t *h) {
  if (h->ram == NULL) {
    return;
  }
  ck_assert_int_eq(sluice_registry_remove(h->registry, "low", 0), 0);
  ck_assert_int_eq(sluice_registry_remove(h->registry, "high", 0), 0);
  ck_assert_int_eq(sluice_registry_remove(h->registry, "toy", 0), 0);
  (void)sluice_ram_free(h->ram);
  (void)sluice_ram_free(h->fine);
  toy_done(&h->toy);
  munmap(h->low, (size_t)LOW_PAGES * KERNEL_PAGE);
  munmap(h->high, (size_t)HIGH_PAGES * KERNEL_PAGE);
  h->ram = NULL;
}

static void setup(void) {
  rig_init(&rig);
  memset(&from, 0, sizeof(from));
  memset(&to, 0, sizeof(to));
  from.registry = rig.registry;
  to.registry = rig_registry(&rig);
  seed = seed_open(0);
  host_open(&from, 0, 0);
  for (size_t i = 0; i < (size_t)LOW_PAGES * KERNEL_PAGE; i += 8) {
    if (i / KERNEL_PAGE % 7 != 3) {
      from.low[i + seed_below(&seed, 8)] = (uint8_t)seed_next(&seed);
    }
  }
  memset(from.high + 5000, 0x77, 60000);
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), 0);
}

static void teardown(void) {
  host_close(&from);
  host_close(&to);
  ck_assert_int_eq(sluice_registry_free(to.registry), 0);
  rig_done(&rig);
  free(image);
}

static void assert_same(void) {
  ck_assert_msg(rig.status == 0, "%s", rig.error.message);
  ck_assert_mem_eq(from.low, to.low, (size_t)LOW_PAGES * KERNEL_PAGE);
  ck_assert_mem_eq(from.high, to.high, (size_t)HIGH_PAGES * KERNEL_PAGE);
  ck_assert(toy_equal(&from.toy, &to.toy));
}

static void assert_old(void) {
  const uint8_t *p = to.low;

  ck_assert_uint_eq(p[0], OLD);
  ck_assert_mem_eq(p, p + 1, (size_t)LOW_PAGES * KERNEL_PAGE - 1);
}

/* --- a source that gives what it likes, when it likes --- */

enum { ONE_BYTE, ODD, LARGE, ALWAYS_LATE, NEVER_INTO, MOODY, MOODS };

static struct {
  uv_idle_t idle;
  size_t at, len; /* of the image */
  int mood;
  void *buf; /* NULL: it was asked to read into places */
  size_t want;
  sluice_source_cb cb;
  void *ctx;
  size_t calls;
  size_t cancel_at; /* call at which the restore is cancelled; 0: never */
  size_t placed;    /* bytes */
  bool is_cancelled;
  sluice_restore_t *restore;
} odd;

static size_t odd_size(void) {
  switch (odd.mood) {
  case ONE_BYTE: return 1;
  case ODD: return 1 + seed_below(&seed, 700);
  case LARGE: return 1 + seed_below(&seed, 300000);
  default: return 1 + seed_below(&seed, 9000);
  }
}

static size_t give(void *to_buf, size_t len) {
  size_t n = odd.len - odd.at < len ? odd.len - odd.at : len;

  memcpy(to_buf, (const uint8_t *)image + odd.at, n);
  odd.at += n;
  return n;
}

static void on_odd(uv_idle_t *idle) {
  sluice_source_cb cb = odd.cb;
  size_t n = odd.buf != NULL ? give(odd.buf, odd.want) : 0;

  (void)uv_idle_stop(idle);
  odd.cb = NULL;
  if (odd.is_cancelled) {
    cb(odd.ctx, UV_ECANCELED);
  } else {
    cb(odd.ctx, odd.buf != NULL ? (ptrdiff_t)n : UV_EAGAIN);
  }
}

static ptrdiff_t odd_later(void *buf, size_t len, sluice_source_cb cb,
                           void *ctx) {
  if (odd.cb != NULL) {
    abort(); /* two reads at a time */
  }
  odd.buf = buf;
  odd.want = len;
  odd.cb = cb;
  odd.ctx = ctx;
  (void)uv_idle_start(&odd.idle, on_odd);
  return 0;
}

static void odd_call(void) {
  odd.calls++;
  if (odd.calls == odd.cancel_at) {
    sluice_restore_cancel(odd.restore);
  }
}

static ptrdiff_t odd_read(void *self, void *buf, size_t len,
                          sluice_source_cb cb, void *ctx) {
  size_t n = odd_size() < len ? odd_size() : len;

  (void)self;
  n = n == 0 ? 1 : n > len ? len : n;
  odd_call();
  if (odd.mood == ALWAYS_LATE || odd.calls % 3 == 1) {
    return odd_later(buf, n, cb, ctx);
  }
  return odd.at == odd.len ? UV_EOF : (ptrdiff_t)give(buf, n);
}

static ptrdiff_t odd_read_into(void *self, const struct iovec *places,
                               int count, sluice_source_cb cb, void *ctx) {
  size_t left = odd_size();
  size_t got = 0;

  (void)self;
  odd_call();
  if (odd.mood == NEVER_INTO || (odd.mood == MOODY && odd.calls % 4 == 3)) {
    return UV_EAGAIN;
  }
  if (odd.calls % 2 == 0) {
    return odd_later(NULL, 0, cb, ctx);
  }
  if (odd.at == odd.len) {
    return UV_EOF;
  }
  for (int i = 0; i < count && left > 0; i++) {
    size_t n = places[i].iov_len < left ? places[i].iov_len : left;

    n = give(places[i].iov_base, n);
    got += n;
    left -= n;
  }
  odd.placed += got;
  return (ptrdiff_t)got;
}

static void odd_cancel(void *self) {
  (void)self;
  odd.is_cancelled = true;
}

static void odd_close(void *self) {
  (void)self;
  ck_assert(odd.cb == NULL);
  uv_close((uv_handle_t *)&odd.idle, NULL);
}

static const sluice_source_ops_t odd_ops = {.size = sizeof(odd_ops),
                                            .read = odd_read,
                                            .cancel = odd_cancel,
                                            .close = odd_close,
                                            .read_into = odd_read_into};

static sluice_source_t *odd_source(const sluice_source_ops_t *ops, int mood) {
  sluice_source_t *source;

  memset(&odd, 0, sizeof(odd));
  odd.mood = mood;
  odd.len = image_len;
  ck_assert_int_eq(uv_idle_init(&rig.loop, &odd.idle), 0);
  ck_assert_int_eq(sluice_source_custom(&source, ops, NULL), 0);
  return source;
}

static const uint32_t ways[] = {0, SLUICE_RAM_REMAP, SLUICE_RAM_IN_PLACE,
                                SLUICE_RAM_IN_PLACE | SLUICE_RAM_REMAP};
enum { WAYS = 4 };

START_TEST(whatever_pieces_come_the_memory_is_the_same) {
  int mood = _i / WAYS;

  host_open(&to, ways[_i % WAYS], OLD);
  (void)rig_restore(&rig, to.registry, odd_source(&odd_ops, mood), NULL);
  assert_same();
  ck_assert(mood == NEVER_INTO ? odd.placed == 0
                               : mood == LARGE || odd.placed > 100000);
}
END_TEST

START_TEST(an_ops_struct_from_before_read_into_is_taken) {
  sluice_source_ops_t ops = odd_ops;

  ops.size = offsetof(sluice_source_ops_t, read_into);
  host_open(&to, 0, OLD);
  (void)rig_restore(&rig, to.registry, odd_source(&ops, LARGE), NULL);
  assert_same();
  ck_assert_uint_eq(odd.placed, 0);
}
END_TEST

/* --- the sources that there are --- */

static int image_file(const char *dir) {
  char path[256];
  int fd;

  (void)snprintf(path, sizeof(path), "%s/sluice-place-XXXXXX", dir);
  fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  (void)unlink(path);
  ck_assert_int_eq(write(fd, image, image_len), (ssize_t)image_len);
  ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
  return fd;
}

static void restore_fd(int fd) {
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_fd(&source, fd), 0);
  (void)rig_restore(&rig, to.registry, source, NULL);
  assert_same();
  ck_assert_int_eq(close(fd), 0);
}

START_TEST(from_memory) {
  host_open(&to, 0, OLD);
  (void)rig_restore_memory(&rig, to.registry, image, image_len);
  assert_same();
}
END_TEST

START_TEST(from_a_file) {
  host_open(&to, 0, OLD);
  restore_fd(image_file(_i == 0 ? "/dev/shm" : test_folder()));
}
END_TEST

START_TEST(from_a_file_that_is_not_in_memory) {
  int fd = image_file(test_folder());

  host_open(&to, 0, OLD);
  ck_assert_int_eq(fsync(fd), 0);
  (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  restore_fd(fd);
}
END_TEST

static struct {
  uv_idle_t idle;
  int fd;
  size_t at;
} writer;

/* In pieces, so that the reader has to wait now and then. */
static void on_write(uv_idle_t *idle) {
  size_t n = 1 + seed_below(&seed, 50000);
  ssize_t done;

  n = n < image_len - writer.at ? n : image_len - writer.at;
  done = write(writer.fd, (const uint8_t *)image + writer.at, n);
  writer.at += done > 0 ? (size_t)done : 0;
  if (writer.at == image_len) {
    ck_assert_int_eq(close(writer.fd), 0);
    uv_close((uv_handle_t *)idle, NULL);
  }
}

static void start_writer(int fd) {
  writer.fd = fd;
  writer.at = 0;
  ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  ck_assert_int_eq(uv_idle_init(&rig.loop, &writer.idle), 0);
  ck_assert_int_eq(uv_idle_start(&writer.idle, on_write), 0);
}

START_TEST(from_a_pipe) {
  int ends[2];

  host_open(&to, 0, OLD);
  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  start_writer(ends[1]);
  restore_fd(ends[0]);
}
END_TEST

START_TEST(from_a_socket) {
  int ends[2];

  host_open(&to, SLUICE_RAM_IN_PLACE, OLD);
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  start_writer(ends[1]);
  restore_fd(ends[0]);
}
END_TEST

/* --- ends --- */

START_TEST(cancelled_at_any_step_nothing_has_changed) {
  size_t calls = 0;

  for (size_t at = 1; at == 1 || at <= calls; at++) {
    sluice_source_t *source = odd_source(&odd_ops, MOODY);
    sluice_restore_t *restore;

    host_open(&to, ways[_i], OLD);
    odd.cancel_at = at;
    ck_assert_int_eq(
        sluice_restore_begin(
            &restore, rig.engine, to.registry, source,
            &(sluice_restore_options_t){
                .size = sizeof(sluice_restore_options_t), .data = &rig},
            rig_on_restored, NULL),
        0);
    odd.restore = restore;
    rig_run(&rig);
    ck_assert_int_eq(rig.status, UV_ECANCELED);
    assert_old();
    calls = at == 1 ? 90 : calls; /* some that are after the last page, too */
    host_close(&to);
  }
}
END_TEST

START_TEST(cut_short_anywhere_nothing_has_changed) {
  for (size_t i = 0; i < 60; i++) {
    sluice_source_t *source = odd_source(&odd_ops, LARGE);

    host_open(&to, ways[_i], OLD);
    odd.len = seed_below(&seed, image_len);
    (void)rig_restore(&rig, to.registry, source, NULL);
    ck_assert_int_eq(rig.status, SLUICE_ETRUNCATED);
    assert_old();
    host_close(&to);
  }
}
END_TEST

START_TEST(damage_is_found_and_nothing_has_changed) {
  for (size_t i = 0; i < 60; i++) {
    size_t at = seed_below(&seed, image_len);
    sluice_source_t *source = odd_source(&odd_ops, (int)(i % MOODS));

    odd.mood = odd.mood == ONE_BYTE ? ODD : odd.mood;
    host_open(&to, ways[_i], OLD);
    ((uint8_t *)image)[at] ^= 0x20;
    (void)rig_restore(&rig, to.registry, source, NULL);
    ck_assert_int_lt(rig.status, 0);
    assert_old();
    ((uint8_t *)image)[at] ^= 0x20;
    host_close(&to);
  }
}
END_TEST

/* The stream stands in the way of nobody: bytes that are half in place do not
 * count as memory of the session. */
START_TEST(little_memory_is_enough) {
  const sluice_restore_options_t o = {
      .size = sizeof(o), .data = &rig, .max_memory = 512 * 1024};

  host_open(&to, 0, OLD);
  (void)rig_restore(&rig, to.registry, odd_source(&odd_ops, _i), &o);
  assert_same();
}
END_TEST

Suite *restore_place_suite(void) {
  Suite *s = suite_create("restore_place");
  TCase *core = tcase_create("core");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_loop_test(core, whatever_pieces_come_the_memory_is_the_same, 0,
                      WAYS * MOODS);
  tcase_add_test(core, an_ops_struct_from_before_read_into_is_taken);
  tcase_add_test(core, from_memory);
  tcase_add_loop_test(core, from_a_file, 0, 2);
  tcase_add_test(core, from_a_file_that_is_not_in_memory);
  tcase_add_test(core, from_a_pipe);
  tcase_add_test(core, from_a_socket);
  tcase_add_loop_test(core, cancelled_at_any_step_nothing_has_changed, 0, 2);
  tcase_add_loop_test(core, cut_short_anywhere_nothing_has_changed, 0, 2);
  tcase_add_loop_test(core, damage_is_found_and_nothing_has_changed, 0, 2);
  tcase_add_loop_test(core, little_memory_is_enough, ODD, MOODS);
  suite_add_tcase(s, core);
  return s;
}
