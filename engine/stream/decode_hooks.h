/* decode_hooks.h - what a reader of our own may want of the decoder beside its
 * items.
 *
 * Native only. All are called from inside sluice_decoder_next() and
 * sluice__decoder_places(), and must not call the decoder. */
#ifndef SLUICE_STREAM_DECODE_HOOKS_H
#define SLUICE_STREAM_DECODE_HOOKS_H

#include <stdint.h>

#include <sluice/damage.h>
#include <sluice/item.h>

/* Pages one behind the other in the stream and in a region, as the index has
 * them. */
typedef struct sluice__index_run_s {
  uint32_t section_id;
  uint32_t region;
  const char *region_name; /* the decoder's */
  uint32_t page_size;
  uint64_t offset; /* bytes in the region */
  uint64_t bytes;
  uint64_t at;     /* stream offset; 0: zeros */
  uint64_t hashes; /* where those of the pages stand; 0: zeros */
} sluice__index_run_t;

typedef struct sluice__decode_hooks_s {
  void *ctx;
  /* Pages that were skipped, as the index says; 0 or a negative code. */
  int (*on_index_run)(void *ctx, const sluice__index_run_t *run);
  /* A page's hash is wrong. With this hook it is lent all the same. */
  void (*on_damage)(void *ctx, const sluice_damage_t *page);
  /* Pages that come next (`data` and `len` are not set): where are they to go?
   * NULL: into the window. Asked again for pages that were put there; then the
   * same must be said as before. */
  uint8_t *(*place)(void *ctx, const sluice_run_t *run);
  /* It is not asked about records of fewer bytes of pages. */
  uint32_t place_least;
} sluice__decode_hooks_t;

#endif
