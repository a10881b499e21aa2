/* handover_sides.c - see handover_sides.h. Built with sendmsg and recvmsg
 * wrapped: that is where processes are killed, stopped, and given little. */
#include "handover_sides.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <sluice/descriptors.h>
#include <sluice/ram.h>
#include <sluice/sluice.h>

#include "handover_time.h"
#include "open_files.h"
#include "require.h"

enum { PIPES_MAX = 2000, TAG = 7 };

static struct {
  const box_plan_t *plan;
  box_board_t *board;
  uv_loop_t loop;
  uv_idle_t writer;
  sluice_engine_t *engine;
  sluice_registry_t *registry;
  sluice_ram_t *ram;
  sluice_descriptors_t *descriptors;
  uint8_t *memory;
  int memfd;
  int pipes[PIPES_MAX];
  char tokens[PIPES_MAX][16];
  unsigned pipe_count;
  unsigned listed;
  unsigned writes;
  int is_paused;
  unsigned calls, kill_at, stop_at;
  unsigned *calls_out;
} box;

/* ---- the socket ---- */

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

static void count_call(void) {
  box.calls++;
  if (box.calls_out != NULL) {
    *box.calls_out = box.calls;
  }
  if (box.calls == box.kill_at || box.calls == box.stop_at) {
    (void)raise(box.calls == box.kill_at ? SIGKILL : SIGSTOP);
  }
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
  count_call();
  return __real_sendmsg(fd, message, flags);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags) {
  ssize_t n;

  if (box.plan->piecemeal && message->msg_iov[0].iov_len <= 4096) {
    message->msg_iov[0].iov_len = 1;
    message->msg_iovlen = 1;
  }
  n = __real_recvmsg(fd, message, flags);
  if (n >= 0) {
    count_call(); /* looking in vain is no step */
  }
  return n;
}

/* ---- state ---- */

static void open_memory(void) {
  int is_shared = box.plan->is_memfd;

  box.memfd = -1;
  if (is_shared) {
    box.memfd = memfd_create("box", MFD_CLOEXEC);
    REQUIRE(box.memfd >= 0 && ftruncate(box.memfd, BOX_BYTES) == 0);
  }
  box.memory =
      mmap(NULL, BOX_BYTES, PROT_READ | PROT_WRITE,
           is_shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, box.memfd, 0);
  REQUIRE(box.memory != MAP_FAILED);
}

static void mark(uint64_t offset, uint64_t len) {
  if (!box.plan->is_watched) {
    sluice_ram_dirty(box.ram, 0, offset, len);
  }
}

static void put_page(unsigned page, uint8_t value) {
  mark((uint64_t)page * BOX_PAGE, BOX_PAGE);
  memset(box.memory + (size_t)page * BOX_PAGE, value, BOX_PAGE);
}

/* What memory is after `writes` turns; the count itself is on page 0. */
static void write_turn(uv_idle_t *idle) {
  (void)idle;
  if (box.is_paused) {
    return;
  }
  box.writes++;
  put_page(1 + box.writes % (BOX_PAGES - 1), (uint8_t)box.writes);
  mark(0, sizeof(box.writes));
  memcpy(box.memory, &box.writes, sizeof(box.writes));
}

static int is_memory_right(const uint8_t *memory) {
  unsigned writes;
  unsigned last[BOX_PAGES] = {0};

  memcpy(&writes, memory, sizeof(writes));
  for (unsigned i = 1; i <= writes; i++) {
    last[1 + i % (BOX_PAGES - 1)] = i;
  }
  for (unsigned p = 1; p < BOX_PAGES; p++) {
    uint8_t want = last[p] != 0 ? (uint8_t)last[p] : (uint8_t)(p + 1);
    const uint8_t *at = memory + (size_t)p * BOX_PAGE;

    if (at[0] != want || memcmp(at, at + 1, BOX_PAGE - 1) != 0) {
      return 0;
    }
  }
  return 1;
}

