/* encode.h - what the files of the native encoder share.
 *
 * Records are built in place in the stage's chunk, one at a time: begin,
 * extend..., end. A record lies within one chunk (a PAD record makes room where
 * it would not), but for PADs and the file header. The header of a record is
 * written last, so sequence numbers follow the stream.
 *
 * Invariant: type == 0 (no record is being built) or the chunk that holds the
 * record's start is lent. */
#ifndef SLUICE_STREAM_NATIVE_ENCODE_H
#define SLUICE_STREAM_NATIVE_ENCODE_H

#include "stream/encoder_base.h"
#include "stream/native/record.h"
#include "stream/page_map.h"

enum {
  SLUICE__PAGE_ENTRY = SLUICE__PAGES_RUN_BYTES + SLUICE__PAGES_HASH_BYTES,
  /* How many pages space is set aside for in the table, were each a run of its
   * own: what fits one aligned page. With larger tables short records would be
   * mostly that; so only behind a record that was full is there room for what
   * fills the chunk in one run. */
  SLUICE__PAGES_PLANNED =
      (SLUICE__NATIVE_ALIGN - SLUICE__PAGES_TABLE) / SLUICE__PAGE_ENTRY,
  /* A record has no more pages than of 4 KiB fill the chunk, or these. */
  SLUICE__PAGES_PER_RECORD = 2 * SLUICE__NATIVE_ALIGN / SLUICE__PAGE_ENTRY,
  /* A guess: 8 KiB of state, and a sweep over memory in which every other page
   * is zero still fills its PAGES records. */
  SLUICE__HELD_ZEROS = 512
};

/* The PAGES record being built. Runs and hashes are kept aside until it ends:
 * how many there will be, and so where the hashes stand, is known then. */
typedef struct sluice__encode_pages_s {
  uint32_t page_size;
  uint32_t count;
  uint32_t cap;
  uint32_t table; /* bytes set aside for runs and hashes */
  uint32_t run_count;
  uint64_t data;               /* stream offset of the first page */
  sluice__page_list_t *list;   /* of those left out; NULL: none is */
  sluice__copy_job_t *job;     /* that it is in; NULL: they are stable */
  bool has_no_list;            /* none could be had */
  bool was_full;               /* the record before it */
  sluice__page_list_t *stable; /* the list of stable pages, once needed */
  uint32_t most; /* pages of any record; 0: there are no regions yet */
  sluice__native_run_t *runs;
  uint64_t *hashes; /* behind the runs, in the same block */
} sluice__encode_pages_t;

/* Runs of zeros of one region, not yet written, in order of arrival. */
typedef struct sluice__encode_zeros_s {
  uint32_t region;
  uint32_t count;
  uint64_t low; /* all of them lie in low..high of the region */
  uint64_t high;
  struct {
    uint64_t offset;
    uint64_t count;
  } runs[SLUICE__HELD_ZEROS];
} sluice__encode_zeros_t;

/* How far the index has been written. */
typedef struct sluice__encode_index_s {
  uint32_t region;
  sluice__page_walk_t walk;
} sluice__encode_index_t;

typedef struct sluice__encode_native_s {
  uint64_t sequence; /* of the next record */
  uint64_t chain;
  uint16_t type; /* of the record being built; 0: none */
  uint16_t flags;
  uint32_t section;
  uint64_t start;       /* its stream offset */
  uint8_t *at;          /* its first byte in the chunk */
  bool opens;           /* the next record of the payload opens a PART */
  bool has_payload;     /* the open payload has more than regions */
  bool is_over;         /* TRAILER or ABORT is written */
  bool has_map;         /* for the index or for keep_last */
  uint64_t first_index; /* stream offset of the first INDEX record */
  uint8_t *bounce;      /* keep_last: a page on its way to output.patch */
  sluice__encode_pages_t pages;
  sluice__encode_zeros_t zeros;
  sluice__encode_index_t index;
  sluice__page_map_t map;
} sluice__encode_native_t;

/* The files call one way: encode.c, then _index, _pages and _rewrite, _zeros,
 * _record, _table. */
static inline sluice__encode_native_t *
sluice__encode_native_of(sluice_encoder_t *e) {
  return e->state;
}

