/* schema.h - a table as it travels in a stream, and what can be done with it
 * without the program that wrote it: print values by name, and tell whether an
 * image of one program will load into another.
 *
 * Schemas and payloads are untrusted. Little-endian; `name` is u8 length,
 * bytes, NUL:
 *
 *   schema    u8 1 (format), u8 0, u16 tables, u16 fields, u16 subsections (in
 *             all), then the tables; the first is the section's
 *   table     u32 version, u32 min_version, u8 flags (1: optional), u8 0,
 *             u16 fields, u16 subsections, name, fields, u16 table each
 *   field     u8 type, u8 shape, u8 flags (1: optional, 2: a byte says whether
 *             it is there, 4: range, 8: equal, 16: alias), u32 since, u32 max,
 *             u16 table (0xffff: none), name, [i64 low, u64 high], [name]
 *
 * A NULL where an object is needed is UV_EINVAL; accessors of NULL answer 0 or
 * NULL. Any thread, one at a time for each object. */
#ifndef SLUICE_SCHEMA_H
#define SLUICE_SCHEMA_H

#include <sluice/fields.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SLUICE_SCHEMA_MAX = 256 * 1024 /* bytes */ };

typedef struct sluice_schema_s sluice_schema_t;

/* `bytes` are copied.
 *   SLUICE_ECORRUPT  malformed; SLUICE_EFEATURE: of a newer format, or with a
 *                    type that is not known; SLUICE_ELIMIT; UV_ENOMEM */
SLUICE_EXTERN int sluice_schema_parse(sluice_schema_t **out, const void *bytes,
                                      size_t len, sluice_error_t *err);

/* NULL is fine. */
SLUICE_EXTERN void sluice_schema_free(sluice_schema_t *schema);

/* Of the section's table. */
SLUICE_EXTERN const char *sluice_schema_name(const sluice_schema_t *schema);
SLUICE_EXTERN uint32_t sluice_schema_version(const sluice_schema_t *schema);
SLUICE_EXTERN uint32_t sluice_schema_min_version(const sluice_schema_t *schema);

/* ---- values ---- */

typedef enum sluice_value_kind_e {
  SLUICE_VALUE_SCALAR, /* `bits`, by `type` */
  SLUICE_VALUE_BYTES,  /* a BYTE array, TEXT or STRING: `data` */
  SLUICE_VALUE_ABSENT, /* a NULL pointer or string, a field that is not there */
  SLUICE_VALUE_OPEN,   /* a structure, list or array: its values follow */
  SLUICE_VALUE_CLOSE,
  SLUICE_VALUE_SUBSECTION /* as OPEN; `name` is the subsection's */
} sluice_value_kind_t;

#define SLUICE_VALUE_NO_INDEX UINT32_MAX

typedef struct sluice_value_s {
  sluice_value_kind_t kind;
  sluice_field_type_t type;
  const char *name; /* of the field; borrowed from the schema */
  uint32_t index;   /* in its array or list, or SLUICE_VALUE_NO_INDEX */
  unsigned depth;   /* of OPENs around it */
  uint64_t bits;    /* integers extended by their sign, BOOL 0 or 1, FLOAT and
                       DOUBLE their IEEE bits */
  const uint8_t *data; /* borrowed from the payload */
  size_t len;
} sluice_value_t;

/* 0: go on; anything else ends the walk, which returns it. */
typedef int (*sluice_value_cb)(void *data, const sluice_value_t *value);

/* Shows a native payload, value by value, or only checks it (`cb` NULL).
 * SLUICE_ECORRUPT names the field. UV_EINVAL: no schema or payload. */
SLUICE_EXTERN int sluice_schema_walk(const sluice_schema_t *schema,
                                     const void *payload, size_t len,
                                     sluice_value_cb cb, void *data,
                                     sluice_error_t *err);

/* "u8", "text", "struct", ... */
SLUICE_EXTERN const char *sluice_field_type_name(sluice_field_type_t type);

/* ---- compatibility ---- */

enum {
  SLUICE_BREAKS_OLD_IMAGE = 1u << 0, /* the new program refuses old images */
  SLUICE_BREAKS_NEW_IMAGE = 1u << 1  /* the old program refuses new images */
};

typedef enum sluice_change_e {
  SLUICE_CHANGE_ADDED,
  SLUICE_CHANGE_REMOVED,
  SLUICE_CHANGE_RESIZED,   /* another width, length or bound */
  SLUICE_CHANGE_RETYPED,   /* another type or shape */
  SLUICE_CHANGE_REORDERED, /* harmless: fields are found by name */
  SLUICE_CHANGE_RENAMED,   /* found by its alias */
  SLUICE_CHANGE_CHECK,     /* another check on its values */
  SLUICE_CHANGE_OPTIONAL,  /* became optional, or required */
  SLUICE_CHANGE_SINCE,     /* says another version brought it */
  SLUICE_CHANGE_VERSION,   /* raised, lowered, or its minimum moved */
  SLUICE_CHANGE_NOT_RAISED /* something was added, the version is the same */
} sluice_change_t;

typedef struct sluice_finding_s {
  sluice_change_t change;
  unsigned breaks;  /* SLUICE_BREAKS_* */
  const char *path; /* "state.fifo"; "" for the section itself */
  const char *text; /* one phrase, what was and what is */
} sluice_finding_t;

typedef void (*sluice_finding_cb)(void *data, const sluice_finding_t *finding);

/* Compares what an old program writes with what a new one does; each finding is
 * told to `cb` (NULL: nobody) and borrowed for that call. Returns the union of
 * what breaks, 0 for nothing, UV_EINVAL or UV_ENOMEM. New images that break
 * only when a field has a value that the old one does not take count as
 * breaking. */
SLUICE_EXTERN int sluice_schema_compare(const sluice_schema_t *before,
                                        const sluice_schema_t *after,
                                        sluice_finding_cb cb, void *data);

/* "added", "not raised", ... */
SLUICE_EXTERN const char *sluice_change_name(sluice_change_t change);

#ifdef __cplusplus
}
#endif

#endif
