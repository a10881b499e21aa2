/* takeover.c - the new side: who says what when, and how it ends.
 *
 * Before the restore has begun a failure ends it here, from the loop; then the
 * end of the restore does, whoever began it. */
#include "handover/takeover.h"

#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <sluice/options.h>

#include "error.h"
#include "session/restore/steer.h"
#include "stream/bytes.h"

enum { TIMEOUT_DEFAULT_MS = 1000, STALL_DEFAULT_MS = 30000 };

static sluice_takeover_t *takeover_of(const sluice_restore_t *restore) {
  return sluice_restore_data(restore);
}

/* ---- the end ---- */

/* A RUNNING that is still on its way is no longer true. */
static void end(sluice_takeover_t *t) {
  bool was_told = t->state == SLUICE__TAKEOVER_TOLD;
  uint8_t words[SLUICE__FRAME_FAIL_MAX];
  size_t n = sluice__frame_fail(words, &t->error);

  t->state = SLUICE__TAKEOVER_OVER;
  sluice__arrivals_drop(&t->arrivals);
  if (t->error.code != 0 && was_told) {
    sluice__channel_tear(t->channel);
  }
  sluice__channel_shutdown(t->channel, t->error.code != 0 ? words : NULL, n,
                           false);
  t->channel = NULL;
  t->cb(t, t->error.code); /* last touch: it may be freed here */
}

/* Nothing more of the old host matters once the sections have committed; before
 * that the restore is ended, and ends the takeover. */
static void fail(sluice_takeover_t *t, int code, const sluice_error_t *err) {
  if (t->error.code != 0 || t->state == SLUICE__TAKEOVER_OVER) {
    return;
  }
  t->error = *err;
  t->error.code = code;
  sluice__channel_expect(t->channel, false);
  if (t->restore != NULL) {
    sluice__restore_give_up(t->restore, &t->error);
    sluice__channel_unread(t->channel);
  } else {
    end(t);
  }
}

static void fail_saying(sluice_takeover_t *t, int code, const char *message) {
  sluice_error_t err = {0};

  (void)sluice_fail(&err, code, "%s", message);
  fail(t, code, &err);
}

/* The old host has been told, or is dead: this is the host. */
static void succeed(sluice_takeover_t *t) {
  sluice__channel_expect(t->channel, false);
  memset(&t->error, 0, sizeof(t->error));
  end(t);
}

/* RUNNING is with the kernel, or never will be. Then the old host's last word
 * decides. */
static void judge(sluice_takeover_t *t) {
  if (sluice__channel_is_sent(t->channel) ||
      (t->has_ended && !t->old_goes_on)) {
    succeed(t);
  } else if (t->old_goes_on) {
    fail_saying(t, SLUICE_EABORTED, "the old host goes on");
  }
}

static void tell_running(sluice_takeover_t *t) {
  t->state = SLUICE__TAKEOVER_TOLD;
  if (t->old_goes_on) {
    fail_saying(t, SLUICE_EABORTED, "the old host goes on");
    return;
  }
  sluice__channel_expect(t->channel, true);
  (void)sluice__channel_send(t->channel, SLUICE__FRAME_RUNNING, NULL, 0);
  judge(t);
}

/* ---- the restore ---- */

static void on_restored(sluice_restore_t *restore, int status) {
  sluice_takeover_t *t = takeover_of(restore);
  sluice_progress_t p;

  if (status < 0 && t->error.code == 0) {
    t->error = *sluice_restore_error(restore);
  }
  sluice_restore_progress(restore, &p, sizeof(p));
  t->stats.bytes = p.bytes_done;
  t->stats.descriptors = t->arrivals.count;
  (void)sluice_restore_free(restore);
  t->restore = NULL;
  if (t->error.code != 0) {
    end(t);
  } else {
    tell_running(t);
  }
}

