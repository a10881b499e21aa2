/* rig_source.c - a source of the host's own that fails in every way one may.
 *
 * It gives a kilobyte at a time, every other one late, from an idle handle. Of
 * what it is to put in place it gives a part, says that there is something, or
 * that it will not, in turn. */
#include "rigs.h"

#include <stdlib.h>
#include <string.h>

#include "fault.h"

enum { PIECE_BYTES = 1000 };

typedef struct custom_s {
  uv_idle_t idle;
  bool has_handle;
  const uint8_t *data;
  size_t left;
  unsigned calls;
  sluice_source_cb cb; /* NULL: no operation is under way */
  void *ctx;
  ptrdiff_t answer;
} custom_t;

static void on_idle(uv_idle_t *idle) {
  custom_t *c = idle->data;
  sluice_source_cb cb = c->cb;

  (void)uv_idle_stop(idle);
  c->cb = NULL;
  cb(c->ctx, c->answer);
}

static int later(custom_t *c, sluice_source_cb cb, void *ctx, ptrdiff_t answer,
                 bool is_hung) {
  if (c->cb != NULL) {
    fault_die("two reads at a time");
  }
  c->cb = cb;
  c->ctx = ctx;
  c->answer = answer;
  if (!is_hung) {
    (void)uv_idle_start(&c->idle, on_idle);
  }
  return 0;
}

static int open_custom(void *self, uv_loop_t *loop, sluice_source_cb cb,
                       void *ctx, sluice_error_t *err) {
  const fault_t *f = fault_hits(FAULT_SOURCE);
  custom_t *c = self;

  (void)err;
  (void)uv_idle_init(loop, &c->idle);
  c->idle.data = c;
  c->has_handle = true;
  if (f != NULL && f->style == STYLE_FAIL) {
    return f->code;
  }
  if (f != NULL && f->style == STYLE_LATE) {
    return later(c, cb, ctx, f->code, false);
  }
  return c->calls++ % 2 == 0 ? 1 : later(c, cb, ctx, 0, false);
}

static ptrdiff_t give(custom_t *c, void *buf, size_t len, size_t most) {
  size_t n = c->left < len ? c->left : len;

  n = n < most ? n : most;
  memcpy(buf, c->data, n);
  c->data += n;
  c->left -= n;
  return (ptrdiff_t)n;
}

static ptrdiff_t read_custom(void *self, void *buf, size_t len,
                             sluice_source_cb cb, void *ctx) {
  const fault_t *f = fault_hits(FAULT_SOURCE);
  custom_t *c = self;
  ptrdiff_t got;

  if (f != NULL && f->style == STYLE_FAIL) {
    return f->code;
  }
  if (f != NULL && f->style == STYLE_END) {
    c->left = 0;
  }
  if (f != NULL && (f->style == STYLE_LATE || f->style == STYLE_HANG)) {
    return later(c, cb, ctx, f->code, f->style == STYLE_HANG);
  }
  got =
      give(c, buf, len, f != NULL && f->style == STYLE_SHORT ? 1 : PIECE_BYTES);
  if (c->calls++ % 2 != 0) {
    return later(c, cb, ctx, got, false);
  }
  return got > 0 ? got : UV_EOF;
}

static ptrdiff_t give_into(custom_t *c, const struct iovec *places, int count,
                           size_t most) {
  ptrdiff_t got = 0;

  for (int i = 0; i < count && (size_t)got < most; i++) {
    got += give(c, places[i].iov_base, places[i].iov_len, most - (size_t)got);
  }
  return got > 0 ? got : UV_EOF;
}

static ptrdiff_t read_custom_into(void *self, const struct iovec *places,
                                  int count, sluice_source_cb cb, void *ctx) {
  const fault_t *f = fault_hits(FAULT_SOURCE);
  custom_t *c = self;
  unsigned turn = c->calls++ % 3;

  if (f != NULL && f->style == STYLE_FAIL) {
    return f->code;
  }
  if (f != NULL && f->style == STYLE_END) {
    c->left = 0;
  }
  if (f != NULL && (f->style == STYLE_LATE || f->style == STYLE_HANG)) {
    return later(c, cb, ctx, f->code, f->style == STYLE_HANG);
  }
  if (f != NULL && f->style == STYLE_SHORT) {
    return give_into(c, places, count, 1);
  }
  if (turn == 0) {
    return UV_EAGAIN;
  }
  return turn == 1 ? later(c, cb, ctx, UV_EAGAIN, false)
                   : give_into(c, places, count, 5 * PIECE_BYTES);
}

static void cancel_custom(void *self) {
  custom_t *c = self;

  if (c->cb != NULL) {
    (void)uv_idle_start(&c->idle, on_idle);
  }
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void close_custom(void *self) {
  custom_t *c = self;

  if (c->cb != NULL) {
    fault_die("closed with a read under way");
  }
  if (c->has_handle) {
    uv_close((uv_handle_t *)&c->idle, on_closed);
  } else {
    free(c);
  }
}

static const sluice_source_ops_t custom_ops = {.size = sizeof(custom_ops),
                                               .open = open_custom,
                                               .read = read_custom,
                                               .cancel = cancel_custom,
                                               .close = close_custom,
                                               .read_into = read_custom_into};

int rig_source_new(sluice_source_t **out, const void *data, size_t len) {
  custom_t *c;
  int r;

  fault_hold();
  c = calloc(1, sizeof(*c));
  fault_release();
  c->data = data;
  c->left = len;
  r = sluice_source_custom(out, &custom_ops, c);
  if (r < 0) {
    free(c);
  }
  return r;
}
