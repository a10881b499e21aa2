/* test_mapped_cold.c - an image that is not in the page cache: its headers are
 * asked for ahead, by what the index says, whatever that says, while the walk
 * goes on. What the kernel is told and asked is looked at on its way there. */
#include "mapped_box.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "image/prefetch.h"
#include "seed.h"
#include "stream/bytes.h"
#include "stream/native/format.h"
#include "stream/native/record.h"
#include "suite.h"

enum { ROOM = 64 * 1024 };

/* Of the kernel's calls; the pool's threads make them. */
static atomic_bool is_cold; /* nothing is in the page cache */
static atomic_bool is_slow; /* the disk takes no wish before the walk reads */
static atomic_bool is_held; /* nor before the test says so */
static atomic_bool is_asked;
static atomic_uint wishes, walked, random_reads;
static atomic_uint_fast64_t most_read;
static atomic_int advice;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;

int __real_posix_fadvise(int f, off_t at, off_t n, int what);
int __wrap_posix_fadvise(int f, off_t at, off_t n, int what);
ssize_t __real_pread(int f, void *buf, size_t n, off_t at);
ssize_t __wrap_pread(int f, void *buf, size_t n, off_t at);
ssize_t __real_preadv2(int f, const struct iovec *v, int count, off_t at,
                       int flags);
ssize_t __wrap_preadv2(int f, const struct iovec *v, int count, off_t at,
                       int flags);

/* Until it has read a header behind the first. */
static void await_walk(void) {
  (void)pthread_mutex_lock(&lock);
  while (atomic_load(&is_slow) && atomic_load(&walked) == 0) {
    (void)pthread_cond_wait(&moved, &lock);
  }
  atomic_store(&is_slow, false);
  (void)pthread_mutex_unlock(&lock);
}

static void await_test(void) {
  (void)pthread_mutex_lock(&lock);
  atomic_store(&is_asked, true);
  while (atomic_load(&is_held)) {
    (void)pthread_cond_wait(&moved, &lock);
  }
  (void)pthread_mutex_unlock(&lock);
}

static void release(void) {
  (void)pthread_mutex_lock(&lock);
  atomic_store(&is_held, false);
  (void)pthread_cond_broadcast(&moved);
  (void)pthread_mutex_unlock(&lock);
}

int __wrap_posix_fadvise(int f, off_t at, off_t n, int what) {
  if (what != POSIX_FADV_WILLNEED) {
    atomic_store(&advice, what);
    return __real_posix_fadvise(f, at, n, what);
  }
  await_walk();
  await_test();
  atomic_fetch_add(&wishes, 1);
  return __real_posix_fadvise(f, at, n, what);
}

ssize_t __wrap_pread(int f, void *buf, size_t n, off_t at) {
  (void)pthread_mutex_lock(&lock);
  if (n >= KERNEL_PAGE && at > 0) { /* the index has few runs here */
    atomic_fetch_add(&walked, 1);
  }
  if (atomic_load(&advice) == POSIX_FADV_RANDOM) {
    atomic_fetch_add(&random_reads, 1);
  }
  if (n > atomic_load(&most_read)) {
    atomic_store(&most_read, n);
  }
  (void)pthread_cond_broadcast(&moved);
  (void)pthread_mutex_unlock(&lock);
  return __real_pread(f, buf, n, at);
}

ssize_t __wrap_preadv2(int f, const struct iovec *v, int count, off_t at,
                       int flags) {
  if ((flags & RWF_NOWAIT) != 0 && atomic_load(&is_cold)) {
    errno = EAGAIN;
    return -1;
  }
  return __real_preadv2(f, v, count, at, flags);
}

static uint8_t *image;
static size_t len;
static int fd;

static void read_image(void) {
  struct stat st;

  fd = open(box.path, O_RDWR | O_CLOEXEC);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(fstat(fd, &st), 0);
  len = (size_t)st.st_size;
  image = malloc(len);
  ck_assert_int_eq((int)pread(fd, image, len, 0), (int)len);
}

static void setup(void) {
  box_open(KERNEL_PAGE);
  host_open(&box.from, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 1);
  host_open(&box.to, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 2);
  host_fill(&box.from, 1, 7);
  box_save(&box.from);
  read_image();
  atomic_store(&is_cold, false);
  atomic_store(&is_asked, false);
  atomic_store(&wishes, 0);
  atomic_store(&walked, 0);
  atomic_store(&random_reads, 0);
  atomic_store(&most_read, 0);
}

