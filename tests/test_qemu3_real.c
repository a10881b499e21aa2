/* test_qemu3_real.c - streams of a QEMU that runs now: what it sends is read
 * completely, and what we write of it is taken back, memory byte for byte. */
#include <sluice/decoder.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect.h"
#include "folder.h"
#include "machine.h"
#include "machine_kinds.h"
#include "qemu.h"
#include "suite.h"

/* What is put into the source's memory, and into its only: what the target has
 * of it has come through the stream. */
enum { LOAD_AT = 2 << 20, LOAD_BYTES = 1 << 20 };

static char dir[224];
static char path[256];
static build_t stream;
static uint8_t *memory; /* of the source, before it was sent */
static machine_t machine;

static void write_stream(const build_t *b) {
  FILE *f = fopen(path, "wb");

  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(b->data, 1, b->len, f), b->len);
  ck_assert_int_eq(fclose(f), 0);
}

static void set_up(void) {
  memset(&stream, 0, sizeof(stream));
  test_template(dir, sizeof(dir), "test");
  ck_assert_ptr_nonnull(mkdtemp(dir));
  (void)snprintf(path, sizeof(path), "%s/stream", dir);
}

static void tear_down(void) {
  build_done(&stream);
  free(memory);
  memory = NULL;
  (void)unlink(path);
  (void)rmdir(dir);
}

/* Every third page is left zero. */
static void make_load(char *load, size_t size) {
  build_t b = {0};
  uint32_t x = 2463534242u;

  for (size_t at = 0; at < LOAD_BYTES; at += sizeof(x)) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    build_be32(&b, at / 4096 % 3 == 0 ? 0 : x);
  }
  write_stream(&b);
  build_done(&b);
  ck_assert_int_lt(snprintf(load, size, "loader,addr=%d,force-raw=on,file=%s",
                            LOAD_AT, path),
                   (int)size);
}

/* Lets machine `i` run its firmware for a moment, stops it, and takes its
 * memory and its stream. */
static void take_stream(int i, qemu_t *q) {
  char load[256];
  const char *const extra[] = {"-device", load, NULL};

  make_load(load, sizeof(load));
  qemu_start(q, machine_kinds[i].args, extra);
  qemu_do(q, "stop", NULL);
  memory = qemu_memory(q, dir, machine_kinds[i].bytes);
  ck_assert_uint_ne(memory[LOAD_AT + 4096], 0);
  ck_assert_str_eq(qemu_save(q, dir, &stream), "completed");
  machine_read(&machine, &stream);
}

/* "   pc.ram    4 KiB  0xOFFSET 0xUSED 0xTOTAL ..." a line. */
static void check_regions(qemu_t *q) {
  char *info = qemu_info(q, "info ramblock");
  uint32_t found = 0;

  for (char *line = strtok(info, "\n"); line != NULL;
       line = strtok(NULL, "\n")) {
    const machine_region_t *region;
    unsigned long long used;
    char name[256];

    if (sscanf(line, " %255s %*u %*s 0x%*x 0x%llx", name, &used) != 2) {
      continue;
    }
    region = machine_region(&machine, name);
    ck_assert_msg(region != NULL, "region %s is missing", name);
    ck_assert_uint_eq(region->bytes, used);
    found++;
  }
  ck_assert_uint_eq(found, machine.region_count);
  free(info);
}

static void check_devices(int i) {
  json_t *told = json_object_get(machine.description, "devices");

  ck_assert_uint_ge(json_array_size(machine.devices),
                    machine_kinds[i].min_devices);
  ck_assert_uint_eq(json_array_size(machine.devices), json_array_size(told));
  for (size_t n = 0; n < json_array_size(told); n++) {
    const json_t *a = json_array_get(machine.devices, n);
    const json_t *b = json_array_get(told, n);

    ck_assert(
        json_equal(json_object_get(a, "name"), json_object_get(b, "name")));
    ck_assert(json_equal(json_object_get(a, "instance_id"),
                         json_object_get(b, "instance_id")));
  }
}

/* Physical memory but for the hole of cards and firmware under 1 MiB. */
static void check_memory(int i) {
  const machine_region_t *ram = machine_region(&machine, machine_kinds[i].ram);

  ck_assert_ptr_nonnull(ram);
  ck_assert_uint_eq(ram->bytes, machine_kinds[i].bytes);
  ck_assert(memcmp(ram->memory, memory, 0xa0000) == 0);
  ck_assert(memcmp(ram->memory + 0x100000, memory + 0x100000,
                   machine_kinds[i].bytes - 0x100000) == 0);
}

START_TEST(a_stream_of_a_real_machine_is_read_completely) {
  qemu_t q;

  take_stream(_i, &q);
  check_regions(&q);
  check_devices(_i);
  check_memory(_i);
  ck_assert_int_eq(machine.has_footers, machine_kinds[_i].has_footers);
  ck_assert_int_eq(machine.has_configuration, machine_kinds[_i].has_footers);
  machine_done(&machine);
  qemu_quit(&q);
}
END_TEST

/* Rows: every machine with QEMU's description, then with ours. */
START_TEST(a_stream_written_anew_is_taken_back_by_qemu) {
  static const char *const incoming[] = {"-incoming", "defer", "-S", NULL};
  const int i = _i % MACHINE_KINDS;
  collect_t again;
  uint8_t *restored;
  qemu_t q;

  memset(&again, 0, sizeof(again));
  take_stream(i, &q);
  qemu_quit(&q);
  machine_rewrite(&machine, &stream, &again, _i >= MACHINE_KINDS);
  write_stream(&again.out);
  qemu_start(&q, machine_kinds[i].args, incoming);
  ck_assert_str_eq(qemu_load(&q, path), "completed");
  restored = qemu_memory(&q, dir, machine_kinds[i].bytes);
  ck_assert(memcmp(restored, memory, machine_kinds[i].bytes) == 0);
  free(restored);
  qemu_quit(&q);
  collect_done(&again);
  machine_done(&machine);
}
END_TEST

Suite *qemu3_real_suite(void) {
  Suite *s = suite_create("qemu3_real");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_loop_test(tc, a_stream_of_a_real_machine_is_read_completely, 0,
                      MACHINE_KINDS);
  tcase_add_loop_test(tc, a_stream_written_anew_is_taken_back_by_qemu, 0,
                      2 * MACHINE_KINDS);
  suite_add_tcase(s, tc);
  return s;
}
