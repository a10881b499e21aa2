/* test_handover_read.c - bytes of the stream that are put where they belong,
 * straight from the socket that two hosts share: a channel on one side, and a
 * peer that says what the test wants, byte for byte. */
#include "handover/channel.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rig.h"
#include "seed.h"
#include "suite.h"

enum { BYTES = 64 * 1024 };

static rig_t rig;
static seed_t seed;
static uint8_t bytes[BYTES];
static uint8_t got[BYTES];

static struct {
  sluice__channel_t *channel;
  int peer;
  uint32_t number; /* of the next message */
  size_t said, read;
  unsigned told; /* of bytes to fetch */
  ptrdiff_t told_what;
  unsigned messages, fds;
  size_t read_before; /* of the last message */
  unsigned ended;
  int end_code;
  sluice_error_t end_error;
} box;

/* ---- the channel's side ---- */

static void on_message(void *ctx, const sluice__frame_t *frame,
                       const uint8_t *payload) {
  (void)ctx;
  (void)payload;
  box.messages++;
  box.read_before = box.read;
  for (uint32_t i = 0; i < frame->fds; i++) {
    int fd = sluice__channel_take_fd(box.channel, i);

    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    ck_assert_int_eq(close(fd), 0);
    box.fds++;
  }
}

static void on_ended(void *ctx, int code, const sluice_error_t *err) {
  (void)ctx;
  box.ended++;
  box.end_code = code;
  box.end_error = *err;
}

static void on_late(void *ctx) {
  (void)ctx;
}

static const sluice__channel_ops_t ops = {.takes_stream = true,
                                          .message = on_message,
                                          .ended = on_ended,
                                          .late = on_late};

static void on_told(void *ctx, ptrdiff_t what) {
  (void)ctx;
  box.told++;
  box.told_what = what;
}

static void setup(void) {
  int ends[2];

  rig_init(&rig);
  memset(&box, 0, sizeof(box));
  memset(got, 0, sizeof(got));
  for (size_t i = 0; i < BYTES; i++) {
    bytes[i] = (uint8_t)(i * 7 + i / 251);
  }
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  ck_assert_int_eq(
      sluice__channel_open(&box.channel, rig.engine, ends[0], 0, &ops, NULL),
      0);
  ck_assert_int_eq(close(ends[0]), 0);
  box.peer = ends[1];
}

static void teardown(void) {
  sluice__channel_close(box.channel);
  (void)close(box.peer);
  rig_done(&rig);
}

static void turn(void) {
  for (int i = 0; i < 3; i++) {
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
  }
}

/* Into two places, the first of `first` bytes. */
static ptrdiff_t take(size_t first, size_t second) {
  const struct iovec places[2] = {{got + box.read, first},
                                  {got + box.read + first, second}};
  ptrdiff_t n =
      sluice__channel_read_into(box.channel, places, 2, on_told, NULL);

  box.read += n > 0 ? (size_t)n : 0;
  return n;
}

static void assert_got(size_t len) {
  ck_assert_uint_eq(box.read, len);
  ck_assert_mem_eq(got, bytes, len);
  for (size_t i = len; i < BYTES; i++) {
    ck_assert_msg(got[i] == 0, "byte %zu was written", i);
  }
}

/* ---- the peer's side ---- */

static void say_with(const void *data, size_t len, const int *fds,
                     unsigned count) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(2 * sizeof(int))];
  } control = {0};
  struct iovec iov = {(void *)(uintptr_t)data, len};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

  if (count > 0) {
    struct cmsghdr *c;

    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
  }
  ck_assert_int_eq(sendmsg(box.peer, &message, MSG_NOSIGNAL), (ssize_t)len);
}

static void say_header(sluice__frame_type_t type, uint32_t len,
                       unsigned count) {
  const sluice__frame_t frame = {.type = type, .fds = count, .len = len};
  const int fds[2] = {0, 1};
  uint8_t header[SLUICE__FRAME_HEADER];

  sluice__frame_put(header, &frame, box.number++);
  say_with(header, sizeof(header), fds, count);
}

static void say_bytes(size_t len) {
  say_with(bytes + box.said, len, NULL, 0);
  box.said += len;
}

static void say_stream(size_t len) {
  say_header(SLUICE__FRAME_STREAM, (uint32_t)len, 0);
  say_bytes(len);
}

static void say_pass(unsigned count) {
  static const uint8_t entries[2 * SLUICE__FRAME_ENTRY];

  say_header(SLUICE__FRAME_PASS, 20 * count, count);
  say_with(entries, (size_t)20 * count, NULL, 0);
}

/* ---- one read ---- */

START_TEST(what_has_come_is_put_into_its_places_and_the_rest_is_told_of) {
  ck_assert_int_eq(take(100, 900), 0);
  say_header(SLUICE__FRAME_STREAM, 1000, 0);
  say_bytes(300);
  turn();
  ck_assert_uint_eq(box.told, 1);
  ck_assert_int_eq(box.told_what, UV_EAGAIN);
  ck_assert_int_eq(take(100, 900), 300);
  ck_assert_int_eq(take(200, 500), 0);
  turn();
  ck_assert_uint_eq(box.told, 1);
  say_bytes(700);
  turn();
  ck_assert_uint_eq(box.told, 2);
  ck_assert_int_eq(take(200, 500), 700);
  assert_got(1000);
}
END_TEST

