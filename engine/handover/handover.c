/* handover.c - the old side: who says what when, and how it ends.
 *
 * Whatever goes wrong comes to fail(). It ends the save, and the end of the
 * save ends the hand-over: one path, whoever began it. */
#include "handover/handover.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <sluice/options.h>

#include "error.h"
#include "session/save/hold.h"
#include "session/session.h"
#include "stream/bytes.h"

enum {
  TIMEOUT_DEFAULT_MS = 1000,
  PREPARE_DEFAULT_MS = 30000,
  DOWNTIME_DEFAULT_US = 5000
};

static sluice_handover_t *handover_of(const sluice_save_t *save) {
  return sluice__save_holder(save);
}

/* ---- the end ---- */

/* The host goes on; the successor is told before. */
static void go_on(sluice_handover_t *h) {
  uint8_t words[SLUICE__FRAME_FAIL_MAX];
  size_t n = sluice__frame_fail(words, &h->error);

  sluice__channel_shutdown(h->channel, words, n, true);
  if (h->is_host_paused) {
    h->is_host_paused = false;
    if (h->options.resume != NULL) {
      h->options.resume(h);
    }
  }
}

/* A successor that has gone may have gone because of it. */
static bool is_ours(const sluice_handover_t *h, const sluice_error_t *err) {
  return h->error.code == 0 ||
         (h->error.code == UV_ECONNRESET && err->code != UV_EPIPE);
}

static void on_saved(sluice_save_t *save, int status) {
  sluice_handover_t *h = handover_of(save);

  /* First: what the successor says from now on has not been said. */
  h->open_cb = NULL;
  h->finish_cb = NULL;
  if (status < 0 && !h->is_running) {
    sluice__channel_shutdown_read(h->channel);
  }
  h->state = SLUICE__HANDOVER_OVER;
  if (h->is_running) {
    memset(&h->error, 0, sizeof(h->error));
    sluice__channel_close(h->channel);
  } else {
    assert(status < 0);
    if (is_ours(h, sluice_save_error(save))) {
      h->error = *sluice_save_error(save);
    }
  }
  (void)sluice_save_free(save);
  h->save = NULL;
  if (!h->is_running) {
    go_on(h);
  }
  h->channel = NULL;
  h->cb(h, h->error.code); /* last touch: it may be freed here */
}

/* What the save waits for, if it is one of ours. */
static void answer_save(sluice_handover_t *h, int status) {
  sluice_sink_cb cb = h->open_cb != NULL ? h->open_cb : h->finish_cb;

  h->open_cb = NULL;
  h->finish_cb = NULL;
  if (cb != NULL) {
    cb(h->sink_ctx, status);
  }
}

/* Whether it has failed is decided here: when the successor has said RUNNING
 * before it could be told otherwise, it has not. */
static void fail(sluice_handover_t *h, int code, const sluice_error_t *err) {
  if (h->state == SLUICE__HANDOVER_OVER || h->is_running ||
      h->error.code != 0) {
    return;
  }
  h->error = *err;
  h->error.code = code;
  sluice__channel_expect(h->channel, false);
  sluice__channel_shutdown_read(h->channel);
  if (h->is_running) {
    return;
  }
  sluice__save_give_up(h->save, &h->error);
  answer_save(h, code);
}

static void fail_saying(sluice_handover_t *h, int code, const char *message) {
  sluice_error_t err = {0};

  (void)sluice_fail(&err, code, "%s", message);
  fail(h, code, &err);
}

/* ---- what the successor says ---- */

static void send_offer(sluice_handover_t *h) {
  sluice__put_le32(h->offer, SLUICE__FRAME_VERSION);
  sluice__put_le32(h->offer + 4, 0);
  (void)sluice__channel_send(h->channel, SLUICE__FRAME_OFFER, h->offer,
                             SLUICE__FRAME_GREETING + h->options.offer_len);
}

/* How long it may take to fill its registry. It need not take any bytes of the
 * stream meanwhile. */
static uint32_t prepare_ms(const sluice_handover_t *h) {
  uint32_t ms = h->options.prepare_ms;

  return ms == 0 ? PREPARE_DEFAULT_MS : ms == UINT32_MAX ? 0 : ms;
}

static void take_hello(sluice_handover_t *h, const uint8_t *payload) {
  uint32_t version = sluice__get_le32(payload);
  uint32_t flags = sluice__get_le32(payload + 4);

  if (version != SLUICE__FRAME_VERSION ||
      (flags & ~(uint32_t)SLUICE__FRAME_COPY) != 0) {
    fail_saying(h, SLUICE_EFEATURE,
                "the successor speaks another version of the hand-over");
    return;
  }
  h->takes_memory = (flags & SLUICE__FRAME_COPY) == 0;
  h->state = SLUICE__HANDOVER_STREAM;
  sluice__channel_expect_within(h->channel, prepare_ms(h));
  send_offer(h); /* a failure shows when the stream follows */
  answer_save(h, 0);
}

static void take_prepared(sluice_handover_t *h) {
  h->is_prepared = true;
  sluice__channel_expect(h->channel, false);
  sluice__channel_watch(h->channel);
  sluice__save_release(h->save);
}

