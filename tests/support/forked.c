/* forked.c - see forked.h. */
#include "forked.h"

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deny.h"
#include "live_blocks.h"

enum { FILES = 256, FORKS_MAX = 80 };

/* What a child ends with. */
enum {
  LEFT_NOTHING,
  LEFT_MEMORY, /* of the engine's allocator */
  LEFT_BLOCKS, /* of malloc() */
  LEFT_FILES,
  CALLED_HOST,
  TOUCHED_LOOP,
  CHANGED_FILE /* the mode of a descriptor of the host's */
};

static const char *const verdicts[] = {"nothing is left",
                                       "memory is left",
                                       "blocks of malloc() are left",
                                       "descriptors are left",
                                       "the host was called",
                                       "the loop was touched",
                                       "a descriptor was changed"};

forked_t forked;

static struct {
  sluice_alloc_t alloc;
  uv_prepare_t prepare;
  unsigned turn;
  unsigned blocks; /* when the engine was made */
  char is_open[FILES];
  uv_loop_t loop; /* as it was when a child was forked */
} box;

/* ---- libuv's threads ---- */

int __real_uv_queue_work(uv_loop_t *loop, uv_work_t *req, uv_work_cb work,
                         uv_after_work_cb after);
int __wrap_uv_queue_work(uv_loop_t *loop, uv_work_t *req, uv_work_cb work,
                         uv_after_work_cb after);

static atomic_int at_work; /* not run yet, or running */

static void run_work(uv_work_t *req) {
  uv_work_cb work;

  memcpy(&work, &req->reserved[0], sizeof(work));
  work(req);
  (void)atomic_fetch_sub(&at_work, 1);
}

static void after_work(uv_work_t *req, int status) {
  uv_after_work_cb after;

  if (status == UV_ECANCELED) {
    (void)atomic_fetch_sub(&at_work, 1);
  }
  memcpy(&after, &req->reserved[1], sizeof(after));
  after(req, status);
}

int __wrap_uv_queue_work(uv_loop_t *loop, uv_work_t *req, uv_work_cb work,
                         uv_after_work_cb after) {
  memcpy(&req->reserved[0], &work, sizeof(work));
  memcpy(&req->reserved[1], &after, sizeof(after));
  (void)atomic_fetch_add(&at_work, 1);
  return __real_uv_queue_work(loop, req, run_work, after_work);
}

/* What they have done the loop need not know yet. */
static void wait_for_threads(void) {
  while (atomic_load(&at_work) > 0) {
    (void)sched_yield();
  }
}

/* ---- the child ---- */

static int is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

static int has_more_files(void) {
  unsigned kept = forked.files_of_host != NULL ? forked.files_of_host() : 0;
  unsigned more = 0;

  for (int fd = 0; fd < FILES; fd++) {
    more += !box.is_open[fd] && is_open(fd);
  }
  return more > kept;
}

static void read_modes(int *modes) {
  for (int fd = 0; fd < FILES; fd++) {
    modes[fd] = box.is_open[fd] ? fcntl(fd, F_GETFL) : 0;
  }
}

static void forbid_what_others_see(void) {
  static const int calls[] = {
      SYS_unlinkat,   SYS_renameat,    SYS_renameat2, SYS_linkat,
      SYS_flock,      SYS_shutdown,    SYS_sendmsg,   SYS_sendto,
      SYS_recvmsg,    SYS_writev,      SYS_pwritev,   SYS_pwritev2,
      SYS_pwrite64,   SYS_fsync,       SYS_fdatasync, SYS_epoll_ctl,
      SYS_epoll_wait, SYS_epoll_pwait, SYS_ioctl,     SYS_eventfd2};

  (void)forbid_calls(calls, sizeof(calls) / sizeof(calls[0]));
}

static unsigned blocks_of_host(void) {
  return box.blocks + (forked.of_host != NULL ? forked.of_host() : 0);
}

