/* section.h - what a section of descriptors is made of; private.
 *
 *   descriptors.c          making it
 *   descriptors_save.c     saving
 *   descriptors_restore.c  restoring
 *
 * Payload: for each descriptor 1 (1 byte), tag (4), length of its bytes (4),
 * the bytes; at the end 0 (1). The descriptors come beside it, in this order,
 * passed with the tag TAG. */
#ifndef SLUICE_DESCRIPTORS_SECTION_H
#define SLUICE_DESCRIPTORS_SECTION_H

#include <inttypes.h>

#include <sluice/descriptors.h>
#include <sluice/handler.h>

#define SLUICE__DESCRIPTORS_TAG "fd"

/* One that has arrived. */
typedef struct sluice__descriptor_s {
  int fd; /* ours until it is taken; -1 */
  uint32_t tag;
  uint32_t len;
  uint8_t *bytes; /* of malloc() */
} sluice__descriptor_t;

struct sluice_descriptors_s {
  sluice_handler_t handler;
  sluice_descriptors_options_t options;
  int is_held;               /* by the registry */
  sluice_section_t *section; /* of the running operation */

  /* saving */
  uint32_t count;
  uint64_t bytes;
  sluice_descriptor_t at; /* being written */
  size_t written;         /* of its bytes */
  int is_open;            /* `at` is not all written */

  /* restoring */
  sluice__descriptor_t *list; /* `count` of them */
  uint32_t capacity;
  uint32_t checked;
  uint32_t filled; /* bytes of the last one that have arrived */
  int is_filling;
  int has_kind; /* of the next one: its head follows */
};

int sluice__descriptors_save_begin(void *self, sluice_section_t *section,
                                   sluice_error_t *err);
int sluice__descriptors_save_finish(void *self, sluice_writer_t *w,
                                    sluice_error_t *err);
void sluice__descriptors_save_end(void *self, int status);

int sluice__descriptors_restore_begin(void *self, sluice_section_t *section,
                                      uint32_t version, sluice_error_t *err);
int sluice__descriptors_restore_step(void *self, sluice_reader_t *r,
                                     sluice_error_t *err);
int sluice__descriptors_restore_check(void *self, sluice_error_t *err);
void sluice__descriptors_restore_commit(void *self);
void sluice__descriptors_restore_end(void *self, int status);

/* Bounds, of both sides: what one more of `len` bytes would be. */
static inline int sluice__descriptors_bound(const sluice_descriptors_t *d,
                                            uint64_t len, sluice_error_t *err) {
  if (d->count >= d->options.max_count) {
    return sluice_fail(err, SLUICE_ELIMIT, "over %u descriptors",
                       (unsigned)d->options.max_count);
  }
  if (len > UINT32_MAX || len > d->options.max_bytes - d->bytes) {
    return sluice_fail(err, SLUICE_ELIMIT,
                       "over %" PRIu64 " bytes with descriptors",
                       d->options.max_bytes);
  }
  return 0;
}

#endif