START_TEST(the_border_of_a_message_is_that_of_a_read) {
  size_t first = _i == 0 ? 400 : _i == 1 ? 600 : 500; /* of the places */

  ck_assert_int_eq(take(first, 600), 0);
  say_stream(500);
  say_stream(700);
  turn();
  while (box.read < 500) {
    ck_assert_int_gt(take(box.read < first ? first - box.read : 1, 600), 0);
  }
  assert_got(500);
  ck_assert_int_eq(take(first, 600), 0); /* there is a header in between */
  turn();
  while (box.read < 1200) {
    ck_assert_int_gt(take(first, 1200 - first), 0);
  }
  assert_got(1200);
}
END_TEST

START_TEST(nothing_behind_a_message_is_put_into_a_place) {
  ck_assert_int_eq(take(100, 900), 0);
  say_stream(150);
  say_header(SLUICE__FRAME_COMMIT, 0, 0);
  turn();
  while (box.read < 150) {
    ck_assert_int_gt(take(100, 900), 0);
  }
  ck_assert_uint_eq(box.messages, 0);
  turn();
  ck_assert_uint_eq(box.messages, 1);
  assert_got(150);
}
END_TEST

START_TEST(a_header_alone_is_not_told_of) {
  ck_assert_int_eq(take(100, 900), 0);
  say_header(SLUICE__FRAME_STREAM, 1000, 0);
  turn();
  ck_assert_uint_eq(box.told, 0);
  say_bytes(1);
  turn();
  ck_assert_uint_eq(box.told, 1);
  ck_assert_int_eq(take(100, 900), 1);
  assert_got(1);
}
END_TEST

/* Reads in the callback until there is nothing left, and so waits again. */
static void on_told_take_all(void *ctx, ptrdiff_t what) {
  on_told(ctx, what);
  do {
    const struct iovec place = {got + box.read, 1000};

    what = sluice__channel_read_into(box.channel, &place, 1, on_told_take_all,
                                     NULL);
    box.read += what > 0 ? (size_t)what : 0;
  } while (what > 0);
  ck_assert_int_eq(what, 0);
}

START_TEST(a_callback_that_reads_again_is_told_again_only_of_more) {
  ck_assert_int_eq(sluice__channel_read_into(box.channel,
                                             &(struct iovec){got, 1000}, 1,
                                             on_told_take_all, NULL),
                   0);
  say_stream(100);
  say_header(SLUICE__FRAME_STREAM, 1000, 0);
  say_bytes(50);
  turn();
  ck_assert_uint_eq(box.told, 2); /* once a message */
  assert_got(150);
  turn();
  ck_assert_uint_eq(box.told, 2);
  say_bytes(5);
  turn();
  ck_assert_uint_eq(box.told, 3);
  assert_got(155);
  sluice__channel_unread(box.channel);
}
END_TEST

START_TEST(who_is_told_may_read_into_a_buffer_instead) {
  ck_assert_int_eq(take(100, 900), 0);
  say_stream(150);
  turn();
  ck_assert_int_eq(sluice__channel_read(box.channel, got, 1000, on_told, NULL),
                   150);
  ck_assert_int_eq(
      sluice__channel_read(box.channel, got + 150, 1000, on_told, NULL), 0);
  say_stream(70);
  turn();
  ck_assert_uint_eq(box.told, 2);
  ck_assert_int_eq(box.told_what, 70);
  box.read = 220;
  assert_got(220);
}
END_TEST

/* ---- ends ---- */

START_TEST(the_end_in_the_middle_is_told_as_the_end_and_not_as_bytes) {
  ck_assert_int_eq(take(100, 900), 0);
  say_header(SLUICE__FRAME_STREAM, 1000, 0);
  say_bytes(10);
  turn();
  ck_assert_int_eq(take(100, 900), 10);
  ck_assert_int_eq(take(90, 900), 0);
  ck_assert_int_eq(shutdown(box.peer, SHUT_WR), 0);
  turn();
  ck_assert_uint_eq(box.told, 1);
  ck_assert_uint_eq(box.ended, 1);
  ck_assert_int_eq(box.end_code, UV_EOF);
  sluice__channel_unread(box.channel);
  turn();
  ck_assert_uint_eq(box.told, 2);
  ck_assert_int_eq(box.told_what, UV_ECANCELED);
  ck_assert_int_eq(take(90, 900), UV_EOF);
  assert_got(10);
}
END_TEST

START_TEST(what_had_come_before_the_end_is_read) {
  ck_assert_int_eq(take(100, 900), 0);
  say_header(SLUICE__FRAME_STREAM, 1000, 0);
  say_bytes(10);
  ck_assert_int_eq(shutdown(box.peer, SHUT_WR), 0);
  turn();
  ck_assert_uint_eq(box.told, 1);
  ck_assert_uint_eq(box.ended, 0);
  ck_assert_int_eq(take(100, 900), 10);
  ck_assert_int_eq(take(90, 900), UV_EOF);
  assert_got(10);
}
END_TEST

