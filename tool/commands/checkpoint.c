/* checkpoint.c - sluice checkpoint: a machine is kept, and goes on.
 *
 *   look -> prepare -> (stop) -> migrate to us -> await the end -> then
 *
 * Whatever fails or interrupts, the way back is one: undo(). Invariant: what
 * was changed in QEMU is set back, and a machine that ran runs, as long as QEMU
 * answers. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <sluice/handler.h>

#include "cli/args.h"
#include "cli/bar.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "contents/rounds.h"
#include "files/transcode.h"
#include "qemu/guard.h"
#include "qemu/migration.h"
#include "qemu/settings.h"

enum {
  OPTION_QMP = 256,
  OPTION_THEN,
  OPTION_LIVE,
  OPTION_STOPPED,
  OPTION_DOWN
};

enum { ASK_BYTES = 16 * 1024 * 1024, DOWNTIME_MAX_MS = 2000 * 1000 };

typedef enum then_e { THEN_RESUME, THEN_STOP, THEN_QUIT } then_t;

typedef enum way_e { WAY_CHOOSE, WAY_LIVE, WAY_STOPPED } way_t;

static const args_option_t options[] = {
    {OPTION_QMP, "qmp", "SOCKET", "QEMU's control socket"},
    {'o', "output", "FILE", "where the image goes"},
    {OPTION_THEN, "then", "WHAT", "resume (default), stop or quit"},
    {OPTION_LIVE, "live", NULL, "the machine runs while it is taken"},
    {OPTION_STOPPED, "stopped", NULL, "it does not"},
    {OPTION_DOWN, "downtime", "MS", "how long the end of --live may stop it"},
    {'v', "verbose", NULL, "tell what is done"},
};

static const args_spec_t spec = {
    .command = "checkpoint",
    .usage = "--qmp SOCKET -o FILE|-",
    .about =
        "Takes an image of a machine over QEMU's control socket; then the "
        "machine goes on, or\nwhat --then says. It is taken while it runs; "
        "without KVM it is stopped meanwhile,\nbecause QEMU's emulator loses "
        "track of writes. QEMU's settings are what they were,\nafterwards. "
        "FILE appears when it is complete, or not at all. Disks are not in "
        "it.\n",
    .examples =
        "  qemu-system-x86_64 ... -qmp unix:/run/vm.qmp,server,nowait\n"
        "  sluice checkpoint --qmp /run/vm.qmp -o vm.sluice\n"
        "  sluice checkpoint --qmp /run/vm.qmp -o vm.sluice --then quit\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .min_operands = 0,
    .max_operands = 0,
};

struct checkpoint {
  const char *socket;
  const char *to;
  then_t then;
  way_t way;
  uint64_t downtime_ms;
  bool was_running;
  bool is_begun; /* the migration is, or may be: nobody waited for an answer */
  qmp_t qmp;
  settings_t settings;
  guard_t guard;
  int fd; /* our end; -1: none */
  input_t in;
  target_t out;
  transcode_t work;
  rounds_t rounds;
  uint64_t asked_at;
  failure_t failure;
};

/* The stream comes. */

/* QEMU knows better than its stream what is left. */
static void show_answer(struct checkpoint *c) {
  json_t *said = qmp_take_answer(&c->qmp);
  const json_t *ram = json_object_get(said, "ram");

  if (ram != NULL) {
    bar_say("round %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT " MiB left",
            json_integer_value(json_object_get(ram, "dirty-sync-count")),
            json_integer_value(json_object_get(ram, "remaining")) / (1 << 20));
  }
  json_decref(said);
}

/* Before each read: QEMU's news are taken, so that it need not keep them. */
static int wait_for(void *ctx, int fd, failure_t *f) {
  struct checkpoint *c = ctx;
  int r;

  if (c->in.fetched - c->asked_at >= ASK_BYTES) {
    c->asked_at = c->in.fetched;
    qmp_ask(&c->qmp, "query-migrate");
  }
  do {
    r = qmp_wait(&c->qmp, fd, -1, f);
  } while (r == 0);
  show_answer(c);
  return r < 0 ? r : 0;
}

static int watch(void *ctx, const sluice_item_t *item, failure_t *f) {
  struct checkpoint *c = ctx;

  (void)f;
  rounds_note(&c->rounds, item);
  return 0;
}

static const input_hooks_t hooks = {.wait = wait_for};

