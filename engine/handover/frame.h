/* frame.h - the messages of a hand-over, byte for byte.
 *
 *   0  4  magic 53 4c 48 4f ("SLHO")
 *   4  2  type
 *   6  2  descriptors that come with the first byte of the message
 *   8  4  bytes of payload that follow
 *  12  4  number of the message in its direction: 0, 1, 2 ...
 *
 * Integers are little-endian. Whatever is not exactly so ends the hand-over:
 * there is nothing to resynchronise. Knows no sockets. */
#ifndef SLUICE_HANDOVER_FRAME_H
#define SLUICE_HANDOVER_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

typedef enum sluice__frame_type_e {
  SLUICE__FRAME_HELLO = 1, /* new: version (4), flags (4) */
  SLUICE__FRAME_OFFER,   /* old: version (4), flags (4, 0), the host's bytes */
  SLUICE__FRAME_STREAM,  /* old: bytes of the native stream */
  SLUICE__FRAME_PASS,    /* old: descriptors, an entry (passed.h) for each */
  SLUICE__FRAME_READY,   /* new: all is here and was checked */
  SLUICE__FRAME_COMMIT,  /* old: take it */
  SLUICE__FRAME_RUNNING, /* new: I serve */
  SLUICE__FRAME_FAIL,    /* both: code (4, signed), message */
  SLUICE__FRAME_PREPARED /* new: the registry is full; pause when you like */
} sluice__frame_type_t;

enum {
  SLUICE__FRAME_HEADER = 16,
  SLUICE__FRAME_VERSION = 1,
  SLUICE__FRAME_COPY = 1, /* HELLO's flag: no memory by descriptor */
  SLUICE__FRAME_GREETING = 8,
  SLUICE__FRAME_FDS = 253, /* the kernel's SCM_MAX_FD */
  SLUICE__FRAME_ENTRY = 2 * 255 + 8,
  SLUICE__FRAME_FAIL_MAX = 4 + 191
};

typedef struct sluice__frame_s {
  sluice__frame_type_t type;
  uint32_t fds;
  uint32_t len;
} sluice__frame_t;

void sluice__frame_put(uint8_t out[SLUICE__FRAME_HEADER],
                       const sluice__frame_t *frame, uint32_t number);

/* The payload of FAIL; its length. */
size_t sluice__frame_fail(uint8_t out[SLUICE__FRAME_FAIL_MAX],
                          const sluice_error_t *error);

/* 0, or SLUICE_ECORRUPT: not a message, not the next one, or out of its
 * type's bounds. */
int sluice__frame_get(sluice__frame_t *out,
                      const uint8_t in[SLUICE__FRAME_HEADER], uint32_t number,
                      sluice_error_t *err);

#endif