/* encode_table.c */
/* There is to be room for a record of pages. 0 or UV_ENOMEM, latched. */
int sluice__native_reserve_pages(sluice_encoder_t *e);
void sluice__native_free_pages(sluice_encoder_t *e);
/* A list of the pages that the record leaves out, for such as `source` has.
 * NULL: all are to be copied now. */
sluice__page_list_t *
sluice__native_open_list(sluice_encoder_t *e,
                         const sluice__page_source_t *source);
/* The record has stable pages: puts those where they belong that are not yet,
 * if they are `least` bytes and the sink takes them anywhere. True: all are
 * out. */
bool sluice__native_put_early(sluice_encoder_t *e, size_t least);
/* Puts all stable pages of the record being built where they belong; false:
 * that cannot be done now. */
bool sluice__native_settle(sluice_encoder_t *e);
/* The PAGES record being built will not be. */
void sluice__native_drop_pages(sluice_encoder_t *e);
/* Fills in the table of the PAGES record being built; `*out_covered` is how
 * many bytes of its payload the record's checksum covers. 1: it has stable
 * pages, and is to be written (_write_stable) at once. */
int sluice__native_seal_pages(sluice_encoder_t *e, size_t *out_covered);
/* Has the sink take what it can of the chunk so far, whose last record has
 * stable pages, and emits a copy of the rest. 0 or what the stage latched. */
int sluice__native_write_stable(sluice_encoder_t *e);

/* encode_record.c: all return 0 or what the encoder has latched. */

/* Ends the record being built, makes room for `need` bytes of payload in one
 * piece, and begins the next record. */
int sluice__native_begin(sluice_encoder_t *e, uint16_t type, uint16_t flags,
                         uint32_t section, size_t need);
/* The next `len` bytes of the payload, to be filled in; `len` at most what is
 * left. */
uint8_t *sluice__native_extend(sluice_encoder_t *e, size_t len);
void sluice__native_append(sluice_encoder_t *e, const void *data, size_t len);
/* Bytes the payload can still grow by. */
size_t sluice__native_left(sluice_encoder_t *e);
int sluice__native_end(sluice_encoder_t *e);
/* Forgets the record being built. */
void sluice__native_drop(sluice_encoder_t *e);
/* `len` bytes as they are: the file header. */
int sluice__native_raw(sluice_encoder_t *e, const void *data, size_t len);
/* Fills the chunk up to its end with a PAD record. */
int sluice__native_pad(sluice_encoder_t *e);

/* Space for one more unit of `unit` bytes in a record of `type` in `section`,
 * which is begun if needed. NULL: what is latched. */
uint8_t *sluice__native_unit(sluice_encoder_t *e, uint16_t type,
                             uint32_t section, size_t unit);

/* encode_pages.c */
int sluice__native_pages(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                         const sluice__page_source_t *source);

/* The list for such a page as `source` begins with. */
static inline sluice__page_list_t *
sluice__native_page_list(sluice_encoder_t *e,
                         const sluice__page_source_t *source) {
  const sluice__encode_pages_t *p = &sluice__encode_native_of(e)->pages;

  return p->list != NULL || source->kind == SLUICE__PAGES_CHANGING ||
                 p->has_no_list
             ? p->list
             : sluice__native_open_list(e, source);
}

/* encode_zeros.c */
int sluice__native_zeros(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                         uint64_t count);
/* Would the page, written now, be undone by zeros that are still held back? */
bool sluice__native_holds_zeros(const sluice__encode_native_t *n,
                                uint32_t region, uint64_t offset,
                                uint32_t page_size);
/* Writes what was held back. */
int sluice__native_complete(sluice_encoder_t *e);

/* encode_rewrite.c: keep_last. `source` NULL: zeros; else its first page. */
int sluice__native_rewrite(sluice_encoder_t *e, uint32_t region,
                           uint64_t offset, uint64_t slot,
                           const sluice__page_source_t *source);
int sluice__native_fetch(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                         void *page);

/* encode_index.c */
/* 0, 1: `*looks` are used up, call again, or what the encoder has latched. */
int sluice__native_finish(sluice_encoder_t *e, uint64_t *looks);

#endif