static void on_checked(sluice_restore_t *restore) {
  sluice_takeover_t *t = takeover_of(restore);
  sluice_error_t err = {0};
  int r = sluice__takeover_check_taken(t, &err);

  if (r == 0 && t->options.check != NULL) {
    r = t->options.check(t, &err);
  }

  if (r < 0) {
    if (err.code == 0) {
      (void)sluice_fail(&err, r, "%s", sluice_strerror(r));
    }
    fail(t, r, &err);
    return;
  }
  if (t->is_cancelled || t->error.code != 0) {
    return; /* it will end soon */
  }
  t->state = SLUICE__TAKEOVER_COMMIT;
  sluice__channel_expect(t->channel, true);
  r = sluice__channel_send(t->channel, SLUICE__FRAME_READY, NULL, 0);
  if (r < 0) {
    fail_saying(t, r, "the old host cannot be told that all is here");
  }
}

static uint32_t stall_ms(const sluice_takeover_t *t) {
  uint32_t ms = t->options.stall_ms;

  return ms == 0 ? STALL_DEFAULT_MS : ms == UINT32_MAX ? 0 : ms;
}

static int begin_restore(sluice_takeover_t *t, sluice_error_t *err) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .format = SLUICE_FORMAT_NATIVE,
                                      .host = t->options.host,
                                      .alloc = t->options.alloc,
                                      .max_memory = t->options.max_memory,
                                      .stall_ms = stall_ms(t),
                                      .data = t,
                                      .checked = on_checked};
  sluice_source_t *source;
  int r = sluice_source_custom(&source, &sluice__takeover_source, t);

  if (r < 0) {
    return r;
  }
  r = sluice_restore_begin(&t->restore, t->engine, t->registry, source, &o,
                           on_restored, err);
  if (r < 0) {
    t->restore = NULL;
    sluice_source_free(source);
    return r;
  }
  t->passing.ctx = t;
  t->passing.take = sluice__takeover_take;
  sluice__restore_steer(t->restore, &t->passing);
  return 0;
}

/* ---- what the old host says ---- */

static int check_offer(const uint8_t *payload, sluice_error_t *err) {
  if (sluice__get_le32(payload) != SLUICE__FRAME_VERSION ||
      sluice__get_le32(payload + 4) != 0) {
    return sluice_fail(err, SLUICE_EFEATURE,
                       "the old host speaks another version of the hand-over");
  }
  return 0;
}

static void take_offer(sluice_takeover_t *t, const uint8_t *payload,
                       size_t len) {
  sluice_error_t err = {0};
  int r = check_offer(payload, &err);

  if (r == 0 && t->options.offered != NULL) {
    r = t->options.offered(t, payload + SLUICE__FRAME_GREETING,
                           len - SLUICE__FRAME_GREETING, &err);
  }
  if (t->is_cancelled) {
    return;
  }
  if (r == 0) {
    sluice__channel_expect(t->channel, false);
    t->state = SLUICE__TAKEOVER_STREAM;
    r = begin_restore(t, &err);
  }
  if (r == 0) {
    r = sluice__channel_send(t->channel, SLUICE__FRAME_PREPARED, NULL, 0);
  }
  if (r < 0) {
    if (err.code == 0) {
      (void)sluice_fail(&err, r, "%s", sluice_strerror(r));
    }
    fail(t, r, &err);
  }
}

static void take_commit(sluice_takeover_t *t) {
  t->state = SLUICE__TAKEOVER_COMMITTING;
  sluice__channel_expect(t->channel, false);
  sluice_restore_commit(t->restore);
}

static void take_passed(sluice_takeover_t *t, const sluice__frame_t *frame,
                        const uint8_t *payload) {
  sluice_error_t err = {0};
  int r = sluice__takeover_keep(t, frame, payload, &err);

  if (r < 0) {
    fail(t, r, &err);
  }
}

static void take_failure(sluice_takeover_t *t, const uint8_t *payload,
                         size_t len) {
  sluice_error_t err = {0};

  t->old_goes_on = true;
  if (t->state == SLUICE__TAKEOVER_TOLD) {
    judge(t);
  } else if (t->state != SLUICE__TAKEOVER_COMMITTING) {
    (void)sluice_fail(&err, SLUICE_EABORTED, "the old host: %.*s",
                      (int)(len - 4), (const char *)payload + 4);
    fail(t, SLUICE_EABORTED, &err);
  }
}

