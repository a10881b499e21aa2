/* input_image.c - see input_image.h. */
#include "session/restore/input_image.h"

#include <fcntl.h>

static sluice__input_image_t *image_of(sluice__input_t *in) {
  return (sluice__input_image_t *)in;
}

static ptrdiff_t pull(sluice__input_t *input) {
  sluice__input_image_t *in = image_of(input);
  const sluice_decoder_t *d = in->decoder;
  bool hops = sluice__decoder_skips_pages(d) && sluice__decoder_is_between(d);
  uint64_t at = sluice__decoder_position(d);
  ptrdiff_t got;
  void *buf;
  size_t len;

  if (in->file->job.is_busy) {
    return 0;
  }
  if (in->scan.is_cold) { /* as the job before this one found */
    sluice__prefetch_start(&in->prefetch);
  }
  if (at >= in->scan.index) { /* from here on as any file */
    sluice__image_file_advise(in->file, POSIX_FADV_NORMAL);
  }
  sluice_decoder_space(in->decoder, &buf, &len);
  got = sluice__scan_read(&in->scan, buf, len, at, hops);
  if (got > 0) {
    sluice_decoder_fill(in->decoder, (size_t)got);
  }
  return got;
}

/* The file's job tells its owner, and so does the prefetch. */
static bool is_busy(const sluice__input_t *input) {
  const sluice__input_image_t *in = (const sluice__input_image_t *)input;

  return in->prefetch.job.is_busy || in->file->job.is_busy;
}

static void cancel(sluice__input_t *input) {
  sluice__prefetch_stop(&image_of(input)->prefetch);
}

static void close_input(sluice__input_t *input) {
  sluice__input_image_t *in = image_of(input);

  sluice__scan_close(&in->scan, in->mem);
}

static const sluice__input_ops_t image_ops = {
    .pull = pull, .is_busy = is_busy, .cancel = cancel, .close = close_input};

/* Room to work in comes with the scan's. */
static void open_prefetch(sluice__input_image_t *in) {
  sluice__prefetch_t *prefetch = &in->prefetch;

  prefetch->job.loop = in->file->job.loop;
  prefetch->job.done = in->input.again;
  prefetch->job.ctx = in->input.ctx;
  prefetch->fd = in->file->probe.fd;
  prefetch->index = in->file->probe.index;
  prefetch->end = in->file->probe.size;
  prefetch->buf = in->scan.spare;
  prefetch->len = SLUICE__PREFETCH_BYTES;
}

int sluice__input_image_open(sluice__input_image_t *in) {
  int r;

  in->input.ops = &image_ops;
  in->scan.job = &in->file->job;
  in->scan.fd = in->file->probe.fd;
  in->scan.size = in->file->probe.size;
  in->scan.index = in->file->probe.index;
  r = sluice__scan_open(&in->scan, in->mem);
  if (r == 0) {
    open_prefetch(in);
  }
  return r;
}
