/* patches.h - pages on their way to where they stand in the sink already.
 *
 *   add --> open batch --> closed ones, in order --> the first with the sink
 *
 * A page that comes again is copied into a batch, with its hash, and replaces
 * its former copy from there. Batches go out one by one: so the last copy is
 * the one that stays. One waits until the sink has what it replaces, which its
 * owner says.
 *
 * Invariant: a batch is closed when it is full or when all is to go out; what
 * is in the open one nobody waits for. Loop thread. */
#ifndef SLUICE_SESSION_SAVE_PATCHES_H
#define SLUICE_SESSION_SAVE_PATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/direct_writer.h"
#include "memory/mem.h"

typedef struct sluice__patch_batch_s sluice__patch_batch_t;

typedef struct sluice__patches_s {
  sluice__mem_t *mem;
  sluice__direct_writer_t *writer;
  size_t batch_bytes; /* of pages, in each */
  size_t pieces_max;
  sluice__patch_batch_t *open; /* NULL: none */
  sluice__patch_batch_t *first;
  sluice__patch_batch_t *last;
  sluice__patch_batch_t *idle;
  bool is_busy;        /* `first` is with the sink */
  size_t flying_bytes; /* of what is closed */
  /* The first batch was completed, or failed. Called from the loop. */
  void (*on_patched)(void *ctx, int status);
  void *ctx;
} sluice__patches_t;

void sluice__patches_init(sluice__patches_t *p, sluice__mem_t *mem,
                          sluice__direct_writer_t *writer);
/* There is none yet. Large ones go to another thread less often. */
void sluice__patches_resize(sluice__patches_t *p, size_t batch_bytes);
/* Frees everything: nobody uses it any more. */
void sluice__patches_done(sluice__patches_t *p);

/* `len` bytes for stream offset `offset`, copied: at most a page. 0, UV_ENOMEM
 * or SLUICE_ELIMIT. */
int sluice__patches_add(sluice__patches_t *p, uint64_t offset, const void *data,
                        size_t len);
/* What there is goes out, however little. */
void sluice__patches_close(sluice__patches_t *p);
/* Gives the sink what it can: it has answered all bytes before `known`, but for
 * those that are with it by patch. */
void sluice__patches_go(sluice__patches_t *p, uint64_t known);

#endif
