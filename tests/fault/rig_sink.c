/* rig_sink.c - a sink of the host's own that fails in every way a sink may.
 *
 * Every other operation answers late, from an idle handle. Hung writes answer
 * when they are aborted, as sink.h demands. It checks how it is used: an order
 * that sink.h does not promise ends the test. */
#include "rigs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "fault.h"

enum { ANSWERS_MAX = 64, SINK_ROOM = 8 * 1024 * 1024 };

typedef struct answer_s {
  sluice_sink_cb cb;
  void *ctx;
  int status;
  bool is_hung;
} answer_t;

typedef struct custom_s {
  uv_idle_t idle;
  bool has_handle;
  rig_sink_t *result;
  answer_t answers[ANSWERS_MAX];
  unsigned waiting;
  unsigned calls;
  unsigned takes;
  uint64_t at;  /* offset that comes next, whatever befell what came */
  bool is_open; /* neither has open failed, nor have finish or abort come */
} custom_t;

static void claim(bool condition, const char *what) {
  if (!condition) {
    fault_die(what);
  }
}

static void answer_first(custom_t *c) {
  answer_t a = c->answers[0];

  c->waiting--;
  memmove(c->answers, c->answers + 1, c->waiting * sizeof(a));
  a.cb(a.ctx, a.status);
}

/* In the order of the calls, but for those that hang. */
static void on_idle(uv_idle_t *idle) {
  custom_t *c = idle->data;
  unsigned n = c->waiting;

  while (n-- > 0 && c->waiting > 0 && !c->answers[0].is_hung) {
    answer_first(c);
  }
  if (c->waiting == 0 || c->answers[0].is_hung) {
    (void)uv_idle_stop(idle);
  }
}

static void wake(custom_t *c) {
  if (c->waiting > 0 && !c->answers[0].is_hung) {
    (void)uv_idle_start(&c->idle, on_idle);
  }
}

static int later(custom_t *c, sluice_sink_cb cb, void *ctx, int status,
                 bool is_hung) {
  claim(c->waiting < ANSWERS_MAX, "too many operations at a time");
  c->answers[c->waiting++] =
      (answer_t){.cb = cb, .ctx = ctx, .status = status, .is_hung = is_hung};
  wake(c);
  return 0;
}

/* 2: nothing befell the operation. */
static int befall(custom_t *c, sluice_sink_cb cb, void *ctx, bool may_hang) {
  const fault_t *f = fault_hits(FAULT_SINK);

  if (f == NULL) {
    return 2;
  }
  if (f->style == STYLE_FAIL) {
    return f->code;
  }
  return later(c, cb, ctx,
               f->style == STYLE_HANG && may_hang ? UV_ECANCELED : f->code,
               f->style == STYLE_HANG && may_hang);
}

static int done(custom_t *c, sluice_sink_cb cb, void *ctx) {
  return c->calls++ % 2 == 0 ? 1 : later(c, cb, ctx, 0, false);
}

static int open_custom(void *self, uv_loop_t *loop, sluice_sink_cb cb,
                       void *ctx, sluice_error_t *err) {
  custom_t *c = self;
  int r;

  (void)err;
  c->result->opened++;
  (void)uv_idle_init(loop, &c->idle);
  c->idle.data = c;
  c->has_handle = true;
  r = befall(c, cb, ctx, false);
  c->is_open = r == 2;
  return r == 2 ? done(c, cb, ctx) : r;
}

static int write_custom(void *self, const void *data, size_t len,
                        uint64_t offset, sluice_sink_cb cb, void *ctx) {
  custom_t *c = self;
  int r = befall(c, cb, ctx, true);

  claim(c->is_open, "a write while it is not open");
  claim(offset == c->at, "a gap in the stream");
  c->at += len;
  if (r != 2) {
    return r;
  }
  claim(len <= SINK_ROOM - c->result->len, "a stream without end");
  memcpy(c->result->data + c->result->len, data, len);
  c->result->len += len;
  return done(c, cb, ctx);
}

/* All, nothing or a part, in turn; a fault is told at once. */
static ptrdiff_t write_custom_now(void *self, const struct iovec *pieces,
                                  int count, uint64_t offset) {
  custom_t *c = self;
  const fault_t *f = fault_hits(FAULT_SINK);
  size_t before = c->result->len;
  size_t left = SIZE_MAX;

  claim(c->is_open && c->waiting == 0, "write_now at the wrong time");
  claim(offset == c->at, "a gap in the stream");
  if (f != NULL) {
    return f->code;
  }
  if (c->takes++ % 3 != 0) {
    left = c->takes % 3 == 1 ? 0 : 777;
  }
  for (int i = 0; i < count && left > 0; i++) {
    size_t n = pieces[i].iov_len < left ? pieces[i].iov_len : left;

    claim(n <= SINK_ROOM - c->result->len, "a stream without end");
    memcpy(c->result->data + c->result->len, pieces[i].iov_base, n);
    c->result->len += n;
    left -= n;
  }
  c->at += c->result->len - before;
  return (ptrdiff_t)(c->result->len - before);
}

static int finish_custom(void *self, sluice_sink_cb cb, void *ctx) {
  custom_t *c = self;
  int r = befall(c, cb, ctx, false);

  claim(c->is_open && c->waiting == (r == 0), "finish at the wrong time");
  c->is_open = false;
  c->result->finished += r == 2;
  return r == 2 ? done(c, cb, ctx) : r;
}

static int abort_custom(void *self, sluice_sink_cb cb, void *ctx) {
  custom_t *c = self;
  int r;

  claim(c->is_open, "aborted while it is not open");
  c->result->aborted++;
  c->is_open = false;
  for (unsigned i = 0; i < c->waiting; i++) {
    c->answers[i].is_hung = false;
  }
  wake(c);
  r = befall(c, cb, ctx, false);
  if (r == 2) {
    r = c->waiting > 0 ? later(c, cb, ctx, 0, false) : done(c, cb, ctx);
  }
  if (r != 0) {
    for (unsigned i = 0; i < c->waiting; i++) {
      claim(!c->answers[i].is_hung, "an answer is owed");
    }
  }
  return r;
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void close_custom(void *self) {
  custom_t *c = self;

  claim(c->waiting == 0, "closed with operations under way");
  c->result->closed++;
  if (c->has_handle) {
    uv_close((uv_handle_t *)&c->idle, on_closed);
  } else {
    free(c);
  }
}

static const sluice_sink_ops_t custom_ops = {.size = sizeof(custom_ops),
                                             .open = open_custom,
                                             .write = write_custom,
                                             .finish = finish_custom,
                                             .abort = abort_custom,
                                             .close = close_custom,
                                             .write_now = write_custom_now};

int rig_sink_new(sluice_sink_t **out, rig_sink_t *result) {
  custom_t *c;
  int r;

  fault_hold();
  c = calloc(1, sizeof(*c));
  result->data = malloc(SINK_ROOM);
  fault_release();
  c->result = result;
  r = sluice_sink_custom(out, &custom_ops, c);
  if (r < 0) {
    free(c);
  }
  return r;
}
