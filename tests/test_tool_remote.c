/* test_tool_remote.c - receive and send, with a QEMU at the other end of the
 * connection. */
#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu.h"
#include "suite.h"
#include "tool/machines.h"
#include "tool/rig.h"

/* Begins to receive at `uri`; `where` takes the address to migrate to. */
static job_t begin_receive(const char *uri, const char *to, char *where,
                           size_t size) {
  job_t job = rig_begin("receive", uri, "-o", to, NULL);
  char line[256];
  const char *at;

  rig_line(&job, line, sizeof(line));
  at = strstr(line, " at ");
  ck_assert_msg(at != NULL, "said: %s", line);
  (void)snprintf(where, size, "%s", at + 4);
  return job;
}

static void expect(job_t *job, int exit_code, const char *said) {
  ran_t r = rig_await(job);

  rig_expect(&r, exit_code, said);
}

static void receive_from(qemu_t *q, const char *uri, const char *to) {
  char where[128];
  job_t job = begin_receive(uri, to, where, sizeof(where));

  qemu_migrate(q, where);
  ck_assert_str_eq(qemu_await(q), "completed");
  expect(&job, 0, "");
}

static void send_to(qemu_t *q, const char *from, const char *uri) {
  ran_t r = rig_run("send", from, uri, NULL);

  rig_expect(&r, 0, "");
  ck_assert_str_eq(qemu_await(q), "completed");
}

/* Where a QEMU that was given port 0 listens. */
static const char *incoming_address(qemu_t *q) {
  static char address[64];
  json_t *said = qemu_command(q, "query-migrate", NULL);
  const json_t *at = json_array_get(json_object_get(said, "socket-address"), 0);

  (void)snprintf(address, sizeof(address), "tcp:127.0.0.1:%s",
                 json_string_value(json_object_get(at, "port")));
  json_decref(said);
  return address;
}

static json_t *inspect(const char *path) {
  ran_t r = rig_run("inspect", "--json", path, NULL);
  json_t *json = json_loads(r.out, 0, NULL);

  ck_assert_ptr_nonnull(json);
  ck_assert(json_is_true(json_object_get(json, "complete")));
  rig_expect(&r, 0, "");
  return json;
}

static char *extract(const char *path, const char *kind, const char *name,
                     const char *instance, size_t *out_len) {
  ran_t r = rig_run("extract", path, kind, name, "-o", "x",
                    instance /* NULL: no more */, NULL);

  rig_expect(&r, 0, "");
  return rig_read("x", out_len);
}

static void check_same(const char *a, const char *b, const char *kind,
                       const char *name, const char *instance) {
  size_t a_len;
  size_t b_len;
  char *in_a = extract(a, kind, name, instance, &a_len);
  char *in_b = extract(b, kind, name, instance, &b_len);

  ck_assert_uint_eq(a_len, b_len);
  ck_assert_msg(memcmp(in_a, in_b, a_len) == 0, "%s %s %s differs", kind, name,
                instance != NULL ? instance : "");
  free(in_a);
  free(in_b);
}

static void check_regions(const char *a, const char *b, const json_t *regions) {
  const json_t *region;
  size_t i;

  ck_assert_uint_gt(json_array_size(regions), 0);
  json_array_foreach(regions, i, region) {
    check_same(a, b, "region",
               json_string_value(json_object_get(region, "name")), NULL);
  }
}

static void check_devices(const char *a, const char *b, const json_t *devices) {
  const json_t *device;
  size_t i;

  json_array_foreach(devices, i, device) {
    const char *name = json_string_value(json_object_get(device, "name"));
    char instance[32];

    (void)snprintf(instance, sizeof(instance), "%" JSON_INTEGER_FORMAT,
                   json_integer_value(json_object_get(device, "instance")));
    /* All others stood still with the machine. */
    if (strcmp(name, "mc146818rtc") != 0) {
      check_same(a, b, "device", name, instance);
    }
  }
}

