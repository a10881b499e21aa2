/* progress.h - how far an operation is. */
#ifndef SLUICE_PROGRESS_H
#define SLUICE_PROGRESS_H

#include <stdint.h>

#include <sluice/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_UNKNOWN UINT64_MAX

typedef struct sluice_progress_s {
  sluice_phase_t phase;
  uint64_t bytes_done;  /* of the stream: written to the sink, or read */
  uint64_t bytes_left;  /* an estimate; SLUICE_UNKNOWN (restore from a pipe) */
  uint64_t bytes_per_s; /* over the last second or so; 0: not known yet */
  uint64_t left_ms;     /* estimated time; SLUICE_UNKNOWN */
  uint64_t elapsed_ms;
  uint64_t paused_us;    /* how long the host has been, or was, paused */
  uint64_t memory_bytes; /* held by the session now */
  uint64_t memory_peak;
  uint32_t rounds; /* completed */
  uint32_t sections_done;
  uint32_t sections_total;
  char section[64]; /* the one that moved last */
} sluice_progress_t;

#ifdef __cplusplus
}
#endif

#endif
