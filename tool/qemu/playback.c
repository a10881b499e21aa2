/* playback.c - see playback.h. */
#include "qemu/playback.h"

#include <uv.h>

#include <sluice/handler.h>

#include "cli/format.h"
#include "files/target.h"
#include "files/transcode.h"

struct copy {
  target_t out;
};

/* A stream is decoded to be checked, and goes on as it came. */
static int copy(void *ctx, const void *data, size_t len, failure_t *f) {
  struct copy *c = ctx;

  return target_write(&c->out, data, len, f);
}

static const input_hooks_t copying = {.copy = copy};

static int check(playback_t *p, failure_t *f) {
  sluice_item_t item;
  int r;

  do {
    r = input_next(&p->in, &item, f);
  } while (r == SLUICE_MORE);
  return r;
}

/* What was fetched to see the header is read again, which a pipe cannot. */
static int copy_stream(playback_t *p, int fd, const char *name, failure_t *f) {
  struct copy c;
  const char *from = p->in.name;
  int in = p->in.fd;
  bool is_ours = p->in.is_ours;
  int r;

  p->in.is_ours = false;
  input_close(&p->in);
  r = input_open_fd(&p->in, in, from, f);
  p->in.is_ours = is_ours;
  target_open_fd(&c.out, fd, name);
  p->in.hooks = &copying;
  p->in.ctx = &c;
  r = r < 0 ? r : check(p, f);
  p->in.ctx = NULL; /* `c` goes */
  return r;
}

static int convert(playback_t *p, int fd, const char *name, bool is_verbose,
                   failure_t *f) {
  transcode_t work = {.to = SLUICE_FORMAT_QEMU3, .is_verbose = is_verbose};
  target_t out;
  int r;

  target_open_fd(&out, fd, name);
  r = transcode(&work, &p->in, &p->header.u.header, &out, f);
  if (r == SLUICE_ESTATE && f->error.code == 0) {
    r = fail_with(f, p->in.name, SLUICE_EFORMAT,
                  "expected sections %s footers; that they are otherwise shows "
                  "at the end of an image only: convert it to qemu3 first",
                  work.footers_found == FOOTERS_ON ? "without" : "with");
  }
  return r;
}

int playback_open(playback_t *p, const char *path, failure_t *f) {
  static const input_options_t usual = {.page_size = 0};
  int r = input_open(&p->in, path, &usual, f);

  if (r == 0) {
    r = input_next(&p->in, &p->header, f);
  }
  if (r < 0) {
    return r;
  }
  switch (p->header.u.header.format) {
  case SLUICE_FORMAT_NATIVE:
  case SLUICE_FORMAT_QEMU3: return 0;
  case SLUICE_FORMAT_QEMU2:
  case SLUICE_FORMAT_UNKNOWN: break;
  }
  return fail_with(f, p->in.name, SLUICE_EFEATURE,
                   "expected an image or a stream of version 3, found %s: no "
                   "QEMU that reads version 3 has devices that old",
                   format_name(p->header.u.header.format));
}

int playback_run(playback_t *p, int fd, const char *name, bool is_verbose,
                 failure_t *f) {
  return p->header.u.header.format == SLUICE_FORMAT_NATIVE
             ? convert(p, fd, name, is_verbose, f)
             : copy_stream(p, fd, name, f);
}

void playback_close(playback_t *p) {
  input_close(&p->in);
}
