/* test_handover_threads.c - both sides of a hand-over in one process, each on a
 * loop and a thread of its own; either is called off at any turn of its loop.
 */
#include <sluice/handover.h>

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <sluice/ram.h>
#include <sluice/sluice.h>

#include "require.h"
#include "suite.h"

enum { PAGES = 64, PAGE = 4096, BYTES = PAGES * PAGE, STEPS_MAX = 4000 };

typedef enum deed_e { NOTHING, CANCEL, CLOSE } deed_t;

/* All of it is its thread's alone until that is joined. Made and taken down by
 * the main thread: libuv closes descriptors behind the thread sanitizer's back,
 * who takes their numbers for the same descriptors then. */
typedef struct side_s {
  uv_loop_t loop;
  uv_prepare_t turn;
  sluice_engine_t *engine;
  sluice_registry_t *registry;
  sluice_ram_t *ram;
  uint8_t *memory;
  int memfd;
  int socket;
  sluice_handover_t *handover;
  sluice_takeover_t *takeover;
  unsigned turns;
  unsigned at; /* turn in which `deed` is done */
  deed_t deed;
  int was_done;
  int is_paused;
  uint8_t last; /* what every page has at the pause */
  unsigned done;
  int status;
} side_t;

/* ---- what either does ---- */

static void write_all(side_t *s) {
  s->last++;
  for (uint32_t p = 0; p < PAGES; p++) {
    sluice_ram_dirty(s->ram, 0, (uint64_t)p * PAGE, 1);
    s->memory[p * PAGE] = s->last;
  }
}

static void act(side_t *s) {
  s->was_done = 1;
  if (s->deed == CANCEL && s->handover != NULL) {
    sluice_handover_cancel(s->handover);
  } else if (s->deed == CANCEL && s->takeover != NULL) {
    sluice_takeover_cancel(s->takeover);
  } else if (s->deed == CLOSE) {
    REQUIRE(sluice_engine_close(s->engine, NULL, NULL) == 0);
    s->engine = NULL;
  }
}

static void on_turn(uv_prepare_t *turn) {
  side_t *s = turn->data;

  s->turns++;
  if (s->handover != NULL && !s->is_paused && s->turns % 4 == 0) {
    write_all(s);
  }
  if (s->deed != NOTHING && s->done == 0 && s->turns == s->at) {
    act(s);
  }
}

static void open_side(side_t *s) {
  const sluice_ram_options_t o = {.size = sizeof(o)};

  REQUIRE(uv_loop_init(&s->loop) == 0);
  REQUIRE(uv_prepare_init(&s->loop, &s->turn) == 0);
  s->turn.data = s;
  REQUIRE(uv_prepare_start(&s->turn, on_turn) == 0);
  uv_unref((uv_handle_t *)&s->turn);
  REQUIRE(sluice_engine_new(&s->engine, &s->loop, NULL, NULL) == 0);
  REQUIRE(sluice_registry_new(&s->registry, NULL) == 0);
  REQUIRE(sluice_ram_new(&s->ram, s->registry, "ram", NULL, &o, NULL) == 0);
  REQUIRE(sluice_ram_add_region(s->ram, "main", s->memory, BYTES,
                                SLUICE_RAM_REMAP, NULL) == 0);
  REQUIRE(s->memfd < 0 || sluice_ram_region_memfd(s->ram, 0, s->memfd) == 0);
}

static void close_side(side_t *s) {
  REQUIRE(sluice_registry_free(s->registry) == 0);
  (void)sluice_ram_free(s->ram);
  if (s->memfd >= 0) {
    (void)close(s->memfd);
  }
  uv_close((uv_handle_t *)&s->turn, NULL);
  REQUIRE(s->engine == NULL || sluice_engine_close(s->engine, NULL, NULL) == 0);
  (void)uv_run(&s->loop, UV_RUN_DEFAULT);
  REQUIRE(uv_loop_close(&s->loop) == 0);
}

/* ---- the old one ---- */

/* Neither hangs: a machine may be too busy for what is a deadline. */
enum { PATIENCE_MS = 1000000 };

static void on_pause(sluice_handover_t *h) {
  ((side_t *)sluice_handover_data(h))->is_paused = 1;
  sluice_handover_paused(h);
}

static void on_resume(sluice_handover_t *h) {
  ((side_t *)sluice_handover_data(h))->is_paused = 0;
}

static void on_handed_over(sluice_handover_t *h, int status) {
  side_t *s = sluice_handover_data(h);

  s->done++;
  s->status = status;
  s->handover = NULL;
  REQUIRE(s->is_paused == (status == 0));
  REQUIRE(sluice_handover_free(h) == 0);
}