static bool may_say(const sluice_takeover_t *t, sluice__frame_type_t type) {
  switch (type) {
  case SLUICE__FRAME_OFFER: return t->state == SLUICE__TAKEOVER_OFFER;
  case SLUICE__FRAME_PASS: return t->state == SLUICE__TAKEOVER_STREAM;
  case SLUICE__FRAME_COMMIT: return t->state == SLUICE__TAKEOVER_COMMIT;
  case SLUICE__FRAME_FAIL: return true;
  case SLUICE__FRAME_HELLO:
  case SLUICE__FRAME_STREAM:
  case SLUICE__FRAME_PREPARED:
  case SLUICE__FRAME_READY:
  case SLUICE__FRAME_RUNNING: break;
  }
  return false;
}

static void on_message(void *ctx, const sluice__frame_t *frame,
                       const uint8_t *payload) {
  sluice_takeover_t *t = ctx;

  if (t->error.code != 0) {
    return;
  }
  if (!may_say(t, frame->type)) {
    fail_saying(t, SLUICE_EORDER, "the old host says what it may not say now");
  } else if (frame->type == SLUICE__FRAME_OFFER) {
    take_offer(t, payload, frame->len);
  } else if (frame->type == SLUICE__FRAME_PASS) {
    take_passed(t, frame, payload);
  } else if (frame->type == SLUICE__FRAME_COMMIT) {
    take_commit(t);
  } else {
    take_failure(t, payload, frame->len);
  }
}

/* The old host is dead: one that goes on says so first. If it was told that all
 * is here, there was nothing left to come but its word; nobody else can be the
 * host now. If it was not, FAIL may have had no room in the socket. */
static void lose_old(sluice_takeover_t *t) {
  if (sluice__channel_is_sent(t->channel)) {
    take_commit(t);
  } else {
    fail_saying(t, UV_ECONNRESET, "the old host is gone");
  }
}

static bool is_dead(int code) {
  return code == UV_EOF || code == UV_ECONNRESET;
}

static void on_ended(void *ctx, int code, const sluice_error_t *err) {
  sluice_takeover_t *t = ctx;

  t->has_ended = is_dead(code) && sluice__channel_is_between(t->channel);
  switch (t->state) {
  case SLUICE__TAKEOVER_OFFER:
  case SLUICE__TAKEOVER_STREAM: break;
  case SLUICE__TAKEOVER_COMMIT:
    if (t->has_ended && t->error.code == 0) {
      lose_old(t);
      return;
    }
    break;
  case SLUICE__TAKEOVER_OVER:
  case SLUICE__TAKEOVER_COMMITTING: return; /* RUNNING will tell */
  case SLUICE__TAKEOVER_TOLD:
    if (t->has_ended) {
      judge(t);
      return;
    }
    break;
  }
  if (err != NULL && err->code != 0) {
    fail(t, code, err);
  } else {
    fail_saying(t, is_dead(code) ? UV_ECONNRESET : code,
                "the old host is gone");
  }
}

static void on_late(void *ctx) {
  sluice_takeover_t *t = ctx;

  if (t->is_cancelled && t->state < SLUICE__TAKEOVER_COMMITTING) {
    fail_saying(t, UV_ECANCELED, sluice_strerror(UV_ECANCELED));
  } else {
    fail_saying(t, UV_ETIMEDOUT, "the old host does not answer");
  }
}

static void on_sent(void *ctx) {
  sluice_takeover_t *t = ctx;

  if (t->state == SLUICE__TAKEOVER_TOLD) {
    judge(t);
  }
}

static void on_leave(void *ctx) {
  sluice_takeover_cancel(ctx);
}

static void free_struct(sluice_takeover_t *t) {
  sluice_alloc_t a = t->alloc;

  a.release(a.ctx, t, sizeof(*t), _Alignof(max_align_t));
}

/* The restore is a guest of its own. */
static void on_abandon(void *ctx) {
  sluice_takeover_t *t = ctx;

  sluice__arrivals_drop(&t->arrivals);
  free_struct(t);
}

static const sluice__channel_ops_t channel_ops = {.takes_stream = true,
                                                  .message = on_message,
                                                  .ended = on_ended,
                                                  .late = on_late,
                                                  .sent = on_sent,
                                                  .leave = on_leave,
                                                  .abandon = on_abandon};

/* ---- life ---- */

