/* report.c - see report.h. Must know no stream format. */
#include "cli/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "cli/bar.h"
#include "cli/command.h"

int fail_stream(failure_t *f, const char *path, const sluice_error_t *error) {
  if (f->error.code == 0) {
    f->path = path;
    f->error = *error;
  }
  return f->error.code;
}

int fail_with(failure_t *f, const char *path, int code, const char *format,
              ...) {
  sluice_error_t error = {.code = code, .offset = SLUICE_OFFSET_NONE};
  va_list ap;

  va_start(ap, format);
  (void)vsnprintf(error.message, sizeof(error.message), format, ap);
  va_end(ap);
  return fail_stream(f, path, &error);
}

int fail_system(failure_t *f, const char *path, int number, const char *doing) {
  int code = uv_translate_sys_error(number);

  return fail_with(f, path, code, "cannot %s: %s", doing,
                   sluice_strerror(code));
}

/* stdio keeps that there was an error, not which: errno has it until the next
 * call that fails. */
int fail_stdout(failure_t *f) {
  return fail_system(f, output_name("-"), errno != 0 ? errno : EIO, "write");
}

const char *printable(char *out, size_t size, const char *text) {
  size_t at = 0;

  for (; *text != '\0' && at + 5 <= size; text++) {
    unsigned char c = (unsigned char)*text;

    if (c >= 0x20 && c < 0x7f) {
      out[at++] = *text;
    } else {
      at += (size_t)snprintf(out + at, size - at, "\\x%02x", c);
    }
  }
  out[at] = '\0';
  return out;
}

static void print_path(const char *path) {
  if (path != NULL) {
    (void)fprintf(stderr, "%s: ", path);
  }
}

int report_failure(const failure_t *f) {
  const sluice_error_t *e = &f->error;
  char section[4 * sizeof(e->section) + 1];
  char message[4 * sizeof(e->message) + 1];

  bar_clear();
  (void)fputs("sluice: ", stderr);
  print_path(f->path);
  if (e->offset != SLUICE_OFFSET_NONE) {
    (void)fprintf(stderr, "offset %" PRIu64 ": ", e->offset);
  }
  if (e->section[0] != '\0') {
    (void)fprintf(stderr, "section '%s': ",
                  printable(section, sizeof(section), e->section));
  }
  (void)fprintf(stderr, "%s (%s)\n",
                e->message[0] == '\0'
                    ? sluice_strerror(e->code)
                    : printable(message, sizeof(message), e->message),
                sluice_err_name(e->code));
  return TOOL_FAILED;
}

void report_detail(const char *format, ...) {
  va_list ap;

  bar_clear();
  (void)fputs("sluice: ", stderr);
  va_start(ap, format);
  (void)vfprintf(stderr, format, ap);
  va_end(ap);
  (void)fputc('\n', stderr);
}

const char *input_name(const char *path) {
  return strcmp(path, "-") == 0 ? "standard input" : path;
}

const char *output_name(const char *path) {
  return strcmp(path, "-") == 0 ? "standard output" : path;
}
