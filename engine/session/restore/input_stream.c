/* input_stream.c - how much is read at a time, and where to.
 *
 * The data of pages is read straight to where it belongs, if its handler says
 * where that is and the source can: a copy less, and it is verified there while
 * it is still in the processor's cache. All else goes through the decoder's
 * window: little of it while pages are read so, for what is in the window has
 * to be copied. */
#include "session/restore/input_stream.h"

#include <uv.h>

enum {
  PLACES = 64,
  PLACED_BYTES = 512 * 1024, /* of one read: 50 us, and in cache when hashed */
  PLACED_LEAST = 16 * 1024, /* a record of less is not worth reads of its own */
  READAHEAD_MIN = 4096      /* a header and a table, mostly */
};

static sluice__input_stream_t *stream_of(sluice__input_t *in) {
  return (sluice__input_stream_t *)in;
}

static void on_source(void *ctx, ptrdiff_t got) {
  sluice__input_stream_t *in = ctx;
  bool was_opening = in->is_opening;

  in->is_busy = false;
  in->is_opening = false;
  if (got == UV_EAGAIN && in->is_placing && !was_opening) {
    in->input.again(in->input.ctx);
    return;
  }
  if (got > 0 && !was_opening) {
    sluice_decoder_fill(in->decoder, (size_t)got);
  }
  in->input.came(in->input.ctx, got);
}

/* UV_EAGAIN: into the window, then. */
static ptrdiff_t pull_into_place(sluice__input_stream_t *in) {
  struct iovec places[PLACES];
  int count = sluice__decoder_places(in->decoder, places, PLACES, PLACED_BYTES);
  ptrdiff_t got = UV_EAGAIN;

  if (count > 0) {
    got = sluice__source_read_into(in->source, places, count, on_source, in);
    in->is_busy = got == 0;
    in->is_placing = got == 0;
    in->readahead = got == UV_EAGAIN ? SIZE_MAX : READAHEAD_MIN;
  }
  if (got > 0) {
    sluice__decoder_placed(in->decoder, (size_t)got);
  }
  return got;
}

/* The more, the longer no pages were read into place. */
static size_t limit_readahead(sluice__input_stream_t *in, size_t len) {
  size_t missing = sluice__decoder_missing(in->decoder);
  size_t most = in->readahead > missing ? in->readahead : missing;

  in->readahead = most > SIZE_MAX / 2 ? SIZE_MAX : most * 2;
  return most < len ? most : len;
}

static ptrdiff_t pull_into_window(sluice__input_stream_t *in) {
  ptrdiff_t got;
  void *buf;
  size_t len;

  sluice_decoder_space(in->decoder, &buf, &len);
  got = sluice__source_read(in->source, buf, limit_readahead(in, len),
                            on_source, in);
  in->is_busy = got == 0;
  in->is_placing = false;
  if (got > 0) {
    sluice_decoder_fill(in->decoder, (size_t)got);
  }
  return got;
}

static ptrdiff_t pull(sluice__input_t *input) {
  sluice__input_stream_t *in = stream_of(input);
  ptrdiff_t got;

  if (in->is_busy) {
    return 0;
  }
  got = pull_into_place(in);
  return got == UV_EAGAIN ? pull_into_window(in) : got;
}

static bool is_busy(const sluice__input_t *input) {
  return ((const sluice__input_stream_t *)input)->is_busy;
}

static void cancel(sluice__input_t *input) {
  sluice__input_stream_t *in = stream_of(input);

  if (in->is_busy && !in->is_cancelled) {
    in->is_cancelled = true;
    sluice__source_cancel(in->source);
  }
}

static void close_input(sluice__input_t *input) {
  sluice__source_close(sluice__input_stream_release(stream_of(input)));
}

static const sluice__input_ops_t stream_ops = {
    .pull = pull, .is_busy = is_busy, .cancel = cancel, .close = close_input};

void sluice__input_stream_init(sluice__input_stream_t *in,
                               uint8_t *(*place)(void *ctx,
                                                 const sluice_run_t *run),
                               void *ctx) {
  const sluice__decode_hooks_t hooks = {
      .ctx = ctx, .place = place, .place_least = PLACED_LEAST};

  in->input.ops = &stream_ops;
  in->readahead = SIZE_MAX;
  if (sluice__source_reads_into(in->source)) {
    sluice__decoder_set_hooks(in->decoder, &hooks);
  }
}

int sluice__input_stream_open(sluice__input_stream_t *in, uv_loop_t *loop,
                              sluice_error_t *err) {
  int r = sluice__source_open(in->source, loop, on_source, in, err);

  in->is_busy = r == 0;
  in->is_opening = r == 0;
  return r;
}

sluice_source_t *sluice__input_stream_release(sluice__input_stream_t *in) {
  sluice_source_t *source = in->source;

  in->source = NULL;
  return source;
}
