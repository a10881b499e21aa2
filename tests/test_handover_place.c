/* test_handover_place.c - a host's memory taken over by copying, straight into
 * its place: both hosts on one loop, recvmsg() gives what the test wants. */
#include <sluice/handover.h>
#include <sluice/ram.h>

#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handover/channel.h"
#include "map_pages.h"
#include "rig.h"
#include "seed.h"
#include "suite.h"
#include "toy.h"

enum { PAGE = 4096, PAGES = 500, BYTES = PAGES * PAGE, OLD = 0xa5 };

typedef struct host_s {
  sluice_registry_t *registry;
  sluice_ram_t *ram;
  uint8_t *memory;
  toy_t toy;
  int status;
  unsigned done;
} host_t;

static rig_t rig;
static seed_t seed;
static host_t from, to;
static sluice_takeover_t *takeover; /* NULL: over */
static int sockets[2];

static struct {
  size_t most;   /* bytes a call; 0: as many as there are */
  size_t placed; /* bytes that went straight to where they belong */
  size_t turns;  /* calls that gave something */
  size_t cancel_at;
} odd;

ptrdiff_t __real_sluice__channel_read_into(sluice__channel_t *ch,
                                           const struct iovec *places,
                                           int count, sluice_source_cb cb,
                                           void *ctx);
ptrdiff_t __wrap_sluice__channel_read_into(sluice__channel_t *ch,
                                           const struct iovec *places,
                                           int count, sluice_source_cb cb,
                                           void *ctx);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

/* Only the first place gets anything then. */
static void cut(struct msghdr *message) {
  size_t most = 1 + seed_below(&seed, odd.most);

  message->msg_iovlen = 1;
  if (message->msg_iov[0].iov_len > most) {
    message->msg_iov[0].iov_len = most;
  }
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags) {
  ssize_t n;

  if (odd.most > 0) {
    cut(message);
  }
  n = __real_recvmsg(fd, message, flags);
  if (n > 0 && (flags & MSG_PEEK) == 0) {
    odd.turns++;
    if (odd.turns == odd.cancel_at && takeover != NULL) {
      sluice_takeover_cancel(takeover);
    }
  }
  return n;
}

ptrdiff_t __wrap_sluice__channel_read_into(sluice__channel_t *ch,
                                           const struct iovec *places,
                                           int count, sluice_source_cb cb,
                                           void *ctx) {
  ptrdiff_t n = __real_sluice__channel_read_into(ch, places, count, cb, ctx);

  odd.placed += n > 0 ? (size_t)n : 0;
  return n;
}

static void host_open(host_t *h, sluice_registry_t *registry, uint32_t flags) {
  const sluice_ram_options_t o = {.size = sizeof(o),
                                  .tracker = SLUICE_RAM_STATIC};

  memset(h, 0, sizeof(*h));
  h->registry = registry;
  h->memory = map_pages(BYTES);
  memset(h->memory, OLD, BYTES);
  ck_assert_int_eq(sluice_ram_new(&h->ram, registry, "ram", NULL, &o, NULL), 0);
  ck_assert_int_eq(
      sluice_ram_add_region(h->ram, "memory", h->memory, BYTES, flags, NULL),
      0);
  toy_init(&h->toy, registry, "toy", 5000, 1);
}

static void host_close(host_t *h) {
  ck_assert_int_eq(sluice_registry_remove(h->registry, "ram", 0), 0);
  ck_assert_int_eq(sluice_registry_remove(h->registry, "toy", 0), 0);
  (void)sluice_ram_free(h->ram);
  toy_done(&h->toy);
  ck_assert_int_eq(munmap(h->memory, BYTES), 0);
}

static void setup(void) {
  rig_init(&rig);
  memset(&odd, 0, sizeof(odd));
  seed = seed_open(0);
  host_open(&from, rig.registry, 0);
  for (size_t i = 0; i < BYTES; i += 8) {
    if (i / PAGE % 11 != 3) {
      from.memory[i + seed_below(&seed, 8)] = (uint8_t)seed_next(&seed);
    } else {
      memset(from.memory + i, 0, 8);
    }
  }
}

