/* input.h - a stream, read from a file or from standard input, as items.
 *
 * Pumps a decoder with blocking reads. An ABORT in the stream is a failure like
 * any other here: the image is not whole. */
#ifndef SLUICE_TOOL_FILES_INPUT_H
#define SLUICE_TOOL_FILES_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/decoder.h>

#include "cli/report.h"

/* What else is to be done about a stream while it comes. Both are optional and
 * return 0 or, having filled in the failure, its code. */
typedef struct input_hooks_s {
  /* Before each read: `fd` may have nothing to be read yet. */
  int (*wait)(void *ctx, int fd, failure_t *f);
  /* After each read. */
  int (*copy)(void *ctx, const void *data, size_t len, failure_t *f);
} input_hooks_t;

typedef struct input_s {
  const char *name; /* for messages; borrowed */
  int fd;
  bool is_ours;  /* to be closed */
  uint64_t size; /* of a regular file; else 0 */
  uint64_t fetched;
  sluice_decoder_t *decoder;
  const input_hooks_t *hooks; /* may be NULL */
  void *ctx;
} input_t;

typedef struct input_options_s {
  uint32_t page_size; /* of QEMU streams that do not say it; 0: the usual one */
  bool check_index;   /* compare an image's index with its pages */
} input_options_t;

/* Opens `path` ("-": standard input), borrowed until input_close(). Devices
 * come whole, one BYTES item each. */
int input_open(input_t *in, const char *path, const input_options_t *options,
               failure_t *f);

/* The same from the beginning of an open file, which stays the caller's. */
int input_open_fd(input_t *in, int fd, const char *name, failure_t *f);

/* The same from a pipe or connection, which stays the caller's. A connection
 * may stay open behind the end of the stream. */
int input_open_live(input_t *in, int fd, const char *name, failure_t *f);

/* SLUICE_MORE: an item, good until the next call; SLUICE_DONE: the stream is
 * over and was whole; else a code. */
int input_next(input_t *in, sluice_item_t *item, failure_t *f);

/* Bytes of the stream understood so far. */
uint64_t input_offset(const input_t *in);

/* Fine after a failed open, and twice. */
void input_close(input_t *in);

#endif
