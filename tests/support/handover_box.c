/* handover_box.c - see handover_box.h: two processes, and how they end. */
#include "handover_box.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handover_sides.h"
#include "handover_time.h"
#include "require.h"

static pid_t start(void (*run)(int), const box_plan_t *plan, box_board_t *board,
                   const int *sockets, int mine) {
  pid_t pid = fork();

  REQUIRE(pid >= 0);
  if (pid == 0) {
    (void)close(sockets[1 - mine]);
    box_open(plan, board);
    run(sockets[mine]);
    _exit(0);
  }
  return pid;
}

typedef struct side_s {
  pid_t pid;
  int may_die;
  int hangs, has_ended;
} side_t;

static void check_end(const side_t *side, int status) {
  REQUIRE(
      (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
      (side->may_die && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
}

/* Of one that hangs the other is told; when that one has ended it is killed. */
static void await_both(side_t *sides) {
  while (!sides[0].has_ended || !sides[1].has_ended) {
    int status;
    pid_t pid = waitpid(-1, &status, WUNTRACED);
    side_t *side = &sides[pid == sides[1].pid];
    side_t *other = &sides[pid != sides[1].pid];

    REQUIRE(pid == side->pid);
    if (WIFSTOPPED(status)) {
      side->hangs = 1;
    } else {
      check_end(side, status);
      side->has_ended = 1;
    }
    if (side->hangs && !other->has_ended) {
      box_end_time(other->pid);
    } else if (side->hangs && !side->has_ended) {
      REQUIRE(kill(side->pid, SIGKILL) == 0);
    } else if (other->hangs && !other->has_ended) {
      REQUIRE(kill(other->pid, SIGKILL) == 0);
    }
  }
}

void box_run(const box_plan_t *plan, box_board_t *board) {
  box_board_t *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  side_t sides[2] = {{.may_die = plan->kill_old + plan->stop_old != 0},
                     {.may_die = plan->kill_new + plan->stop_new != 0}};
  int sockets[2];

  REQUIRE(shared != MAP_FAILED);
  shared->old_status = 1;
  shared->new_status = 1;
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
  box_prepare_time();
  sides[0].pid = start(box_run_old, plan, shared, sockets, 0);
  sides[1].pid = start(box_run_new, plan, shared, sockets, 1);
  (void)close(sockets[0]);
  (void)close(sockets[1]);
  await_both(sides);
  *board = *shared;
  (void)munmap(shared, sizeof(*shared));
}