static void *run_old(void *arg) {
  side_t *s = arg;
  const sluice_handover_options_t o = {.size = sizeof(o),
                                       .data = s,
                                       .timeout_ms = PATIENCE_MS,
                                       .pause = on_pause,
                                       .resume = on_resume};

  write_all(s);
  REQUIRE(sluice_handover_begin(&s->handover, s->engine, s->registry, s->socket,
                                &o, on_handed_over, NULL) == 0);
  (void)uv_run(&s->loop, UV_RUN_DEFAULT);
  return NULL;
}

/* ---- the new one ---- */

static void on_taken_over(sluice_takeover_t *t, int status) {
  side_t *s = sluice_takeover_data(t);

  s->done++;
  s->status = status;
  s->takeover = NULL;
  REQUIRE(sluice_takeover_free(t) == 0);
}

static void *run_new(void *arg) {
  side_t *s = arg;
  const sluice_takeover_options_t o = {
      .size = sizeof(o), .data = s, .timeout_ms = PATIENCE_MS};

  s->status = sluice_takeover_begin(&s->takeover, s->engine, s->registry,
                                    s->socket, &o, on_taken_over, NULL);
  if (s->status < 0) { /* the old host has gone already */
    s->done = 1;
    (void)close(s->socket);
  }
  (void)uv_run(&s->loop, UV_RUN_DEFAULT);
  return NULL;
}

/* ---- both ---- */

static uint8_t *map(int flags, int fd) {
  void *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);

  REQUIRE(at != MAP_FAILED);
  return at;
}

static void check_served(const side_t *old, const side_t *new) {
  const side_t *host = new->status == 0 ? new : old;

  ck_assert_uint_eq(old->done, 1);
  ck_assert_uint_eq(new->done, 1);
  ck_assert_msg((old->status == 0) == (new->status == 0), "old %s, new %s",
                sluice_err_name(old->status), sluice_err_name(new->status));
  for (uint32_t p = 0; p < PAGES; p++) {
    ck_assert_uint_eq(host->memory[p * PAGE], old->last);
  }
}

static side_t sides[2];

/* 1: what was to be done was done. */
static int run_both(int is_memfd, int is_new, deed_t deed, unsigned at) {
  pthread_t threads[2];
  int sockets[2];
  int i = is_new ? 1 : 0;

  memset(sides, 0, sizeof(sides));
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
  sides[0].memfd = is_memfd ? memfd_create("threads", MFD_CLOEXEC) : -1;
  sides[1].memfd = -1;
  REQUIRE(!is_memfd || ftruncate(sides[0].memfd, BYTES) == 0);
  sides[0].memory = is_memfd ? map(MAP_SHARED, sides[0].memfd)
                             : map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
  sides[1].memory = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
  sides[0].socket = sockets[0];
  sides[1].socket = sockets[1];
  sides[i].deed = deed;
  sides[i].at = at;
  open_side(&sides[0]);
  open_side(&sides[1]);
  REQUIRE(pthread_create(&threads[0], NULL, run_old, &sides[0]) == 0);
  REQUIRE(pthread_create(&threads[1], NULL, run_new, &sides[1]) == 0);
  REQUIRE(pthread_join(threads[0], NULL) == 0);
  REQUIRE(pthread_join(threads[1], NULL) == 0);
  check_served(&sides[0], &sides[1]);
  close_side(&sides[0]);
  close_side(&sides[1]);
  (void)munmap(sides[0].memory, BYTES);
  (void)munmap(sides[1].memory, BYTES);
  return sides[i].was_done;
}

/* _i: 0 pages are copied, 1 the memory is a memfd. */

START_TEST(a_host_hands_over_to_another_thread) {
  for (int round = 0; round < 20; round++) {
    (void)run_both(_i, 0, NOTHING, 0);
    ck_assert_int_eq(sides[1].status, 0);
  }
}
END_TEST

static void sweep(int is_memfd, int is_new, deed_t deed) {
  unsigned at = 1;

  while (at < STEPS_MAX && run_both(is_memfd, is_new, deed, at)) {
    at++;
  }
  ck_assert_uint_gt(at, 3);
}

START_TEST(either_may_cancel_at_any_turn) {
  sweep(_i, 0, CANCEL);
  sweep(_i, 1, CANCEL);
}
END_TEST

START_TEST(either_may_close_its_engine_at_any_turn) {
  sweep(_i, 0, CLOSE);
  sweep(_i, 1, CLOSE);
}
END_TEST

Suite *handover_threads_suite(void) {
  Suite *s = suite_create("handover_threads");
  TCase *t = tcase_create("threads");

  tcase_add_loop_test(t, a_host_hands_over_to_another_thread, 0, 2);
  tcase_add_loop_test(t, either_may_cancel_at_any_turn, 0, 2);
  tcase_add_loop_test(t, either_may_close_its_engine_at_any_turn, 0, 2);
  suite_add_tcase(s, t);
  return s;
}
