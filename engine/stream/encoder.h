/* encoder.h - what the encoder and its dialects share.
 *
 * encoder.c checks the order of calls and the ranges, and owns stage and latch;
 * a dialect writes one format. A dialect may hold back what it was given until
 * the next call on it (runs are merged), never longer. */
#ifndef SLUICE_STREAM_ENCODER_H
#define SLUICE_STREAM_ENCODER_H

#include <stdbool.h>

#include <sluice/encoder.h>

#include "stream/fill.h"
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
               const uint8_t *data, uint64_t count);
  /* As pages, but read later by e->filler; optional */
  int (*lend_pages)(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                    const uint8_t *data, uint64_t count, bool is_still);
  int (*zeros)(sluice_encoder_t *e, uint32_t region, uint64_t offset,
               uint64_t count);
  int (*bytes)(sluice_encoder_t *e, const void *data, size_t len);
  int (*describe)(sluice_encoder_t *e, const char *json, size_t len); /* opt. */
  int (*close)(sluice_encoder_t *e);
  /* Optional. May the payload stay open as it is, when those who gave it pages
   * take back what is still? */
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
  const sluice__filler_t *filler; /* borrowed; NULL: pages are never lent */
  void *state;                    /* the dialect's */
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

/* As sluice_encoder_pages(), but `data` may be read later, until the filler has
 * filled the record. `is_still`: it does not change until the payload is closed
 * or what there is of it is flushed. */
int sluice__encoder_lend_pages(sluice_encoder_t *e, uint32_t region,
                               uint64_t offset, const void *data,
                               uint64_t count, bool is_still);

/* A step of section `id` is over, which may have left a payload of its open.
 * One that `goes_on` lingers: if the next payload is a PART of the same section
 * it goes on where this one was left, in the same record. Else it is closed,
 * also if it has lingered since an earlier step: so a payload lingers only
 * while its section will be called again. Whatever else is written ends it,
 * too. */
int sluice__encoder_leave(sluice_encoder_t *e, uint32_t id, bool goes_on);

/* Of a region that exists, else 0. */
static inline uint32_t sluice__encoder_page_size(const sluice_encoder_t *e,
                                                 uint32_t region) {
  return region < e->region_count ? e->regions[region].page_size : 0;
}

/* Before the header: the output lends so many bytes at a time. UV_EINVAL as in
 * sluice_output_t. */
int sluice__encoder_set_chunk(sluice_encoder_t *e, size_t bytes);

/* Gives back a part of what takes long to give back; true when there is no
 * more. Only to be freed afterwards. */
bool sluice__encoder_shrink(sluice_encoder_t *e);

/* Without a size, for those that are of this library. */
void sluice__encoder_totals(const sluice_encoder_t *e, sluice_totals_t *out);

/* Latches what the stage latched, if anything; returns it or 0. */
int sluice__encoder_staged(sluice_encoder_t *e);

#endif
