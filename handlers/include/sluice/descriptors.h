/* descriptors.h - a handler for open descriptors, for hand-overs.
 *
 * Listening sockets, connections, files: what the successor gets is the same
 * open file. Each has a tag and some bytes of the host's, say what a client has
 * sent and not been answered yet. They are listed when the host is paused, so
 * they may come and go until then. A save that is no hand-over (handover.h)
 * fails with UV_ENOTSUP.
 *
 * The successor gets all of them or none: what arrives and is not taken, for
 * whatever reason, is closed. */
#ifndef SLUICE_DESCRIPTORS_H
#define SLUICE_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/registry.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_descriptors_s sluice_descriptors_t;

typedef struct sluice_descriptor_s {
  int fd;
  uint32_t tag; /* the host's */
  const void *bytes;
  size_t len;
} sluice_descriptor_t;

typedef struct sluice_descriptors_options_s {
  uint32_t size;      /* sizeof(sluice_descriptors_options_t) */
  uint32_t version;   /* of what tags and bytes mean */
  uint32_t max_count; /* 0: 65 536; more: SLUICE_ELIMIT, on either side */
  uint64_t max_bytes; /* of all together; 0: 256 MiB */
  void *data;
  /* The next one, until 0 is returned; 1: `*out` is filled. Its bytes are
   * borrowed until the next call, `fd` until the hand-over is over. Begins
   * anew with `is_first`. An error ends the hand-over. */
  int (*next)(void *data, int is_first, sluice_descriptor_t *out,
              sluice_error_t *err);
  /* Optional. Before anything is committed: the last chance to say no. */
  int (*check)(void *data, const sluice_descriptor_t *in, sluice_error_t *err);
  /* Takes one, in the order of `next`; `fd` is the host's now, not to be read
   * or written before the takeover is over; bytes are borrowed. Cannot fail.
   */
  void (*take)(void *data, const sluice_descriptor_t *in);
} sluice_descriptors_options_t;

/* Makes the section and registers it. UV_EINVAL: options of another size;
 * errors of sluice_registry_add(). */
SLUICE_EXTERN int sluice_descriptors_new(
    sluice_descriptors_t **out, sluice_registry_t *registry, const char *name,
    const sluice_section_options_t *section,
    const sluice_descriptors_options_t *options, sluice_error_t *err);
/* After the registry, or after taking the section out: UV_EBUSY while the
 * registry holds it (and nothing happened); 0 otherwise, for NULL too. */
SLUICE_EXTERN int sluice_descriptors_free(sluice_descriptors_t *descriptors);

#ifdef __cplusplus
}
#endif

#endif
