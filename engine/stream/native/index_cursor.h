/* index_cursor.h - the runs that an image's index names, one by one.
 *
 * The index is a row of INDEX records, with PAD records between them where it
 * was written in pieces, up to the first record of another type. Whoever reads
 * it gives the cursor bytes and takes entries:
 *
 *   next() -> ENTRY: `out` is filled
 *          -> WANTS: up to `want` bytes of the stream from `at`: feed() them
 *          -> OVER:  the index ends here, or makes no sense
 *
 * A reader that has a record's payload in memory opens the cursor upon that,
 * and needs to feed nothing. Pure: knows bytes, no files and no decoder; looks
 * at no checksum. Who compares entries with the runs of the records themselves
 * does so behind next(). */
#ifndef SLUICE_STREAM_NATIVE_INDEX_CURSOR_H
#define SLUICE_STREAM_NATIVE_INDEX_CURSOR_H

#include <stddef.h>
#include <stdint.h>

typedef struct sluice__index_entry_s {
  uint32_t region;
  uint64_t count;  /* pages */
  uint64_t offset; /* in the region */
  uint64_t data;   /* stream offsets; 0: zeros */
  uint64_t hashes;
} sluice__index_entry_t;

/* SLUICE__INDEX_RUN_BYTES bytes at `p`; `count` fits 32 bits. */
void sluice__index_entry_put(uint8_t *p, const sluice__index_entry_t *entry);

enum { SLUICE__INDEX_ENTRY, SLUICE__INDEX_WANTS, SLUICE__INDEX_OVER };

typedef struct sluice__index_cursor_s {
  uint64_t at;      /* of what is wanted, in the stream */
  size_t want;      /* bytes; fewer, but not none, end the index */
  uint64_t end;     /* before which it ends */
  size_t most;      /* bytes that are wanted at once, at most */
  uint64_t left;    /* bytes of the record's payload that were not fed */
  uint64_t next;    /* where the next record begins */
  const uint8_t *p; /* what was fed, the reader's: `len` bytes are left */
  size_t len;
} sluice__index_cursor_t;

/* Upon an index from `from` on, that is read `most` bytes at a time: a header
 * and an entry, at least. */
void sluice__index_cursor_open(sluice__index_cursor_t *cursor, uint64_t from,
                               uint64_t end, size_t most);
/* Upon the payload of one INDEX record. */
void sluice__index_cursor_open_payload(sluice__index_cursor_t *cursor,
                                       const uint8_t *payload, size_t len);
/* The answer to WANTS; the bytes stay where they are until the next. */
void sluice__index_cursor_feed(sluice__index_cursor_t *cursor,
                               const uint8_t *bytes, size_t len);
int sluice__index_cursor_next(sluice__index_cursor_t *cursor,
                              sluice__index_entry_t *out);

#endif
