/* error.h - what went wrong, and where.
 *
 * Every fallible call returns a negative int: a UV_E* code passed through from
 * libuv (-1 .. -4999), or one of the codes below. The rest of the story is in
 * the error object of the operation; there is no global state and no TLS. */
#ifndef SLUICE_ERROR_H
#define SLUICE_ERROR_H

#include <stdint.h>

#include <sluice/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are pinned: they may be logged, compared and sent in streams. */
#define SLUICE_ERROR_MAP(XX)                                                   \
  XX(ECORRUPT, -20001, "stream is damaged")                                    \
  XX(ETRUNCATED, -20002, "stream ends too early")                              \
  XX(ETRAILING, -20003, "stream goes on after its end")                        \
  XX(EFORMAT, -20004, "not a stream of a known format")                        \
  XX(EFEATURE, -20005, "stream needs a feature that is not supported")         \
  XX(EVERSION, -20006, "section version is newer than the handler's")          \
  XX(EOLDVERSION, -20007, "section version is older than the handler accepts") \
  XX(EUNKNOWN, -20008, "no handler is registered for this section")            \
  XX(EMISSING, -20009, "a registered section is missing from the stream")      \
  XX(EORDER, -20010, "section records are out of order")                       \
  XX(EKIND, -20011, "section is of another kind than its handler")             \
  XX(ELIMIT, -20012, "a configured limit was exceeded")                        \
  XX(ESTATE, -20013, "call is not allowed in this state")                      \
  XX(EABORTED, -20014, "the sender gave up")                                   \
  XX(ENOCONVERGE, -20015, "state changes faster than it can be sent")          \
  XX(ELOSTWAKE, -20016, "a handler waits although it has work")                \
  XX(EHANDLER, -20017, "a handler broke its contract")                         \
  XX(EEXISTS, -20018, "a section of this name and instance is registered")     \
  XX(ESTUCK, -20019, "an operation does not move on")

enum {
#define XX(name, number, text) SLUICE_##name = (number),
  SLUICE_ERROR_MAP(XX)
#undef XX
};

#define SLUICE_OFFSET_NONE UINT64_MAX

/* What an operation was doing when it failed. */
typedef enum sluice_phase_e {
  SLUICE_PHASE_NONE = 0,
  SLUICE_PHASE_BEGIN,  /* headers, section declarations, begin hooks */
  SLUICE_PHASE_LIVE,   /* sections move while the host runs */
  SLUICE_PHASE_PAUSED, /* the host is paused: what was left */
  SLUICE_PHASE_FINISH, /* index, trailer, flush, sync, rename */
  SLUICE_PHASE_LOAD,   /* restore: reading sections */
  SLUICE_PHASE_CHECK,  /* restore: all read, nothing committed */
  SLUICE_PHASE_COMMIT,
  SLUICE_PHASE_VERIFY, /* restore: an image's pages against their checksums */
  SLUICE_PHASE_MAP     /* restore: pages of the image's file as memory */
} sluice_phase_t;

/* Cleared by the calls that begin something, else by whoever passes it; the
 * first failure is kept. Its size is fixed: it has room to grow within. */
typedef struct sluice_error_s {
  int code; /* 0, a SLUICE_E* or a UV_E* code */
  sluice_phase_t phase;
  uint64_t offset;      /* byte in the stream, or SLUICE_OFFSET_NONE */
  uint32_t instance;    /* of the section */
  char section[64];     /* name, truncated; "" when none is involved */
  char message[192];    /* one phrase: what was expected, what was found */
  uint64_t reserved[4]; /* zero */
} sluice_error_t;

/* Text for a code of either family, and for every other errno of the system,
 * negated (UV_* is that): EDQUOT, ESTALE. Static storage; never NULL.
 * Any thread. */
SLUICE_EXTERN const char *sluice_strerror(int code);

/* "ECORRUPT", "ENOSPC", "ESTALE", ...; "OK" for 0, "UNKNOWN" for what is
 * neither. */
SLUICE_EXTERN const char *sluice_err_name(int code);

/* "live", "check", ... */
SLUICE_EXTERN const char *sluice_phase_name(sluice_phase_t phase);

/* Records a failure in `err` (NULL: nowhere) unless it holds one already, and
 * returns `code`, so that handlers can write `return sluice_fail(err, ...)`.
 * A code that is not negative becomes SLUICE_EHANDLER. The offset is set to
 * SLUICE_OFFSET_NONE; the engine fills in section, phase and offset. Never
 * allocates. Any thread that owns `err`. */
SLUICE_EXTERN int sluice_fail(sluice_error_t *err, int code, const char *format,
                              ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

#ifdef __cplusplus
}
#endif

#endif
