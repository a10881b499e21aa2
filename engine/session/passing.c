/* passing.c - descriptors of sections, on their way to and from whoever hands
 * over. See passing.h. */
#include "session/passing.h"

#include <stddef.h>
#include <string.h>
#include <uv.h>

#include "session/session.h"

static const sluice__passing_t *passing_of(const sluice_section_t *section) {
  /* A session is its first member. */
  const sluice__session_t *s = section->session;

  return s == NULL ? NULL : s->passing;
}

static int pass(const sluice_section_t *section, const char *tag, int fd,
                bool is_memory) {
  const sluice__passing_t *p;
  size_t len;

  if (section == NULL || tag == NULL) {
    return UV_EINVAL;
  }
  p = passing_of(section);
  len = strlen(tag);
  if (p == NULL || p->pass == NULL) {
    return UV_ENOTSUP;
  }
  if (len == 0 || len > SLUICE_NAME_MAX || fd < 0) {
    return UV_EINVAL;
  }
  return p->pass(p->ctx, section, tag, fd, is_memory);
}

int sluice_section_pass(sluice_section_t *section, const char *tag, int fd) {
  return pass(section, tag, fd, false);
}

int sluice_section_pass_memory(sluice_section_t *section, const char *tag,
                               int fd) {
  return pass(section, tag, fd, true);
}

int sluice_section_passed(sluice_section_t *section, const char *tag) {
  const sluice__passing_t *p = section == NULL ? NULL : passing_of(section);

  return p == NULL || p->take == NULL || tag == NULL
             ? -1
             : p->take(p->ctx, section, tag);
}