static void take_ready(sluice_handover_t *h) {
  int r = 0;

  if (h->state == SLUICE__HANDOVER_STREAM) {
    h->is_ready = true; /* the save will know in a moment that it is done */
  } else if (!sluice__save_has_failed(h->save)) {
    r = sluice__handover_commit(h);
  }
  if (r < 0) {
    fail_saying(h, r, "the successor cannot be told to take over");
  }
}

static void take_running(sluice_handover_t *h) {
  h->is_running = true;
  h->stats.running_us = (uv_hrtime() - h->ready_ns) / 1000;
  sluice__channel_expect(h->channel, false);
  answer_save(h, 0);
}

static void take_failure(sluice_handover_t *h, const uint8_t *payload,
                         size_t len) {
  int32_t code = (int32_t)sluice__get_le32(payload);
  sluice_error_t err = {0};

  code = code < 0 ? code : SLUICE_ECORRUPT;
  (void)sluice_fail(&err, code, "the successor: %.*s", (int)(len - 4),
                    (const char *)payload + 4);
  fail(h, code, &err);
}

static bool may_say(const sluice_handover_t *h, sluice__frame_type_t type) {
  switch (type) {
  case SLUICE__FRAME_HELLO: return h->state == SLUICE__HANDOVER_HELLO;
  case SLUICE__FRAME_PREPARED:
    return !h->is_prepared && h->state == SLUICE__HANDOVER_STREAM;
  case SLUICE__FRAME_READY:
    return h->is_prepared && !h->is_ready &&
           (h->state == SLUICE__HANDOVER_STREAM ||
            h->state == SLUICE__HANDOVER_READY);
  case SLUICE__FRAME_RUNNING: return h->state == SLUICE__HANDOVER_RUNNING;
  case SLUICE__FRAME_FAIL: return true;
  case SLUICE__FRAME_OFFER:
  case SLUICE__FRAME_STREAM:
  case SLUICE__FRAME_PASS:
  case SLUICE__FRAME_COMMIT: break;
  }
  return false;
}

static void on_message(void *ctx, const sluice__frame_t *frame,
                       const uint8_t *payload) {
  sluice_handover_t *h = ctx;
  bool is_late =
      h->error.code != 0 || h->is_running || h->state == SLUICE__HANDOVER_OVER;

  if (!may_say(h, frame->type)) {
    fail_saying(h, SLUICE_EORDER, "the successor says what it may not say now");
    return;
  }
  if (frame->type == SLUICE__FRAME_RUNNING && !h->is_running) {
    take_running(h); /* however late: it is true */
  }
  if (is_late) {
    return;
  }
  if (frame->type == SLUICE__FRAME_HELLO) {
    take_hello(h, payload);
  } else if (frame->type == SLUICE__FRAME_PREPARED) {
    take_prepared(h);
  } else if (frame->type == SLUICE__FRAME_READY) {
    take_ready(h);
  } else if (frame->type == SLUICE__FRAME_FAIL) {
    take_failure(h, payload, frame->len);
  }
}

static void on_ended(void *ctx, int code, const sluice_error_t *err) {
  if (err != NULL && err->code != 0) {
    fail(ctx, code, err);
  } else {
    fail_saying(ctx, code == UV_EOF ? UV_ECONNRESET : code,
                "the successor is gone");
  }
}

static void on_late(void *ctx) {
  fail_saying(ctx, UV_ETIMEDOUT, "the successor does not answer");
}

static void free_struct(sluice_handover_t *h) {
  sluice_alloc_t a = h->alloc;

  a.release(a.ctx, h, sizeof(*h), _Alignof(max_align_t));
}

/* The save is a guest of its own. */
static void on_abandon(void *ctx) {
  free_struct(ctx);
}

static const sluice__channel_ops_t channel_ops = {.message = on_message,
                                                  .ended = on_ended,
                                                  .late = on_late,
                                                  .abandon = on_abandon};

/* ---- the save ---- */

static void on_pause(sluice_save_t *save) {
  sluice_handover_t *h = handover_of(save);

  h->paused_ns = uv_hrtime();
  h->is_host_paused = true;
  if (h->options.pause != NULL) {
    h->options.pause(h);
  } else {
    sluice_save_paused(save);
  }
}

static int take_save_options(sluice_save_options_t *o,
                             const sluice_save_options_t *given,
                             sluice_error_t *err) {
  int r = SLUICE_OPTIONS_COPY(o, given, "save options of a hand-over",
                              sluice_save_options_t, progress, err);

  o->mode = SLUICE_CONVERGE;
  o->format = SLUICE_FORMAT_NATIVE;
  o->no_index = 1;
  o->stall_ms = 0;
  o->pause = on_pause;
  o->resume = NULL; /* not before it is known who runs */
  o->cut = NULL;
  if (o->downtime_us == 0) {
    o->downtime_us = DOWNTIME_DEFAULT_US;
  }
  return r;
}

