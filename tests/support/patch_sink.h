/* patch_sink.h - a sink of the host's own that is told to replace bytes, and
 * holds its session to the contract of `patch`.
 *
 * A late one reads what it was given when it answers, in the reverse order of
 * the calls: so what is not kept until then is seen. Writes take it many turns
 * of the loop, a patch one. One a process. */
#ifndef SLUICE_TESTS_PATCH_SINK_H
#define SLUICE_TESTS_PATCH_SINK_H

#include <sluice/sluice.h>

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <uv.h>

enum {
  PATCH_CALLS_MAX = 64,
  PATCH_IMAGE_MAX = 16 << 20,
  PATCH_WRITE_TURNS = 40
};

typedef struct patch_call_s {
  sluice_sink_cb cb;
  void *ctx;
  const void *data; /* of a write */
  size_t len;
  uint64_t offset;
  const sluice_patch_t *patches;
  size_t count;
  int status;
  unsigned turns; /* until it answers */
} patch_call_t;

static struct {
  bool is_late;  /* everything answers from the loop */
  bool takes;    /* by write_now(), for any offset */
  bool is_unfit; /* has patch, but can_patch() says no */
  bool hangs;    /* the patch that fails answers when it is aborted only */
  unsigned fail_at;
  unsigned patches;
  unsigned aborts;
  uint8_t *data;
  size_t end;
  patch_call_t calls[PATCH_CALLS_MAX];
  unsigned waiting;
  bool is_patching;
  bool is_aborted;
  uv_idle_t idle;
} patch_sink;

static inline void patch_put(const void *data, size_t len, uint64_t offset) {
  ck_assert_uint_le(offset + len, PATCH_IMAGE_MAX);
  memcpy(patch_sink.data + offset, data, len);
  if (offset + len > patch_sink.end) {
    patch_sink.end = offset + len;
  }
}

static inline void patch_apply(const sluice_patch_t *patches, size_t count) {
  for (size_t i = 0; i < count; i++) {
    patch_put(patches[i].data, patches[i].len, patches[i].offset);
  }
}

static inline void patch_answer(patch_call_t call) {
  if (call.status == 0 && call.data != NULL) {
    patch_put(call.data, call.len, call.offset);
  }
  if (call.patches != NULL) {
    patch_sink.is_patching = false;
    patch_apply(call.patches, call.status == 0 ? call.count : 0);
  }
  call.cb(call.ctx, call.status);
}

static inline bool patch_is_abort(const patch_call_t *call) {
  return call->data == NULL && call->patches == NULL;
}

static inline bool patch_is_due(patch_call_t *call) {
  if (patch_sink.is_aborted) {
    return true;
  }
  call->turns -= call->turns > 0;
  return call->turns == 0 && call->status != UV_ETIMEDOUT;
}

/* Those of `calls` that are due, what came last first; the others wait on. */
static inline void patch_answer_due(patch_call_t *calls, unsigned n) {
  bool is_due[PATCH_CALLS_MAX];

  patch_sink.waiting = 0;
  for (unsigned i = 0; i < n; i++) {
    is_due[i] = patch_is_due(&calls[i]);
    if (!is_due[i]) {
      patch_sink.calls[patch_sink.waiting++] = calls[i];
    }
  }
  for (unsigned i = n; i > 0; i--) {
    if (is_due[i - 1] && !patch_is_abort(&calls[i - 1])) {
      patch_answer(calls[i - 1]);
    }
  }
}

static inline void patch_on_idle(uv_idle_t *idle) {
  patch_call_t calls[PATCH_CALLS_MAX];
  unsigned n = patch_sink.waiting;

  memcpy(calls, patch_sink.calls, n * sizeof(*calls));
  patch_answer_due(calls, n);
  for (unsigned i = 0; i < n; i++) {
    if (patch_is_abort(&calls[i])) {
      patch_answer(calls[i]); /* behind all others */
    }
  }
  if (patch_sink.waiting == 0) {
    (void)uv_idle_stop(idle);
  }
}

static inline int patch_later(const patch_call_t *call) {
  ck_assert_uint_lt(patch_sink.waiting, PATCH_CALLS_MAX);
  patch_sink.calls[patch_sink.waiting++] = *call;
  return uv_idle_start(&patch_sink.idle, patch_on_idle);
}

static inline int patch_open(void *self, uv_loop_t *loop, sluice_sink_cb cb,
                             void *ctx, sluice_error_t *err) {
  (void)self;
  (void)cb;
  (void)ctx;
  (void)err;
  return uv_idle_init(loop, &patch_sink.idle) == 0 ? 1 : UV_EINVAL;
}

