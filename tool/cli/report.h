/* report.h - what went wrong with which file, told in one line.
 *
 * Everything in this tool that can fail fills in a failure and returns its
 * code; the subcommand tells it once, at the end. Names and messages may come
 * out of hostile streams: what a terminal would act upon is escaped. */
#ifndef SLUICE_TOOL_CLI_REPORT_H
#define SLUICE_TOOL_CLI_REPORT_H

#include <stddef.h>

#include <sluice/error.h>

/* Zeroed at the start; the first failure is kept. */
typedef struct failure_s {
  const char *path; /* borrowed; NULL: no file is to blame */
  sluice_error_t error;
} failure_t;

/* What the stream in `path` did wrong. Returns `error`'s code. */
int fail_stream(failure_t *f, const char *path, const sluice_error_t *error);

/* A system call on `path` failed with `number` (an errno) while `doing`
 * something: "write". Returns the code. */
int fail_system(failure_t *f, const char *path, int number, const char *doing);

/* Standard output did not take what was printed, just now. */
int fail_stdout(failure_t *f);

/* Anything else about `path`, which may be NULL. Returns `code`. */
int fail_with(failure_t *f, const char *path, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "sluice: FILE: offset 4242: section 'ram': expected ..., found ...
 * (ECORRUPT)" on standard error. Returns TOOL_FAILED. */
int report_failure(const failure_t *f);

/* "sluice: ..." on standard error, for those who asked for details. */
void report_detail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* `text` without what a terminal would act upon, in `out`, truncated to fit. */
const char *printable(char *out, size_t size, const char *text);

/* What files are called in messages: "-" has a name there. */
const char *input_name(const char *path);
const char *output_name(const char *path);

#endif
