/* decode3.h - what the parts of the qemu3 decoder share.
 *
 *   MAGIC -> HEADER -> CONFIGURATION -> RECORD <------------------------.
 *                                         |  \-> EOF -> notes -> TRAILER |
 *                                         v                              |
 *     REGIONS <-> RAM | OPEN | FRAMED | SIZED | SCAN -> FOOTER -> CLOSE -'
 *
 * decode3.c has the frame and both ends of the stream, and calls all others;
 * _sections.c headers and footers, _tail.c the description that comes too late,
 * _scan.c payloads whose end must be looked for, _device.c those whose end is
 * told, _ram.c pages, _regions.c the list before them, _command.c commands,
 * _memory.c the limit. None calls one that stands before it here.
 *
 * Invariant: nothing is taken off the window before all of the element is
 * there, but for whole elements: a step can always be repeated. */
#ifndef SLUICE_STREAM_QEMU_DECODE3_H
#define SLUICE_STREAM_QEMU_DECODE3_H

#include "stream/arena.h"
#include "stream/decode_base.h"
#include "stream/qemu/configuration.h"
#include "stream/qemu/format.h"
#include "stream/qemu/sections.h"

typedef enum qemu3_phase_e {
  QEMU3_MAGIC,
  QEMU3_CONFIGURATION, /* header delivered, its note not */
  QEMU3_RECORD,
  QEMU3_RAM,
  QEMU3_REGIONS, /* inside of MEM_SIZE */
  QEMU3_OPEN,    /* the reader ends it */
  QEMU3_FRAMED,  /* as our encoder frames live sections */
  QEMU3_SIZED,   /* `left` bytes */
  QEMU3_SCAN,    /* up to what looks like the footer */
  QEMU3_FOOTER,
  QEMU3_CLOSE,
  QEMU3_DESCRIPTION,
  QEMU3_FOOTERS_NOTE,
  QEMU3_TRAILER,
  QEMU3_OVER
} qemu3_phase_t;

/* The stream does not say whether sections have footers: the first end does. */
typedef enum qemu3_footers_e {
  QEMU3_FOOTERS_UNKNOWN,
  QEMU3_FOOTERS_OFF,
  QEMU3_FOOTERS_ON
} qemu3_footers_t;

typedef struct qemu3_region_s {
  uint64_t bytes;
  size_t name_len;
  char *name;
} qemu3_region_t;

/* Regions are many at most, and lent by address: an array of pointers. */
typedef struct qemu3_regions_s {
  qemu3_region_t **list;
  uint32_t count;
  uint32_t cap;
  uint32_t section_id;
  uint64_t undeclared;  /* bytes of MEM_SIZE still to come */
  bool is_declared;     /* MEM_SIZE was seen */
  qemu3_region_t *last; /* that CONTINUE means; NULL: none yet */
  uint32_t last_index;
} qemu3_regions_t;

typedef struct qemu3_s {
  qemu3_phase_t phase;
  sluice__qemu_configuration_t configuration;
  bool has_configuration;
  uint32_t page_size;
  qemu3_footers_t footers;
  uint8_t footers_note;
  sluice__arena_t arena;
  sluice__qemu_sections_t sections;
  qemu3_regions_t regions;

  /* The open payload. */
  sluice__qemu_section_t *section;
  uint64_t payload_at; /* stream offset */
  uint64_t framing;    /* bytes since then that are not payload */
  uint64_t left;       /* SIZED: of the payload, FRAMED: of the frame */

  /* The item last delivered. */
  size_t lent;     /* bytes to take off before the next */
  size_t item_len; /* BYTES: delivered */
  size_t min;      /* BYTES: the next one's least length */

  /* The description that was found ahead of the devices. On an input that
   * stays open its end is looked for while bytes come, each looked at once. */
  size_t looked;        /* bytes from the head */
  size_t next_end;      /* the nearest end that these announce; 0: none */
  unsigned looks_again; /* through all of them, after a false end */
  bool is_gathered;     /* the input's end was waited for */
  bool is_described;
  sluice__qemu_sections_t description;

  sluice_totals_t totals;
} qemu3_t;

static inline qemu3_t *sluice__qemu3(sluice_decoder_t *d) {
  return d->state;
}

/* The open section's name for messages; "" outside. */
static inline const char *sluice__qemu3_name(const qemu3_t *q) {
  return q->section == NULL ? "" : q->section->decl.name;
}

/* Before and after allocating from the arena: window and arena share the
 * decoder's limit. */
void sluice__qemu3_charge(sluice_decoder_t *d);
int sluice__qemu3_fail_memory(sluice_decoder_t *d, int code, const char *what);

/* Steps: each returns SLUICE__ITEM, _STARVED, _AGAIN or an error. */
int sluice__qemu3_record(sluice_decoder_t *d, sluice_item_t *item);
int sluice__qemu3_footer(sluice_decoder_t *d);
int sluice__qemu3_close(sluice_decoder_t *d, sluice_item_t *item);
int sluice__qemu3_ram(sluice_decoder_t *d, sluice_item_t *item);
int sluice__qemu3_region(sluice_decoder_t *d, sluice_item_t *item);

/* Between the two parts of the ram section: -1 is no such region. */
int sluice__qemu3_find_region(const qemu3_regions_t *t, const uint8_t *name,
                              size_t len);
int sluice__qemu3_regions(sluice_decoder_t *d, uint64_t total);
int sluice__qemu3_fail_ram(sluice_decoder_t *d, int code, const char *what,
                           uint64_t word);
int sluice__qemu3_starve_ram(sluice_decoder_t *d);

int sluice__qemu3_command(sluice_decoder_t *d, sluice_item_t *item);
int sluice__qemu3_open(sluice_decoder_t *d, sluice_item_t *item);
int sluice__qemu3_framed(sluice_decoder_t *d, sluice_item_t *item);
int sluice__qemu3_sized(sluice_decoder_t *d, sluice_item_t *item);
int sluice__qemu3_scan(sluice_decoder_t *d, sluice_item_t *item);

/* Is `number` a command that this decoder delivers? */
const char *sluice__qemu3_command_name(uint32_t number);

/* Makes `item` a BYTES item of the first `len` bytes at the head, unless the
 * reader asked for more: then AGAIN, or an error when these are the last. */
int sluice__qemu3_lend(sluice_decoder_t *d, sluice_item_t *item, size_t len,
                       bool is_last);

/* Before the first device: waits for the end of the input, if that is how
 * devices are delimited. AGAIN: go on. */
int sluice__qemu3_gather(sluice_decoder_t *d);

/* The phase that the payload of the section just opened is read in. */
int sluice__qemu3_choose(sluice_decoder_t *d);

#endif
