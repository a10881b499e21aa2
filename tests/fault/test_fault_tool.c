/* test_fault_tool.c - the tool, as a user runs it, with every call of its own
 * failing in turn: it ends with a message, and its output is whole or not
 * there.
 *
 * preload.c does the failing. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sound.h"
#include "suite.h"
#include "tally.h"
#include "tool/fake_qmp.h"
#include "tool/made.h"
#include "tool/rig.h"

enum { NTH_MAX = 3000 };

static const struct {
  const char *name;
  sluice_format_t from;
  const char *arguments[6];
  const char *in; /* standard input; NULL: none */
  int has_qemu;   /* one that answers at "qmp" and sends "in" */
} scenarios[] = {
    {"convert, qemu3 to native",
     SLUICE_FORMAT_QEMU3,
     {"convert", "--to", "native", "in", "out", NULL},
     NULL,
     0},
    {"convert, native to qemu3",
     SLUICE_FORMAT_NATIVE,
     {"convert", "--to", "qemu3", "in", "out", NULL},
     NULL,
     0},
    {"convert, qemu3 to qemu3",
     SLUICE_FORMAT_QEMU3,
     {"convert", "--to", "qemu3", "in", "out", NULL},
     NULL,
     0},
    {"convert, native to native",
     SLUICE_FORMAT_NATIVE,
     {"convert", "--to", "native", "in", "out", NULL},
     NULL,
     0},
    {"receive, qemu3",
     SLUICE_FORMAT_QEMU3,
     {"receive", "-", "-o", "out", NULL, NULL},
     "in",
     0},
    {"receive, native",
     SLUICE_FORMAT_NATIVE,
     {"receive", "-", "-o", "out", NULL, NULL},
     "in",
     0},
    {"checkpoint",
     SLUICE_FORMAT_QEMU3,
     {"checkpoint", "--qmp", "qmp", "-o", "out", NULL},
     NULL,
     1},
};

static const struct {
  const char *name;
  const char *call;
  int error;
} faults[] = {
    {"no memory", "memory", ENOMEM}, {"open fails", "open", EMFILE},
    {"a read fails", "read", EIO},   {"no space", "write", ENOSPC},
    {"a sync fails", "sync", EIO},   {"the name is refused", "rename", EACCES},
    {"no mapping", "map", ENOMEM},
};

enum {
  SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]),
  FAULTS = sizeof(faults) / sizeof(faults[0])
};

static void arm(const char *call, int error, int nth, int for_ever) {
  char text[16];

  (void)setenv("SLUICE_FAULT_CALL", call, 1);
  (void)snprintf(text, sizeof(text), "%d", nth);
  (void)setenv("SLUICE_FAULT_NTH", text, 1);
  (void)snprintf(text, sizeof(text), "%d", error);
  (void)setenv("SLUICE_FAULT_ERRNO", text, 1);
  (void)setenv("SLUICE_FAULT_MARK", "mark", 1);
  (void)(for_ever ? setenv("SLUICE_FAULT_EVER", "1", 1)
                  : unsetenv("SLUICE_FAULT_EVER"));
  (void)setenv("LD_PRELOAD", SLUICE_PRELOAD, 1);
}

static void disarm(void) {
  (void)unsetenv("LD_PRELOAD");
}

/* NULL, or what is wrong. */
static const char *judge(const ran_t *r, int fired) {
  size_t len = 0;
  void *data = file_read("out", &len);
  const char *bad = NULL;

  if (r->exit_code > 1) {
    bad = "it did not end by itself";
  } else if (r->exit_code == 0 && data == NULL) {
    bad = "it says that all went well, and there is nothing";
  } else if (r->exit_code == 1 && r->err[0] == '\0') {
    bad = "it does not say why";
  } else if (r->exit_code == 1 && !fired) {
    bad = "it fails without a fault";
  } else if (data != NULL && image_decode(data, len, NULL) != 0) {
    bad = "half an image is there";
  } else if (rig_leftovers() != 0) {
    bad = "a temporary file is left";
  }
  free(data);
  return bad;
}

/* The tool may have ended before it had spoken to anybody. */
static void let_go(void) {
  struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "qmp"};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  (void)connect(fd, (const struct sockaddr *)&to, sizeof(to));
  (void)close(fd);
}

static ran_t run_tool(int scenario) {
  const char *const *a = scenarios[scenario].arguments;
  const rig_io_t io = {.in = scenarios[scenario].in};

  return rig_run_io(&io, a[0], a[1], a[2], a[3], a[4], NULL);
}

/* What a tool that cannot act any more leaves as it is, is not asked for. */
static const char *judge_machine(const fake_end_t *end, int for_ever) {
  if (for_ever || (end->is_running && end->is_as_it_was)) {
    return NULL;
  }
  return end->is_running ? "the machine's settings are left changed"
                         : "the machine is left stopped";
}

/* Returns whether the fault was met. */
static int run_once(int scenario, int fault, int nth, int for_ever,
                    unsigned *bad) {
  fake_qmp_t qemu = {.stream = "in"};
  fake_end_t end;
  const char *what;
  int fired;
  ran_t r;

  (void)unlink("out");
  (void)unlink("mark");
  if (scenarios[scenario].has_qemu) {
    fake_qmp_start(&qemu);
  }
  arm(faults[fault].call, faults[fault].error, nth, for_ever);
  r = run_tool(scenario);
  disarm();
  fired = access("mark", F_OK) == 0;
  what = judge(&r, fired);
  if (scenarios[scenario].has_qemu) {
    let_go();
    end = fake_qmp_end(&qemu);
    what = what != NULL ? what : judge_machine(&end, for_ever);
  }
  if (what != NULL) {
    (*bad)++;
    (void)printf("%s; %s, %s after %d: %s (%d: %s)\n", scenarios[scenario].name,
                 faults[fault].name, for_ever ? "for ever" : "once", nth, what,
                 r.exit_code, r.err);
  }
  ran_done(&r);
  return fired;
}

/* Rows: scenarios by faults. */
START_TEST(the_tool_survives_every_failed_call) {
  int scenario = _i / FAULTS;
  int fault = _i % FAULTS;
  unsigned bad = 0;
  unsigned injected = 0;
  char text[120];

  made_sample("in", scenarios[scenario].from);
  for (int mode = 0; mode < 2; mode++) {
    for (int nth = 0; nth < NTH_MAX && bad < 8; nth++) {
      if (!run_once(scenario, fault, nth, mode, &bad)) {
        break;
      }
      injected++;
    }
  }
  (void)snprintf(text, sizeof(text), "%s; %s", scenarios[scenario].name,
                 faults[fault].name);
  fault_tally(text, 1, injected, bad);
  ck_assert_uint_eq(bad, 0);
}
END_TEST

Suite *fault_tool_suite(void);

Suite *fault_tool_suite(void) {
  Suite *s = suite_create("fault_tool");
  TCase *t = tcase_create("sweeps");

  tcase_add_checked_fixture(t, rig_setup, rig_teardown);
  tcase_add_loop_test(t, the_tool_survives_every_failed_call, 0,
                      SCENARIOS * FAULTS);
  suite_add_tcase(s, t);
  return s;
}
