/* registry_schema.c - what a program would save, without saving it: a stream
 * of declarations.
 *
 * It is an ordinary stream whose sections have no payload, so whatever shows or
 * compares images takes it as well. Nothing of a handler is called. */
#include <uv.h>

#include <sluice/registry.h>

#include <sluice/encoder.h>

#include "session/registry.h"

/* A live section's later payloads would be missing: it is declared whole. */
static int declare(sluice_encoder_t *e, const sluice_section_t *section,
                   uint32_t id) {
  sluice_decl_t decl = sluice__section_decl(section);
  int r;

  decl.id = id;
  decl.flags &= ~(uint32_t)SLUICE_SECTION_LIVE;
  r = sluice_encoder_open(e, SLUICE_ITEM_SECTION, &decl);
  return r < 0 ? r : sluice_encoder_close(e);
}

static int write_all(sluice_encoder_t *e, const sluice_registry_t *registry) {
  uint32_t id = 0;
  int r = sluice_encoder_header(e);

  for (const sluice_section_t *at = registry->first; at != NULL && r == 0;
       at = at->next) {
    r = declare(e, at, ++id);
  }
  return r < 0 ? r : sluice_encoder_finish(e);
}

int sluice_registry_schema(const sluice_registry_t *registry,
                           const sluice_encoder_options_t *options,
                           const sluice_output_t *output, sluice_error_t *err) {
  sluice_encoder_t *e = NULL;
  int r;

  if (registry == NULL || output == NULL) {
    return sluice_fail(err, UV_EINVAL,
                       "a schema needs a registry and an output");
  }
  r = sluice_encoder_new(&e, options, output, &registry->alloc);
  if (r < 0) {
    return sluice_fail(err, r, "the schema of a registry cannot be written");
  }
  r = write_all(e, registry);
  if (r < 0 && err != NULL && err->code == 0) {
    *err = *sluice_encoder_error(e);
  }
  sluice_encoder_free(e);
  return r;
}
