/* decode_twice.h - what the fuzz targets of all readers have in common.
 *
 *   input   u8 options, u8 step, u8 cut, stream
 *
 * Every byte that the decoder lends is looked at, its memory is counted, and
 * how the input is cut up must not matter: the stream is decoded twice, whole
 * and in pieces of `step`, and both must end alike; with the same items, when
 * it was sound. */
#ifndef SLUICE_FUZZ_DECODE_TWICE_H
#define SLUICE_FUZZ_DECODE_TWICE_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/item.h>

enum {
  OPTION_MEND = 1 << 0,     /* what that is, each target says */
  OPTION_AS_IT_IS = 1 << 1, /* nothing is made right, not even checksums */
  OPTION_BY_DESCRIPTION = 1 << 2,
  OPTION_CHECK_INDEX = 1 << 3,
  OPTION_MAY_STAY_OPEN = 1 << 4,
  OPTION_PACK = 1 << 5, /* see fuzz_qemu2.c */
  OPTION_ANY_FORMAT = 1 << 6
};

enum { INPUT_OPTIONS = 0, INPUT_STEP, INPUT_CUT, INPUT_STREAM };

typedef struct decode_twice_s {
  unsigned options;
  sluice_format_t format; /* UNKNOWN: by the signature */
  size_t step;
  size_t cut; /* bytes of each payload that has no end */
  const uint8_t *data;
  size_t len;
} decode_twice_t;

/* Aborts when the decoder breaks its word. */
void decode_twice(const decode_twice_t *in);

/* What an input says, with a copy of its stream that the caller frees: in
 * `*out_stream`, with the signature of `format` (8 bytes) in front unless the
 * options have AS_IT_IS or ANY_FORMAT. 0: there is no stream. */
size_t decode_twice_open(decode_twice_t *out, sluice_format_t format,
                         const char *signature, const uint8_t *data,
                         size_t size, uint8_t **out_stream);

#endif
