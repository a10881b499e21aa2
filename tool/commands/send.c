/* send.c - sluice send: a kept machine goes to a QEMU that waits for it. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sluice/handler.h>

#include "cli/args.h"
#include "cli/command.h"
#include "qemu/address.h"
#include "qemu/playback.h"
#include "qemu/socket.h"

static const args_option_t options[] = {
    {'v', "verbose", NULL, "tell what is left out"},
};

static const args_spec_t spec = {
    .command = "send",
    .usage = "FILE tcp:HOST:PORT|unix:PATH|fd:N|-",
    .about = "Plays an image, or a stream of QEMU's, to a QEMU that was "
             "started like the machine\nthat it was taken from, and with "
             "-incoming. Ends when QEMU has taken it all.\n",
    .examples =
        "  qemu-system-x86_64 ... -incoming unix:/run/vm.mig &\n"
        "  sluice send vm.sluice unix:/run/vm.mig\n"
        "  sluice send vm.sluice tcp:host:4444\n"
        "  qemu-system-x86_64 ... -incoming 'exec:sluice send vm.sluice -'\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .min_operands = 2,
    .max_operands = 2,
};

/* QEMU closes the connection when it has read all of it, or before in anger. */
static int await_close(const address_t *a, int fd, failure_t *f) {
  char scrap[256];
  ssize_t n;

  if (a->kind != ADDRESS_TCP && a->kind != ADDRESS_UNIX) {
    return 0;
  }
  (void)shutdown(fd, SHUT_WR);
  do {
    n = recv(fd, scrap, sizeof(scrap), 0);
  } while (n > 0 || (n < 0 && errno == EINTR));
  return n < 0 ? fail_system(f, a->text, errno, "see it taken") : 0;
}

static int send_machine(const char *path, const address_t *to, int is_verbose) {
  playback_t p;
  failure_t f = {0};
  int fd = -1;
  int r = playback_open(&p, path, &f);

  if (r == 0) {
    r = socket_connect(to, &fd, &f);
  }
  if (r == 0) {
    r = playback_run(&p, fd, to->text, is_verbose, &f);
  }
  if (r == 0) {
    r = await_close(to, fd, &f);
  }
  playback_close(&p);
  socket_close(to, fd);
  return r < 0 ? report_failure(&f) : TOOL_OK;
}

static int run_send(int argc, char **argv) {
  address_t to;
  args_t args;
  int is_verbose = 0;
  int letter;

  args_begin(&args, &spec, argc, argv);
  while ((letter = args_next(&args)) > 0) {
    is_verbose = 1;
  }
  if (letter < 0) {
    return args.exit_code;
  }
  if (address_parse(&to, args.operands[1]) < 0) {
    return args_refuse(&args, "'%s' is no address", args.operands[1]);
  }
  return send_machine(args.operands[0], &to, is_verbose);
}

const command_t command_send = {
    .name = "send",
    .summary = "play a kept machine to a QEMU that waits for it",
    .run = run_send,
};
