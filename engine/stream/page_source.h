/* page_source.h - pages on their way into a stream: where they are, and how
 * long they can be read there. */
#ifndef SLUICE_STREAM_PAGE_SOURCE_H
#define SLUICE_STREAM_PAGE_SOURCE_H

#include <stdint.h>

/* Stable pages are written in pieces of about this size where the sink takes
 * them anywhere: some 100 us of a new file on tmpfs. */
enum { SLUICE__STABLE_BYTES = 256 * 1024 };

typedef enum sluice__page_kind_e {
  /* May change at any time: copied before the call returns. */
  SLUICE__PAGES_CHANGING,
  /* May change, but can be read until they are given back: a copy job takes
   * them. */
  SLUICE__PAGES_BORROWED,
  /* Do not change until the payload is left: may be written from where they
   * are. */
  SLUICE__PAGES_STABLE,
  /* One that was damaged before it came here: copied, and given a hash that is
   * not its own, also where it is zeros. Native only. */
  SLUICE__PAGES_SPOILT
} sluice__page_kind_t;

typedef struct sluice__page_source_s {
  const uint8_t *base;
  uint64_t count;
  sluice__page_kind_t kind;
  /* Of borrowed ones, for who gives them back: whose they are, and how many of
   * its pages were borrowed before these. */
  void *lender;
  uint64_t before;
} sluice__page_source_t;

#endif
