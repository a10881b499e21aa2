/* decode.h - what the files of the native decoder share.
 *
 * One record at a time: it is read and verified while it lies whole at the head
 * of the window (of PAGES only the part before the data), then turned into
 * items, then taken off. Whatever the stream says, the tables kept aside stay
 * under their limit and the window under its own.
 *
 *   decode.c                       the round of records, and its state
 *     _stream.c  _pages.c          what a record means
 *       _place.c _skip.c           pages that do not go through the window
 *       _regions.c
 *         _sections.c _index.c
 *           _record.c _keep.c      a record that is whole; memory
 *
 * A file calls those beneath it and none above. What a member of the struct is
 * for says whose it is: the others read it.
 *
 * Invariant: nothing of a record is lent, or believed, before its checksum and
 * its sequence were right; nothing of a page before its hash was. */
#ifndef SLUICE_STREAM_NATIVE_DECODE_H
#define SLUICE_STREAM_NATIVE_DECODE_H

#include "stream/decode_base.h"
#include "stream/native/index_cursor.h"
#include "stream/native/record.h"
#include "stream/page_map.h"

/*   HEADER --> RECORDS --> OVER
 *               ^  |  \--> ABORTED
 *               +--+ DATA, PAGES, ZEROS: inside such a record               */
typedef enum sluice__decode_step_e {
  SLUICE__DECODE_HEADER,
  SLUICE__DECODE_RECORDS,
  SLUICE__DECODE_DATA,
  SLUICE__DECODE_PAGES,
  SLUICE__DECODE_ZEROS,
  SLUICE__DECODE_ABORTED,
  SLUICE__DECODE_OVER
} sluice__decode_step_t;

/* A declared section; its strings stand behind it in the same block. */
typedef struct sluice__decode_section_s {
  sluice_decl_t decl;
  size_t size; /* of the block */
  bool is_over;
} sluice__decode_section_t;

typedef struct sluice__decode_region_s {
  uint64_t bytes;
  uint32_t page_size;
  uint32_t section_id;
  bool is_skipped; /* its pages make no items */
  char name[SLUICE_NAME_MAX + 1];
} sluice__decode_region_t;

/* Open addressing by id. */
typedef struct sluice__decode_sections_s {
  sluice__decode_section_t **list;
  size_t cap;
  size_t count;
  size_t live; /* sections without their END */
} sluice__decode_sections_t;

/* The data of a PAGES record that was skipped. */
typedef struct sluice__skipped_s {
  uint64_t at; /* stream offset */
  uint32_t pages;
  uint32_t page_size;
} sluice__skipped_t;

typedef struct sluice__decode_skipped_s {
  sluice__skipped_t *list; /* ascending */
  size_t count;
  size_t cap;
} sluice__decode_skipped_t;

/* The PAGES record being read: runs and hashes as they stand in the stream. */
typedef struct sluice__decode_pages_s {
  uint8_t *table;
  size_t table_cap;
  uint32_t page_size;
  uint32_t run_count;
  uint32_t page_count;
  uint32_t run;     /* the next page's run, */
  uint32_t in_run;  /* its number in the run, */
  uint32_t in_data; /* and in the record */
} sluice__decode_pages_t;

typedef struct sluice__decode_note_s {
  uint8_t *data;
  size_t cap;
  size_t len;
  bool goes_on;
  char name[SLUICE_NAME_MAX + 1];
} sluice__decode_note_t;

typedef struct sluice__decode_index_s {
  uint64_t first; /* stream offset of the first INDEX record; 0: none yet */
  uint32_t region;
  uint64_t end; /* of the last run, in the region */
} sluice__decode_index_t;

/* With option check_index: where the pages are, to compare with the index. */
typedef struct sluice__decode_seen_s {
  sluice__page_map_t map;
  uint32_t region; /* the first page that the index has not named yet */
  uint64_t page;
  bool is_over_limit;
} sluice__decode_seen_t;

/* Why the writer gave up. */
typedef struct sluice__decode_abort_s {
  int code;
  char section[SLUICE__ABORT_TEXT_MAX + 1];
  char message[SLUICE__ABORT_TEXT_MAX + 1];
} sluice__decode_abort_t;

/* Memory that outlives its record. */
typedef struct sluice__decode_keep_s {
  size_t held;
  size_t limit;
} sluice__decode_keep_t;

typedef struct sluice__decode_native_s {
  sluice__decode_step_t step;
  uint64_t sequence; /* of the next record */
  uint64_t chain;
  sluice__record_t record;           /* at the head, or being worked through */
  uint64_t at;                       /* its stream offset */
  bool has_record;                   /* it is verified and waits */
  sluice__decode_section_t *section; /* the record's; NULL: none */

  sluice__decode_section_t *open; /* whose payload is open; NULL: none */
  bool is_first;                  /* that payload is the section's first, */
  bool has_payload;               /* and has more than regions */
  uint64_t payload_bytes;

  size_t lent;       /* PAGES: bytes at the head; DATA: bytes from position */
  uint64_t position; /* in the payload of DATA or ZEROS */
  bool wants_longer;

  sluice__decode_keep_t keep;
  sluice__decode_sections_t sections;
  sluice__decode_region_t *regions;
  uint32_t region_count;
  uint32_t region_cap;
  sluice__decode_seen_t seen;
  sluice__decode_skipped_t skipped;
  sluice__decode_pages_t pages;
  sluice__decode_note_t note;
  sluice__decode_index_t index;
  sluice__decode_abort_t abort;
  sluice_totals_t totals;

  char host[SLUICE_NAME_MAX + 1];
  char host_version[SLUICE_NAME_MAX + 1];
} sluice__decode_native_t;

