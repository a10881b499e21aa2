/* values_box.h - sections that write and read by functions of the test's,
 * through whole saves and restores.
 *
 * Fixture of the suites about what handlers write and read with. */
#ifndef SLUICE_TESTS_VALUES_BOX_H
#define SLUICE_TESTS_VALUES_BOX_H

#include <sluice/sluice.h>

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "rig.h"

enum { PAGE = 4096, PAGES = 4, TEXT = 3 };

/* A section that writes and reads by functions of the test's. */
typedef struct section_s {
  sluice_handler_t handler;
  int (*write)(sluice_writer_t *w);
  int (*read)(struct section_s *s, sluice_reader_t *r);
  unsigned at; /* how much was read: a read may wait in between */
  uint8_t u8;
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;
  uint64_t zeros;
  uint64_t pages;
  char text[4];
} section_t;

static rig_t rig;
static sluice_registry_t *target;
static section_t from, to;
static void *image;
static size_t image_len;

static inline int save_begin(void *self, sluice_section_t *section,
                             sluice_error_t *err) {
  (void)self;
  (void)section;
  (void)err;
  return 0;
}

static inline int save_finish(void *self, sluice_writer_t *w,
                              sluice_error_t *err) {
  const section_t *s = self;

  (void)err;
  return s->write(w);
}

static inline void end(void *self, int status) {
  (void)self;
  (void)status;
}

static inline int restore_begin(void *self, sluice_section_t *section,
                                uint32_t version, sluice_error_t *err) {
  (void)self;
  (void)section;
  (void)version;
  (void)err;
  return 0;
}

static inline int restore_step(void *self, sluice_reader_t *r,
                               sluice_error_t *err) {
  section_t *s = self;

  (void)err;
  return s->read(s, r);
}

static inline void commit(void *self) {
  (void)self;
}

/* QEMU's stream knows pages in a section of this name only. */
static inline const char *name_of(const section_t *s) {
  return s->handler.payload == SLUICE_PAYLOAD_PAGES ? "ram" : "values";
}

static inline void add(section_t *s, sluice_registry_t *registry,
                       sluice_payload_t payload) {
  memset(s, 0, sizeof(*s));
  s->handler = (sluice_handler_t){.size = sizeof(sluice_handler_t),
                                  .payload = payload,
                                  .type = "values",
                                  .save_begin = save_begin,
                                  .save_finish = save_finish,
                                  .save_end = end,
                                  .restore_begin = restore_begin,
                                  .restore_step = restore_step,
                                  .restore_commit = commit,
                                  .restore_end = end};
  ck_assert_int_eq(sluice_registry_add(registry, name_of(s), &s->handler, s,
                                       NULL, NULL, NULL),
                   0);
}

static inline void set_up(void) {
  rig_init(&rig);
  target = rig_registry(&rig);
  image = NULL;
}

static inline void tear_down(void) {
  free(image);
  ck_assert_int_eq(sluice_registry_free(target), 0);
  rig_done(&rig);
}

static inline int save(sluice_format_t format, sluice_payload_t payload,
                       int (*write)(sluice_writer_t *)) {
  const sluice_save_options_t options = {.size = sizeof(options),
                                         .format = format};

  add(&from, rig.registry, payload);
  from.write = write;
  return rig_save_memory(&rig, &options, &image, &image_len);
}

static inline int restore(sluice_payload_t payload,
                          int (*read)(section_t *, sluice_reader_t *)) {
  add(&to, target, payload);
  to.read = read;
  return rig_restore_memory(&rig, target, image, image_len);
}

static inline void says(const char *what) {
  ck_assert_msg(strstr(rig.error.message, what) != NULL, "%s",
                rig.error.message);
  ck_assert_str_eq(rig.error.section, name_of(&to));
}

#endif