static void teardown(void) {
  host_close(&from);
  rig_done(&rig);
}

static void on_handed_over(sluice_handover_t *h, int status) {
  from.done++;
  from.status = status;
  ck_assert_int_eq(sluice_handover_free(h), 0);
}

static void on_taken_over(sluice_takeover_t *t, int status) {
  to.done++;
  to.status = status;
  ck_assert_int_eq(sluice_takeover_free(t), 0);
  takeover = NULL;
}

/* Both are at work: a machine may be too busy for what is a deadline. */
enum { PATIENCE_MS = 1000000 };

static void run_both(uint32_t flags) {
  const sluice_handover_options_t old = {
      .size = sizeof(old), .copy_memory = 1, .timeout_ms = PATIENCE_MS};
  const sluice_takeover_options_t new = {.size = sizeof(new),
                                         .timeout_ms = PATIENCE_MS};
  sluice_handover_t *handover;

  host_open(&to, rig_registry(&rig), flags);
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets),
                   0);
  ck_assert_int_eq(sluice_handover_begin(&handover, rig.engine, from.registry,
                                         sockets[0], &old, on_handed_over,
                                         NULL),
                   0);
  ck_assert_int_eq(sluice_takeover_begin(&takeover, rig.engine, to.registry,
                                         sockets[1], &new, on_taken_over, NULL),
                   0);
  from.done = 0;
  rig_run(&rig);
  ck_assert_uint_eq(from.done, 1);
  ck_assert_uint_eq(to.done, 1);
}

static void end_both(void) {
  sluice_registry_t *registry = to.registry;

  host_close(&to);
  ck_assert_int_eq(sluice_registry_free(registry), 0);
}

static void assert_same(void) {
  ck_assert_int_eq(from.status, 0);
  ck_assert_int_eq(to.status, 0);
  ck_assert_mem_eq(from.memory, to.memory, BYTES);
  ck_assert(toy_equal(&from.toy, &to.toy));
}

START_TEST(pages_go_straight_to_their_place) {
  run_both(_i == 0 ? SLUICE_RAM_IN_PLACE : 0);
  assert_same();
  ck_assert_uint_gt(odd.placed, BYTES / 10 * 8);
  end_both();
}
END_TEST

static const size_t pieces[] = {150, 700, 9000, 300000};

START_TEST(whatever_pieces_come_the_memory_is_the_same) {
  odd.most = pieces[_i % 4];
  run_both(_i < 4 ? SLUICE_RAM_IN_PLACE : 0);
  assert_same();
  ck_assert_uint_gt(odd.placed, BYTES / 10 * 8);
  end_both();
}
END_TEST

START_TEST(cancelled_at_any_step_neither_host_has_changed) {
  odd.most = 100000;
  for (odd.cancel_at = 1;; odd.cancel_at++) {
    odd.turns = 0;
    run_both(0);
    if (to.status == 0) {
      break; /* it had committed */
    }
    ck_assert_int_eq(to.status, UV_ECANCELED);
    ck_assert_int_lt(from.status, 0);
    ck_assert_uint_eq(to.memory[0], OLD);
    ck_assert_mem_eq(to.memory, to.memory + 1, BYTES - 1);
    end_both();
  }
  assert_same();
  ck_assert_uint_gt(odd.cancel_at, 10);
  end_both();
}
END_TEST

Suite *handover_place_suite(void) {
  Suite *s = suite_create("handover_place");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, pages_go_straight_to_their_place, 0, 2);
  tcase_add_loop_test(t, whatever_pieces_come_the_memory_is_the_same, 0, 8);
  tcase_add_test(t, cancelled_at_any_step_neither_host_has_changed);
  suite_add_tcase(s, t);
  return s;
}