START_TEST(waiting_can_be_given_up_once_and_begun_anew) {
  ck_assert_int_eq(take(100, 900), 0);
  sluice__channel_unread(box.channel);
  sluice__channel_unread(box.channel);
  ck_assert_uint_eq(box.told, 0);
  turn();
  ck_assert_uint_eq(box.told, 1);
  ck_assert_int_eq(box.told_what, UV_ECANCELED);
  sluice__channel_unread(box.channel);
  ck_assert_int_eq(take(100, 900), 0);
  say_stream(1000);
  turn();
  ck_assert_uint_eq(box.told, 2);
  ck_assert_int_eq(take(100, 900), 1000);
  assert_got(1000);
}
END_TEST

/* ---- descriptors ---- */

START_TEST(descriptors_come_between_the_bytes_before_and_behind_them) {
  ck_assert_int_eq(take(100, 900), 0);
  say_stream(150);
  say_pass(2);
  say_stream(850);
  turn();
  while (box.read < 150) {
    ck_assert_int_gt(take(100, 900), 0);
  }
  ck_assert_uint_eq(box.fds, 0);
  ck_assert_int_eq(take(50, 800), 0);
  turn();
  ck_assert_uint_eq(box.fds, 2);
  ck_assert_uint_eq(box.read_before, 150);
  while (box.read < 1000) {
    ck_assert_int_gt(take(50, 1000 - box.read), 0);
  }
  assert_got(1000);
}
END_TEST

START_TEST(descriptors_inside_of_a_place_are_an_error) {
  const int fds[2] = {0, 1};

  ck_assert_int_eq(take(100, 900), 0);
  say_header(SLUICE__FRAME_STREAM, 100, 0);
  say_with(bytes, 100, fds, 2);
  say_header(SLUICE__FRAME_COMMIT, 0, 0);
  turn();
  ck_assert_int_eq(take(100, 900), 100);
  turn();
  ck_assert_uint_eq(box.messages, 0);
  ck_assert_int_eq(box.end_code, SLUICE_ECORRUPT);
}
END_TEST

/* ---- whatever comes, however it is asked for ---- */

/* A part of a message, or what stands between two. */
static void say_something(void) {
  static size_t left; /* of a message that was begun; each test is a process */
  size_t n;

  if (left == 0 && seed_below(&seed, 4) == 0) {
    say_pass(1 + seed_pick(&seed, 2));
  }
  if (left == 0) {
    left = 1 + seed_below(&seed, 3000);
    left = left < BYTES - box.said ? left : BYTES - box.said;
    say_header(SLUICE__FRAME_STREAM, (uint32_t)left, 0);
  }
  n = 1 + seed_below(&seed, left);
  say_bytes(n);
  left -= n;
}

static bool is_waiting(void) {
  return sluice__channel_is_read(box.channel);
}

/* At most to the end of `got`: the peer says no more than that. */
static void take_something(void) {
  size_t room = BYTES - box.read;
  size_t first = 1 + seed_below(&seed, room < 700 ? room : 700);
  size_t second = seed_below(&seed, room - first + 1);

  ck_assert_int_ge(take(first, second), 0);
}

START_TEST(whatever_comes_all_of_it_is_put_in_place) {
  seed = seed_open(_i);
  while (box.read < BYTES) {
    if (box.said < BYTES && (is_waiting() || seed_below(&seed, 3) == 0)) {
      say_something();
    }
    if (!is_waiting()) {
      take_something();
    }
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
  }
  assert_got(BYTES);
  ck_assert_uint_gt(box.fds, 0);
}
END_TEST

Suite *handover_read_suite(void) {
  Suite *s = suite_create("handover_read");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t,
                 what_has_come_is_put_into_its_places_and_the_rest_is_told_of);
  tcase_add_loop_test(t, the_border_of_a_message_is_that_of_a_read, 0, 3);
  tcase_add_test(t, nothing_behind_a_message_is_put_into_a_place);
  tcase_add_test(t, a_header_alone_is_not_told_of);
  tcase_add_test(t, a_callback_that_reads_again_is_told_again_only_of_more);
  tcase_add_test(t, who_is_told_may_read_into_a_buffer_instead);
  tcase_add_test(t, the_end_in_the_middle_is_told_as_the_end_and_not_as_bytes);
  tcase_add_test(t, what_had_come_before_the_end_is_read);
  tcase_add_test(t, waiting_can_be_given_up_once_and_begun_anew);
  tcase_add_test(t, descriptors_come_between_the_bytes_before_and_behind_them);
  tcase_add_test(t, descriptors_inside_of_a_place_are_an_error);
  tcase_add_loop_test(t, whatever_comes_all_of_it_is_put_in_place, 0, 20);
  suite_add_tcase(s, t);
  return s;
}
