/* test_tool_qemu.c - the tool between two QEMUs that run now: what one saved is
 * made an image, made a stream again, and loaded by the other. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu.h"
#include "suite.h"
#include "tool/machines.h"
#include "tool/rig.h"

static const char *const none[] = {"-M", "none", "-m", "4", NULL};
static const char *const pc[] = {"-M",  "pc",      "-m",   "32", "-vga",
                                 "std", "-serial", "null", NULL};
static const char *const q35[] = {
    "-M",      "q35",
    "-m",      "48",
    "-drive",  "if=none,id=d0,format=raw,file.driver=null-co,file.size=1M",
    "-device", "virtio-blk-pci,drive=d0",
    "-device", "qemu-xhci",
    "-device", "usb-tablet",
    NULL};

/* Streams without configuration and footers. */
static const char *const old[] = {"-M",      "pc-i440fx-2.3", "-m", "32",
                                  "-serial", "null",          NULL};

static const struct {
  const char *const *args;
  const char *ram; /* the region of its memory */
  size_t bytes;    /* of that */
  const char *host;
} machines[] = {
    {none, "ram", 4 << 20, "none"},
    {pc, "pc.ram", 32 << 20, "pc-i440fx-"},
    {q35, "pc.ram", 48 << 20, "pc-q35-"},
    {old, "pc.ram", 32 << 20, ""},
};

/* Saves machine `i`, stopped, into "source"; its memory, to be freed. */
static uint8_t *save_machine(int i) {
  build_t stream = {0};
  qemu_t q;
  uint8_t *memory = machines_start_as(machines[i].args, machines[i].bytes, &q);

  ck_assert_str_eq(qemu_save(&q, ".", &stream), "completed");
  rig_write("source", stream.data, stream.len);
  build_done(&stream);
  qemu_quit(&q);
  return memory;
}

static void tool_convert(const char *to, const char *in, const char *out) {
  ran_t r = rig_run("convert", "--to", to, in, out, NULL);

  rig_expect(&r, 0, "");
}

/* Physical memory but for the hole of cards and firmware under 1 MiB. */
static void check_memory(const uint8_t *found, const uint8_t *memory,
                         size_t bytes) {
  ck_assert(memcmp(found, memory, 0xa0000) == 0);
  ck_assert(memcmp(found + 0x100000, memory + 0x100000, bytes - 0x100000) == 0);
}

static void check_load(int i, const char *path, const uint8_t *memory) {
  static const char *const extra[] = {"-incoming", "defer", "-S", NULL};
  uint8_t *found;
  qemu_t q;

  qemu_start(&q, machines[i].args, extra);
  ck_assert_str_eq(qemu_load(&q, path), "completed");
  found = qemu_memory(&q, ".", machines[i].bytes);
  ck_assert(memcmp(found, memory, machines[i].bytes) == 0);
  free(found);
  qemu_quit(&q);
}

START_TEST(qemu_loads_what_went_through_an_image) {
  uint8_t *memory = save_machine(_i);

  tool_convert("native", "source", "image");
  tool_convert("qemu3", "image", "again");
  check_load(_i, "again", memory);
  tool_convert("qemu3", "source", "once");
  check_load(_i, "once", memory);
  free(memory);
}
END_TEST

static void check_extract(int i, const char *path, const uint8_t *memory) {
  ran_t r =
      rig_run("extract", path, "region", machines[i].ram, "-o", "x", NULL);
  size_t len;
  char *found;

  rig_expect(&r, 0, "");
  found = rig_read("x", &len);
  ck_assert_uint_eq(len, machines[i].bytes);
  check_memory((const uint8_t *)found, memory, len);
  free(found);
}

START_TEST(extracted_memory_is_the_machines) {
  uint8_t *memory = save_machine(_i);

  check_extract(_i, "source", memory);
  tool_convert("native", "source", "image");
  check_extract(_i, "image", memory);
  free(memory);
}
END_TEST

static json_t *inspect(const char *path) {
  ran_t r = rig_run("inspect", "--json", path, NULL);
  json_t *json = json_loads(r.out, 0, NULL);

  ck_assert_ptr_nonnull(json);
  ck_assert(json_is_true(json_object_get(json, "complete")));
  rig_expect(&r, 0, "");
  return json;
}

static void check_equal(const json_t *a, const json_t *b, const char *key) {
  ck_assert_msg(json_equal(json_object_get(a, key), json_object_get(b, key)),
                "%s differ", key);
}

START_TEST(the_same_is_in_stream_and_image) {
  json_t *stream;
  json_t *image;
  ran_t r;

  free(save_machine(_i));
  tool_convert("native", "source", "image");
  stream = inspect("source");
  image = inspect("image");
  check_equal(stream, image, "regions");
  check_equal(stream, image, "devices");
  check_equal(stream, image, "host");
  ck_assert_int_eq(strncmp(json_string_value(json_object_get(stream, "host")),
                           machines[_i].host, strlen(machines[_i].host)),
                   0);
  json_decref(stream);
  json_decref(image);
  r = rig_run("verify", "source", NULL);
  rig_expect(&r, 0, "");
  r = rig_run("verify", "image", NULL);
  rig_expect(&r, 0, "");
}
END_TEST

Suite *tool_qemu_suite(void) {
  enum { MACHINES = sizeof(machines) / sizeof(machines[0]) };
  Suite *s = suite_create("tool_qemu");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, rig_setup, rig_teardown);
  tcase_add_loop_test(t, qemu_loads_what_went_through_an_image, 0, MACHINES);
  tcase_add_loop_test(t, extracted_memory_is_the_machines, 0, MACHINES);
  tcase_add_loop_test(t, the_same_is_in_stream_and_image, 0, MACHINES);
  suite_add_tcase(s, t);
  return s;
}
