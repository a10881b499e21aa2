/* table.h - a hash table that can be saved while it is changed.
 *
 * An example of a handler whose state is objects, not pages. The image is the
 * table at one instant (SLUICE_CUT); the host goes on changing it meanwhile.
 * How that is kept:
 *
 *   - Each object has an epoch. A cut gives the table a new one; an object of
 *     an older epoch is not saved yet. That is one compare before a change, and
 *     no work at all per object when no save runs or when one begins.
 *   - The saver walks the buckets. It stops inside of a large object, between
 *     two pieces, and goes on there.
 *   - An object that is replaced or deleted before it is saved is not copied:
 *     it leaves the table and waits, and is freed when it has been written.
 *   - One that is changed in place has the pieces that change copied first.
 *     Copies have a limit; over it the save fails by name, the host goes on.
 *
 * Loop thread only. */
#ifndef SLUICE_EXAMPLE_TABLE_H
#define SLUICE_EXAMPLE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/registry.h>

typedef struct table_s table_t;

enum { TABLE_KEY_MAX = 1024 };

typedef struct table_options_s {
  size_t buckets;        /* 0: 1024; not grown, to keep the example short */
  uint64_t max_bytes;    /* of all keys and values in an image; 0: 4 GiB */
  uint64_t max_preimage; /* bytes of copied pieces; 0: 32 MiB */
} table_options_t;

/* Makes an empty table and registers it as `name`; `options` may be NULL.
 * Errors of sluice_registry_add(). */
int table_new(table_t **out, sluice_registry_t *registry, const char *name,
              const table_options_t *options, sluice_error_t *err);
/* After the registry, or after taking the section out. NULL is fine. */
void table_free(table_t *table);

/* Replaces or adds; `value` is copied. UV_ENOMEM; UV_EINVAL: a key that is
 * empty or longer than TABLE_KEY_MAX. */
int table_set(table_t *table, const char *key, const void *value, size_t len);
/* Changes a value in place and lengthens it if need be; the gap is zeros.
 * UV_ENOENT, UV_ENOMEM. */
int table_write(table_t *table, const char *key, size_t offset,
                const void *data, size_t len);
/* UV_ENOENT. */
int table_delete(table_t *table, const char *key);
/* NULL: there is none. Valid until the next change of this key. */
const void *table_get(const table_t *table, const char *key, size_t *out_len);

uint64_t table_count(const table_t *table);
/* Bytes of pieces that are copied and not yet written. */
uint64_t table_held(const table_t *table);

#endif