static void teardown(void) {
  free(image);
  ck_assert_int_eq(close(fd), 0);
  box_close();
}

/* Does nothing where the file system keeps everything in memory. */
static void evict(void) {
  ck_assert_int_eq(fsync(fd), 0);
  ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

static uint64_t index_at(void) {
  return sluice__get_le64(image + len - SLUICE__TRAILER_BYTES +
                          SLUICE__TRAILER_INDEX);
}

static size_t ask(uint64_t index, uint64_t end, size_t room) {
  uint8_t *buf = malloc(room); /* exactly: what is behind would show */
  sluice__prefetch_t ahead = {
      .fd = fd, .index = index, .end = end, .buf = buf, .len = room};

  sluice__prefetch_run(&ahead);
  free(buf);
  return ahead.asked;
}

START_TEST(a_cold_image_is_restored_like_any_other) {
  static const sluice_restore_way_t ways[] = {SLUICE_RESTORE_MAPPED,
                                              SLUICE_RESTORE_MAPPED_VERIFY,
                                              SLUICE_RESTORE_VERIFY_MAPPED};

  evict();
  ck_assert_int_eq(box_restore_way(ways[_i]), 0);
  ck_assert_uint_gt(box.stats.mappings, 0);
  assert_same();
}
END_TEST

/* Many records: more than one job reads. */
START_TEST(a_cold_image_of_many_records_is_restored) {
  const sluice_save_options_t o = {.size = sizeof(o), .staging = 1};

  host_fill(&box.from, 2, 9);
  sluice_ram_dirty(box.from.ram, 0, 0, low_bytes());
  ck_assert_int_eq(box_save_as(&box.from, &o), 0);
  free(image);
  ck_assert_int_eq(close(fd), 0);
  read_image();
  evict();
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  assert_same();
}
END_TEST

START_TEST(each_table_is_asked_for_once) {
  size_t asked = ask(index_at(), len, ROOM);

  ck_assert_uint_ge(asked, 1);
  ck_assert_uint_le(asked, 4); /* 3 MiB, in few records */
}
END_TEST

START_TEST(an_index_larger_than_the_buffer_is_read_in_pieces) {
  ck_assert_uint_eq(ask(index_at(), len, SLUICE__INDEX_RUN_BYTES),
                    ask(index_at(), len, ROOM));
  ck_assert_uint_eq(ask(index_at(), len, 2 * SLUICE__INDEX_RUN_BYTES + 8),
                    ask(index_at(), len, ROOM));
}
END_TEST

/* As where it took several turns to write. */
START_TEST(padding_between_records_of_the_index_is_passed_over) {
  const sluice__record_t pad = {.type = SLUICE__NATIVE_PAD, .length = 8};
  uint8_t head[SLUICE__RECORD_BYTES + 8] = {0};
  off_t end = (off_t)(len - len % SLUICE__RECORD_PAD);
  size_t rest = len - (size_t)index_at();
  size_t asked = ask(index_at(), len, ROOM);

  sluice__record_put(head, &pad);
  ck_assert_int_eq((int)pwrite(fd, head, sizeof(head), end), (int)sizeof(head));
  ck_assert_int_eq(
      (int)pwrite(fd, image + index_at(), rest, end + (off_t)sizeof(head)),
      (int)rest);
  ck_assert_uint_eq(
      ask((uint64_t)end, (uint64_t)end + sizeof(head) + rest, ROOM), asked);
}
END_TEST

START_TEST(who_is_told_to_stop_asks_for_nothing) {
  uint8_t buf[ROOM];
  sluice__prefetch_t ahead = {
      .fd = fd, .index = index_at(), .end = len, .buf = buf, .len = ROOM};

  ck_assert(sluice__prefetch_stop(&ahead));
  sluice__prefetch_run(&ahead);
  ck_assert_uint_eq(ahead.asked, 0);
}
END_TEST

START_TEST(a_warm_image_is_not_asked_for) {
  free(image);
  ck_assert_int_eq(close(fd), 0);
  read_image(); /* all of it */
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_uint_eq(atomic_load(&wishes), 0);
}
END_TEST

/* Or it would never be asked for the second header. */
START_TEST(a_walk_goes_on_while_the_disk_is_asked) {
  atomic_store(&is_cold, true);
  atomic_store(&is_slow, true);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert(!atomic_load(&is_slow));
  ck_assert_uint_ge(atomic_load(&wishes), 1);
  assert_same();
}
END_TEST

static void leave_unsaid(sluice_restore_t *restore) {
  (void)restore; /* not committed */
}

START_TEST(a_cancelled_restore_waits_for_who_asks_the_disk) {
  const sluice_restore_options_t o = {
      .size = sizeof(o), .way = SLUICE_RESTORE_MAPPED, .checked = leave_unsaid};
  sluice_restore_t *restore;
  sluice_source_t *source;

  atomic_store(&is_cold, true);
  atomic_store(&is_held, true);
  ck_assert_int_eq(sluice_source_file(&source, box.path), 0);
  ck_assert_int_eq(sluice_restore_begin(&restore, box.rig.engine,
                                        box.to.registry, source, &o,
                                        on_restored, NULL),
                   0);
  while (!atomic_load(&is_asked)) {
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
  }
  sluice_restore_cancel(restore);
  for (int turn = 0; turn < 100; turn++) {
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
  }
  ck_assert_uint_eq(box.restored, 0);
  release();
  rig_run(&box.rig);
  ck_assert_uint_eq(box.restored, 1);
  ck_assert_int_eq(box.rig.status, UV_ECANCELED);
  ck_assert_uint_eq(atomic_load(&wishes), 1);
}
END_TEST

START_TEST(the_kernel_reads_around_no_header_and_around_pages_as_ever) {
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_uint_ge(atomic_load(&random_reads), 3); /* from the first look on */
  ck_assert_uint_le(atomic_load(&most_read), 256 * 1024);
  ck_assert_int_eq(atomic_load(&advice), POSIX_FADV_NORMAL);
}
END_TEST

START_TEST(a_file_that_is_not_mapped_is_read_in_order) {
  static const uint8_t nothing[8];

  ck_assert_int_eq((int)pwrite(fd, nothing, 8, (off_t)len - 8), 8);
  ck_assert_int_lt(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_int_eq(atomic_load(&advice), POSIX_FADV_SEQUENTIAL);
}
END_TEST

START_TEST(where_there_is_no_index_nothing_is_asked_for) {
  ck_assert_uint_eq(ask(0, len, ROOM), 0);
  ck_assert_uint_eq(ask(len, len, ROOM), 0);
  ck_assert_uint_eq(ask(len + 5, len, ROOM), 0);
  ck_assert_uint_eq(ask(UINT64_MAX - 3, UINT64_MAX, ROOM), 0);
}
END_TEST

/* A hint is a hint: nothing depends on what it says. */
START_TEST(any_index_is_survived) {
  seed_t seed = seed_open(0);
  uint64_t at = index_at();

  for (int i = 0; i < 300; i++) {
    uint64_t where = at + seed_below(&seed, (size_t)(len - at));
    uint8_t byte = (uint8_t)seed_below(&seed, 256);

    ck_assert_int_eq((int)pwrite(fd, &byte, 1, (off_t)where), 1);
    ck_assert_uint_le(
        ask(at, len, SLUICE__INDEX_RUN_BYTES + seed_below(&seed, ROOM)), 65536);
  }
}
END_TEST

Suite *mapped_cold_suite(void) {
  Suite *s = suite_create("mapped_cold");
  TCase *c = tcase_create("cold");

  tcase_add_checked_fixture(c, setup, teardown);
  tcase_add_loop_test(c, a_cold_image_is_restored_like_any_other, 0, 3);
  tcase_add_test(c, a_cold_image_of_many_records_is_restored);
  tcase_add_test(c, each_table_is_asked_for_once);
  tcase_add_test(c, an_index_larger_than_the_buffer_is_read_in_pieces);
  tcase_add_test(c, padding_between_records_of_the_index_is_passed_over);
  tcase_add_test(c, who_is_told_to_stop_asks_for_nothing);
  tcase_add_test(c, a_warm_image_is_not_asked_for);
  tcase_add_test(c, a_walk_goes_on_while_the_disk_is_asked);
  tcase_add_test(c, a_cancelled_restore_waits_for_who_asks_the_disk);
  tcase_add_test(c, the_kernel_reads_around_no_header_and_around_pages_as_ever);
  tcase_add_test(c, a_file_that_is_not_mapped_is_read_in_order);
  tcase_add_test(c, where_there_is_no_index_nothing_is_asked_for);
  tcase_add_test(c, any_index_is_survived);
  suite_add_tcase(s, c);
  return s;
}
