/* table.c - a hash table with chains; see table.h.
 *
 * Two calls are all that saving asks of it: cut_before_write() before a value
 * changes in place, cut_retire() instead of freeing an object. */
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "parts.h"

enum { BUCKETS_DEFAULT = 1024 };
#define BYTES_DEFAULT    (UINT64_C(4) << 30)
#define PREIMAGE_DEFAULT (UINT64_C(32) << 20)

static const sluice_handler_t handler = {
    .size = sizeof(sluice_handler_t),
    .version = 1,
    .min_version = 1,
    .payload = SLUICE_PAYLOAD_BYTES,
    .type = "example-table",
    .save_pending = table_save_pending,
    .save_begin = table_save_begin,
    .save_cut = table_save_cut,
    .save_step = table_save_step,
    .save_finish = table_save_finish,
    .save_end = table_save_end,
    .restore_begin = table_restore_begin,
    .restore_step = table_restore_step,
    .restore_check = table_restore_check,
    .restore_commit = table_restore_commit,
    .restore_end = table_restore_end,
};

int objects_init(objects_t *objects, size_t buckets) {
  memset(objects, 0, sizeof(*objects));
  objects->buckets = calloc(buckets, sizeof(object_t *));
  objects->count = objects->buckets == NULL ? 0 : buckets;
  return objects->buckets == NULL ? UV_ENOMEM : 0;
}

void objects_done(objects_t *objects) {
  for (size_t i = 0; i < objects->count; i++) {
    while (objects->buckets[i] != NULL) {
      object_t *object = objects->buckets[i];

      objects->buckets[i] = object->next;
      object_free(object);
    }
  }
  free(objects->buckets);
  memset(objects, 0, sizeof(*objects));
}

object_t *object_new(const char *key, size_t key_len, size_t len) {
  object_t *object = calloc(1, sizeof(*object) + key_len + 1);

  if (object == NULL) {
    return NULL;
  }
  object->value = calloc(1, len == 0 ? 1 : len);
  if (object->value == NULL) {
    free(object);
    return NULL;
  }
  object->len = len;
  object->key_len = key_len;
  memcpy(object->key, key, key_len);
  return object;
}

void object_free(object_t *object) {
  free(object->value);
  free(object);
}

/* FNV-1a: short, and good enough to show something else with. */
static size_t bucket_of(const objects_t *objects, const char *key, size_t len) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);

  for (size_t i = 0; i < len; i++) {
    hash = (hash ^ (uint8_t)key[i]) * UINT64_C(0x100000001b3);
  }
  return (size_t)(hash % objects->count);
}

/* Where the object is linked, or where the chain ends. */
object_t **objects_find(const objects_t *objects, const char *key, size_t len) {
  object_t **at = &objects->buckets[bucket_of(objects, key, len)];

  while (*at != NULL &&
         ((*at)->key_len != len || memcmp((*at)->key, key, len) != 0)) {
    at = &(*at)->next;
  }
  return at;
}

void objects_insert(objects_t *objects, object_t *object) {
  size_t bucket = bucket_of(objects, object->key, object->key_len);

  object->next = objects->buckets[bucket];
  objects->buckets[bucket] = object;
  objects->objects++;
  objects->bytes += object->len + object->key_len;
}

static void set_options(table_t *table, const table_options_t *options) {
  table_options_t *o = &table->options;

  if (options != NULL) {
    *o = *options;
  }
  o->buckets = o->buckets == 0 ? (size_t)BUCKETS_DEFAULT : o->buckets;
  o->max_bytes = o->max_bytes == 0 ? BYTES_DEFAULT : o->max_bytes;
  o->max_preimage = o->max_preimage == 0 ? PREIMAGE_DEFAULT : o->max_preimage;
}

int table_new(table_t **out, sluice_registry_t *registry, const char *name,
              const table_options_t *options, sluice_error_t *err) {
  table_t *table = calloc(1, sizeof(*table));
  int r;

  if (table == NULL) {
    return UV_ENOMEM;
  }
  set_options(table, options);
  table->epoch = 1;
  r = objects_init(&table->objects, table->options.buckets);
  if (r == 0) {
    r = sluice_registry_add(registry, name, &handler, table, NULL, NULL, err);
  }
  if (r < 0) {
    table_free(table);
    return r;
  }
  *out = table;
  return 0;
}

void table_free(table_t *table) {
  if (table != NULL) {
    objects_done(&table->objects);
    free(table);
  }
}

static object_t *find(const table_t *table, const char *key) {
  return *objects_find(&table->objects, key, strlen(key));
}

static void take_out(table_t *table, object_t **at) {
  object_t *object = *at;

  *at = object->next;
  table->objects.objects--;
  table->objects.bytes -= object->len + object->key_len;
  cut_retire(table, object);
}

int table_set(table_t *table, const char *key, const void *value, size_t len) {
  size_t key_len = strlen(key);
  object_t *object;
  object_t **old;

  if (key_len == 0 || key_len > TABLE_KEY_MAX) {
    return UV_EINVAL;
  }
  object = object_new(key, key_len, len);
  if (object == NULL) {
    return UV_ENOMEM;
  }
  if (len > 0) {
    memcpy(object->value, value, len);
  }
  old = objects_find(&table->objects, key, key_len);
  if (*old != NULL) {
    take_out(table, old);
  }
  object->epoch = table->epoch; /* no part of an image that is being saved */
  objects_insert(&table->objects, object);
  return 0;
}

static int grow(table_t *table, object_t *object, size_t len) {
  uint8_t *value;

  if (len <= object->len) {
    return 0;
  }
  value = realloc(object->value, len);
  if (value == NULL) {
    return UV_ENOMEM;
  }
  memset(value + object->len, 0, len - object->len);
  table->objects.bytes += len - object->len;
  object->value = value;
  object->len = len;
  return 0;
}

int table_write(table_t *table, const char *key, size_t offset,
                const void *data, size_t len) {
  object_t *object = find(table, key);
  int r;

  if (object == NULL) {
    return UV_ENOENT;
  }
  if (len == 0) {
    return 0;
  }
  if (len > SIZE_MAX - offset) {
    return UV_ENOMEM;
  }
  cut_before_write(table, object, offset, len);
  r = grow(table, object, offset + len);
  if (r == 0) {
    memcpy(object->value + offset, data, len);
  }
  return r;
}

int table_delete(table_t *table, const char *key) {
  object_t **at = objects_find(&table->objects, key, strlen(key));

  if (*at == NULL) {
    return UV_ENOENT;
  }
  take_out(table, at);
  return 0;
}

const void *table_get(const table_t *table, const char *key, size_t *out_len) {
  const object_t *object = find(table, key);

  if (object == NULL) {
    return NULL;
  }
  *out_len = object->len;
  return object->value;
}

uint64_t table_count(const table_t *table) {
  return table->objects.objects;
}

uint64_t table_held(const table_t *table) {
  return table->cut.held;
}