static int take_stream(struct checkpoint *c) {
  sluice_item_t item;
  int r = input_open_live(&c->in, c->fd, c->socket, &c->failure);

  c->in.hooks = &hooks;
  c->in.ctx = c;
  c->rounds.is_verbose = c->work.is_verbose;
  c->work.to = SLUICE_FORMAT_NATIVE;
  c->work.watch = watch;
  c->work.ctx = c;
  if (r == 0) {
    r = input_next(&c->in, &item, &c->failure);
  }
  return r == SLUICE_MORE
             ? transcode(&c->work, &c->in, &item.u.header, &c->out, &c->failure)
             : r;
}

/* Before it. */

static int check_state(struct checkpoint *c, const machine_state_t *state) {
  static const char *const empty[] = {"inmigrate", "prelaunch-migrate"};

  for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
    if (strcmp(state->status, empty[i]) == 0) {
      return fail_with(&c->failure, c->socket, UV_EBUSY,
                       "expected a machine, found one that still waits for its "
                       "state ('%s')",
                       state->status);
    }
  }
  c->was_running = state->is_running;
  return 0;
}

static int choose_way(struct checkpoint *c) {
  bool is_kvm = false;
  int r = machine_is_kvm(&c->qmp, &is_kvm, &c->failure);

  if (r < 0) {
    return r;
  }
  if (c->way == WAY_CHOOSE) {
    c->way = is_kvm ? WAY_LIVE : WAY_STOPPED;
    if (!is_kvm && c->was_running) {
      report_detail("%s: the machine does not run under KVM: it is stopped "
                    "while it is taken (--live: it is not)",
                    c->socket);
    }
  } else if (c->way == WAY_LIVE && !is_kvm && c->was_running) {
    report_detail("%s: the machine does not run under KVM: what it writes "
                  "while it is taken can be lost",
                  c->socket);
  }
  return 0;
}

static int look(struct checkpoint *c) {
  machine_state_t state;
  int r = qmp_open(&c->qmp, c->socket, &c->failure);

  if (r == 0) {
    r = machine_query(&c->qmp, &state, &c->failure);
  }
  if (r == 0) {
    r = check_state(c, &state);
  }
  return r == 0 ? choose_way(c) : r;
}

static int stop_machine(struct checkpoint *c) {
  if (!c->was_running || c->way != WAY_STOPPED) {
    return 0;
  }
  c->work.was_running = true;
  return qmp_run(&c->qmp, "stop", NULL, NULL, &c->failure);
}

static int begin(struct checkpoint *c) {
  int r =
      settings_for_outgoing(&c->settings, &c->qmp, c->downtime_ms, &c->failure);

  if (r == 0) {
    guard_begin(&c->guard, &c->qmp, &c->settings, c->was_running);
    r = settings_apply(&c->settings, &c->qmp, &c->failure);
  }
  if (r == 0) {
    r = stop_machine(c);
  }
  if (r == 0) {
    c->is_begun = true;
    r = migration_begin(&c->qmp, "migrate", &c->fd, &c->failure);
  }
  return r;
}

/* After it. */

static int quit(struct checkpoint *c) {
  failure_t ignored = {0}; /* it may be gone before it has answered */

  settings_drop(&c->settings);
  guard_end(&c->guard);
  (void)qmp_run(&c->qmp, "quit", NULL, NULL, &ignored);
  return c->qmp.is_gone || ignored.error.code == 0
             ? 0
             : fail_stream(&c->failure, c->socket, &ignored.error);
}

/* A machine that goes on does so before the image is on disk: that takes as
 * long as the disk does. */
static int go_on(struct checkpoint *c) {
  int r = 0;

  if (c->then == THEN_RESUME && c->was_running) {
    r = machine_resume(&c->qmp, &c->failure);
  }
  if (r == 0 && c->then != THEN_QUIT) {
    r = settings_restore(&c->settings, &c->qmp, &c->failure);
  }
  if (r == 0) {
    r = target_commit(&c->out, &c->failure);
  }
  return r == 0 && c->then == THEN_QUIT ? quit(c) : r;
}

static void close_stream(struct checkpoint *c) {
  input_close(&c->in);
  if (c->fd >= 0) {
    (void)close(c->fd);
    c->fd = -1;
  }
}

/* QEMU that has gone is why the stream broke off, and needs no undoing. */
static void blame_qemu(struct checkpoint *c) {
  failure_t gone = {0};

  (void)fail_with(&gone, c->socket, UV_ECONNRESET,
                  "QEMU has gone away, at byte %" PRIu64 " of its stream",
                  c->in.fetched);
  c->failure = gone;
}

