/* format.h - the bytes of the native stream; docs/format.md is the norm.
 *
 * Little-endian. Numbers here are on disk for ever: never reused.
 *
 *   stream:  file header, record..., TRAILER record
 *   record:  header of 32 bytes, payload, zeros up to a multiple of 8
 *
 * Must not know who reads or writes. */
#ifndef SLUICE_STREAM_NATIVE_FORMAT_H
#define SLUICE_STREAM_NATIVE_FORMAT_H

/* Like PNG's: a byte over 127, a name, CR LF, the end-of-file mark of DOS, LF:
 * damage by text-mode transfers shows in the first eight bytes. */
#define SLUICE__NATIVE_SIGNATURE "\x89SLC\r\n\x1a\n"

/* The last eight bytes of a whole stream; the signature's kin. */
#define SLUICE__NATIVE_END_MARK                                                \
  "\x89"                                                                       \
  "END\r\n\x1a\n"

/* In records that belong to no section. */
#define SLUICE__NATIVE_NO_SECTION 0xffffffffu

enum {
  SLUICE__NATIVE_VERSION = 1,
  SLUICE__NATIVE_ALIGN = 4096 /* of page data in the stream */
};

/* File header: offsets, and the size without its two strings. The first 16
 * bytes and the checksum in the last 8 are the same in every version. */
enum {
  SLUICE__FILE_VERSION = 8,
  SLUICE__FILE_LENGTH = 12,
  SLUICE__FILE_REQUIRED = 16,
  SLUICE__FILE_OPTIONAL = 24,
  SLUICE__FILE_IMAGE = 32,
  SLUICE__FILE_PARENT = 48,
  SLUICE__FILE_ALIGN = 64,
  SLUICE__FILE_HOST_LENGTH = 68,
  SLUICE__FILE_HOST_VERSION_LENGTH = 70,
  SLUICE__FILE_STRINGS = 72,
  SLUICE__FILE_CHECKSUM_BYTES = 8,
  SLUICE__FILE_MAX = 4096
};

/* Features. Required and unknown to the reader: it refuses. */
enum {
  SLUICE__NATIVE_INCREMENTAL = 1u << 0, /* required; not in this version */
  SLUICE__NATIVE_INDEXED = 1u << 0      /* optional */
};

/* Record header. The checksum covers the 24 bytes before it and the payload,
 * of PAGES only the part that never changes. */
enum {
  SLUICE__RECORD_TYPE = 0,
  SLUICE__RECORD_FLAGS = 2,
  SLUICE__RECORD_SECTION = 4,
  SLUICE__RECORD_SEQUENCE = 8,
  SLUICE__RECORD_LENGTH = 16,
  SLUICE__RECORD_CHECKSUM = 24,
  SLUICE__RECORD_BYTES = 32,
  SLUICE__RECORD_PAD = 8
};

/* Record types. */
enum {
  SLUICE__NATIVE_START = 1,
  SLUICE__NATIVE_FULL = 2,
  SLUICE__NATIVE_DATA = 3,
  SLUICE__NATIVE_REGION = 4,
  SLUICE__NATIVE_PAGES = 5,
  SLUICE__NATIVE_ZEROS = 6,
  SLUICE__NATIVE_END = 7,
  SLUICE__NATIVE_NOTE = 8,
  /* 9 was planned for commands and is not used. */
  SLUICE__NATIVE_INDEX = 10,
  SLUICE__NATIVE_ABORT = 11,
  SLUICE__NATIVE_TRAILER = 12,
  SLUICE__NATIVE_PAD = 13
};

/* Record flags. */
enum {
  SLUICE__NATIVE_OPENS = 1u << 0,     /* first record of a PART payload */
  SLUICE__NATIVE_MORE = 1u << 1,      /* the note goes on in the next record */
  SLUICE__NATIVE_SKIPPABLE = 1u << 15 /* readers that do not know the type */
};

