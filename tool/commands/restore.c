/* restore.c - sluice restore: a kept machine goes on, in a QEMU that was
 * started with -incoming defer. */
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <sluice/handler.h>

#include "cli/args.h"
#include "cli/command.h"
#include "qemu/migration.h"
#include "qemu/playback.h"
#include "qemu/settings.h"

enum { OPTION_QMP = 256, OPTION_THEN };

static const args_option_t options[] = {
    {OPTION_QMP, "qmp", "SOCKET", "QEMU's control socket"},
    {OPTION_THEN, "then", "WHAT",
     "resume or stop (default: as the machine was, and QEMU's -S says)"},
    {'v', "verbose", NULL, "tell what is left out"},
};

static const args_spec_t spec = {
    .command = "restore",
    .usage = "FILE --qmp SOCKET",
    .about = "Loads an image, or a stream of QEMU's, into a QEMU that was "
             "started like the machine\nthat it was taken from, and with "
             "-incoming defer. Says whether QEMU took it.\n",
    .examples = "  qemu-system-x86_64 ... -incoming defer \\\n"
                "      -qmp unix:/run/vm.qmp,server,nowait &\n"
                "  sluice restore vm.sluice --qmp /run/vm.qmp\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .min_operands = 1,
    .max_operands = 1,
};

struct restoration {
  const char *from;
  const char *socket;
  const char *then; /* NULL: as it comes */
  bool is_verbose;
  qmp_t qmp;
  settings_t settings;
  playback_t playback;
  failure_t failure;
};

static int check_state(struct restoration *c) {
  machine_state_t state;
  int r = machine_query(&c->qmp, &state, &c->failure);

  if (r == 0 && strcmp(state.status, "inmigrate") != 0) {
    r = fail_with(&c->failure, c->socket, UV_EBUSY,
                  "expected a QEMU started with -incoming defer, found a "
                  "machine that is '%s'",
                  state.status);
  }
  return r;
}

static int play(struct restoration *c) {
  int fd;
  int r = migration_begin(&c->qmp, "migrate-incoming", &fd, &c->failure);

  if (r < 0) {
    return r;
  }
  r = playback_run(&c->playback, fd, c->socket, c->is_verbose, &c->failure);
  (void)shutdown(fd, SHUT_WR);
  if (r == 0) {
    r = migration_await(&c->qmp, &c->failure);
  }
  (void)close(fd);
  return r;
}

static int go_on(struct restoration *c) {
  if (c->then == NULL) {
    return 0;
  }
  return qmp_run(&c->qmp, strcmp(c->then, "resume") == 0 ? "cont" : "stop",
                 NULL, NULL, &c->failure);
}

static int load(struct restoration *c) {
  int r = qmp_open(&c->qmp, c->socket, &c->failure);

  if (r == 0) {
    r = check_state(c);
  }
  if (r == 0) {
    r = settings_for_incoming(&c->settings, &c->qmp, &c->failure);
  }
  if (r == 0) {
    r = settings_apply(&c->settings, &c->qmp, &c->failure);
  }
  if (r == 0) {
    r = play(c);
  }
  if (r == 0) {
    r = go_on(c);
  }
  return r;
}

/* QEMU does not survive a machine that it could not load. */
static void undo(struct restoration *c, int r) {
  failure_t f = {0};
  machine_state_t state;

  (void)machine_query(&c->qmp, &state, &f);
  if (!c->qmp.is_gone) {
    f = (failure_t){0};
    (void)settings_restore(&c->settings, &c->qmp, &f);
    settings_drop(&c->settings);
    return;
  }
  settings_drop(&c->settings);
  /* It hung up on us: that is a consequence. */
  if (r == UV_EPIPE || r == UV_ECONNRESET) {
    f = (failure_t){0};
    (void)fail_with(&f, c->socket, UV_ECONNRESET,
                    "QEMU did not take it and has gone away: it says why on "
                    "its standard error");
    c->failure = f;
  }
}

static int restore(struct restoration *c) {
  int r = playback_open(&c->playback, c->from, &c->failure);

  if (r == 0) {
    r = load(c);
    undo(c, r);
  }
  playback_close(&c->playback);
  qmp_close(&c->qmp);
  return r < 0 ? report_failure(&c->failure) : TOOL_OK;
}

static int take_option(void *ctx, const args_t *args, int letter) {
  struct restoration *c = ctx;

  switch (letter) {
  case OPTION_QMP: c->socket = args->value; return TOOL_OK;
  case OPTION_THEN: c->then = args->value; break;
  default: c->is_verbose = true; return TOOL_OK;
  }
  return strcmp(c->then, "resume") == 0 || strcmp(c->then, "stop") == 0
             ? TOOL_OK
             : args_refuse(args, "'%s' is nothing that can be done then",
                           c->then);
}

static int run_restore(int argc, char **argv) {
  struct restoration c = {.qmp = {.fd = -1}};
  args_t args;

  args_begin(&args, &spec, argc, argv);
  if (!args_take(&args, take_option, &c)) {
    return args.exit_code;
  }
  if (c.socket == NULL) {
    return args_refuse(&args, "expected --qmp");
  }
  c.from = args.operands[0];
  return restore(&c);
}

const command_t command_restore = {
    .name = "restore",
    .summary = "load a kept machine into a QEMU that waits for it",
    .run = run_restore,
};