static int next_pipe(void *data, int is_first, sluice_descriptor_t *out,
                     sluice_error_t *err) {
  (void)data;
  (void)err;
  box.listed = is_first ? 0 : box.listed + 1;
  if (box.listed == box.pipe_count) {
    return 0;
  }
  out->fd = box.pipes[box.listed];
  out->tag = TAG;
  out->bytes = box.tokens[box.listed];
  out->len = strlen(box.tokens[box.listed]);
  return 1;
}

static void take_pipe(void *data, const sluice_descriptor_t *in) {
  (void)data;
  REQUIRE(in->tag == TAG && in->len < 16 && box.pipe_count < PIPES_MAX);
  memcpy(box.tokens[box.pipe_count], in->bytes, in->len);
  box.pipes[box.pipe_count++] = in->fd;
}

/* The token that was written to each pipe is there to be read, once. */
static void read_pipes(void) {
  for (unsigned i = 0; i < box.pipe_count; i++) {
    char got[16] = {0};

    REQUIRE(read(box.pipes[i], got, sizeof(got)) > 0);
    REQUIRE(strcmp(got, box.tokens[i]) == 0);
  }
}

static void open_pipes(void) {
  box.pipe_count = box.plan->pipes != 0 ? box.plan->pipes : (unsigned)BOX_PIPES;
  for (unsigned i = 0; i < box.pipe_count; i++) {
    int ends[2];

    (void)snprintf(box.tokens[i], sizeof(box.tokens[i]), "p%u", i);
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    REQUIRE(write(ends[1], box.tokens[i], strlen(box.tokens[i])) > 0);
    (void)close(ends[1]);
    box.pipes[i] = ends[0];
  }
}

static void fill_registry(void) {
  const sluice_ram_options_t ram = {.size = sizeof(ram),
                                    .tracker = box.plan->is_watched
                                                   ? SLUICE_RAM_WRITE_PROTECT
                                                   : SLUICE_RAM_COOPERATIVE};
  const sluice_descriptors_options_t descriptors = {
      .size = sizeof(descriptors), .next = next_pipe, .take = take_pipe};

  REQUIRE(sluice_ram_new(&box.ram, box.registry, "ram", NULL, &ram, NULL) == 0);
  REQUIRE(sluice_ram_add_region(box.ram, "main", box.memory, BOX_BYTES,
                                SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE,
                                NULL) == 0);
  REQUIRE(sluice_ram_region_memfd(box.ram, 0, box.memfd) == 0);
  REQUIRE(sluice_descriptors_new(&box.descriptors, box.registry, "pipes", NULL,
                                 &descriptors, NULL) == 0);
}

void box_open(const box_plan_t *plan, box_board_t *board) {
  const sluice_engine_options_t o = {.size = sizeof(o), .clock = box_now};

  memset(&box, 0, sizeof(box));
  box.plan = plan;
  box.board = board;
  (void)signal(SIGPIPE, SIG_DFL); /* the library must not raise it */
  REQUIRE(uv_loop_init(&box.loop) == 0);
  box_open_time(&box.loop);
  REQUIRE(sluice_engine_new(&box.engine, &box.loop, &o, NULL) == 0);
  REQUIRE(sluice_registry_new(&box.registry, NULL) == 0);
}

static void close_host(void) {
  REQUIRE(sluice_registry_free(box.registry) == 0);
  (void)sluice_ram_free(box.ram);
  (void)sluice_descriptors_free(box.descriptors);
  REQUIRE(sluice_engine_close(box.engine, NULL, NULL) == 0);
  box_close_time();
  (void)uv_run(&box.loop, UV_RUN_DEFAULT);
  REQUIRE(uv_loop_close(&box.loop) == 0);
}

/* ---- the old one ---- */

static void on_pause(sluice_handover_t *h) {
  box.is_paused = 1;
  sluice_handover_paused(h);
}

static void on_resume(sluice_handover_t *h) {
  (void)h;
  REQUIRE(box.is_paused);
  box.is_paused = 0;
  box.board->resumed++;
}

