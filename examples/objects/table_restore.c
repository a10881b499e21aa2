/* table_restore.c - reads records into a shadow table that takes the place of
 * the table at commit.
 *
 * The stream is untrusted: keys, sizes and ids are checked before anything is
 * allocated or written, every piece must come exactly once. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "parts.h"

int table_restore_begin(void *self, sluice_section_t *section, uint32_t version,
                        sluice_error_t *err) {
  table_t *table = self;

  (void)section;
  (void)version;
  memset(&table->load, 0, sizeof(table->load));
  return objects_init(&table->load.shadow, table->objects.count) == 0
             ? 0
             : sluice_fail(err, UV_ENOMEM, "no memory for a shadow table");
}

static int read_record(load_t *load, sluice_reader_t *r) {
  uint8_t bytes[RECORD_BYTES];
  int result = sluice_reader_exact(r, bytes, sizeof(bytes));

  if (result != 0) {
    return result;
  }
  memset(load->record, 0, sizeof(load->record));
  for (size_t i = 0; i < RECORD_BYTES; i++) {
    load->record[i / 8] |= (uint64_t)bytes[i] << (i % 8 * 8);
  }
  load->kind = (int)(load->record[0] >> 56);
  load->record[0] &= UINT64_MAX >> 8;
  load->got = 0;
  return 0;
}

static int grow_ids(load_t *load, sluice_error_t *err) {
  size_t room = (size_t)load->room * 2 + 64;
  object_t **by_id;
  progress_t **pieces;

  if (load->ids < load->room) {
    return 0;
  }
  by_id = realloc(load->by_id, room * sizeof(object_t *));
  load->by_id = by_id != NULL ? by_id : load->by_id;
  pieces = realloc(load->pieces, room * sizeof(progress_t *));
  load->pieces = pieces != NULL ? pieces : load->pieces;
  if (by_id == NULL || pieces == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for %zu objects", room);
  }
  load->room = room;
  return 0;
}

static int check_object(const table_t *table, sluice_error_t *err) {
  const load_t *load = &table->load;
  uint64_t most = table->options.max_bytes - load->shadow.bytes;
  uint64_t len = load->record[1];
  uint64_t key_len = load->record[2];

  if (load->record[0] != load->ids) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "object id %" PRIu64 ", expected %" PRIu64,
                       load->record[0], load->ids);
  }
  if (key_len == 0 || key_len > TABLE_KEY_MAX) {
    return sluice_fail(err, SLUICE_ECORRUPT, "a key of %" PRIu64 " bytes",
                       key_len);
  }
  if (key_len > most || len > most - key_len) {
    return sluice_fail(err, SLUICE_ELIMIT, "over max_bytes, %" PRIu64,
                       table->options.max_bytes);
  }
  return 0;
}

static int add_object(table_t *table, const char *key, sluice_error_t *err) {
  load_t *load = &table->load;
  size_t key_len = (size_t)load->record[2];
  object_t *object;

  if (memchr(key, 0, key_len) != NULL ||
      *objects_find(&load->shadow, key, key_len) != NULL) {
    return sluice_fail(err, SLUICE_ECORRUPT, "a key that is none, or twice");
  }
  object = object_new(key, key_len, (size_t)load->record[1]);
  if (object == NULL || progress_open(table, object, object->len) == NULL) {
    free(object == NULL ? NULL : object->value);
    free(object);
    return sluice_fail(err, UV_ENOMEM, "no memory for an object");
  }
  object->epoch = table->epoch;
  objects_insert(&load->shadow, object);
  load->by_id[load->ids] = object;
  load->pieces[load->ids++] = object->cut;
  load->kind = 0;
  return 0;
}

static int read_object(table_t *table, sluice_reader_t *r,
                       sluice_error_t *err) {
  char key[TABLE_KEY_MAX];
  int result = check_object(table, err);

  if (result == 0) {
    result = grow_ids(&table->load, err);
  }
  if (result == 0) {
    result = sluice_reader_exact(r, key, (size_t)table->load.record[2]);
  }
  return result == 0 ? add_object(table, key, err) : result;
}

static int check_piece(load_t *load, sluice_error_t *err) {
  uint64_t id = load->record[0];
  uint64_t offset = load->record[1];
  progress_t *p = id < load->ids ? load->pieces[id] : NULL;

  if (p == NULL || offset >= p->len || offset % PIECE_BYTES != 0 ||
      load->record[2] != piece_len(p->len, (size_t)(offset / PIECE_BYTES)) ||
      (load->got == 0 && !piece_take(p, (size_t)(offset / PIECE_BYTES)))) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "object %" PRIu64 ": no piece at %" PRIu64, id, offset);
  }
  return 0;
}

/* Its check comes once, with the record. */
static int read_piece(load_t *load, sluice_reader_t *r, sluice_error_t *err) {
  uint8_t *to = load->by_id[load->record[0]]->value + load->record[1];
  size_t len = (size_t)load->record[2];
  size_t got = 0;
  int result = sluice_reader_some(r, to + load->got, len - load->got, &got);

  if (result != 0) {
    return result;
  }
  if (got == 0) {
    return sluice_fail(err, SLUICE_ECORRUPT, "the section ends in a piece");
  }
  load->got += got;
  load->kind = load->got == len ? 0 : load->kind;
  return 0;
}

