/* machines.c - see machines.h. SLUICE_GUEST is guest.asm's path, from the
 * build.
 */
#include "tool/machines.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "build.h"
#include "tool/rig.h"

/* Put into the source's memory only: what the target has of it went through
 * the tool. Every third page of it is zeros. */
enum { LOAD_AT = 2 << 20, LOAD_BYTES = 1 << 20 };

static void make_load(char *argument, size_t size) {
  build_t b = {0};
  uint32_t x = 2463534242u;

  for (size_t at = 0; at < LOAD_BYTES; at += sizeof(x)) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    build_be32(&b, at / 4096 % 3 == 0 ? 0 : x);
  }
  rig_write("load", b.data, b.len);
  build_done(&b);
  (void)snprintf(argument, size, "loader,addr=%d,force-raw=on,file=load",
                 LOAD_AT);
}

uint8_t *machines_start_as(const char *const *args, size_t bytes, qemu_t *q) {
  char load[128];
  const char *const extra[] = {"-device", load, NULL};
  uint8_t *memory;

  make_load(load, sizeof(load));
  qemu_start(q, args, extra);
  qemu_do(q, "stop", NULL);
  memory = qemu_memory(q, ".", bytes);
  ck_assert_uint_ne(memory[LOAD_AT + 4096], 0);
  return memory;
}

uint8_t *machines_start(int i, qemu_t *q) {
  return machines_start_as(machine_kinds[i].args, machine_kinds[i].bytes, q);
}

void machines_await(int i, qemu_t *q, const char *uri) {
  const char *const extra[] = {"-S", "-incoming", uri, NULL};

  qemu_start(q, machine_kinds[i].args, extra);
}

void machines_check(int i, qemu_t *q, const uint8_t *memory) {
  uint8_t *found = qemu_memory(q, ".", machine_kinds[i].bytes);

  ck_assert(memcmp(found, memory, machine_kinds[i].bytes) == 0);
  free(found);
}

static void assemble(void) {
  if (access("guest.img", F_OK) < 0) {
    int r = system("nasm -f bin -o guest.img " SLUICE_GUEST);

    ck_assert_msg(r == 0, "nasm fails, or is not installed");
  }
}

void machines_start_guest(qemu_t *q, const char *serial,
                          const char *const *extra) {
  char port[128];
  const char *const args[] = {"-M",
                              "pc",
                              "-m",
                              "16",
                              "-nodefaults",
                              "-drive",
                              "if=floppy,format=raw,readonly=on,file=guest.img",
                              "-serial",
                              port,
                              NULL};

  assemble();
  (void)snprintf(port, sizeof(port), "file:%s", serial);
  qemu_start(q, args, extra);
}

static size_t count_lines(const char *serial) {
  struct stat st;

  return stat(serial, &st) < 0 ? 0 : (size_t)st.st_size / 9;
}

void machines_await_lines(const char *serial, size_t count) {
  const struct timespec moment = {.tv_nsec = 1000000};
  size_t until = count_lines(serial) + count;

  while (count_lines(serial) < until) {
    (void)nanosleep(&moment, NULL);
  }
}

static char *join(const char *before, const char *serial) {
  char *first = before == NULL ? strdup("") : rig_read(before, NULL);
  char *second = rig_read(serial, NULL);
  char *both = malloc(strlen(first) + strlen(second) + 1);

  (void)strcpy(both, first);
  (void)strcat(both, second);
  free(first);
  free(second);
  return both;
}

unsigned long machines_check_count(const char *before, const char *serial,
                                   unsigned long first) {
  char *text = join(before, serial);
  const char *at = text;
  char expected[16];

  for (; strlen(at) >= 9; at += 9) {
    (void)snprintf(expected, sizeof(expected), "%08lx\n", first++);
    ck_assert_msg(memcmp(at, expected, 9) == 0, "expected %s, found %.9s",
                  expected, at);
  }
  (void)snprintf(expected, sizeof(expected), "%08lx\n", first);
  ck_assert(memcmp(at, expected, strlen(at)) == 0);
  free(text);
  return first - 1;
}