static int begin_save(sluice_handover_t *h, sluice_engine_t *engine,
                      sluice_registry_t *registry, sluice_error_t *err) {
  sluice_save_options_t o;
  sluice_sink_t *sink;
  int r = take_save_options(&o, h->options.save, err);

  h->options.save = NULL; /* the host's; it was copied */
  if (r == 0) {
    r = sluice_sink_custom(&sink, &sluice__handover_sink, h);
  }
  if (r < 0) {
    return r;
  }
  r = sluice_save_begin(&h->save, engine, registry, sink, &o, on_saved, err);
  if (r < 0) {
    sluice_sink_free(sink);
    return r;
  }
  h->passing.ctx = h;
  h->passing.pass = sluice__handover_pass;
  sluice__save_hold(h->save, &h->passing);
  return 0;
}

static int begin_parts(sluice_handover_t *h, sluice_engine_t *engine,
                       sluice_registry_t *registry, int socket,
                       sluice_error_t *err) {
  uint32_t ms = h->options.timeout_ms;
  int r =
      sluice__channel_open(&h->channel, engine, socket,
                           ms != 0 ? ms : TIMEOUT_DEFAULT_MS, &channel_ops, h);

  if (r < 0) {
    return sluice_fail(err, r, "the hand-over cannot begin: %s",
                       sluice__channel_why(r));
  }
  r = begin_save(h, engine, registry, err);
  if (r < 0) {
    sluice__channel_close(h->channel);
    return r;
  }
  sluice__channel_expect(h->channel, true);
  (void)close(socket);
  return 0;
}

static sluice_handover_t *new_handover(sluice_engine_t *engine,
                                       const sluice_handover_options_t *o,
                                       sluice_handover_cb cb) {
  const sluice_alloc_t *a = &engine->alloc;
  sluice_handover_t *h = a->alloc(a->ctx, sizeof(*h), _Alignof(max_align_t));

  if (h == NULL) {
    return NULL;
  }
  memset(h, 0, sizeof(*h));
  h->alloc = *a;
  h->cb = cb;
  h->options = *o;
  if (o->offer_len > 0) {
    memcpy(h->offer + SLUICE__FRAME_GREETING, o->offer, o->offer_len);
  }
  return h;
}

static int take_options(sluice_handover_options_t *o,
                        const sluice_handover_options_t *given,
                        sluice_error_t *err) {
  int r = SLUICE_OPTIONS_COPY(o, given, "hand-over options",
                              sluice_handover_options_t, resume, err);

  if (r == 0 && o->offer_len > SLUICE_OFFER_MAX) {
    r = sluice_fail(err, UV_EINVAL, "offer of %zu bytes, at most %d",
                    o->offer_len, SLUICE_OFFER_MAX);
  }
  if (r == 0 && o->offer == NULL && o->offer_len > 0) {
    r = sluice_fail(err, UV_EINVAL, "offer of %zu bytes, but there are none",
                    o->offer_len);
  }
  return r;
}

int sluice_handover_begin(sluice_handover_t **out, sluice_engine_t *engine,
                          sluice_registry_t *registry, int socket,
                          const sluice_handover_options_t *options,
                          sluice_handover_cb cb, sluice_error_t *err) {
  sluice_handover_options_t o;
  sluice_handover_t *h;
  int r;

  sluice__error_clear(err);
  r = sluice__session_check(engine, registry, cb != NULL, err);
  if (r == 0) {
    SLUICE__ASSERT_ON_LOOP(engine);
    r = take_options(&o, options, err);
  }
  if (r < 0 || out == NULL) {
    return sluice_fail(err, r < 0 ? r : UV_EINVAL, "no place for a hand-over");
  }
  h = new_handover(engine, &o, cb);
  if (h == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for a hand-over");
  }
  r = begin_parts(h, engine, registry, socket, err);
  if (r < 0) {
    free_struct(h);
    return sluice_fail(err, r, "the hand-over cannot begin: %s",
                       sluice_strerror(r));
  }
  *out = h;
  return 0;
}

void sluice_handover_paused(sluice_handover_t *h) {
  if (h != NULL && h->save != NULL) {
    sluice_save_paused(h->save);
  }
}

void sluice_handover_switch(sluice_handover_t *h) {
  if (h != NULL && h->save != NULL) {
    sluice_save_switch(h->save);
  }
}

void sluice_handover_cancel(sluice_handover_t *h) {
  if (h != NULL) {
    fail_saying(h, UV_ECANCELED, sluice_strerror(UV_ECANCELED));
  }
}

int sluice_handover_free(sluice_handover_t *h) {
  if (h == NULL) {
    return 0;
  }
  if (h->state != SLUICE__HANDOVER_OVER) {
    return UV_EBUSY;
  }
  free_struct(h);
  return 0;
}

void *sluice_handover_data(const sluice_handover_t *h) {
  return h == NULL ? NULL : h->options.data;
}

const sluice_error_t *sluice_handover_error(const sluice_handover_t *h) {
  return h == NULL ? NULL : &h->error;
}

void sluice_handover_stats(const sluice_handover_t *h,
                           sluice_handover_stats_t *out, size_t size) {
  sluice_result_copy(out, size, h == NULL ? NULL : &h->stats, sizeof(h->stats));
}
