/* test_wrong_thread.c - a call from another thread than the loop's ends a debug
 * build, which names the call. */
#include <sluice/save.h>

#include <check.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sluice/restore.h>

#include "rig.h"
#include "skip.h"
#include "suite.h"
#include "toy.h"

static rig_t rig;
static toy_t toy;
static sluice_save_t *save;
static sluice_restore_t *restore;

static void setup(void) {
  rig_init(&rig);
  toy_init_live(&toy, rig.registry, "toy", TOY_MAX_BYTES, 1, TOY_MAX_BYTES);
}

static void teardown(void) {
  toy_done(&toy);
  rig_done(&rig);
}

/* ---- the calls ---- */

static void begin_a_save(void) {
  sluice_registry_t *other = rig_registry(&rig);
  sluice_sink_t *sink;
  sluice_save_t *another;
  toy_t more;
  void *data;
  size_t len;

  toy_init(&more, other, "more", 1, 1);
  (void)sluice_sink_memory(&sink, 1 << 20, &data, &len);
  (void)sluice_save_begin(&another, rig.engine, other, sink, NULL, rig_on_saved,
                          NULL);
}

static void begin_a_restore(void) {
  sluice_registry_t *other = rig_registry(&rig);
  sluice_source_t *source;
  sluice_restore_t *another;
  toy_t more;

  toy_init(&more, other, "more", 1, 1);
  (void)sluice_source_memory(&source, "", 0);
  (void)sluice_restore_begin(&another, rig.engine, other, source, NULL,
                             rig_on_restored, NULL);
}

static void cancel_the_save(void) {
  sluice_save_cancel(save);
}

static void switch_the_save(void) {
  sluice_save_switch(save);
}

static void cancel_the_restore(void) {
  sluice_restore_cancel(restore);
}

static void wake_the_section(void) {
  sluice_section_wake(toy.section);
}

static void hurry_the_section(void) {
  sluice_section_urgent(toy.section);
}

static void close_the_engine(void) {
  (void)sluice_engine_close(rig.engine, NULL, NULL);
}

static const struct {
  const char *name;
  void (*call)(void);
  int of_restore;
} calls[] = {{"sluice_save_begin", begin_a_save, 0},
             {"sluice_restore_begin", begin_a_restore, 0},
             {"sluice_save_cancel", cancel_the_save, 0},
             {"sluice_save_switch", switch_the_save, 0},
             {"sluice_restore_cancel", cancel_the_restore, 1},
             {"sluice_section_wake", wake_the_section, 0},
             {"sluice_section_urgent", hurry_the_section, 0},
             {"sluice_engine_close", close_the_engine, 0}};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

/* ---- a child that makes one of them ---- */

static void turn(void) {
  while (toy.calls[TOY_SAVE_STEP] == 0 && rig.callbacks == 0) {
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
  }
}

static void begin_own_save(void) {
  sluice_sink_t *sink;
  void *data;
  size_t len;

  (void)sluice_sink_memory(&sink, 1 << 20, &data, &len);
  (void)sluice_save_begin(&save, rig.engine, rig.registry, sink, NULL,
                          rig_on_saved, NULL);
  turn();
}

/* Of a pipe from which nothing comes. */
static void begin_own_restore(void) {
  sluice_source_t *source;
  int fds[2];

  (void)!pipe(fds);
  (void)sluice_source_fd(&source, fds[0]);
  (void)sluice_restore_begin(&restore, rig.engine, rig.registry, source, NULL,
                             rig_on_restored, NULL);
  for (int i = 0; i < 10; i++) {
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
  }
}

static void make_call(void *arg) {
  (*(void (*const *)(void))arg)();
}

static void run_child(int row, int out) {
  void (*call)(void) = calls[row].call;
  uv_thread_t thread;

  (void)dup2(out, STDERR_FILENO);
  if (calls[row].of_restore) {
    begin_own_restore();
  } else {
    begin_own_save();
  }
  (void)uv_thread_create(&thread, make_call, &call);
  (void)uv_thread_join(&thread);
  _exit(0);
}

static void read_all(int fd, char *text, size_t size) {
  size_t len = 0;
  ssize_t got;

  while ((got = read(fd, text + len, size - 1 - len)) > 0) {
    len += (size_t)got;
  }
  text[len] = '\0';
}

START_TEST(a_call_from_another_thread_is_named) {
#ifdef NDEBUG
  skip("a build without assertions");
#else
  char text[4096];
  int out[2], status;
  pid_t pid;

  ck_assert_int_eq(pipe(out), 0);
  pid = fork();
  if (pid == 0) {
    run_child(_i, out[1]);
  }
  (void)close(out[1]);
  read_all(out[0], text, sizeof(text));
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%d: %s",
                status, text);
  ck_assert_msg(strstr(text, calls[_i].name) != NULL, "%s", text);
  ck_assert_msg(strstr(text, "loop's thread") != NULL, "%s", text);
#endif
}
END_TEST

START_TEST(the_thread_that_runs_the_loop_may_call) {
  begin_own_save();
  switch_the_save();
  wake_the_section();
  hurry_the_section();
  cancel_the_save();
  rig_run(&rig);
  ck_assert_int_eq(rig.status, UV_ECANCELED);
}
END_TEST

Suite *wrong_thread_suite(void) {
  Suite *s = suite_create("wrong_thread");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, a_call_from_another_thread_is_named, 0, CALLS);
  tcase_add_test(t, the_thread_that_runs_the_loop_may_call);
  suite_add_tcase(s, t);
  return s;
}
