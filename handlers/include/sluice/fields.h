/* fields.h - the state of a device, or of any structure, as one table.
 *
 * A table names the members of a C structure. It saves and restores them,
 * travels in the stream as a schema (schema.h) so that any reader can print
 * them, and is compared with an older one before an upgrade. Tables are `const`
 * data, shared by any number of structures.
 *
 *   static const sluice_field_t uart_fields[] = {
 *       {SLUICE_U16(struct uart, divider), SLUICE_RANGE(1, 65535)},
 *       {SLUICE_U8(struct uart, used)},
 *       {SLUICE_COUNTED(U8, struct uart, fifo, used), .since = 2},
 *       {SLUICE_FIELDS_END}};
 *   static const sluice_table_t uart = {SLUICE_TABLE(struct uart, "uart", 2,
 * 1), .fields = uart_fields};
 *
 * The macros check the type of each member when they are compiled: a member of
 * another type has no association in their _Generic. In C++20 options follow in
 * the order in which sluice_field_t has them. Older C++ has no designated
 * initializers: there the macros set all members of a field, and options cannot
 * be added behind them.
 *
 * Restoring reads the section into a shadow, checks it, and only then, when
 * every section of the stream has passed, copies it into the structure. Members
 * that the table does not name are never touched. Bounds come from the table.
 * The structure must not change between restore_begin and the commit.
 *
 * Owned memory (strings, owned arrays, structures behind pointers) is of
 * malloc(), before and after. */
#ifndef SLUICE_FIELDS_H
#define SLUICE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/registry.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a field is. The numbers are in streams: never reused. */
typedef enum sluice_field_type_e {
  SLUICE_FIELD_U8 = 1,
  SLUICE_FIELD_U16 = 2,
  SLUICE_FIELD_U32 = 3,
  SLUICE_FIELD_U64 = 4,
  SLUICE_FIELD_I8 = 5,
  SLUICE_FIELD_I16 = 6,
  SLUICE_FIELD_I32 = 7,
  SLUICE_FIELD_I64 = 8,
  SLUICE_FIELD_BOOL = 9,
  SLUICE_FIELD_FLOAT = 10,
  SLUICE_FIELD_DOUBLE = 11,
  SLUICE_FIELD_BYTE = 12,   /* of a buffer; shown as hexadecimal */
  SLUICE_FIELD_TEXT = 13,   /* char[max], ended by NUL */
  SLUICE_FIELD_STRING = 14, /* char *, owned, NULL allowed */
  SLUICE_FIELD_STRUCT = 15,
  SLUICE_FIELD_LIST = 16,  /* elements reached through callbacks */
  SLUICE_FIELD_UNUSED = 17 /* zeros in QEMU's streams; nothing in native ones */
} sluice_field_type_t;

/* How many of it there are. Numbers in streams, too. */
typedef enum sluice_shape_e {
  SLUICE_SHAPE_ONE = 0,
  SLUICE_SHAPE_ARRAY = 1,   /* exactly `max`, in the structure */
  SLUICE_SHAPE_COUNTED = 2, /* in the structure; as many as a member says */
  SLUICE_SHAPE_OWNED = 3,   /* the same behind an owned pointer */
  SLUICE_SHAPE_POINTER = 4  /* one structure behind an owned pointer, or NULL */
} sluice_shape_t;

enum {
  SLUICE_CHECK_NONE = 0,
  SLUICE_CHECK_RANGE = 1, /* low..high */
  SLUICE_CHECK_EQUAL = 2  /* to what the structure has already */
};

enum {
  SLUICE_FIELDS_DEPTH = 16,      /* structures in structures */
  SLUICE_FIELDS_PER_TABLE = 1024 /* fields, and as many subsections */
};

typedef struct sluice_table_s sluice_table_t;

/* A list or hash table of structures, element by element. `owner` is the
 * structure that has the field. All on the loop thread. */
