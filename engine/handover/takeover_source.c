/* takeover_source.c - a source that is the way from the old host, and what came
 * beside the stream. Its end is that of the socket: the stream knows its own.
 */
#include "handover/takeover.h"

#include <unistd.h>
#include <uv.h>

#include "session/registry.h"
#include "session/restore/steer.h"

/* A message is a record as often as not: read whole, it would be in the window
 * before its table has said where its pages go. */
enum { READ_MOST = 64 * 1024 };

static ptrdiff_t read_source(void *self, void *buf, size_t len,
                             sluice_source_cb cb, void *ctx) {
  sluice_takeover_t *t = self;

  return sluice__channel_read(t->channel, buf,
                              len < READ_MOST ? len : READ_MOST, cb, ctx);
}

static ptrdiff_t read_source_into(void *self, const struct iovec *places,
                                  int count, sluice_source_cb cb, void *ctx) {
  sluice_takeover_t *t = self;

  return sluice__channel_read_into(t->channel, places, count, cb, ctx);
}

static void cancel_source(void *self) {
  sluice_takeover_t *t = self;

  sluice__channel_unread(t->channel);
}

static uint64_t get_busy_ns(const void *self) {
  const sluice_takeover_t *t = self;

  return sluice__channel_busy_ns(t->channel);
}

const sluice_source_ops_t sluice__takeover_source = {
    .size = sizeof(sluice__takeover_source),
    .stays_open = 1,
    .read = read_source,
    .cancel = cancel_source,
    .busy_ns = get_busy_ns,
    .read_into = read_source_into};

int sluice__takeover_keep(sluice_takeover_t *t, const sluice__frame_t *frame,
                          const uint8_t *entries, sluice_error_t *err) {
  size_t at = 0;

  for (uint32_t i = 0; i < frame->fds; i++) {
    int fd = sluice__channel_take_fd(t->channel, i);
    int r =
        sluice__arrivals_add(&t->arrivals, entries, frame->len, &at, fd, err);

    if (r < 0) {
      (void)close(fd);
      return r;
    }
  }
  return at == frame->len
             ? 0
             : sluice_fail(err, SLUICE_ECORRUPT,
                           "more names than descriptors are passed");
}

/* By the name that it had in the old host, too. */
static const void *owner_of(void *ctx, const char *section, uint32_t instance) {
  const sluice_takeover_t *t = ctx;

  return sluice__registry_resolve(t->registry, section, instance);
}

int sluice__takeover_take(void *ctx, const sluice_section_t *section,
                          const char *tag) {
  sluice_takeover_t *t = ctx;

  return sluice__arrivals_take(&t->arrivals, owner_of, t, section, tag);
}

/* Of a section that this host has not, and may do without, nothing is missed.
 */
int sluice__takeover_check_taken(sluice_takeover_t *t, sluice_error_t *err) {
  const sluice__passed_t *at = NULL;
  sluice__pass_t left;

  while (sluice__arrivals_left(&t->arrivals, &at, &left)) {
    if (owner_of(t, left.section, left.instance) != NULL ||
        !sluice__restore_has_skipped(t->restore)) {
      return sluice_fail(err, SLUICE_ECORRUPT,
                         "\"%.64s\" of section \"%.64s\" is passed as a "
                         "descriptor, and was not taken",
                         left.tag, left.section);
    }
  }
  return 0;
}
