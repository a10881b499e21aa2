/* descriptors.c - the section: the public face of <sluice/descriptors.h>. */
#include "section.h"

#include <stdlib.h>
#include <uv.h>

#include <sluice/options.h>

enum { COUNT_DEFAULT = 65536 };
#define BYTES_DEFAULT (UINT64_C(256) << 20)

static void removed(void *self) {
  sluice_descriptors_t *d = self;

  d->is_held = 0;
}

static const sluice_handler_t handler = {
    .size = sizeof(sluice_handler_t),
    .payload = SLUICE_PAYLOAD_BYTES,
    .type = "descriptors",
    .save_begin = sluice__descriptors_save_begin,
    .save_finish = sluice__descriptors_save_finish,
    .save_end = sluice__descriptors_save_end,
    .restore_begin = sluice__descriptors_restore_begin,
    .restore_step = sluice__descriptors_restore_step,
    .restore_check = sluice__descriptors_restore_check,
    .restore_commit = sluice__descriptors_restore_commit,
    .restore_end = sluice__descriptors_restore_end,
    .removed = removed};

static int set_options(sluice_descriptors_t *d,
                       const sluice_descriptors_options_t *options,
                       sluice_error_t *err) {
  sluice_descriptors_options_t *o = &d->options;
  int r = SLUICE_OPTIONS_COPY(o, options, "descriptors options",
                              sluice_descriptors_options_t, take, err);

  o->max_count = o->max_count != 0 ? o->max_count : COUNT_DEFAULT;
  o->max_bytes = o->max_bytes != 0 ? o->max_bytes : BYTES_DEFAULT;
  d->handler = handler;
  d->handler.version = o->version;
  d->handler.min_version = o->version;
  return r;
}

int sluice_descriptors_new(sluice_descriptors_t **out,
                           sluice_registry_t *registry, const char *name,
                           const sluice_section_options_t *section,
                           const sluice_descriptors_options_t *options,
                           sluice_error_t *err) {
  sluice_descriptors_t *d;
  int r;

  if (out == NULL || registry == NULL || name == NULL || options == NULL) {
    return sluice_fail(err, UV_EINVAL,
                       "descriptors need a registry, a name and options");
  }
  d = calloc(1, sizeof(*d));
  if (d == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for a section");
  }
  r = set_options(d, options, err);
  if (r < 0) {
    free(d);
    return r;
  }
  r = sluice_registry_add(registry, name, &d->handler, d, section, NULL, err);
  if (r < 0) {
    free(d);
    return r;
  }
  d->is_held = 1;
  *out = d;
  return 0;
}

int sluice_descriptors_free(sluice_descriptors_t *d) {
  if (d != NULL && d->is_held) {
    return UV_EBUSY;
  }
  free(d);
  return 0;
}
