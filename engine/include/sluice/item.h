/* item.h - what streams are made of, whatever their format.
 *
 * A decoder turns bytes into items, an encoder turns items into bytes; the
 * formats (QEMU's versions 2 and 3, the native one) are dialects of these.
 *
 *   HEADER NOTE*
 *   { SECTION payload CLOSE | PART payload CLOSE | END payload CLOSE | COMMAND
 * }* NOTE* TRAILER                          or, at any point:  ABORT
 *
 *   payload: { REGION | PAGES | ZEROS | DELTA | BYTES }* */
#ifndef SLUICE_ITEM_H
#define SLUICE_ITEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sluice_format_e {
  SLUICE_FORMAT_UNKNOWN = 0, /* decoder: find out from the signature */
  SLUICE_FORMAT_NATIVE,
  SLUICE_FORMAT_QEMU3,
  SLUICE_FORMAT_QEMU2 /* read only */
} sluice_format_t;

enum {
  SLUICE_NAME_MAX = 255,       /* bytes of a section, region or note name */
  SLUICE_PAGE_MIN = 256,       /* page sizes: powers of two between */
  SLUICE_PAGE_MAX = 64 * 1024, /* these, QEMU's largest target page */
  SLUICE_NOTE_MAX = 16 * 1024 * 1024
};

typedef enum sluice_item_kind_e {
  SLUICE_ITEM_HEADER = 1,
  SLUICE_ITEM_NOTE,    /* named bytes about the whole stream */
  SLUICE_ITEM_SECTION, /* a section is declared, its first payload follows */
  SLUICE_ITEM_PART,    /* more payload of a live section */
  SLUICE_ITEM_END,     /* the last payload of a live section */
  SLUICE_ITEM_CLOSE,   /* the payload opened last is over */
  SLUICE_ITEM_REGION,  /* the open section declares a region of pages */
  SLUICE_ITEM_PAGES,
  SLUICE_ITEM_ZEROS,
  SLUICE_ITEM_DELTA, /* XBZRLE over the page as it was */
  SLUICE_ITEM_BYTES,
  SLUICE_ITEM_COMMAND, /* QEMU's; carried for display */
  SLUICE_ITEM_ABORT,   /* the sender gave up: the reason */
  SLUICE_ITEM_TRAILER  /* the stream is whole */
} sluice_item_kind_t;

/* How a section's payload is made. */
typedef enum sluice_payload_e {
  SLUICE_PAYLOAD_BYTES = 0,
  SLUICE_PAYLOAD_PAGES = 1
} sluice_payload_t;

enum {
  SLUICE_SECTION_LIVE = 1u << 0,    /* START ... PART ... END; else FULL */
  SLUICE_SECTION_OPTIONAL = 1u << 1 /* readers without a handler may skip it */
};

/* How a section presents itself in the stream. */
typedef struct sluice_decl_s {
  uint32_t id; /* unique in the stream; UINT32_MAX is no section */
  uint32_t instance;
  uint32_t version;
  uint32_t flags; /* SLUICE_SECTION_* */
  sluice_payload_t payload;
  const char *name;   /* NUL-terminated, 1..SLUICE_NAME_MAX bytes */
  const char *type;   /* the kind of handler; "" in QEMU's streams */
  const void *schema; /* native: the field table, opaque here; may be NULL */
  size_t schema_len;
} sluice_decl_t;

typedef struct sluice_header_s {
  sluice_format_t format;
  uint32_t version;           /* of the format */
  uint64_t features_required; /* native: SLUICE_FEATURE_* */
  uint64_t features_optional;
  uint8_t image_id[16];
  uint8_t parent_id[16]; /* all zero: none */
  const char *host;      /* QEMU: machine; native: the host's name; or "" */
  const char *host_version;
} sluice_header_t;

typedef struct sluice_region_s {
  uint32_t index; /* in the stream, from 0, in order of declaration */
  uint32_t section_id;
  uint32_t page_size; /* bytes */
  uint64_t bytes;
  const char *name;
} sluice_region_t;

/* `count` pages of region `region` from byte `offset` of it. */
typedef struct sluice_run_s {
  uint32_t region;
  uint32_t page_size;
  uint64_t offset;
  uint64_t count;
  const uint8_t *data; /* PAGES: count * page_size bytes; DELTA: `len` bytes */
  size_t len;          /* bytes at `data`; 0 for ZEROS */
  uint8_t fill;        /* ZEROS: the byte (0 but in very old QEMU streams) */
} sluice_run_t;

typedef struct sluice_bytes_s {
  const uint8_t *data;
  size_t len;
  /* The format does not say where this payload ends: whoever reads it does,
   * with sluice_decoder_end_payload(). */
  int is_open;
} sluice_bytes_t;

typedef struct sluice_note_s {
  const char *name; /* SLUICE_NOTE_* or any other */
  const uint8_t *data;
  size_t len;
} sluice_note_t;

/* What a QEMU stream says of itself beside its sections, verbatim, so that it
 * survives a conversion there and back. */
#define SLUICE_NOTE_QEMU_CONFIGURATION                                         \
  "qemu.configuration"                                  /* after the 0x07      \
                                                         */
#define SLUICE_NOTE_QEMU_DESCRIPTION "qemu.description" /* the JSON */
/* One byte each: 1 or 0. */
#define SLUICE_NOTE_QEMU_FOOTERS "qemu.footers"

typedef struct sluice_command_s {
  uint32_t number;
  const char *name; /* "PING", ...; "unknown" */
  const uint8_t *data;
  size_t len;
} sluice_command_t;

typedef struct sluice_totals_s {
  uint64_t bytes;
  uint64_t records; /* native: records; QEMU: section headers */
  uint64_t pages_data;
  uint64_t pages_zero;
  /* Of a save with an index. Superseded: in the stream, but the page came again
   * and its later copy counts. Rewritten: it came again and took the place of
   * its former copy, in a sink that can be written anywhere. */
  uint64_t pages_superseded;
  uint64_t bytes_superseded;
  uint64_t pages_rewritten;
  uint64_t bytes_rewritten;
} sluice_totals_t;

typedef struct sluice_item_s {
  sluice_item_kind_t kind;
  uint64_t offset; /* in the stream, of the item's first byte */
  union {
    sluice_header_t header;   /* HEADER */
    sluice_note_t note;       /* NOTE */
    sluice_decl_t decl;       /* SECTION, PART, END: the section's */
    sluice_region_t region;   /* REGION */
    sluice_run_t run;         /* PAGES, ZEROS, DELTA */
    sluice_bytes_t bytes;     /* BYTES */
    uint64_t payload_bytes;   /* CLOSE: of the payload, without framing */
    sluice_command_t command; /* COMMAND */
    sluice_totals_t totals;   /* TRAILER */
    struct {
      int code;
      const char *section;
      const char *message;
    } abort;               /* ABORT */
    uint64_t reserved[12]; /* the size of an item is fixed */
  } u;
} sluice_item_t;

#ifdef __cplusplus
}
#endif

#endif
