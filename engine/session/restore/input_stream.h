/* input_stream.h - input from a source, in order. Owns the source. */
#ifndef SLUICE_SESSION_RESTORE_INPUT_STREAM_H
#define SLUICE_SESSION_RESTORE_INPUT_STREAM_H

#include "io/source.h"
#include "session/restore/input.h"
#include "stream/decoder.h"

typedef struct sluice__input_stream_s {
  sluice__input_t input; /* first */
  sluice_source_t *source;
  sluice_decoder_t *decoder;
  size_t readahead;  /* bytes to read into the window at most */
  bool is_busy;      /* open or read is under way */
  bool is_opening;   /* ... open */
  bool is_placing;   /* it is to say when pages can be read into place */
  bool is_cancelled; /* the source was asked to end its read */
} sluice__input_stream_t;

/* The callbacks of `input`, `source` and `decoder` are set, all else zero.
 * `place` with `ctx`: as the decoder's hook. */
void sluice__input_stream_init(sluice__input_stream_t *in,
                               uint8_t *(*place)(void *ctx,
                                                 const sluice_run_t *run),
                               void *ctx);
/* 1: it can be pulled; 0: `came` will be called with 0, or an error. */
int sluice__input_stream_open(sluice__input_stream_t *in, uv_loop_t *loop,
                              sluice_error_t *err);
/* It is somebody else's now. */
sluice_source_t *sluice__input_stream_release(sluice__input_stream_t *in);

#endif
