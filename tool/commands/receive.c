/* receive.c - sluice receive: a machine that QEMU sends becomes an image.
 *
 * QEMU migrates to us as it would to another QEMU, while the machine runs. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include <sluice/handler.h>

#include "cli/args.h"
#include "cli/command.h"
#include "contents/rounds.h"
#include "files/transcode.h"
#include "qemu/address.h"
#include "qemu/return_path.h"
#include "qemu/socket.h"

static const args_option_t options[] = {
    {'o', "output", "FILE", "where the image goes"},
    {'v', "verbose", NULL, "tell what comes: rounds, and the totals"},
};

static const args_spec_t spec = {
    .command = "receive",
    .usage = "tcp:HOST:PORT|unix:PATH|fd:N|- -o FILE|-",
    .about =
        "Waits for a machine that QEMU migrates, and keeps it as a native "
        "image: every page\nonce, as it was last, checksummed. The machine may "
        "run meanwhile. FILE appears when\nthe machine has arrived whole, or "
        "not at all. A port of 0 is any that is free; which\none is told.\n",
    .examples = "  sluice receive unix:/run/vm.mig -o vm.sluice\n"
                "  ... and in QEMU's monitor:  migrate -d unix:/run/vm.mig\n"
                "  sluice receive tcp::4444 -o vm.sluice\n"
                "  ssh host cat vm.qevm | sluice receive - -o vm.sluice\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .min_operands = 1,
    .max_operands = 1,
};

struct reception {
  address_t from;
  const char *to;
  listener_t listener;
  int fd; /* -1: nobody has come */
  input_t in;
  target_t out;
  transcode_t work;
  rounds_t rounds;
  return_path_t back;
  failure_t failure;
};

/* A channel of multifd says so in its first four bytes, a stream says QEVM. */
static bool is_multifd(int fd) {
  static const uint8_t magic[] = {0x11, 0x22, 0x33, 0x44};
  uint8_t first[sizeof(magic)];

  return recv(fd, first, sizeof(first), MSG_PEEK | MSG_WAITALL) ==
             (ssize_t)sizeof(first) &&
         memcmp(first, magic, sizeof(first)) == 0;
}

static int fail_channels(struct reception *c) {
  return fail_with(&c->failure, c->from.text, SLUICE_EFEATURE,
                   "expected one connection, found more: capability 'multifd' "
                   "(or 'postcopy-preempt') is not supported");
}

/* Waits for input, and for connections that should not come. */
static int wait_for(void *ctx, int fd, failure_t *f) {
  struct reception *c = ctx;
  struct pollfd p[] = {{.fd = fd, .events = POLLIN},
                       {.fd = c->listener.fd, .events = POLLIN}};

  if (c->listener.fd < 0) {
    return 0;
  }
  while (poll(p, 2, -1) < 0) {
    if (errno != EINTR) {
      return fail_system(f, c->from.text, errno, "wait");
    }
  }
  return p[1].revents != 0 ? fail_channels(c) : 0;
}

static int watch(void *ctx, const sluice_item_t *item, failure_t *f) {
  struct reception *c = ctx;

  (void)f;
  rounds_note(&c->rounds, item);
  return_path_note(&c->back, item);
  return 0;
}

static const input_hooks_t hooks = {.wait = wait_for};

static int meet(struct reception *c) {
  int r = listener_open(&c->listener, &c->from, &c->failure);

  if (r < 0) {
    return r;
  }
  listener_announce(&c->listener);
  r = listener_accept(&c->listener, &c->fd, &c->failure);
  if (r == 0 && is_multifd(c->fd)) {
    r = fail_channels(c);
  }
  return r;
}

static int take_machine(struct reception *c) {
  sluice_item_t item;
  int r = input_open_live(&c->in, c->fd, c->from.text, &c->failure);

  c->in.hooks = &hooks;
  c->in.ctx = c;
  c->back.fd = c->fd;
  c->rounds.is_verbose = c->work.is_verbose;
  c->work.to = SLUICE_FORMAT_NATIVE;
  c->work.watch = watch;
  c->work.ctx = c;
  if (r == 0) {
    r = input_next(&c->in, &item, &c->failure);
  }
  if (r == SLUICE_MORE) {
    r = transcode(&c->work, &c->in, &item.u.header, &c->out, &c->failure);
  }
  if (r == 0 && listener_has_more(&c->listener)) {
    r = fail_channels(c);
  }
  return r;
}

static int receive(struct reception *c) {
  int r = target_open(&c->out, c->to, true, &c->failure);

  if (r == 0) {
    r = meet(c);
  }
  if (r == 0) {
    r = take_machine(c);
  }
  if (r == 0) {
    r = target_commit(&c->out, &c->failure);
  }
  return_path_end(&c->back, r == 0);
  input_close(&c->in);
  listener_close(&c->listener);
  socket_close(&c->from, c->fd);
  target_close(&c->out);
  return r;
}

static int tell(struct reception *c) {
  if (c->failure.error.code != 0) {
    return report_failure(&c->failure);
  }
  if (c->work.is_verbose) {
    report_detail("%s: %" PRIu64 " bytes, %" PRIu64 " pages of data, %" PRIu64
                  " of zeros; %" PRIu64 " bytes came",
                  output_name(c->to), c->work.totals.bytes,
                  c->work.totals.pages_data, c->work.totals.pages_zero,
                  c->in.fetched);
  }
  return TOOL_OK;
}

static int run_receive(int argc, char **argv) {
  struct reception c = {.fd = -1, .listener = {.fd = -1}};
  args_t args;
  int letter;

  args_begin(&args, &spec, argc, argv);
  while ((letter = args_next(&args)) > 0) {
    if (letter == 'o') {
      c.to = args.value;
    } else {
      c.work.is_verbose = true;
    }
  }
  if (letter < 0) {
    return args.exit_code;
  }
  if (c.to == NULL) {
    return args_refuse(&args, "expected -o");
  }
  if (address_parse(&c.from, args.operands[0]) < 0) {
    return args_refuse(&args, "'%s' is no address", args.operands[0]);
  }
  (void)receive(&c);
  return tell(&c);
}

const command_t command_receive = {
    .name = "receive",
    .summary = "keep a machine that QEMU migrates to us",
    .run = run_receive,
};