typedef struct sluice_list_s {
  /* Save: the element after `at`, the first one for NULL; NULL: no more. */
  void *(*next)(void *owner, void *at);
  /* Load. A new element, set to its defaults; NULL: no memory. Optional: zeros
   * of calloc(). */
  void *(*make)(void *owner, sluice_error_t *err);
  /* Frees an element that was not added. What the table owns inside of it has
   * been freed. Optional: free(). */
  void (*drop)(void *element);
  /* Optional; the last chance to fail: makes room for `count` elements, so that
   * `add` cannot. */
  int (*reserve)(void *owner, size_t count, sluice_error_t *err);
  /* Commit: takes all present elements out and frees them, and what they own:
   * sluice_fields_dispose() helps. */
  void (*clear)(void *owner);
  /* Commit: puts `element` behind the others. */
  void (*add)(void *owner, void *element);
} sluice_list_t;

/* Members that a table may leave out: C++ with -Wextra wants to be told. */
#ifdef __cplusplus
#define SLUICE__UNSET = {}
#else
#define SLUICE__UNSET
#endif

/* One field: what the macros set, then options, of which zero is a sound
 * default. Grows at its end: a table tells the size that it was compiled
 * with. */
typedef struct sluice_field_s {
  const char *name; /* 1..255 printable ASCII; NULL ends the fields */
  uint8_t type;     /* sluice_field_type_t */
  uint8_t shape;    /* sluice_shape_t */
  uint32_t max;     /* elements at most; TEXT: bytes with NUL; STRING: bytes
                       without it; UNUSED: bytes */
  uint32_t count_size;
  size_t count_offset; /* of the member with the count: an unsigned integer or
                          int32_t, which is itself a field, further up */
  size_t offset;
  size_t size;                 /* bytes of one element in memory */
  const sluice_table_t *table; /* of STRUCT, and of a LIST's elements */
  const sluice_list_t *list;

  /* Version of the table that brought it. */
  uint32_t since SLUICE__UNSET;
  /* Readers that do not know it skip it, and it may be missing from streams of
   * any version. */
  uint8_t optional SLUICE__UNSET;
  /* Its former name; NULL: none. */
  const char *alias SLUICE__UNSET;
  /* The field is there only when this says so; with `version` of the stream.
   * Asked on save and, for QEMU's streams, on load. */
  int (*exists)(const void *structure, uint32_t version) SLUICE__UNSET;
  /* SLUICE_CHECK_*; of integers, float and double. */
  uint8_t check SLUICE__UNSET;
  int64_t low SLUICE__UNSET;
  uint64_t high SLUICE__UNSET;
} sluice_field_t;

/* A structure. Hooks return 0 or a negative code, best sluice_fail(err, ...);
 * each may be NULL. */
struct sluice_table_s {
  uint32_t size;       /* sizeof(sluice_table_t) */
  uint32_t field_size; /* sizeof(sluice_field_t): from one of `fields` to the
                          next */
  uint32_t version;
  uint32_t min_version; /* the oldest that is read */
  const char *name;     /* QEMU: of the vmsd; a subsection's begins with its
                           owner's and '/' */
  size_t structure_size;
  const sluice_field_t *fields;
  /* More tables over the same structure, written only when needed, so that
   * older programs read streams that do without; ends with NULL. */
  const sluice_table_t *const *subsections SLUICE__UNSET;
  /* Of a subsection; NULL: always. */
  int (*needed)(const void *structure) SLUICE__UNSET;
  /* A subsection that readers may skip. */
  uint8_t optional SLUICE__UNSET;