static void check_images(const char *a, const char *b) {
  json_t *in_a = inspect(a);
  json_t *in_b = inspect(b);
  const json_t *devices = json_object_get(in_a, "devices");

  ck_assert_uint_eq(json_array_size(devices),
                    json_array_size(json_object_get(in_b, "devices")));
  check_regions(a, b, json_object_get(in_a, "regions"));
  check_devices(a, b, devices);
  json_decref(in_a);
  json_decref(in_b);
}

START_TEST(a_machine_comes_out_as_it_went_in) {
  qemu_t q;
  uint8_t *memory = machines_start(_i, &q);

  receive_from(&q, "unix:out", "first");
  machines_check(_i, &q, memory);
  qemu_quit(&q);
  machines_await(_i, &q, "unix:in");
  send_to(&q, "first", "unix:in");
  machines_check(_i, &q, memory);
  receive_from(&q, "unix:out", "second");
  qemu_quit(&q);
  check_images("first", "second");
  free(memory);
}
END_TEST

/* Where images and streams go otherwise than between unix sockets. */

START_TEST(tcp_is_a_way_in_and_out) {
  qemu_t q;
  uint8_t *memory = machines_start(0, &q);

  receive_from(&q, "tcp:127.0.0.1:0", "image");
  qemu_quit(&q);
  machines_await(0, &q, "tcp:127.0.0.1:0");
  send_to(&q, "image", incoming_address(&q));
  machines_check(0, &q, memory);
  qemu_quit(&q);
  free(memory);
}
END_TEST

START_TEST(a_stream_of_qemus_own_is_sent_as_it_is) {
  build_t stream = {0};
  qemu_t q;
  uint8_t *memory = machines_start(1, &q);

  ck_assert_str_eq(qemu_save(&q, ".", &stream), "completed");
  rig_write("stream", stream.data, stream.len);
  qemu_quit(&q);
  machines_await(1, &q, "unix:in");
  send_to(&q, "stream", "unix:in");
  machines_check(1, &q, memory);
  qemu_quit(&q);
  build_done(&stream);
  free(memory);
}
END_TEST

START_TEST(qemu_takes_what_is_sent_to_its_standard_input) {
  qemu_t q;
  uint8_t *memory = machines_start(0, &q);

  receive_from(&q, "unix:out", "image");
  qemu_quit(&q);
  machines_await(0, &q, "defer");
  ck_assert_str_eq(qemu_load_from(&q, "exec:" SLUICE_TOOL " send image -"),
                   "completed");
  machines_check(0, &q, memory);
  qemu_quit(&q);
  free(memory);
}
END_TEST

START_TEST(a_stream_on_standard_input_is_received) {
  const rig_io_t io = {.in = "stream", .is_piped = 1};
  build_t stream = {0};
  qemu_t q;
  ran_t r;

  free(machines_start(0, &q));
  ck_assert_str_eq(qemu_save(&q, ".", &stream), "completed");
  rig_write("stream", stream.data, stream.len);
  qemu_quit(&q);
  build_done(&stream);
  r = rig_run_io(&io, "receive", "-", "-o", "image", NULL);
  rig_expect(&r, 0, "");
  r = rig_run("verify", "image", NULL);
  rig_expect(&r, 0, "");
}
END_TEST

/* A guest that writes all the time. */

static void set_capability(qemu_t *q, const char *name, int is_on) {
  qemu_do(q, "migrate-set-capabilities", "{s:[{s:s,s:b}]}", "capabilities",
          "capability", name, "state", is_on);
}

static void set_limits(qemu_t *q, json_int_t bandwidth, json_int_t downtime) {
  qemu_do(q, "migrate-set-parameters", "{s:I, s:I}", "max-bandwidth", bandwidth,
          "downtime-limit", downtime);
}

