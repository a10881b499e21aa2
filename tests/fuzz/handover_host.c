/* handover_host.c - see handover_host.h. */
#include "handover_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <sluice/blob.h>
#include <sluice/descriptors.h>
#include <sluice/handover.h>
#include <sluice/ram.h>
#include <sluice/sluice.h>

#include "require.h"

enum { TURNS = 12, DOC = 100 };

struct host_s {
  uv_loop_t loop;
  sluice_engine_t *engine;
  sluice_registry_t *registry;
  sluice_ram_t *ram;
  sluice_blob_t *blob;
  sluice_descriptors_t *descriptors;
  uint8_t *memory;
  uint8_t doc[DOC];
  int memfd;
  int device;
  int peer;
  int lowest; /* descriptor that was free before */
  unsigned done;
  int status;
};

static int lowest_free(void) {
  int fd = dup(0);

  REQUIRE(fd >= 0 && close(fd) == 0);
  return fd;
}

static int get_doc(void *data, const void **out, size_t *out_len,
                   sluice_error_t *err) {
  (void)err;
  *out = ((host_t *)data)->doc;
  *out_len = DOC;
  return 0;
}

static void take_doc(void *data, void *bytes, size_t len, uint32_t version) {
  (void)version;
  memcpy(((host_t *)data)->doc, bytes, len < DOC ? len : DOC);
  free(bytes);
}

static int next_device(void *data, int is_first, sluice_descriptor_t *out,
                       sluice_error_t *err) {
  (void)err;
  *out = (sluice_descriptor_t){
      .fd = ((host_t *)data)->device, .tag = 1, .bytes = "null", .len = 4};
  return is_first;
}

static void take_device(void *data, const sluice_descriptor_t *in) {
  (void)data;
  REQUIRE(fcntl(in->fd, F_GETFD) >= 0 && close(in->fd) == 0);
}

static void add_sections(host_t *h, int is_old) {
  const sluice_ram_options_t ram = {.size = sizeof(ram)};
  const sluice_blob_options_t blob = {
      .size = sizeof(blob), .data = h, .get = get_doc, .take = take_doc};
  const sluice_descriptors_options_t descriptors = {.size = sizeof(descriptors),
                                                    .data = h,
                                                    .next = next_device,
                                                    .take = take_device};

  REQUIRE(sluice_registry_new(&h->registry, NULL) == 0);
  REQUIRE(sluice_ram_new(&h->ram, h->registry, "ram", NULL, &ram, NULL) == 0);
  REQUIRE(sluice_ram_add_region(h->ram, "main", h->memory, HOST_BYTES,
                                SLUICE_RAM_REMAP, NULL) == 0);
  REQUIRE(!is_old || sluice_ram_region_memfd(h->ram, 0, h->memfd) == 0);
  REQUIRE(sluice_blob_new(&h->blob, h->registry, "doc", NULL, &blob, NULL) ==
          0);
  REQUIRE(sluice_descriptors_new(&h->descriptors, h->registry, "fds", NULL,
                                 &descriptors, NULL) == 0);
}

static void on_handed_over(sluice_handover_t *handover, int status) {
  host_t *h = sluice_handover_data(handover);

  h->done++;
  h->status = status;
  REQUIRE(status == 0 || sluice_handover_error(handover)->message[0] != '\0');
  REQUIRE(sluice_handover_free(handover) == 0);
}

static void on_taken_over(sluice_takeover_t *takeover, int status) {
  host_t *h = sluice_takeover_data(takeover);

  h->done++;
  h->status = status;
  REQUIRE(status == 0 || sluice_takeover_error(takeover)->message[0] != '\0');
  REQUIRE(sluice_takeover_free(takeover) == 0);
}

static void begin(host_t *h, int socket, int is_old, int copies) {
  const sluice_handover_options_t old = {
      .size = sizeof(old), .data = h, .copy_memory = copies};
  const sluice_takeover_options_t new = {
      .size = sizeof(new), .data = h, .copy_memory = copies};
  sluice_handover_t *handover;
  sluice_takeover_t *takeover;

  if (is_old) {
    REQUIRE(sluice_handover_begin(&handover, h->engine, h->registry, socket,
                                  &old, on_handed_over, NULL) == 0);
  } else {
    REQUIRE(sluice_takeover_begin(&takeover, h->engine, h->registry, socket,
                                  &new, on_taken_over, NULL) == 0);
  }
}

host_t *host_open(int is_old, int copies) {
  host_t *h = calloc(1, sizeof(*h));
  int sockets[2];

  REQUIRE(h != NULL && uv_loop_init(&h->loop) == 0);
  (void)uv_run(&h->loop, UV_RUN_NOWAIT);
  h->lowest = lowest_free();
  h->memfd = memfd_create("host", MFD_CLOEXEC);
  h->device = open("/dev/null", O_RDWR | O_CLOEXEC);
  REQUIRE(h->memfd >= 0 && h->device >= 0 &&
          ftruncate(h->memfd, HOST_BYTES) == 0);
  h->memory = mmap(NULL, HOST_BYTES, PROT_READ | PROT_WRITE,
                   is_old ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS,
                   is_old ? h->memfd : -1, 0);
  REQUIRE(h->memory != MAP_FAILED);
  memset(h->memory, 7, HOST_BYTES);
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
  h->peer = sockets[1];
  REQUIRE(sluice_engine_new(&h->engine, &h->loop, NULL, NULL) == 0);
  add_sections(h, is_old);
  begin(h, sockets[0], is_old, copies);
  return h;
}

/* One that listens no more, or is full, is told nothing. */
void host_tell(host_t *h, const void *bytes, size_t len, unsigned fds) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(2 * sizeof(int))];
  } control = {0};
  int given[2] = {h->memfd, h->device};
  struct iovec iov = {(void *)(uintptr_t)bytes, len};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

  if (fds > 0) {
    struct cmsghdr *c;

    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(fds * sizeof(int));
    c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds * sizeof(int));
    memcpy(CMSG_DATA(c), given, fds * sizeof(int));
  }
  if (len > 0) {
    (void)!sendmsg(h->peer, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

void host_turn(host_t *h) {
  for (int i = 0; i < TURNS; i++) {
    (void)uv_run(&h->loop, UV_RUN_NOWAIT);
  }
}

size_t host_hear(host_t *h, uint8_t *bytes, size_t room) {
  size_t len = 0;
  ssize_t n = 1;

  while (n > 0 && len < room) {
    n = recv(h->peer, bytes + len, room - len, MSG_DONTWAIT);
    len += n > 0 ? (size_t)n : 0;
  }
  return len;
}

int host_close(host_t *h) {
  int status;

  (void)close(h->peer);
  (void)uv_run(&h->loop, UV_RUN_DEFAULT);
  REQUIRE(h->done == 1);
  REQUIRE(sluice_registry_free(h->registry) == 0);
  (void)sluice_ram_free(h->ram);
  (void)sluice_blob_free(h->blob);
  (void)sluice_descriptors_free(h->descriptors);
  REQUIRE(sluice_engine_close(h->engine, NULL, NULL) == 0);
  (void)uv_run(&h->loop, UV_RUN_DEFAULT);
  (void)close(h->memfd);
  (void)close(h->device);
  (void)munmap(h->memory, HOST_BYTES);
  REQUIRE(lowest_free() == h->lowest);
  REQUIRE(uv_loop_close(&h->loop) == 0);
  status = h->status;
  free(h);
  return status;
}
