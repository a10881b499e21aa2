/* input.h - where a restore's bytes come from.
 *
 *   input_stream.c  a source, in order: into the decoder's window, or the data
 *                   of pages straight to their place
 *   input_image.c   a file, by position: without the pages
 *
 * Nothing is read but by pull(). Loop thread. */
#ifndef SLUICE_SESSION_RESTORE_INPUT_H
#define SLUICE_SESSION_RESTORE_INPUT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct sluice__input_s sluice__input_t;

typedef struct sluice__input_ops_s {
  /* > 0: the decoder has been given so much; 0: `came` or `again` will be
   * called; UV_EOF, or an error. */
  ptrdiff_t (*pull)(sluice__input_t *in);
  /* Something is under way; `came` or `again` follows. */
  bool (*is_busy)(const sluice__input_t *in);
  /* What is under way is to end soon. Again is fine. */
  void (*cancel)(sluice__input_t *in);
  /* Not when it is busy. */
  void (*close)(sluice__input_t *in);
} sluice__input_ops_t;

struct sluice__input_s {
  const sluice__input_ops_t *ops;
  /* > 0: the decoder has been given so much; 0: the end of input, or it is
   * open; or an error. */
  void (*came)(void *ctx, ptrdiff_t got);
  /* It is worth pulling again. */
  void (*again)(void *ctx);
  void *ctx;
};

#endif