/* Back to how it was, as far as QEMU answers. */
static void undo(struct checkpoint *c) {
  failure_t f = {0};
  int r = 0;

  c->qmp.is_deaf = true;
  close_stream(c);
  if (c->is_begun) {
    r = migration_cancel(&c->qmp, &f);
  }
  if (c->was_running && !c->qmp.is_gone) {
    r = machine_resume(&c->qmp, &f);
  }
  if (!c->qmp.is_gone) {
    (void)settings_restore(&c->settings, &c->qmp, &f);
  }
  if (c->qmp.is_gone) {
    blame_qemu(c);
  } else if (f.error.code != 0) {
    report_detail("%s: and it could not be undone%s: %s", c->socket,
                  r < 0 && c->was_running ? ": the machine may be stopped" : "",
                  f.error.message);
  }
}

static int take_machine(struct checkpoint *c) {
  int r = begin(c);

  if (r == 0) {
    r = take_stream(c);
  }
  if (r == 0) {
    r = migration_await(&c->qmp, &c->failure);
  }
  if (r == 0) {
    close_stream(c);
    r = go_on(c);
  }
  if (r < 0) {
    undo(c);
  }
  guard_end(&c->guard);
  return r;
}

static int checkpoint(struct checkpoint *c) {
  int r = target_open(&c->out, c->to, true, &c->failure);

  if (r == 0) {
    r = look(c);
  }
  if (r == 0) {
    r = take_machine(c);
  }
  settings_drop(&c->settings);
  qmp_close(&c->qmp);
  target_close(&c->out);
  return r;
}

static int tell(struct checkpoint *c) {
  if (c->failure.error.code != 0) {
    return report_failure(&c->failure);
  }
  if (c->work.is_verbose) {
    report_detail("%s: %" PRIu64 " bytes, %" PRIu64 " pages of data, %" PRIu64
                  " of zeros, in %" PRIu32 " rounds",
                  output_name(c->to), c->work.totals.bytes,
                  c->work.totals.pages_data, c->work.totals.pages_zero,
                  c->rounds.count);
  }
  return TOOL_OK;
}

/* The command line. */

static int take_then(struct checkpoint *c, const args_t *args) {
  static const char *const names[] = {"resume", "stop", "quit"};

  for (int i = 0; i < 3; i++) {
    if (strcmp(args->value, names[i]) == 0) {
      c->then = (then_t)i;
      return TOOL_OK;
    }
  }
  return args_refuse(args, "'%s' is nothing that can be done then",
                     args->value);
}

static int take_downtime(struct checkpoint *c, const args_t *args) {
  char *end;
  unsigned long ms = strtoul(args->value, &end, 10);

  if (args->value[0] < '0' || args->value[0] > '9' || *end != '\0' || ms == 0 ||
      ms > DOWNTIME_MAX_MS) {
    return args_refuse(args, "'%s' is no time in milliseconds", args->value);
  }
  c->downtime_ms = ms;
  return TOOL_OK;
}

static int take_option(void *ctx, const args_t *args, int letter) {
  struct checkpoint *c = ctx;

  switch (letter) {
  case OPTION_QMP: c->socket = args->value; return TOOL_OK;
  case 'o': c->to = args->value; return TOOL_OK;
  case OPTION_THEN: return take_then(c, args);
  case OPTION_LIVE: c->way = WAY_LIVE; return TOOL_OK;
  case OPTION_STOPPED: c->way = WAY_STOPPED; return TOOL_OK;
  case OPTION_DOWN: return take_downtime(c, args);
  default: c->work.is_verbose = true; return TOOL_OK;
  }
}

static int run_checkpoint(int argc, char **argv) {
  struct checkpoint c = {.fd = -1, .qmp = {.fd = -1}};
  args_t args;
  int r;

  args_begin(&args, &spec, argc, argv);
  if (!args_take(&args, take_option, &c)) {
    return args.exit_code;
  }
  if (c.socket == NULL || c.to == NULL) {
    return args_refuse(&args, "expected %s", c.socket == NULL ? "--qmp" : "-o");
  }
  interrupt_begin();
  (void)checkpoint(&c);
  r = tell(&c);
  interrupt_end();
  return r;
}

const command_t command_checkpoint = {
    .name = "checkpoint",
    .summary = "take an image of a machine that goes on running",
    .run = run_checkpoint,
};