  /* Before and after the fields are written. post_save follows a pre_save that
   * returned 0, come what may. */
  int (*pre_save)(void *structure, sluice_error_t *err) SLUICE__UNSET;
  int (*post_save)(void *structure, sluice_error_t *err) SLUICE__UNSET;
  /* These get the shadow: a copy of the structure whose fields are being
   * loaded. pre_load sets what an older stream does not have; post_load checks
   * and converts. What they do must stay within the table's members, lists
   * excepted, and may be done again with another shadow. */
  int (*pre_load)(void *shadow, sluice_error_t *err) SLUICE__UNSET;
  int (*post_load)(void *shadow, uint32_t version,
                   sluice_error_t *err) SLUICE__UNSET;
  /* The structure has its new state: compute what follows from it. */
  void (*loaded)(void *structure) SLUICE__UNSET;
};

/* ---- tables ---- */

#define SLUICE__MEMBER(s, m) (((s *)0)->m)
#define SLUICE__C_U8         uint8_t
#define SLUICE__C_U16        uint16_t
#define SLUICE__C_U32        uint32_t
#define SLUICE__C_U64        uint64_t
#define SLUICE__C_I8         int8_t
#define SLUICE__C_I16        int16_t
#define SLUICE__C_I32        int32_t
#define SLUICE__C_I64        int64_t
#define SLUICE__C_BOOL       bool
#define SLUICE__C_FLOAT      float
#define SLUICE__C_DOUBLE     double
#define SLUICE__C_BYTE       uint8_t

#ifdef __cplusplus
} /* templates have no C linkage */
template <typename a, typename b> struct sluice__is_same;
template <typename a> struct sluice__is_same<a, a> {
  enum { zero = 0 };
};
template <typename t> struct sluice__is_count;
template <> struct sluice__is_count<uint8_t> {
  enum { zero = 0 };
};
template <> struct sluice__is_count<uint16_t> {
  enum { zero = 0 };
};
template <> struct sluice__is_count<uint32_t> {
  enum { zero = 0 };
};
template <> struct sluice__is_count<uint64_t> {
  enum { zero = 0 };
};
template <> struct sluice__is_count<int32_t> {
  enum { zero = 0 };
};
extern "C" {
#define SLUICE__OFFSET(s, m, t)                                                \
  (offsetof(s, m) + (size_t)sluice__is_same<decltype(s::m), t>::zero)
#define SLUICE__OFFSET_ARRAY(s, m, t)                                          \
  SLUICE__OFFSET(s, m, t[sizeof(SLUICE__MEMBER(s, m)) / sizeof(t)])
#define SLUICE__OFFSET_POINTER(s, m, t) SLUICE__OFFSET(s, m, t *)
#define SLUICE__COUNT_OFFSET(s, n)                                             \
  (offsetof(s, n) + (size_t)sluice__is_count<decltype(s::n)>::zero)
#else
/* NOLINTBEGIN(bugprone-macro-parentheses): `t` is a type */
#define SLUICE__OFFSET(s, m, t)                                                \
  _Generic(&SLUICE__MEMBER(s, m), t * : offsetof(s, m))
#define SLUICE__OFFSET_ARRAY(s, m, t)                                          \
  _Generic(&SLUICE__MEMBER(s, m),                                              \
           t(*)[sizeof(SLUICE__MEMBER(s, m)) / sizeof(t)]                      \
           : offsetof(s, m))
#define SLUICE__OFFSET_POINTER(s, m, t)                                        \
  _Generic(SLUICE__MEMBER(s, m), t * : offsetof(s, m))
/* NOLINTEND(bugprone-macro-parentheses) */
#define SLUICE__COUNT_OFFSET(s, n)                                             \
  _Generic(SLUICE__MEMBER(s, n), uint8_t                                       \
           : offsetof(s, n), uint16_t                                          \
           : offsetof(s, n), uint32_t                                          \
           : offsetof(s, n), uint64_t                                          \
           : offsetof(s, n), int32_t                                           \
           : offsetof(s, n))
#endif

#if defined(__cplusplus) && __cplusplus < 202002L
#define SLUICE__FIELD(name, type, shape, max, n_size, n_offset, offset, size,  \
                      table, list)                                             \
  name, type, shape, (uint32_t)(max), (uint32_t)(n_size), n_offset, offset,    \
      size, table, list, 0, 0, NULL, NULL, 0, 0, 0
