/* handoff_parts.c - see handoff_parts.h. */
#include "handoff_parts.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fault.h"

enum { TAG = 3, OLD_BYTE = 0x11, NEW_BYTE = 0x77 };

static int next_pipe(void *data, int is_first, sluice_descriptor_t *out,
                     sluice_error_t *err) {
  handoff_t *h = data;

  (void)err;
  if (!is_first) {
    return 0;
  }
  *out = (sluice_descriptor_t){
      .fd = h->pipe, .tag = TAG, .bytes = "pipe", .len = 4};
  return 1;
}

static void take_pipe(void *data, const sluice_descriptor_t *in) {
  handoff_t *h = data;

  if (in->tag != TAG || in->len != 4 || memcmp(in->bytes, "pipe", 4) != 0 ||
      h->arrived >= 0) {
    h->complaint = "a descriptor is not what was handed over";
  }
  h->arrived = in->fd;
}

/* The successor calls its sections by other names. */
static void add_sections(handoff_t *h, int i, sluice_registry_t *registry) {
  static const char *const former[2][2] = {{"shared", NULL}, {"pipes", NULL}};
  const sluice_section_options_t names[2] = {
      {.size = sizeof(*names), .aliases = i == 1 ? former[0] : NULL},
      {.size = sizeof(*names), .aliases = i == 1 ? former[1] : NULL}};
  const sluice_ram_options_t ram = {
      .size = sizeof(ram),
      .tracker = i == 0 && (h->plan->parts & WORLD_WP) != 0
                     ? SLUICE_RAM_WRITE_PROTECT
                     : SLUICE_RAM_COOPERATIVE};
  const sluice_descriptors_options_t pipes = {
      .size = sizeof(pipes), .data = h, .next = next_pipe, .take = take_pipe};

  if (sluice_ram_new(&h->shared[i], registry, i == 1 ? "region" : "shared",
                     &names[0], &ram, NULL) != 0 ||
      sluice_ram_add_region(h->shared[i], "shared", h->memory[i], SHARED_BYTES,
                            SLUICE_RAM_REMAP, NULL) != 0 ||
      sluice_descriptors_new(&h->pipes[i], registry,
                             i == 1 ? "descriptors" : "pipes", &names[1],
                             &pipes, NULL) != 0) {
    fault_die("no sections");
  }
}

static void *map(int flags, int fd) {
  void *at = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);

  if (at == MAP_FAILED) {
    fault_die("no memory for the tests");
  }
  return at;
}

void handoff_parts_open(handoff_t *h) {
  int ends[2];

  h->arrived = -1;
  h->memfd = memfd_create("handoff", MFD_CLOEXEC);
  if (h->memfd < 0 || ftruncate(h->memfd, SHARED_BYTES) != 0 ||
      pipe2(ends, O_CLOEXEC) != 0 || write(ends[1], "token", 5) != 5) {
    fault_die("no descriptors for the tests");
  }
  (void)close(ends[1]);
  h->pipe = ends[0];
  h->memory[0] = map(MAP_SHARED, h->memfd);
  h->memory[1] = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
  memset(h->memory[0], OLD_BYTE, SHARED_BYTES);
  memset(h->memory[1], NEW_BYTE, SHARED_BYTES);
  add_sections(h, 0, h->world.source.registry);
  add_sections(h, 1, h->world.target.registry);
  if (sluice_ram_region_memfd(h->shared[0], 0, h->memfd) != 0) {
    fault_die("no memfd");
  }
}

void handoff_parts_change(handoff_t *h) {
  size_t at = h->world.changes * 2777 % SHARED_BYTES;

  if ((h->plan->parts & WORLD_WP) == 0) {
    sluice_ram_dirty(h->shared[0], 0, at, 1);
  }
  h->memory[0][at]++;
}

void handoff_parts_free(handoff_t *h, handoff_side_t side) {
  (void)sluice_ram_free(h->shared[side]);
  (void)sluice_descriptors_free(h->pipes[side]);
  h->shared[side] = NULL;
  h->pipes[side] = NULL;
}

void handoff_parts_close(handoff_t *h) {
  (void)munmap(h->memory[0], SHARED_BYTES);
  (void)munmap(h->memory[1], SHARED_BYTES);
  (void)close(h->memfd);
  (void)close(h->pipe);
  if (h->arrived >= 0) {
    (void)close(h->arrived);
  }
}
