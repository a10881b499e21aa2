/* section.c - what a handler asks of its section, and how a stream declares
 * it. */
#include <sluice/options.h>
#include <uv.h>

#include "session/registry.h"
#include "session/session.h"
#include "soundness/soundness.h"

sluice_decl_t sluice__section_decl(const sluice_section_t *section) {
  return (sluice_decl_t){
      .id = section->id,
      .instance = section->options.instance,
      .version = section->handler->version,
      .flags = (section->options.flags & SLUICE_SECTION_OPTIONAL) |
               (sluice__section_is_live(section) ? SLUICE_SECTION_LIVE : 0u),
      .payload = section->handler->payload,
      .name = sluice__section_name(section),
      .type = section->handler->type,
      .schema = section->options.schema,
      .schema_len = section->options.schema_len,
  };
}

static bool has_stage(const sluice_section_t *section,
                      sluice__section_stage_t stage) {
  return section->session != NULL && section->stage == stage;
}

void sluice_section_wake(sluice_section_t *section) {
  if (section != NULL && has_stage(section, SLUICE__SECTION_LIVE)) {
    SLUICE__ASSERT_ON_SESSION_LOOP((sluice__session_t *)section->session);
    sluice__queue_wake(&section->cont);
  }
}

void sluice_section_wake_async(sluice_section_t *section) {
  if (section != NULL) {
    sluice__queue_post(&section->cont);
  }
}

const void *sluice_section_stream_schema(const sluice_section_t *section,
                                         size_t *out_len) {
  if (out_len != NULL) {
    *out_len = section != NULL ? section->stream_schema_len : 0;
  }
  return section != NULL ? section->stream_schema : NULL;
}

void sluice_section_soundness(const sluice_section_t *section,
                              sluice_soundness_t *out, size_t size) {
  sluice_soundness_t told = {0};
  sluice__sound_sums_t sums;

  if (section != NULL) {
    sluice__soundness_sums(section->soundness, &sums);
    told = (sluice_soundness_t){sums.sound, sums.unverified, sums.damaged};
  }
  sluice_result_copy(out, size, &told, sizeof(told));
}

int sluice_section_inherit(sluice_section_t *section,
                           const sluice_section_t *from) {
  sluice__soundness_t *s;

  if (section == NULL || from == NULL) {
    return UV_EINVAL;
  }
  if (section->session != NULL || from->session != NULL) {
    return UV_EBUSY;
  }
  s = from->soundness == NULL ? NULL : sluice__soundness_keep(from->soundness);
  sluice__soundness_drop(section->soundness);
  section->soundness = s;
  return 0;
}

void sluice_section_urgent(sluice_section_t *section) {
  if (section != NULL && (has_stage(section, SLUICE__SECTION_LIVE) ||
                          has_stage(section, SLUICE__SECTION_CUT))) {
    SLUICE__ASSERT_ON_SESSION_LOOP((sluice__session_t *)section->session);
    sluice__queue_reclass(&section->cont, SLUICE__URGENT);
    sluice__queue_wake(&section->cont);
    sluice__session_urgent(section->session);
  }
}