#define SLUICE_TABLE(s, name, version, min_version)                            \
  (uint32_t)sizeof(sluice_table_t), (uint32_t)sizeof(sluice_field_t), version, \
      min_version, name, sizeof(s)
#else
#define SLUICE__FIELD(name_, type_, shape_, max_, n_size, n_offset, offset_,   \
                      size_, table_, list_)                                    \
  .name = (name_), .type = (type_), .shape = (shape_), .max = (max_),          \
  .count_size = (n_size), .count_offset = (n_offset), .offset = (offset_),     \
  .size = (size_), .table = (table_), .list = (list_)
#define SLUICE_TABLE(s, name_, version_, min_version_)                         \
  .size = sizeof(sluice_table_t), .field_size = sizeof(sluice_field_t),        \
  .version = (version_), .min_version = (min_version_), .name = (name_),       \
  .structure_size = sizeof(s)
/* Behind a field's macro: what may be loaded. Integers and whole bounds. */
#define SLUICE_RANGE(low_, high_)                                              \
  .check = SLUICE_CHECK_RANGE, .low = (low_), .high = (uint64_t)(high_)
#define SLUICE_EQUAL .check = SLUICE_CHECK_EQUAL
#endif

#define SLUICE_FIELDS_END SLUICE__FIELD(NULL, 0, 0, 0, 0, 0, 0, 0, NULL, NULL)

#define SLUICE__COUNT(s, n)                                                    \
  sizeof(SLUICE__MEMBER(s, n)), SLUICE__COUNT_OFFSET(s, n)
#define SLUICE__LENGTH(s, m, t) (sizeof(SLUICE__MEMBER(s, m)) / sizeof(t))

