/* parts.h - what a table is made of; private to this folder.
 *
 *   table.c          the table itself
 *   table_cut.c      what is done before an object changes while it is saved
 *   table_save.c     the hooks that save, and the order of what is written
 *   table_restore.c  the hooks that restore
 *
 * The payload is records, each led by three little-endian 64-bit numbers:
 *
 *   OBJECT  id, bytes of its value, bytes of its key;  then the key
 *   PIECE   id, offset in the value, bytes;            then the bytes
 *   END     number of objects, 0, 0
 *
 * with the kind in the top byte of the first. Ids count from 0 in the order of
 * the OBJECT records; pieces of different objects may come turn about. */
#ifndef SLUICE_EXAMPLE_PARTS_H
#define SLUICE_EXAMPLE_PARTS_H

#include <sluice/handler.h>

#include "table.h"

enum {
  PIECE_BYTES = 64 * 1024, /* a step stops between two of them */
  RECORD_BYTES = 24,
  RECORD_OBJECT = 1,
  RECORD_PIECE = 2,
  RECORD_END = 3
};

typedef struct object_s object_t;

/* How far an object is in the running save. Most never have one of these for
 * longer than one step. */
typedef struct progress_s {
  object_t *object;
  struct progress_s *next; /* of all there are */
  struct progress_s *prev;
  uint64_t id;
  size_t len; /* of the value at the instant */
  size_t next_piece;
  size_t left;      /* pieces that are not taken */
  uint64_t taken[]; /* a bit a piece: written, or copied to be */
} progress_t;

struct object_s {
  object_t *next;  /* in its bucket, or among those that wait */
  uint64_t epoch;  /* older than the cut's: not saved yet */
  progress_t *cut; /* NULL: not begun */
  uint8_t *value;
  size_t len;
  size_t key_len;
  char key[]; /* with a final zero */
};

/* A piece as it was, of an object that has changed since. */
typedef struct copy_s {
  struct copy_s *next;
  object_t *object;
  size_t offset;
  size_t len;
  uint8_t bytes[];
} copy_t;

typedef struct objects_s {
  object_t **buckets;
  size_t count; /* of buckets */
  uint64_t objects;
  uint64_t bytes; /* of keys and values */
} objects_t;

typedef struct cut_s {
  sluice_section_t *section;
  uint64_t epoch;    /* 0: no cut is running, so no object is older */
  size_t bucket;     /* all before it are saved */
  object_t *waiting; /* out of the table, not saved */
  copy_t *copies;    /* oldest first */
  copy_t **last_copy;
  progress_t *open;
  uint64_t held;    /* bytes of copies */
  uint64_t objects; /* at the instant */
  uint64_t ids;     /* given out */
  uint64_t left;    /* bytes, an estimate */
  int code;         /* why the image is lost; 0: it is not */
} cut_t;

typedef struct load_s {
  objects_t shadow;
  object_t **by_id;
  progress_t **pieces; /* what has come of it, by id */
  uint64_t ids;
  uint64_t room; /* of by_id */
  int is_over;
  uint64_t record[3]; /* the one at hand; its kind is taken out */
  int kind;           /* 0: none */
  size_t got;         /* bytes of a piece */
} load_t;

struct table_s {
  sluice_handler_t handler;
  table_options_t options;
  objects_t objects;
  uint64_t epoch; /* of the last cut; 1 before the first */
  cut_t cut;
  load_t load;
};

/* table.c */
int objects_init(objects_t *objects, size_t buckets);
void objects_done(objects_t *objects);
object_t **objects_find(const objects_t *objects, const char *key, size_t len);
void objects_insert(objects_t *objects, object_t *object);
/* A value of zeros. NULL: no memory. */
object_t *object_new(const char *key, size_t key_len, size_t len);
void object_free(object_t *object);

/* table_cut.c */
static inline int object_is_saved(const table_t *table, const object_t *o) {
  return o->epoch >= table->cut.epoch;
}
/* What is known of its saving; NULL: no memory. */
progress_t *progress_open(table_t *table, object_t *object, size_t len);
void progress_close(table_t *table, progress_t *progress);
static inline size_t pieces_of(size_t len) {
  return len / PIECE_BYTES + (len % PIECE_BYTES != 0);
}
static inline size_t piece_len(size_t len, size_t piece) {
  size_t rest = len - piece * PIECE_BYTES;

  return rest < PIECE_BYTES ? rest : (size_t)PIECE_BYTES;
}
/* 1: it was not yet. */
int piece_take(progress_t *progress, size_t piece);
/* `object` is about to change in offset..offset+len-1. */
void cut_before_write(table_t *table, object_t *object, size_t offset,
                      size_t len);
/* `object` has left its bucket for good: frees it now or when it is saved. */
void cut_retire(table_t *table, object_t *object);
/* Gives back all that the save holds. */
void cut_done(table_t *table);

/* table_save.c */
uint64_t table_save_pending(void *self);
int table_save_begin(void *self, sluice_section_t *section,
                     sluice_error_t *err);
int table_save_cut(void *self, sluice_error_t *err);
int table_save_step(void *self, sluice_writer_t *w, sluice_error_t *err);
int table_save_finish(void *self, sluice_writer_t *w, sluice_error_t *err);
void table_save_end(void *self, int status);

/* table_restore.c */
int table_restore_begin(void *self, sluice_section_t *section, uint32_t version,
                        sluice_error_t *err);
int table_restore_step(void *self, sluice_reader_t *r, sluice_error_t *err);
int table_restore_check(void *self, sluice_error_t *err);
void table_restore_commit(void *self);
void table_restore_end(void *self, int status);

#endif