static int greet(sluice_takeover_t *t) {
  uint8_t hello[SLUICE__FRAME_GREETING];

  sluice__put_le32(hello, SLUICE__FRAME_VERSION);
  sluice__put_le32(hello + 4, t->options.copy_memory ? SLUICE__FRAME_COPY : 0u);
  return sluice__channel_send(t->channel, SLUICE__FRAME_HELLO, hello,
                              sizeof(hello));
}

static int open_parts(sluice_takeover_t *t, int socket, sluice_error_t *err) {
  uint32_t ms = t->options.timeout_ms;
  int r =
      sluice__channel_open(&t->channel, t->engine, socket,
                           ms != 0 ? ms : TIMEOUT_DEFAULT_MS, &channel_ops, t);

  if (r < 0) {
    return sluice_fail(err, r, "the takeover cannot begin: %s",
                       sluice__channel_why(r));
  }
  r = greet(t);
  if (r < 0) {
    sluice__channel_close(t->channel);
    return r;
  }
  sluice__channel_expect(t->channel, true);
  (void)close(socket);
  return 0;
}

/* The registry may be filled later. */
static int check_begin(sluice_takeover_t **out, const sluice_engine_t *engine,
                       const sluice_registry_t *registry, bool has_cb,
                       sluice_error_t *err) {
  if (out == NULL || engine == NULL || registry == NULL || !has_cb) {
    return sluice_fail(err, UV_EINVAL,
                       "a takeover needs an engine, a registry, a callback and "
                       "a place");
  }
  return 0;
}

static sluice_takeover_t *new_takeover(sluice_engine_t *engine,
                                       sluice_registry_t *registry,
                                       const sluice_takeover_options_t *o,
                                       sluice_takeover_cb cb) {
  const sluice_alloc_t *a = &engine->alloc;
  sluice_takeover_t *t = a->alloc(a->ctx, sizeof(*t), _Alignof(max_align_t));

  if (t != NULL) {
    memset(t, 0, sizeof(*t));
    t->alloc = *a;
    t->cb = cb;
    t->engine = engine;
    t->registry = registry;
    t->options = *o;
  }
  return t;
}

int sluice_takeover_begin(sluice_takeover_t **out, sluice_engine_t *engine,
                          sluice_registry_t *registry, int socket,
                          const sluice_takeover_options_t *options,
                          sluice_takeover_cb cb, sluice_error_t *err) {
  sluice_takeover_options_t o;
  sluice_takeover_t *t;
  int r;

  sluice__error_clear(err);
  r = check_begin(out, engine, registry, cb != NULL, err);
  if (r == 0) {
    SLUICE__ASSERT_ON_LOOP(engine);
    r = SLUICE_OPTIONS_COPY(&o, options, "takeover options",
                            sluice_takeover_options_t, check, err);
  }
  if (r < 0) {
    return r;
  }
  t = new_takeover(engine, registry, &o, cb);
  if (t == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for a takeover");
  }
  r = open_parts(t, socket, err);
  if (r < 0) {
    free_struct(t);
    return sluice_fail(err, r, "the takeover cannot begin: %s",
                       sluice_strerror(r));
  }
  *out = t;
  return 0;
}

/* From the deadline's callback, so that nobody is called from in here. */
void sluice_takeover_cancel(sluice_takeover_t *t) {
  if (t != NULL && t->state < SLUICE__TAKEOVER_COMMITTING &&
      t->error.code == 0) {
    SLUICE__ASSERT_ON_LOOP(t->engine);
    t->is_cancelled = true;
    sluice__channel_hurry(t->channel);
  }
}

int sluice_takeover_free(sluice_takeover_t *t) {
  if (t == NULL) {
    return 0;
  }
  if (t->state != SLUICE__TAKEOVER_OVER) {
    return UV_EBUSY;
  }
  free_struct(t);
  return 0;
}

void *sluice_takeover_data(const sluice_takeover_t *t) {
  return t == NULL ? NULL : t->options.data;
}

void sluice_takeover_stats(const sluice_takeover_t *t,
                           sluice_takeover_stats_t *out, size_t size) {
  sluice_result_copy(out, size, t == NULL ? NULL : &t->stats, sizeof(t->stats));
}

const sluice_error_t *sluice_takeover_error(const sluice_takeover_t *t) {
  return t == NULL ? NULL : &t->error;
}