#define SLUICE__ONE(T, s, m)                                                   \
  SLUICE__FIELD(#m, SLUICE_FIELD_##T, SLUICE_SHAPE_ONE, 1, 0, 0,               \
                SLUICE__OFFSET(s, m, SLUICE__C_##T), sizeof(SLUICE__C_##T),    \
                NULL, NULL)
#define SLUICE_U8(s, m)     SLUICE__ONE(U8, s, m)
#define SLUICE_U16(s, m)    SLUICE__ONE(U16, s, m)
#define SLUICE_U32(s, m)    SLUICE__ONE(U32, s, m)
#define SLUICE_U64(s, m)    SLUICE__ONE(U64, s, m)
#define SLUICE_I8(s, m)     SLUICE__ONE(I8, s, m)
#define SLUICE_I16(s, m)    SLUICE__ONE(I16, s, m)
#define SLUICE_I32(s, m)    SLUICE__ONE(I32, s, m)
#define SLUICE_I64(s, m)    SLUICE__ONE(I64, s, m)
#define SLUICE_BOOL(s, m)   SLUICE__ONE(BOOL, s, m)
#define SLUICE_FLOAT(s, m)  SLUICE__ONE(FLOAT, s, m)
#define SLUICE_DOUBLE(s, m) SLUICE__ONE(DOUBLE, s, m)

/* Arrays of U8 ... DOUBLE and BYTE: all of it; the first `n` (a member); `n`
 * behind the owned pointer `m`, at most `max`. */
#define SLUICE_ARRAY(T, s, m)                                                  \
  SLUICE__FIELD(#m, SLUICE_FIELD_##T, SLUICE_SHAPE_ARRAY,                      \
                SLUICE__LENGTH(s, m, SLUICE__C_##T), 0, 0,                     \
                SLUICE__OFFSET_ARRAY(s, m, SLUICE__C_##T),                     \
                sizeof(SLUICE__C_##T), NULL, NULL)
#define SLUICE_COUNTED(T, s, m, n)                                             \
  SLUICE__FIELD(#m, SLUICE_FIELD_##T, SLUICE_SHAPE_COUNTED,                    \
                SLUICE__LENGTH(s, m, SLUICE__C_##T),                           \
                sizeof(SLUICE__MEMBER(s, n)), SLUICE__COUNT_OFFSET(s, n),      \
                SLUICE__OFFSET_ARRAY(s, m, SLUICE__C_##T),                     \
                sizeof(SLUICE__C_##T), NULL, NULL)
#define SLUICE_OWNED(T, s, m, n, max)                                          \
  SLUICE__FIELD(#m, SLUICE_FIELD_##T, SLUICE_SHAPE_OWNED, max,                 \
                sizeof(SLUICE__MEMBER(s, n)), SLUICE__COUNT_OFFSET(s, n),      \
                SLUICE__OFFSET_POINTER(s, m, SLUICE__C_##T),                   \
                sizeof(SLUICE__C_##T), NULL, NULL)

/* char[], ended by NUL; char *, at most `max` bytes, or NULL. */
#define SLUICE_TEXT(s, m)                                                      \
  SLUICE__FIELD(#m, SLUICE_FIELD_TEXT, SLUICE_SHAPE_ONE,                       \
                SLUICE__LENGTH(s, m, char), 0, 0,                              \
                SLUICE__OFFSET_ARRAY(s, m, char),                              \
                sizeof(SLUICE__MEMBER(s, m)), NULL, NULL)
#define SLUICE_STRING(s, m, max)                                               \
  SLUICE__FIELD(#m, SLUICE_FIELD_STRING, SLUICE_SHAPE_ONE, max, 0, 0,          \
                SLUICE__OFFSET(s, m, char *), sizeof(char *), NULL, NULL)

/* Structures of type `t`, each after `table`, a pointer. */
#define SLUICE_STRUCT(s, m, t, table)                                          \
  SLUICE__FIELD(#m, SLUICE_FIELD_STRUCT, SLUICE_SHAPE_ONE, 1, 0, 0,            \
                SLUICE__OFFSET(s, m, t), sizeof(t), table, NULL)
#define SLUICE_STRUCT_ARRAY(s, m, t, table)                                    \
  SLUICE__FIELD(#m, SLUICE_FIELD_STRUCT, SLUICE_SHAPE_ARRAY,                   \
                SLUICE__LENGTH(s, m, t), 0, 0, SLUICE__OFFSET_ARRAY(s, m, t),  \
                sizeof(t), table, NULL)
#define SLUICE_STRUCT_COUNTED(s, m, t, table, n)                               \
  SLUICE__FIELD(#m, SLUICE_FIELD_STRUCT, SLUICE_SHAPE_COUNTED,                 \
                SLUICE__LENGTH(s, m, t), sizeof(SLUICE__MEMBER(s, n)),         \
                SLUICE__COUNT_OFFSET(s, n), SLUICE__OFFSET_ARRAY(s, m, t),     \
                sizeof(t), table, NULL)
#define SLUICE_STRUCT_OWNED(s, m, t, table, n, max)                            \
  SLUICE__FIELD(#m, SLUICE_FIELD_STRUCT, SLUICE_SHAPE_OWNED, max,              \
                sizeof(SLUICE__MEMBER(s, n)), SLUICE__COUNT_OFFSET(s, n),      \
                SLUICE__OFFSET_POINTER(s, m, t), sizeof(t), table, NULL)
/* One behind the owned pointer `m`, or none. One that is there keeps its
 * address over a restore. */
#define SLUICE_STRUCT_POINTER(s, m, t, table)                                  \
  SLUICE__FIELD(#m, SLUICE_FIELD_STRUCT, SLUICE_SHAPE_POINTER, 1, 0, 0,        \
                SLUICE__OFFSET_POINTER(s, m, t), sizeof(t), table, NULL)

/* At most `max` elements after `table`, through the sluice_list_t at `list`. */
#define SLUICE_LIST(name, table, list, max)                                    \
  SLUICE__FIELD(name, SLUICE_FIELD_LIST, SLUICE_SHAPE_ONE, max, 0, 0, 0, 0,    \
                table, list)
/* `bytes` zeros in QEMU's streams, whatever is there when read. */
#define SLUICE_UNUSED(name, bytes)                                             \
  SLUICE__FIELD(name, SLUICE_FIELD_UNUSED, SLUICE_SHAPE_ONE, bytes, 0, 0, 0,   \
                0, NULL, NULL)

/* ---- sections ---- */

typedef struct sluice_fields_s sluice_fields_t;

/* Makes a section of `structure` after `table` and registers it under `name`
 * and the options' instance (its schema is ours; the rest as in registry.h;
 * NULL: none). Table and structure are borrowed until sluice_fields_free(),
 * which comes after the registry or after taking the section out.
 *   UV_EINVAL  the table is unsound: the message says where
 *   UV_ENOMEM, and those of sluice_registry_add() */
SLUICE_EXTERN int sluice_fields_new(sluice_fields_t **out,
                                    sluice_registry_t *registry,
                                    const char *name,
                                    const sluice_section_options_t *section,
                                    const sluice_table_t *table,
                                    void *structure, sluice_error_t *err);

/* The same for another structure of the table of `first`, sharing what was made
 * of it: for many devices of a kind. They may be freed in any order. */
SLUICE_EXTERN int
sluice_fields_new_like(sluice_fields_t **out, const sluice_fields_t *first,
                       sluice_registry_t *registry, const char *name,
                       const sluice_section_options_t *section, void *structure,
                       sluice_error_t *err);

/* After the registry, or after taking the section out: UV_EBUSY while the
 * registry holds it (and nothing happened); 0 otherwise, for NULL too. The
 * structure stays as it is. */
SLUICE_EXTERN int sluice_fields_free(sluice_fields_t *fields);

/* ---- without a stream ---- */

/* Writes `structure` as the payload of a section in `format` (NATIVE, QEMU3).
 * `*out_bytes` is of malloc(), the caller's. On failure it is not set.
 *   UV_EINVAL, UV_ENOMEM, SLUICE_ELIMIT (a count over its bound), a hook's */
SLUICE_EXTERN int sluice_fields_encode(const sluice_table_t *table,
                                       sluice_format_t format, void *structure,
                                       uint8_t **out_bytes, size_t *out_len,
                                       sluice_error_t *err);

/* Reads a payload of `version` into `structure`, whole or not at all. `schema`:
 * what the stream said of it; NULL: the table's own, and always so for QEMU's.
 * Bytes that are left over are SLUICE_ECORRUPT. */
SLUICE_EXTERN int sluice_fields_decode(const sluice_table_t *table,
                                       sluice_format_t format, uint32_t version,
                                       const void *schema, size_t schema_len,
                                       const void *bytes, size_t len,
                                       void *structure, sluice_error_t *err);

/* The section's entry of QEMU's description, for `structure` as it is: a JSON
 * object with "vmsd_name", "version", "fields" and "subsections". `*out` is of
 * malloc(), ended by NUL; `*out_len` is without it. No hooks are called. */
SLUICE_EXTERN int sluice_fields_describe(const sluice_table_t *table,
                                         void *structure, char **out,
                                         size_t *out_len, sluice_error_t *err);

/* The schema of a table, as START carries it. `*out` is of malloc(). */
SLUICE_EXTERN int sluice_fields_schema(const sluice_table_t *table,
                                       uint8_t **out, size_t *out_len,
                                       sluice_error_t *err);

/* Frees what `table` owns in `structure` (strings, owned arrays, structures
 * behind pointers; lists through `clear`) and sets it to NULL. The structure
 * itself stays. */
SLUICE_EXTERN void sluice_fields_dispose(const sluice_table_t *table,
                                         void *structure);

#ifdef __cplusplus
}
#endif

#endif
