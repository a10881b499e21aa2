/* error.c - names and texts of codes, and the recording of a failure.
 *
 * Two families share one int: libuv's codes above -5000, ours from -20001 down.
 * libuv's own uv_strerror() allocates (and leaks) for a code that it does not
 * know, so its table is expanded here and everything returned is static. What
 * libuv has no name for it passes on as it is, a negated errno: the C library
 * knows those, in its static tables that no locale changes.
 *
 * Invariant: an error object is written once; what comes later is only a
 * consequence of the first failure. */
#include "error.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <uv.h>

enum { ERRNO_MAX = 4095 }; /* of Linux; INT_MIN cannot be negated */

/* `lookup` is one of the C library's; NULL is what it says of no errno. */
static const char *ask_system(int code, const char *(*lookup)(int),
                              const char *unknown) {
  const char *text = code < 0 && code >= -ERRNO_MAX ? lookup(-code) : NULL;

  return text != NULL ? text : unknown;
}

const char *sluice_strerror(int code) {
  switch (code) {
  case 0: return "no error";
#define XX(name, number, text)                                                 \
  case SLUICE_##name: return text;
    SLUICE_ERROR_MAP(XX)
#undef XX
#define XX(name, text)                                                         \
  case UV_##name: return text;
    UV_ERRNO_MAP(XX)
#undef XX
  default: return ask_system(code, strerrordesc_np, "unknown error");
  }
}

const char *sluice_err_name(int code) {
  switch (code) {
  case 0: return "OK";
#define XX(name, number, text)                                                 \
  case SLUICE_##name: return #name;
    SLUICE_ERROR_MAP(XX)
#undef XX
#define XX(name, text)                                                         \
  case UV_##name: return #name;
    UV_ERRNO_MAP(XX)
#undef XX
  default: return ask_system(code, strerrorname_np, "UNKNOWN");
  }
}

const char *sluice_phase_name(sluice_phase_t phase) {
  switch (phase) {
  case SLUICE_PHASE_NONE: return "none";
  case SLUICE_PHASE_BEGIN: return "begin";
  case SLUICE_PHASE_LIVE: return "live";
  case SLUICE_PHASE_PAUSED: return "paused";
  case SLUICE_PHASE_FINISH: return "finish";
  case SLUICE_PHASE_LOAD: return "load";
  case SLUICE_PHASE_CHECK: return "check";
  case SLUICE_PHASE_COMMIT: return "commit";
  case SLUICE_PHASE_VERIFY: return "verify";
  case SLUICE_PHASE_MAP: return "map";
  }
  return "unknown"; /* a number that a host made up */
}

void sluice__error_clear(sluice_error_t *err) {
  if (err != NULL) {
    memset(err, 0, sizeof(*err));
  }
}

int sluice_fail(sluice_error_t *err, int code, const char *format, ...) {
  va_list args;

  if (code >= 0) {
    code = SLUICE_EHANDLER; /* a failure must look like one to every caller */
  }
  if (err == NULL || err->code != 0) {
    return code;
  }
  err->code = code;
  err->offset = SLUICE_OFFSET_NONE;
  if (format == NULL) {
    return code;
  }
  va_start(args, format);
  (void)vsnprintf(err->message, sizeof(err->message), format, args);
  va_end(args);
  return code;
}
