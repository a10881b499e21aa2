/* input_image.h - input from an image's file, by position: headers and tables,
 * and no pages. */
#ifndef SLUICE_SESSION_RESTORE_INPUT_IMAGE_H
#define SLUICE_SESSION_RESTORE_INPUT_IMAGE_H

#include "image/prefetch.h"
#include "image/scan.h"
#include "memory/mem.h"
#include "session/restore/image_file.h"
#include "session/restore/input.h"
#include "stream/decoder.h"

typedef struct sluice__input_image_s {
  sluice__input_t input; /* first */
  sluice__image_file_t *file;
  sluice_decoder_t *decoder;
  sluice__mem_t *mem;
  sluice__scan_t scan;
  sluice__prefetch_t prefetch;
} sluice__input_image_t;

/* The callbacks of `input`, `file` (probed), `decoder` and `mem` are set, all
 * else zero. 0, UV_ENOMEM, SLUICE_ELIMIT. */
int sluice__input_image_open(sluice__input_image_t *in);

#endif