static inline int patch_write(void *self, const void *data, size_t len,
                              uint64_t offset, sluice_sink_cb cb, void *ctx) {
  const patch_call_t call = {.cb = cb,
                             .ctx = ctx,
                             .data = data,
                             .len = len,
                             .offset = offset,
                             .turns = PATCH_WRITE_TURNS};

  (void)self;
  if (patch_sink.is_late) {
    return patch_later(&call);
  }
  patch_put(data, len, offset);
  return 1;
}

static inline ptrdiff_t patch_take(void *self, const struct iovec *pieces,
                                   int count, uint64_t offset) {
  size_t len = 0;

  (void)self;
  if (!patch_sink.takes) {
    return UV_ENOTSUP;
  }
  for (int i = 0; i < count; i++) {
    patch_put(pieces[i].iov_base, pieces[i].iov_len, offset + len);
    len += pieces[i].iov_len;
  }
  return (ptrdiff_t)len;
}

static inline int patch_is_random(const void *self) {
  (void)self;
  return patch_sink.takes;
}

/* Only what is answered, or was taken. */
static inline void patch_check(const sluice_patch_t *patches, size_t count) {
  ck_assert(!patch_sink.is_patching); /* one call at a time */
  ck_assert_uint_gt(count, 0);
  for (size_t i = 0; i < count; i++) {
    ck_assert_uint_gt(patches[i].len, 0);
    ck_assert_uint_le(patches[i].offset + patches[i].len, patch_sink.end);
    for (unsigned n = 0; n < patch_sink.waiting; n++) {
      const patch_call_t *call = &patch_sink.calls[n];

      ck_assert(call->data == NULL ||
                patches[i].offset + patches[i].len <= call->offset);
    }
  }
}

static inline int patch_patch(void *self, const sluice_patch_t *patches,
                              size_t count, sluice_sink_cb cb, void *ctx) {
  patch_call_t call = {
      .cb = cb, .ctx = ctx, .patches = patches, .count = count};
  bool fails = ++patch_sink.patches == patch_sink.fail_at;

  (void)self;
  ck_assert(!patch_sink.is_unfit);
  patch_check(patches, count);
  if (fails && !patch_sink.is_late) {
    return UV_EPIPE;
  }
  if (patch_sink.is_late) {
    patch_sink.is_patching = true;
    call.status = !fails ? 0 : patch_sink.hangs ? UV_ETIMEDOUT : UV_EPIPE;
    return patch_later(&call);
  }
  patch_apply(patches, count);
  return 1;
}

static inline int patch_can(const void *self) {
  (void)self;
  return !patch_sink.is_unfit;
}

static inline int patch_finish(void *self, sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)cb;
  (void)ctx;
  ck_assert_uint_eq(patch_sink.waiting, 0);
  return 1;
}

static inline int patch_abort(void *self, sluice_sink_cb cb, void *ctx) {
  const patch_call_t call = {.cb = cb, .ctx = ctx};

  (void)self;
  patch_sink.aborts++;
  patch_sink.is_aborted = true;
  return patch_sink.waiting == 0 ? 1 : patch_later(&call);
}

static inline void patch_close(void *self) {
  (void)self;
  ck_assert_uint_eq(patch_sink.waiting, 0);
  uv_close((uv_handle_t *)&patch_sink.idle, NULL);
}

static const sluice_sink_ops_t patch_ops = {.size = sizeof(patch_ops),
                                            .open = patch_open,
                                            .write = patch_write,
                                            .finish = patch_finish,
                                            .abort = patch_abort,
                                            .close = patch_close,
                                            .write_now = patch_take,
                                            .is_random = patch_is_random,
                                            .patch = patch_patch,
                                            .can_patch = patch_can};

/* Once a process, before the first. */
static inline void patch_sink_open(void) {
  memset(&patch_sink, 0, sizeof(patch_sink));
  patch_sink.data = malloc(PATCH_IMAGE_MAX);
  ck_assert_ptr_nonnull(patch_sink.data);
}

static inline void patch_sink_done(void) {
  free(patch_sink.data);
}

/* For one more save. */
static inline sluice_sink_t *patch_sink_new(void) {
  sluice_sink_t *sink;

  patch_sink.patches = 0;
  patch_sink.aborts = 0;
  patch_sink.end = 0;
  patch_sink.is_aborted = false;
  ck_assert_int_eq(sluice_sink_custom(&sink, &patch_ops, &patch_sink), 0);
  return sink;
}

#endif