static inline sluice__decode_native_t *
sluice__decode_native_of(sluice_decoder_t *d) {
  return d->state;
}

/* The record's section, for errors; "" when there is none. */
static inline const char *
sluice__native_section_name(const sluice__decode_native_t *n) {
  return n->section == NULL ? "" : n->section->decl.name;
}

/* Fails at the start of the current record. */
#define SLUICE__NATIVE_REFUSE(d, code, ...)                                    \
  sluice__decoder_fail(                                                        \
      (d), (code), sluice__decode_native_of(d)->at,                            \
      sluice__native_section_name(sluice__decode_native_of(d)), __VA_ARGS__)

/* The payload of the current record, at the head of the window. */
static inline const uint8_t *sluice__native_payload(const sluice_decoder_t *d) {
  return sluice__window_at(&d->window) + SLUICE__RECORD_BYTES;
}

/* The run that number `index` of the current PAGES record is. */
static inline sluice__native_run_t
sluice__native_run_at(const sluice__decode_pages_t *p, uint32_t index) {
  return sluice__native_run_get(p->table +
                                (size_t)index * SLUICE__PAGES_RUN_BYTES);
}

/* decode_keep.c: memory under the cap. `what` is for the error. */
int sluice__native_keep(sluice_decoder_t *d, void **out, size_t size,
                        const char *what);
void sluice__native_release(sluice_decoder_t *d, void *p, size_t size);
/* An array of `*cap` elements of `size` bytes gets room for `need`. */
int sluice__native_reserve(sluice_decoder_t *d, void **array, size_t *cap,
                           size_t need, size_t size, const char *what);
/* A string of the stream, with a NUL behind it; `to` has SLUICE_NAME_MAX + 1
 * bytes. Fails when there is a NUL within. */
int sluice__native_copy_name(sluice_decoder_t *d, char *to, const uint8_t *from,
                             size_t len, const char *what);

/* decode_record.c: verifies the record at the head. SLUICE__WHOLE: it is
 * in `record`. */
int sluice__native_read_record(sluice_decoder_t *d);
/* Takes the record off the window: it is worked through. */
void sluice__native_take_record(sluice_decoder_t *d);
/* "PAGES", ...; "unknown". */
const char *sluice__native_type_name(uint16_t type);

/* decode_index.c: all do nothing without option check_index. */
void sluice__native_seen_begin(sluice_decoder_t *d);
void sluice__native_seen_done(sluice_decoder_t *d);
int sluice__native_seen_region(sluice_decoder_t *d,
                               const sluice__decode_region_t *region);
/* A PAGES record has its data and its hashes at these stream offsets. */
int sluice__native_seen_record(sluice_decoder_t *d, uint64_t data,
                               uint64_t hashes);
int sluice__native_seen_pages(sluice_decoder_t *d, const sluice_item_t *item);
int sluice__native_seen_zeros(sluice_decoder_t *d, const sluice_run_t *run);
int sluice__native_compare_entry(sluice_decoder_t *d,
                                 const sluice__index_entry_t *entry);
int sluice__native_compare_end(sluice_decoder_t *d);

/* decode_sections.c */
sluice__decode_section_t *sluice__native_find(const sluice__decode_native_t *n,
                                              uint32_t id);
void sluice__native_free_sections(sluice_decoder_t *d);
int sluice__native_on_section(sluice_decoder_t *d, sluice_item_t *item);
int sluice__native_on_part(sluice_decoder_t *d, sluice_item_t *item);
int sluice__native_on_end(sluice_decoder_t *d, sluice_item_t *item);
/* The current record must belong to the open payload. */
int sluice__native_check_open(sluice_decoder_t *d);
int sluice__native_close_payload(sluice_decoder_t *d, sluice_item_t *item);
/* A live section that has not ended; there must be one. */
const sluice__decode_section_t *
sluice__native_unended(const sluice__decode_native_t *n);

/* decode_regions.c */
int sluice__native_on_region(sluice_decoder_t *d, sluice_item_t *item);
/* `count` pages from byte `offset` of region `index` exist? */
int sluice__native_check_run(sluice_decoder_t *d, uint32_t index,
                             uint64_t offset, uint64_t count);

/* decode_skip.c: sees that the data of the PAGES record at the head is
 * passed over. */
int sluice__native_skip_pages(sluice_decoder_t *d);
/* An entry of the index, of pages that were skipped or not. */
int sluice__native_tell_entry(sluice_decoder_t *d,
                              const sluice__index_entry_t *entry);

/* decode_place.c: pages that are not put into the window. */
int sluice__native_places(sluice_decoder_t *d, struct iovec *out, int max,
                          size_t most);
void sluice__native_placed(sluice_decoder_t *d, size_t len);
/* The next page and what follows it of its run: `*data`, and how many bytes of
 * them are there. SLUICE__WHOLE, or why there is not even one page. */
int sluice__native_at_hand(sluice_decoder_t *d, const sluice__native_run_t *run,
                           const uint8_t **data, size_t *bytes);

/* decode_pages.c */
int sluice__native_on_pages(sluice_decoder_t *d);
int sluice__native_step_pages(sluice_decoder_t *d, sluice_item_t *item);
int sluice__native_on_zeros(sluice_decoder_t *d);
int sluice__native_step_zeros(sluice_decoder_t *d, sluice_item_t *item);

/* decode_stream.c */
int sluice__native_on_note(sluice_decoder_t *d, sluice_item_t *item);
int sluice__native_on_index(sluice_decoder_t *d);
int sluice__native_on_abort(sluice_decoder_t *d, sluice_item_t *item);
int sluice__native_on_trailer(sluice_decoder_t *d, sluice_item_t *item);

#endif
