/* io_rig.h - a loop, a folder of its own, and stand-ins for the sessions that
 * drive sinks and sources.
 *
 * The stand-ins check the contract on the way: no callback from inside a call,
 * each once, none after the end; buffers are freed as soon as they may be, so
 * that a sanitizer sees a sink that holds on to one. Fixtures are checked ones:
 * libuv's pool does not survive a fork. */
#ifndef SLUICE_TESTS_IO_RIG_H
#define SLUICE_TESTS_IO_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <check.h>
#include <uv.h>

#include "io/sink.h"
#include "io/source.h"

extern uv_loop_t rig_loop;
extern char rig_dir[224]; /* on disk; removed with all that is in it */
extern char rig_shm[224]; /* the same on tmpfs */

void rig_setup(void);
/* Asserts that the loop is empty and every descriptor closed. */
void rig_teardown(void);

/* "<dir>/<name>", static storage, overwritten by the fourth call after. */
const char *rig_path(const char *dir, const char *name);
/* Entries of a folder. */
int rig_count_files(const char *dir);

/* Contents of a stream: bytes depend on their offset only. */
void rig_fill(uint8_t *data, uint64_t offset, size_t len);
bool rig_matches(const uint8_t *data, uint64_t offset, size_t len);
/* True when the file at `path` holds exactly the first `len` bytes. */
bool rig_file_matches(const char *path, size_t len);

/* One save. Set the first part, zero the rest. */
typedef struct rig_save_s {
  sluice_sink_t *sink; /* taken */
  uint64_t start;      /* stream offset of the first byte */
  uint64_t total;
  size_t chunk;          /* 0: as the engine cuts them; else bytes each */
  unsigned window;       /* chunks under way at most; 0: 4 */
  uint64_t cancel_after; /* abort when that much was given; 0: never */
  bool hold;             /* stop before finish, see rig_save_go_on() */

  sluice_error_t err;
  uint64_t given;
  unsigned under_way;
  unsigned waited; /* writes that were not taken at once */
  bool in_call;
  bool is_aborting;
  bool is_held;
  bool is_over;
  int status;
} rig_save_t;

void rig_save_begin(rig_save_t *s);
void rig_save_abort(rig_save_t *s);
void rig_save_go_on(rig_save_t *s);
/* Begins, runs the loop until it is over, and returns the status. */
int rig_save_run(rig_save_t *s);
int rig_save_finish(rig_save_t *s); /* the same without beginning */

/* One restore, as far as a source sees it. */
typedef struct rig_load_s {
  sluice_source_t *source; /* taken */
  uint64_t expect;         /* stop after so many bytes; 0: at the end */
  size_t step;             /* bytes asked for; 0: 256 KiB */

  sluice_error_t err;
  uint8_t *buf;
  uint64_t got;
  bool in_call;
  bool is_over;
  bool is_reading;
  unsigned waited;
  int status;
} rig_load_t;

void rig_load_begin(rig_load_t *l);
int rig_load_finish(rig_load_t *l);
int rig_load_run(rig_load_t *l);

/* Runs the loop until both are over. */
void rig_run_both(rig_save_t *s, rig_load_t *l);

#endif
