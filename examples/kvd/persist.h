/* persist.h - the one place where the server and Sluice meet: saving, restoring
 * and what INFO says about it. Nothing else in the server knows how an image is
 * made.
 *
 * What it works on: db->heap. An image is the bytes [0, heap_header()->top).
 * While a save runs, db->heap.before_write is set: it is called before any byte
 * of the heap changes, and that is the cooperative tracker. After a restore,
 * db_attach() says whether what came is a database. */
#ifndef KVD_PERSIST_H
#define KVD_PERSIST_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "db.h"
#include "options.h"

typedef struct persist_s {
  uv_loop_t *loop;
  db_t *db;
  const options_t *options;
  int64_t last_save; /* seconds since 1970; of the start before the first */
  bool is_saving;
} persist_t;

void persist_init(persist_t *p, uv_loop_t *loop, db_t *db,
                  const options_t *options);

/* Starts saving the database as it is now. 0, or a negative code that
 * persist_strerror() explains; UV_EALREADY: one is running. */
int persist_begin_save(persist_t *p);
/* The same, and returns when it is done (SAVE). */
int persist_save_now(persist_t *p);

/* Before the first client: fills the heap from the newest good image, if there
 * is one, and says what it did on stdout. UV_ENOENT: there is none. */
int persist_restore_newest(persist_t *p);

/* Lines for INFO, "name:value\r\n" each, NUL at the end, at most `size`. */
void persist_info(const persist_t *p, char *out, size_t size);

const char *persist_strerror(int code);

#endif
