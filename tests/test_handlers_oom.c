/* test_handlers_oom.c - each allocation of a handler fails in turn.
 *
 * Linked with --wrap for every function that hands out memory. A scenario runs
 * with its n-th allocation failing, n from 1 on, until none fails; once with
 * that one failing and once with all from there on. */
#include <sluice/blob.h>
#include <sluice/ram.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <uv.h>

#include "fake_engine.h"

enum { PAGE = 4096, REGIONS = 6, LONG = 3 * 1024 * 1024 };

static struct {
  unsigned fail_in; /* allocations until one fails; 0: none does */
  int is_sticky;
  int has_fired;
} rig;

/* Before any assertion: Check allocates too. */
static void disarm(void) {
  rig.fail_in = 0;
  rig.is_sticky = 0;
}

static int must_fail(void) {
  if (rig.has_fired && rig.is_sticky) {
    return 1;
  }
  if (rig.fail_in > 0 && --rig.fail_in == 0) {
    rig.has_fired = 1;
    return 1;
  }
  return 0;
}

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);

void *__wrap_calloc(size_t n, size_t size) {
  return must_fail() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
  return must_fail() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s) {
  return must_fail() ? NULL : __real_strdup(s);
}

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd,
                  off_t off) {
  return must_fail() ? MAP_FAILED : __real_mmap(at, len, prot, flags, fd, off);
}

static uint8_t *memory;
static fake_stream_t stream;

static void open_memory(void) {
  memory = __real_mmap(NULL, REGIONS * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(memory, MAP_FAILED);
}

static void close_memory(void) {
  fake_stream_done(&stream);
  (void)munmap(memory, REGIONS * PAGE);
}

static int add_regions(sluice_ram_t *ram) {
  char name[] = "r0";

  for (size_t i = 0; i < REGIONS; i++) {
    uint32_t flags = i % 2 == 0 ? 0 : SLUICE_RAM_IN_PLACE;
    int r;

    name[1] = (char)('0' + i);
    r = sluice_ram_add_region(ram, name, memory + i * PAGE, PAGE, flags, NULL);
    if (r != 0) {
      return r;
    }
  }
  return 0;
}

/* Makes a section and restores what `stream` holds. */
static int run_ram(sluice_error_t *err) {
  sluice_registry_t registry = {0};
  sluice_ram_t *ram = NULL;
  int r = sluice_ram_new(&ram, &registry, "ram", NULL, NULL, err);

  if (r == 0) {
    r = add_regions(ram);
  }
  if (r == 0) {
    r = fake_restore(&registry, &stream, err);
  }
  fake_remove(&registry);
  (void)sluice_ram_free(ram);
  return r;
}

static int on_get(void *data, const void **out, size_t *out_len,
                  sluice_error_t *err) {
  (void)data;
  (void)out;
  (void)out_len;
  (void)err;
  return UV_EIO;
}

static void on_take(void *data, void *bytes, size_t len, uint32_t version) {
  (void)version;
  *(size_t *)data = len;
  free(bytes);
}

static int run_blob(sluice_error_t *err) {
  size_t taken = 0;
  sluice_blob_options_t o = {.size = sizeof(o), .data = &taken};
  sluice_registry_t registry = {0};
  sluice_blob_t *blob = NULL;
  int r;

  o.get = on_get;
  o.take = on_take;
  r = sluice_blob_new(&blob, &registry, "b", NULL, &o, err);
  if (r == 0) {
    r = fake_restore(&registry, &stream, err);
    disarm();
    ck_assert_uint_eq(taken, r == 0 ? LONG : 0);
  }
  fake_remove(&registry);
  (void)sluice_blob_free(blob);
  return r;
}

/* How many allocations there are to fail. */
static unsigned sweep(int (*scenario)(sluice_error_t *), int is_sticky) {
  for (unsigned n = 1;; n++) {
    sluice_error_t err = {0};
    int r;

    rig.fail_in = n;
    rig.is_sticky = is_sticky;
    rig.has_fired = 0;
    r = scenario(&err);
    disarm();
    if (!rig.has_fired) {
      ck_assert_int_eq(r, 0);
      return n - 1;
    }
    ck_assert_msg(r == UV_ENOMEM, "allocation %u: %d", n, r);
  }
}

START_TEST(ram_survives_every_failed_allocation) {
  char name[] = "r0";

  for (uint32_t i = 0; i < REGIONS; i++) {
    name[1] = (char)('0' + i);
    fake_stream_region(&stream, name, i, PAGE, PAGE);
  }
  /* The section, its table twice, 5 a region, and the shadows. */
  ck_assert_uint_ge(sweep(run_ram, _i), 3 + 5 * REGIONS + 9);
}
END_TEST

START_TEST(blob_survives_every_failed_allocation) {
  uint64_t len = LONG;

  stream.len = sizeof(len) + LONG;
  stream.bytes = __real_calloc(1, stream.len);
  memcpy(stream.bytes, &len, sizeof(len));
  /* Itself, and a buffer that grows to 1, 2, 3 MiB. */
  ck_assert_uint_eq(sweep(run_blob, _i), 4);
}
END_TEST

Suite *handlers_oom_suite(void);

Suite *handlers_oom_suite(void) {
  Suite *s = suite_create("handlers_oom");
  TCase *t = tcase_create("faults");

  tcase_add_checked_fixture(t, open_memory, close_memory);
  tcase_add_loop_test(t, ram_survives_every_failed_allocation, 0, 2);
  tcase_add_loop_test(t, blob_survives_every_failed_allocation, 0, 2);
  suite_add_tcase(s, t);
  return s;
}
