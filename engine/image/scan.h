/* scan.h - input for a decoder that passes over pages.
 *
 * The headers of an image lie some MiB apart. A job on the pool reads many of
 * them ahead, guessing where the next one is (native/stretch.h); what the
 * decoder then asks for by position is mostly there. The first span that has
 * to be waited for shows that the file is not in the page cache; whoever owns
 * the scan then lets the disk be asked for all of them (prefetch.h). Loop
 * thread. */
#ifndef SLUICE_IMAGE_SCAN_H
#define SLUICE_IMAGE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/file_job.h"
#include "memory/mem.h"

enum { SLUICE__SCAN_SPANS = 256, SLUICE__SCAN_BYTES = 1280 * 1024 };

/* `len` bytes of the file from `at` stand at `pos` in the buffer. */
typedef struct sluice__scan_span_s {
  uint64_t at;
  size_t pos;
  size_t len;
} sluice__scan_span_t;

typedef struct sluice__scan_s {
  sluice__file_job_t *job; /* shared with its owner */
  int fd;
  uint64_t size;
  uint64_t index; /* where it begins */
  uint8_t *buf;
  size_t used;
  uint8_t *spare;             /* SLUICE__PREFETCH_BYTES that it does not use */
  sluice__scan_span_t *spans; /* behind the bytes of `buf` */
  bool is_cold; /* a span was not in the page cache; the job's, while it runs */
  bool is_untold; /* the file system does not say what is */
  size_t table;   /* of the last record; the next has one like it */
  size_t count;
  size_t next; /* spans before it are of no use any more */
  uint64_t from;
  size_t want;
  bool hops;
  int code;
} sluice__scan_t;

/* Zeroed, `job`, `fd`, `size` and `index` set. */
int sluice__scan_open(sluice__scan_t *scan, sluice__mem_t *mem);
void sluice__scan_close(sluice__scan_t *scan, sluice__mem_t *mem);

/* Up to `len` bytes of the file at `at`. > 0: bytes; 0: the job was started,
 * ask again when it is done; UV_EOF; or an error. `hops`: a record begins at
 * `at`, and pages are not wanted. */
ptrdiff_t sluice__scan_read(sluice__scan_t *scan, void *buf, size_t len,
                            uint64_t at, bool hops);

#endif
