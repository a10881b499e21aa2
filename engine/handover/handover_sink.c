/* handover_sink.c - a sink that is the way to the successor.
 *
 * open waits for its greeting, finish for its RUNNING. Descriptors that
 * sections pass go out ahead of the next bytes of the stream. */
#include "handover/handover.h"

#include <uv.h>

#include "session/registry.h"

static int open_sink(void *self, uv_loop_t *loop, sluice_sink_cb cb, void *ctx,
                     sluice_error_t *err) {
  sluice_handover_t *h = self;

  (void)loop;
  (void)err;
  h->sink_ctx = ctx;
  if (h->state != SLUICE__HANDOVER_HELLO) {
    return 1; /* it was faster */
  }
  h->open_cb = cb;
  return 0;
}

int sluice__handover_commit(sluice_handover_t *h) {
  h->state = SLUICE__HANDOVER_RUNNING;
  h->ready_ns = uv_hrtime();
  h->stats.ready_us = (h->ready_ns - h->sent_ns) / 1000;
  sluice__channel_expect(h->channel, true);
  return sluice__channel_send(h->channel, SLUICE__FRAME_COMMIT, NULL, 0);
}

static int send_descriptors(sluice_handover_t *h) {
  sluice__batch_t *b = &h->batch;
  int r = 0;

  if (b->count > 0) {
    r = sluice__channel_send_fds(h->channel, b->entries, b->len, b->fds,
                                 b->count);
    b->count = 0;
    b->len = 0;
  }
  return r;
}

/* Behind the trailer comes nothing: an ABORT of a save that ends meanwhile
 * would be taken for a part of the stream. */
static int write_sink(void *self, const void *data, size_t len, uint64_t offset,
                      sluice_sink_cb cb, void *ctx) {
  sluice_handover_t *h = self;
  int r;

  (void)offset;
  if (h->state != SLUICE__HANDOVER_STREAM) {
    return 1;
  }
  r = send_descriptors(h);
  h->stats.bytes += len;
  return r < 0 ? r : sluice__channel_write(h->channel, data, len, cb, ctx);
}

static int finish_sink(void *self, sluice_sink_cb cb, void *ctx) {
  sluice_handover_t *h = self;

  h->finish_cb = cb;
  h->sink_ctx = ctx;
  h->state = SLUICE__HANDOVER_READY;
  h->sent_ns = uv_hrtime();
  h->stats.rest_us = (h->sent_ns - h->paused_ns) / 1000;
  sluice__channel_expect(h->channel, true);
  return h->is_ready ? sluice__handover_commit(h) : 0;
}

static int abort_sink(void *self, sluice_sink_cb cb, void *ctx) {
  sluice_handover_t *h = self;

  return sluice__channel_abort_stream(h->channel, cb, ctx);
}

static uint64_t get_busy_ns(const void *self) {
  const sluice_handover_t *h = self;

  return sluice__channel_busy_ns(h->channel);
}

const sluice_sink_ops_t sluice__handover_sink = {
    .size = sizeof(sluice__handover_sink),
    .open = open_sink,
    .write = write_sink,
    .finish = finish_sink,
    .abort = abort_sink,
    .busy_ns = get_busy_ns};

int sluice__handover_pass(void *ctx, const sluice_section_t *section,
                          const char *tag, int fd, bool is_memory) {
  sluice_handover_t *h = ctx;
  const sluice__pass_t pass = {.section = sluice__section_name(section),
                               .instance = section->options.instance,
                               .tag = tag,
                               .must_take = is_memory};

  if (is_memory && (!h->takes_memory || h->options.copy_memory)) {
    return UV_ENOTSUP;
  }
  if (h->stats.descriptors == SLUICE__PASSED_MAX) {
    return SLUICE_ELIMIT;
  }
  sluice__batch_add(&h->batch, &pass, fd);
  h->stats.descriptors++;
  return h->batch.count < SLUICE__FRAME_FDS ? 0 : send_descriptors(h);
}