static int judge(unsigned calls, const int *modes) {
  int now[FILES];

  read_modes(now);
  if (forked.counted.live != 0) {
    return LEFT_MEMORY;
  }
  if (!forked.is_busy && live_blocks() != blocks_of_host()) {
    return LEFT_BLOCKS;
  }
  if (!forked.is_busy && has_more_files()) {
    return LEFT_FILES;
  }
  if (forked.calls != calls) {
    return CALLED_HOST;
  }
  if (memcmp(&box.loop, &forked.loop, sizeof(box.loop)) != 0) {
    return TOUCHED_LOOP;
  }
  for (int fd = 0; fd < FILES; fd++) {
    if (now[fd] >= 0 && now[fd] != modes[fd]) {
      return CHANGED_FILE;
    }
  }
  return LEFT_NOTHING;
}

static void be_child(void) {
  unsigned calls = forked.calls;
  int modes[FILES];

  read_modes(modes);
  memcpy(&box.loop, &forked.loop, sizeof(box.loop));
  forbid_what_others_see();
  sluice_engine_abandon(forked.engine);
  _exit(judge(calls, modes));
}

void forked_fork(void) {
  int status = 0;
  pid_t pid;

  if (!forked.is_busy) {
    wait_for_threads();
  }
  forked.forks++;
  pid = fork();
  if (pid == 0) {
    be_child();
  }
  ck_assert_int_gt(pid, 0);
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_msg(WIFEXITED(status), "turn %u, call %u: signal %d", box.turn,
                forked.calls, WTERMSIG(status));
  ck_assert_msg(
      WEXITSTATUS(status) == 0, "turn %u, call %u: %s", box.turn, forked.calls,
      WEXITSTATUS(status) <= CHANGED_FILE ? verdicts[WEXITSTATUS(status)]
                                          : "it has ended otherwise");
}

/* ---- the host ---- */

void forked_call(void) {
  forked.calls++;
  if (forked.hooks != 0 && forked.calls % forked.hooks == 0 &&
      forked.forks < FORKS_MAX) {
    forked_fork();
  }
}

static void on_turn(uv_prepare_t *prepare) {
  (void)prepare;
  box.turn++;
  if (forked.turn != NULL) {
    forked.turn();
  }
  if (forked.turns != 0 && box.turn % forked.turns == 0 &&
      forked.forks < FORKS_MAX) {
    forked_fork();
  }
}

void forked_init(void) {
  memset(&forked, 0, sizeof(forked));
  memset(&box, 0, sizeof(box));
  counting_alloc_init(&forked.counted);
  box.alloc = counting_alloc_of(&forked.counted);
  forked.slice_bytes = 192 * 1024;
  ck_assert_int_eq(uv_loop_init(&forked.loop), 0);
  ck_assert_int_eq(uv_prepare_init(&forked.loop, &box.prepare), 0);
  ck_assert_int_eq(uv_prepare_start(&box.prepare, on_turn), 0);
  uv_unref((uv_handle_t *)&box.prepare);
}

void forked_begin(const sluice_executor_t *executor) {
  const sluice_engine_options_t o = {.size = sizeof(o),
                                     .slice_bytes = forked.slice_bytes,
                                     .slice_us = 100,
                                     .slice_min_us = 100,
                                     .alloc = &box.alloc,
                                     .executor = executor};

  for (int fd = 0; fd < FILES; fd++) {
    box.is_open[fd] = (char)is_open(fd);
  }
  box.blocks = live_blocks();
  ck_assert_int_eq(sluice_engine_new(&forked.engine, &forked.loop, &o, NULL),
                   0);
}

void forked_run(void) {
  (void)uv_run(&forked.loop, UV_RUN_DEFAULT);
}

void forked_end(void (*before_end)(void)) {
  ck_assert_int_eq(sluice_engine_close(forked.engine, NULL, NULL), 0);
  if (before_end != NULL) {
    before_end();
  }
  uv_close((uv_handle_t *)&box.prepare, NULL);
  forked_run();
  ck_assert_int_eq(uv_loop_close(&forked.loop), 0);
  ck_assert_uint_eq(forked.counted.live, 0);
  ck_assert_uint_eq(live_blocks(), blocks_of_host());
}