static void on_handed_over(sluice_handover_t *h, int status) {
  sluice_ram_stats_t stats;

  REQUIRE(box.is_paused == (status == 0));
  box.board->old_status = status;
  (void)snprintf(box.board->old_message, sizeof(box.board->old_message), "%s",
                 sluice_handover_error(h)->message);
  sluice_ram_stats(box.ram, &stats, sizeof(stats));
  box.board->passed = stats.bytes_passed;
  REQUIRE(sluice_handover_free(h) == 0);
  (void)uv_idle_stop(&box.writer);
  uv_close((uv_handle_t *)&box.writer, NULL);
}

static void on_saved(sluice_save_t *save, int status) {
  REQUIRE(status == 0);
  REQUIRE(sluice_save_free(save) == 0);
}

static void on_restored(sluice_restore_t *restore, int status) {
  REQUIRE(status == 0);
  REQUIRE(sluice_restore_free(restore) == 0);
}

/* The image, restored beside, is the memory as it is. */
static void compare_image(const void *image, size_t len) {
  const sluice_ram_options_t o = {.size = sizeof(o)};
  uint8_t *memory = mmap(NULL, BOX_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  sluice_registry_t *registry;
  sluice_ram_t *ram;
  sluice_source_t *source;
  sluice_restore_t *restore;

  REQUIRE(memory != MAP_FAILED);
  REQUIRE(sluice_registry_new(&registry, NULL) == 0);
  REQUIRE(sluice_ram_new(&ram, registry, "ram", NULL, &o, NULL) == 0);
  REQUIRE(sluice_ram_add_region(ram, "main", memory, BOX_BYTES, 0, NULL) == 0);
  REQUIRE(sluice_source_memory(&source, image, len) == 0);
  REQUIRE(sluice_restore_begin(&restore, box.engine, registry, source, NULL,
                               on_restored, NULL) == 0);
  (void)uv_run(&box.loop, UV_RUN_DEFAULT);
  REQUIRE(memcmp(memory, box.memory, BOX_BYTES) == 0);
  REQUIRE(is_memory_right(memory));
  REQUIRE(sluice_registry_free(registry) == 0);
  (void)sluice_ram_free(ram);
  (void)munmap(memory, BOX_BYTES);
}

/* It goes on: all is there, what it writes now is saved by the next save. */
static void serve_on(void) {
  sluice_save_t *save;
  sluice_sink_t *sink;
  void *image = NULL;
  size_t len = 0;

  REQUIRE(is_memory_right(box.memory));
  read_pipes();
  write_turn(NULL);
  REQUIRE(box.plan->is_watched || sluice_ram_dirty_pages(box.ram) > 0);
  REQUIRE(sluice_registry_remove(box.registry, "pipes", 0) == 0);
  REQUIRE(sluice_sink_memory(&sink, SIZE_MAX, &image, &len) == 0);
  REQUIRE(sluice_save_begin(&save, box.engine, box.registry, sink, NULL,
                            on_saved, NULL) == 0);
  (void)uv_run(&box.loop, UV_RUN_DEFAULT);
  REQUIRE(box.plan->is_watched || sluice_ram_dirty_pages(box.ram) == 0);
  compare_image(image, len);
  free(image);
}

void box_run_old(int socket) {
  const sluice_handover_options_t options = {.size = sizeof(options),
                                             .timeout_ms = BOX_DEADLINE_MS,
                                             .prepare_ms = BOX_DEADLINE_MS,
                                             .offer = "box",
                                             .offer_len = 3,
                                             .pause = on_pause,
                                             .resume = on_resume};
  sluice_handover_t *h;
  unsigned files;

  open_memory();
  for (unsigned p = 0; p < BOX_PAGES; p++) {
    memset(box.memory + (size_t)p * BOX_PAGE, p == 0 ? 0 : (int)(p + 1),
           BOX_PAGE);
  }
  open_pipes();
  fill_registry();
  box.kill_at = box.plan->kill_old;
  box.stop_at = box.plan->stop_old;
  box.calls_out = &box.board->old_calls;
  (void)uv_idle_init(&box.loop, &box.writer);
  (void)uv_idle_start(&box.writer, write_turn);
  files = count_open_files();
  REQUIRE(sluice_handover_begin(&h, box.engine, box.registry, socket, &options,
                                on_handed_over, NULL) == 0);
  (void)uv_run(&box.loop, UV_RUN_DEFAULT);
  REQUIRE(count_open_files() == files - 1); /* the socket, and nothing else */
  if (box.board->old_status == 0) {
    box.board->old_end = BOX_GAVE_UP;
  } else {
    serve_on();
    box.board->old_end = BOX_SERVES;
  }
  close_host();
}

/* ---- the new one ---- */

static int on_offered(sluice_takeover_t *t, const void *offer, size_t len,
                      sluice_error_t *err) {
  (void)t;
  (void)err;
  REQUIRE(len == 3 && memcmp(offer, "box", 3) == 0);
  fill_registry();
  return 0;
}

static int on_check(sluice_takeover_t *t, sluice_error_t *err) {
  (void)t;
  REQUIRE(is_memory_right(box.memory));
  return box.plan->refuses
             ? sluice_fail(err, SLUICE_EKIND, "this is not for me")
             : 0;
}

static void on_taken_over(sluice_takeover_t *t, int status) {
  box.board->new_status = status;
  REQUIRE(sluice_takeover_free(t) == 0);
}

static void serve_new(void) {
  int fd = sluice_ram_take_memfd(box.ram, 0);

  REQUIRE(is_memory_right(box.memory));
  REQUIRE((fd >= 0) == box.plan->is_memfd);
  memset(box.memory, 1, BOX_BYTES);
  if (fd >= 0) {
    (void)close(fd);
  }
  read_pipes();
  for (unsigned i = 0; i < box.pipe_count; i++) {
    (void)close(box.pipes[i]);
  }
}

/* Nothing of a hand-over; then waits for the end. */
static void talk_rubbish(int socket) {
  char rubbish[64] = "rubbish";

  REQUIRE(write(socket, rubbish, sizeof(rubbish)) == sizeof(rubbish));
  while (read(socket, rubbish, sizeof(rubbish)) > 0) {
  }
  (void)close(socket);
  box.board->new_end = BOX_GAVE_UP;
}

void box_run_new(int socket) {
  const sluice_takeover_options_t options = {.size = sizeof(options),
                                             .timeout_ms = BOX_DEADLINE_MS,
                                             .stall_ms = BOX_DEADLINE_MS,
                                             .offered = on_offered,
                                             .check = on_check};
  struct rlimit limit = {0, 0};
  sluice_takeover_t *t;
  unsigned files;
  int is_memfd = box.plan->is_memfd;
  box_plan_t plan = *box.plan;

  plan.is_memfd = 0; /* what it had before is no matter */
  box.plan = &plan;
  if (plan.rubbish) {
    talk_rubbish(socket);
    _exit(0);
  }
  open_memory();
  plan.is_memfd = is_memfd;
  box.memfd = -1;
  box.kill_at = plan.kill_new;
  box.stop_at = plan.stop_new;
  box.calls_out = &box.board->new_calls;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  files = count_open_files();
  REQUIRE(sluice_takeover_begin(&t, box.engine, box.registry, socket, &options,
                                on_taken_over, NULL) == 0);
  if (plan.no_files != 0) {
    limit.rlim_cur = files + plan.no_files;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }
  (void)uv_run(&box.loop, UV_RUN_DEFAULT);
  if (plan.no_files != 0) {
    limit.rlim_cur = limit.rlim_max;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }
  if (box.board->new_status == 0) {
    serve_new();
    box.board->new_end = BOX_SERVES;
  } else {
    box.board->new_end = BOX_GAVE_UP;
  }
  REQUIRE(box.board->new_status == 0 || count_open_files() == files - 1);
  close_host();
}