/* Returns whether it is over. */
static int look_at_rounds(qemu_t *q, json_int_t *out) {
  json_t *said = qemu_command(q, "query-migrate", NULL);
  const char *status = json_string_value(json_object_get(said, "status"));
  int is_over = strcmp(status, "completed") == 0;

  ck_assert_str_ne(status, "failed");
  *out = json_integer_value(
      json_object_get(json_object_get(said, "ram"), "dirty-sync-count"));
  json_decref(said);
  return is_over;
}

/* But for the hole of cards and firmware under 1 MiB. */
static void check_guest_memory(qemu_t *q, const char *path) {
  uint8_t *memory = qemu_memory(q, ".", GUEST_BYTES);
  size_t len;
  size_t i = 0;
  char *found = extract(path, "region", "pc.ram", NULL, &len);

  ck_assert_uint_eq(len, GUEST_BYTES);
  memcpy(found + 0xa0000, memory + 0xa0000, 0x60000);
  while (i < len && (uint8_t)found[i] == memory[i]) {
    i++;
  }
  ck_assert_msg(i == len, "byte 0x%zx differs", i);
  free(found);
  free(memory);
}

/* What can be sent in 1 ms at this rate is less than a page: it ends by itself
 * only when the guest has not written at all between two rounds, as happens on
 * a busy machine where rounds are short: those of XBZRLE, from the second on.
 * (A downtime of 0 is something else: no rounds at all.) */
static void take_rounds(qemu_t *q, const char *to, int is_short) {
  json_int_t rounds;
  char where[128];
  job_t job = begin_receive("unix:out", to, where, sizeof(where));

  set_limits(q, 1 << 20, 1);
  qemu_do(q, "migrate", "{s:s}", "uri", where);
  while (!look_at_rounds(q, &rounds) && rounds < 6) {
    /* each takes as long as the limit lets it */
  }
  ck_assert_int_ge(rounds, is_short ? 2 : 6);
  set_limits(q, (json_int_t)1 << 40, 2000);
  while (!look_at_rounds(q, &rounds)) {
  }
  expect(&job, 0, "");
}

START_TEST(a_guest_that_writes_comes_in_rounds) {
  static const char *const waiting[] = {"-incoming", "unix:in", NULL};
  unsigned long last;
  qemu_t q;

  machines_start_guest(&q, "serial", NULL);
  machines_await_lines("serial", 1000);
  set_capability(&q, "xbzrle", _i);
  take_rounds(&q, "image", _i);
  check_guest_memory(&q, "image");
  qemu_quit(&q);
  last = machines_check_count(NULL, "serial", 1);
  machines_start_guest(&q, "again", waiting);
  send_to(&q, "image", "unix:in");
  machines_await_lines("again", 1000);
  qemu_quit(&q);
  ck_assert_uint_gt(machines_check_count("serial", "again", 1), last);
}
END_TEST

/* What is not read. */

static const struct {
  const char *capability;
  const char *said;
} refused[] = {
    {"multifd", "'multifd'"},
    {"postcopy-ram", "POSTCOPY_ADVISE"},
    {"compress", "'compress'"},
    {"x-ignore-shared", "x-ignore-shared"},
};

START_TEST(a_capability_that_is_not_read_is_refused_by_name) {
  char where[128];
  job_t job;
  qemu_t q;

  free(machines_start(1, &q));
  set_capability(&q, refused[_i].capability, 1);
  job = begin_receive("unix:out", "image", where, sizeof(where));
  qemu_migrate(&q, where);
  ck_assert_str_eq(qemu_await(&q), "failed");
  expect(&job, 1, refused[_i].said);
  ck_assert_int_lt(access("image", F_OK), 0);
  qemu_quit(&q);
}
END_TEST

START_TEST(with_a_return_path_qemu_hears_that_the_image_is_safe) {
  qemu_t q;

  free(machines_start(1, &q));
  set_capability(&q, "return-path", 1);
  receive_from(&q, "unix:out", "image");
  ck_assert_int_eq(access("image", F_OK), 0);
  qemu_quit(&q);
}
END_TEST

