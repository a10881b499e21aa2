/* encoder_base.h - what the encoder's dialects stand on.
 *
 * The calls of an encoder are above the dialects (stream/encoder.c): they check
 * the order of calls and the ranges. A dialect writes one format, into the
 * stage; what is common to all is here: regions, totals, and the latch.
 *
 *   encoder.c --> a dialect --> this, stage --> output
 *                          \--> direct writer, copy jobs
 *
 * A dialect may hold back what it was given until the next call on it (runs are
 * merged), never longer. It calls nobody above. */
#ifndef SLUICE_STREAM_ENCODER_BASE_H
#define SLUICE_STREAM_ENCODER_BASE_H

#include <stdbool.h>

#include <sluice/encoder.h>

#include "io/direct_writer.h"
#include "stream/copy_queue.h"
#include "stream/page_source.h"
#include "stream/stage.h"

/* A region as the encoder knows it. */
typedef struct sluice__region_s {
  uint64_t bytes;
  uint32_t page_size;
  uint32_t section_id;
  char name[SLUICE_NAME_MAX + 1];
} sluice__region_t;

typedef struct sluice__encode_ops_s {
  int (*init)(sluice_encoder_t *e);  /* sets e->state */
  void (*free)(sluice_encoder_t *e); /* also after a failed init */
  int (*header)(sluice_encoder_t *e);
  int (*note)(sluice_encoder_t *e, const char *name, const void *data,
              size_t len);
  int (*open)(sluice_encoder_t *e, sluice_item_kind_t kind,
              const sluice_decl_t *decl);
  int (*region)(sluice_encoder_t *e, uint32_t index);
  int (*pages)(sluice_encoder_t *e, uint32_t region, uint64_t offset,
               const sluice__page_source_t *source);
  int (*zeros)(sluice_encoder_t *e, uint32_t region, uint64_t offset,
               uint64_t count);
  int (*bytes)(sluice_encoder_t *e, const void *data, size_t len);
  int (*describe)(sluice_encoder_t *e, const char *json, size_t len); /* opt. */
  int (*close)(sluice_encoder_t *e);
  /* Optional. May the payload stay open as it is, when stable pages that it was
   * given are not any more? */
  bool (*linger)(sluice_encoder_t *e);
  /* 1: `*looks` at pages are used up; call again */
  int (*finish)(sluice_encoder_t *e, uint64_t *looks);
  int (*flush)(sluice_encoder_t *e); /* completes what is held back */
  int (*abort)(sluice_encoder_t *e, const sluice_error_t *reason);
  int (*fetch)(sluice_encoder_t *e, uint32_t region, uint64_t offset,
               void *page);
  bool (*shrink)(sluice_encoder_t *e); /* opt. */
} sluice__encode_ops_t;

typedef enum sluice__encode_state_e {
  SLUICE__ENCODE_NEW,
  SLUICE__ENCODE_IDLE,    /* between payloads; or one lingers */
  SLUICE__ENCODE_PAYLOAD, /* `open` is the section's declaration */
  SLUICE__ENCODE_ENDING,  /* the index is being written */
  SLUICE__ENCODE_OVER
} sluice__encode_state_t;

struct sluice_encoder_s {
  sluice_alloc_t alloc;
  sluice_encoder_options_t options; /* strings and ids point below */
  char host[SLUICE_NAME_MAX + 1];
  char host_version[SLUICE_NAME_MAX + 1];
  uint8_t image_id[16];
  uint8_t parent_id[16];
  sluice__stage_t stage;
  const sluice__encode_ops_t *ops;
  sluice__direct_writer_t *direct; /* NULL: stable pages are copied at once */
  sluice__copy_queue_t *jobs;      /* NULL: borrowed ones, too */
  void *state;                     /* the dialect's */
  sluice__encode_state_t phase;
  bool lingers;            /* IDLE, but the last PART is not closed yet */
  sluice_item_kind_t kind; /* of the open payload */
  uint32_t section_id;     /* of the open payload, */
  uint32_t section_flags;  /* these too */
  sluice_payload_t payload;
  sluice__region_t *regions;
  uint32_t region_count;
  uint32_t region_cap;
  sluice_totals_t totals;
  sluice_error_t error;
};

extern const sluice__encode_ops_t sluice__encode_native;
extern const sluice__encode_ops_t sluice__encode_qemu3;

/* Latches a failure and returns `code`. */
int sluice__encoder_fail(sluice_encoder_t *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Latches what the stage latched, if anything; returns it or 0. */
int sluice__encoder_staged(sluice_encoder_t *e);

#endif