static int read_end(load_t *load, sluice_error_t *err) {
  if (load->record[0] != load->ids) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "%" PRIu64 " objects, expected %" PRIu64, load->ids,
                       load->record[0]);
  }
  load->is_over = 1;
  return 0;
}

/* A record's head is checked as it comes, then its body is read. */
static int begin_record(load_t *load, sluice_reader_t *r, sluice_error_t *err) {
  int result = read_record(load, r);

  if (result != 0) {
    return result;
  }
  if (load->kind == RECORD_PIECE) {
    return check_piece(load, err);
  }
  return load->kind == RECORD_OBJECT || load->kind == RECORD_END
             ? 0
             : sluice_fail(err, SLUICE_ECORRUPT, "a record of kind %d",
                           load->kind);
}

static int restore_unit(table_t *table, sluice_reader_t *r,
                        sluice_error_t *err) {
  load_t *load = &table->load;

  if (load->kind == 0) {
    return begin_record(load, r, err);
  }
  if (load->kind == RECORD_OBJECT) {
    return read_object(table, r, err);
  }
  return load->kind == RECORD_PIECE ? read_piece(load, r, err)
                                    : read_end(load, err);
}

int table_restore_step(void *self, sluice_reader_t *r, sluice_error_t *err) {
  table_t *table = self;

  do {
    int result = restore_unit(table, r, err);

    if (result != 0) {
      return result;
    }
    if (table->load.is_over) {
      return SLUICE_DONE;
    }
  } while (!sluice_reader_should_yield(r));
  return SLUICE_MORE;
}

int table_restore_check(void *self, sluice_error_t *err) {
  const table_t *table = self;
  const load_t *load = &table->load;

  for (uint64_t i = 0; i < load->ids; i++) {
    if (load->pieces[i]->left > 0) {
      return sluice_fail(err, SLUICE_ECORRUPT,
                         "object %" PRIu64 " lacks %zu pieces", i,
                         load->pieces[i]->left);
    }
  }
  return SLUICE_DONE;
}

void table_restore_commit(void *self) {
  table_t *table = self;
  objects_t old = table->objects;

  table->objects = table->load.shadow;
  table->load.shadow = old;
}

void table_restore_end(void *self, int status) {
  table_t *table = self;

  (void)status;
  cut_done(table);
  objects_done(&table->load.shadow);
  free(table->load.by_id);
  free(table->load.pieces);
  memset(&table->load, 0, sizeof(table->load));
}