START_TEST(with_a_return_path_qemu_hears_that_it_is_not) {
  char where[128];
  json_t *status;
  job_t job;
  qemu_t q;

  free(machines_start(1, &q));
  qemu_do(&q, "cont", NULL);
  set_capability(&q, "return-path", 1);
  ck_assert_int_eq(mkdir("folder", 0700), 0);
  job = begin_receive("unix:out", "folder/image", where, sizeof(where));
  ck_assert_int_eq(mkdir("folder/image", 0700), 0); /* cannot be replaced */
  qemu_migrate(&q, where);
  ck_assert_str_eq(qemu_await(&q), "failed");
  expect(&job, 1, "folder/image");
  status = qemu_command(&q, "query-status", NULL);
  ck_assert(json_is_true(json_object_get(status, "running")));
  json_decref(status);
  qemu_quit(&q);
  (void)rmdir("folder/image");
  (void)rmdir("folder");
}
END_TEST

START_TEST(what_is_left_of_a_dead_listener_is_replaced) {
  char where[128];
  qemu_t q;
  job_t job = begin_receive("unix:out", "image", where, sizeof(where));

  (void)kill(job.pid, SIGKILL);
  expect(&job, 128 + SIGKILL, "");
  ck_assert_int_eq(access("out", F_OK), 0);
  free(machines_start(0, &q));
  receive_from(&q, "unix:out", "image");
  ck_assert_int_lt(access("out", F_OK), 0);
  qemu_quit(&q);
}
END_TEST

START_TEST(a_listener_that_lives_is_left_alone) {
  char where[128];
  ran_t r;
  job_t job = begin_receive("unix:out", "image", where, sizeof(where));

  r = rig_run("receive", "unix:out", "-o", "other", NULL);
  rig_expect(&r, 1, "EADDRINUSE");
  (void)kill(job.pid, SIGTERM);
  expect(&job, 128 + SIGTERM, "");
  ck_assert_int_lt(access("out", F_OK), 0);
}
END_TEST

START_TEST(addresses_that_make_no_sense_are_refused) {
  static const char *const bad[] = {
      "tcp:", "tcp:host", "tcp:a:b:1", "unix:", "fd:", "fd:-1", "fd:x", "x"};
  ran_t r = rig_run("receive", bad[_i], "-o", "image", NULL);

  rig_expect(&r, 2, "no address");
  r = rig_run("send", "image", bad[_i], NULL);
  rig_expect(&r, 2, "no address");
}
END_TEST

Suite *tool_remote_suite(void) {
  Suite *s = suite_create("tool_remote");
  TCase *t = tcase_create("core");
  TCase *rounds = tcase_create("rounds");

  tcase_add_checked_fixture(t, rig_setup, rig_teardown);
  tcase_add_loop_test(t, a_machine_comes_out_as_it_went_in, 0, MACHINE_KINDS);
  tcase_add_test(t, tcp_is_a_way_in_and_out);
  tcase_add_test(t, a_stream_of_qemus_own_is_sent_as_it_is);
  tcase_add_test(t, qemu_takes_what_is_sent_to_its_standard_input);
  tcase_add_test(t, a_stream_on_standard_input_is_received);
  tcase_add_loop_test(t, a_capability_that_is_not_read_is_refused_by_name, 0,
                      4);
  tcase_add_test(t, with_a_return_path_qemu_hears_that_the_image_is_safe);
  tcase_add_test(t, with_a_return_path_qemu_hears_that_it_is_not);
  tcase_add_test(t, what_is_left_of_a_dead_listener_is_replaced);
  tcase_add_test(t, a_listener_that_lives_is_left_alone);
  tcase_add_loop_test(t, addresses_that_make_no_sense_are_refused, 0, 8);
  suite_add_tcase(s, t);
  tcase_add_checked_fixture(rounds, rig_setup, rig_teardown);
  tcase_add_loop_test(rounds, a_guest_that_writes_comes_in_rounds, 0, 2);
  suite_add_tcase(s, rounds);
  return s;
}
