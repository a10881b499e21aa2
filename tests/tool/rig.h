/* rig.h - runs the real tool in a folder of the test's own.
 *
 * Must know no subcommand. Everything a run left behind is in the result, and
 * files are in the current folder, which rig_setup() makes and enters. */
#ifndef SLUICE_TESTS_TOOL_RIG_H
#define SLUICE_TESTS_TOOL_RIG_H

#include <stddef.h>
#include <sys/types.h>

typedef struct ran_s {
  int exit_code; /* 128 + number: a signal ended it */
  long peak_kib; /* of resident memory */
  char *out;     /* NUL-terminated */
  size_t out_len;
  char *err;
} ran_t;

typedef struct rig_io_s {
  const char *in; /* file on standard input; NULL: empty */
  const char
      *out;     /* file that standard output goes to; NULL: into the result */
  int is_piped; /* `in` comes through a pipe, from cat */
} rig_io_t;

/* For tcase_add_checked_fixture(); the second fails the test when the tool left
 * a temporary file. */
void rig_setup(void);
void rig_teardown(void);

/* Arguments end with NULL. */
ran_t rig_run(const char *argument, ...);
ran_t rig_run_io(const rig_io_t *io, const char *argument, ...);
void ran_done(ran_t *r);

/* Fails the test unless the run ended so and `said` is in its messages. Then
 * the result is done with. */
void rig_expect(ran_t *r, int exit_code, const char *said);

/* Starts the tool with standard input from the file descriptor `in`. */
pid_t rig_start(int in, const char *argument, ...);

/* The tool in the background, what it says on a pipe. */
typedef struct job_s {
  pid_t pid;
  int err;
} job_t;

job_t rig_begin(const char *argument, ...);

/* Reads what it says up to a newline, into `out`. */
void rig_line(job_t *job, char *out, size_t size);

/* Waits for its end; `out` of the result is empty. */
ran_t rig_await(job_t *job);

/* Names that begin with ".sluice-" in the current folder. */
int rig_leftovers(void);

/* The whole file, to be freed, with a NUL behind it; fails the test when there
 * is none. */
char *rig_read(const char *path, size_t *out_len);
void rig_write(const char *path, const void *data, size_t len);

#endif
