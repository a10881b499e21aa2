/* fake_engine.h - what handlers call, without an engine.
 *
 * Defines the public functions that handlers use (registry, writer, reader,
 * wake, fail, delta) over a list of items: what a handler writes is recorded,
 * and can be played back to it, item by item. One section a registry. Link it
 * instead of the engine, never with it.
 *
 * Its delta is a toy: {u8 from, bytes...} overwrites bytes of the page. */
#ifndef SLUICE_TESTS_FAKE_ENGINE_H
#define SLUICE_TESTS_FAKE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/handler.h>
#include <sluice/registry.h>

struct sluice_section_s {
  unsigned wakes;
  unsigned urgents;
  _Atomic unsigned async_wakes;
  sluice_save_mode_t mode; /* set by the test */
};

/* Zeroed by the test: an empty registry. */
struct sluice_registry_s {
  int fail;    /* code that the next add returns */
  int is_busy; /* an operation has begun, whose first turn is to come */
  char name[SLUICE_NAME_MAX + 1];
  const sluice_handler_t *handler;
  void *self;
  uint32_t instance;
  sluice_section_t section;
};

/* Pages that were lent and have not been read. */
typedef struct fake_loan_s {
  size_t item;
  const void *from;
  uint64_t end; /* pages lent in all, these included */
} fake_loan_t;

/* Everything that was written; freed by fake_stream_done(). Zeroed: empty. */
typedef struct fake_stream_s {
  sluice_item_t *items; /* REGION, PAGES, ZEROS, DELTA; data is owned */
  size_t count;
  size_t capacity;
  uint8_t *bytes; /* of a section of bytes */
  size_t len;
  uint32_t regions;
  fake_loan_t *late; /* oldest first */
  size_t late_count;
} fake_stream_t;

struct sluice_writer_s {
  fake_stream_t *out;
  size_t left;      /* set it before each call */
  unsigned units;   /* calls of should_yield until it says yes; 0: never */
  unsigned asked;   /* how often it was asked */
  unsigned fail_in; /* calls until one fails with `fail`; 0: none does */
  int fail;
  int status;
  uint64_t lent; /* pages */
  int is_late;   /* lent pages are read by fake_read_lent() */
};

struct sluice_reader_s {
  const fake_stream_t *in;
  size_t at;           /* next item */
  size_t byte;         /* next byte */
  size_t arrived;      /* bytes that have come, SIZE_MAX: all */
  unsigned wait_every; /* items between two WAITs; 0: none */
  unsigned units;      /* as above */
  unsigned asked;
  int is_held; /* the WAIT before item `at` has been given */
  int status;
};

/* Takes the section out. */
void fake_remove(sluice_registry_t *registry);

void fake_stream_done(fake_stream_t *s);

/* Appends one item by hand; `data` (may be NULL) is copied. */
void fake_stream_region(fake_stream_t *s, const char *name, uint32_t index,
                        uint64_t bytes, uint32_t page_size);
void fake_stream_run(fake_stream_t *s, sluice_item_kind_t kind,
                     const sluice_run_t *run);

/* Pages in the PAGES and ZEROS items from item `from` on. */
uint64_t fake_stream_pages(const fake_stream_t *s, size_t from);

/* Reads all pages that are lent, as they are now; returns how many have been
 * lent in all, for the save_returned hook. */
uint64_t fake_read_lent(sluice_writer_t *w);

/* Sets `memory` to what a receiver of region `region` would have. */
void fake_stream_replay(const fake_stream_t *s, uint32_t region,
                        uint8_t *memory, size_t bytes);

/* A whole save or restore of the section, `left` bytes a call. 0, or the code
 * of the hook that failed; the end hook has run. */
int fake_save(sluice_registry_t *registry, fake_stream_t *out, size_t left,
              sluice_error_t *err);
int fake_restore(sluice_registry_t *registry, const fake_stream_t *in,
                 sluice_error_t *err);
/* Up to the commit, which is not called. */
int fake_restore_and_drop(sluice_registry_t *registry, const fake_stream_t *in,
                          sluice_error_t *err);

#endif