/* Bounds of the payload. */
enum {
  SLUICE__NATIVE_PAYLOAD_MAX = 1024 * 1024,
  SLUICE__NATIVE_PAGES_MAX = 4 * 1024 * 1024,
  SLUICE__NATIVE_TABLE_MAX = 1024 * 1024, /* PAGES, all before the data */
  SLUICE__NATIVE_SCHEMA_MAX = 128 * 1024  /* so that START fits one chunk */
};

/* START, FULL: then name, type and schema. */
enum {
  SLUICE__DECL_INSTANCE = 0,
  SLUICE__DECL_VERSION = 4,
  SLUICE__DECL_PAYLOAD = 8, /* one byte: sluice_payload_t */
  SLUICE__DECL_FLAGS = 9,   /* one byte: bit 0: optional */
  SLUICE__DECL_NAME_LENGTH = 10,
  SLUICE__DECL_TYPE_LENGTH = 12,
  SLUICE__DECL_ZERO = 14, /* two bytes */
  SLUICE__DECL_SCHEMA_LENGTH = 16,
  SLUICE__DECL_ZERO_TOO = 20, /* four bytes */
  SLUICE__DECL_STRINGS = 24,
  SLUICE__DECL_OPTIONAL = 1u << 0
};

/* REGION: then the name, up to the end of the payload. */
enum {
  SLUICE__REGION_INDEX = 0,
  SLUICE__REGION_PAGE_SIZE = 4,
  SLUICE__REGION_SIZE = 8,
  SLUICE__REGION_NAME = 16
};

/* PAGES: fixed part, runs, page hashes, zeros, data. Offsets from the start of
 * the record. */
enum {
  SLUICE__PAGES_RUNS = 32,
  SLUICE__PAGES_PAGES = 36,
  SLUICE__PAGES_DATA = 40, /* offset of the data */
  SLUICE__PAGES_PAGE_SIZE = 44,
  SLUICE__PAGES_TABLE = 48,
  SLUICE__PAGES_FIXED_BYTES = 16,
  SLUICE__PAGES_RUN_BYTES = 16, /* u32 region, u32 count, u64 offset */
  SLUICE__PAGES_HASH_BYTES = 8
};

/* ZEROS: u32 region, u32 fill, u64 offset, u64 count. */
enum { SLUICE__ZEROS_RUN_BYTES = 24 };

/* NOTE: u16 length of the name, 6 zero bytes, name, this record's piece. */
enum { SLUICE__NOTE_ZERO = 2, SLUICE__NOTE_STRINGS = 8 };

/* INDEX: u32 region, u32 count, u64 offset in the region, u64 offset in the
 * stream of the data (0: zeros) and of the page hashes. */
enum {
  SLUICE__INDEX_REGION = 0,
  SLUICE__INDEX_COUNT = 4,
  SLUICE__INDEX_OFFSET = 8,
  SLUICE__INDEX_DATA = 16,
  SLUICE__INDEX_HASHES = 24,
  SLUICE__INDEX_RUN_BYTES = 32
};

/* ABORT: then section and message. */
enum {
  SLUICE__ABORT_CODE = 0,
  SLUICE__ABORT_INSTANCE = 4,
  SLUICE__ABORT_OFFSET = 8,
  SLUICE__ABORT_SECTION_LENGTH = 16,
  SLUICE__ABORT_MESSAGE_LENGTH = 18,
  SLUICE__ABORT_ZERO = 20, /* four bytes */
  SLUICE__ABORT_STRINGS = 24,
  SLUICE__ABORT_TEXT_MAX = 255 /* of either */
};

/* TRAILER. */
enum {
  SLUICE__TRAILER_TOTAL = 0,
  SLUICE__TRAILER_RECORDS = 8,
  SLUICE__TRAILER_INDEX = 16,
  SLUICE__TRAILER_PAGES = 24,
  SLUICE__TRAILER_ZEROS = 32,
  SLUICE__TRAILER_CHAIN = 40,
  SLUICE__TRAILER_MARK = 48,
  SLUICE__TRAILER_BYTES = 56
};

#endif
