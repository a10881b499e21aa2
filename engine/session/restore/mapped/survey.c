/* survey.c - see survey.h. */
#include "session/restore/mapped/survey.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file_job.h"
#include "session/restore/late/late.h"
#include "session/restore/mapped/scatter.h"
#include "stream/bytes.h"
#include "stream/native/format.h"

enum {
  TRAILER_ALL = SLUICE__RECORD_BYTES + SLUICE__TRAILER_BYTES,
  MAPPINGS_DEFAULT = 65530 /* of the kernel, where it does not tell */
};

static uint64_t read_limit(void) {
  char text[32] = {0};
  int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
  uint64_t limit = 0;

  if (fd >= 0) {
    if (sluice__file_read(fd, text, sizeof(text) - 1, 0) > 0) {
      limit = strtoull(text, NULL, 10);
    }
    (void)close(fd);
  }
  return limit != 0 ? limit : MAPPINGS_DEFAULT;
}

/* Lines of our own list of mappings. */
static uint64_t count_mappings(void) {
  int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  char text[4096];
  uint64_t lines = 0;
  ssize_t n;

  if (fd < 0) {
    return 0;
  }
  while ((n = read(fd, text, sizeof(text))) > 0) {
    for (ssize_t i = 0; i < n; i++) {
      lines += text[i] == '\n';
    }
  }
  (void)close(fd);
  return lines;
}

static const char *look_at_header(const sluice__survey_t *s) {
  uint8_t h[SLUICE__FILE_STRINGS];

  if (sluice__file_read(s->fd, h, sizeof(h), 0) != (ptrdiff_t)sizeof(h) ||
      memcmp(h, SLUICE__NATIVE_SIGNATURE, 8) != 0) {
    return "not a native image";
  }
  if ((sluice__get_le64(h + SLUICE__FILE_OPTIONAL) & SLUICE__NATIVE_INDEXED) ==
      0) {
    return "the image has no index";
  }
  return NULL;
}

static const char *look_at_trailer(sluice__survey_t *s) {
  uint8_t t[TRAILER_ALL];
  const uint8_t *p = t + SLUICE__RECORD_BYTES;

  if (s->size < TRAILER_ALL ||
      sluice__file_read(s->fd, t, sizeof(t), s->size - TRAILER_ALL) !=
          (ptrdiff_t)sizeof(t) ||
      memcmp(p + SLUICE__TRAILER_MARK, SLUICE__NATIVE_END_MARK, 8) != 0 ||
      sluice__get_le64(p + SLUICE__TRAILER_TOTAL) != s->size) {
    return "the image is not whole";
  }
  s->index = sluice__get_le64(p + SLUICE__TRAILER_INDEX);
  return s->index == 0 ? "the image has no index" : NULL;
}

static uint64_t mappings_left(void) {
  uint64_t limit = read_limit();
  uint64_t used = count_mappings();

  return limit > used ? limit - used : 0;
}

static const char *look_at_index(const sluice__survey_t *s) {
  sluice__scatter_t scatter;
  uint64_t most;

  if (s->may_scatter) {
    return NULL;
  }
  sluice__scatter_look(&scatter, s->fd, s->index, s->size);
  most = sluice__scatter_most(s->max_mappings, s->mappings, scatter.count,
                              scatter.gaps);
  if (!sluice__scatter_is_too_much(&scatter, most) ||
      (s->may_be_late && scatter.count > most && sluice__late_is_possible())) {
    return NULL;
  }
  return "the image is too scattered: most of it would be read anyway";
}

void sluice__survey_run(void *survey) {
  sluice__survey_t *s = survey;
  struct stat st;

  if (fstat(s->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    s->reason = "the source is not a file";
    return;
  }
  s->size = (uint64_t)st.st_size;
  s->changed = st.st_mtim;
  s->reason = look_at_header(s);
  if (s->reason == NULL) {
    s->reason = look_at_trailer(s);
  }
  s->mappings = mappings_left();
  if (s->reason == NULL) {
    s->reason = look_at_index(s);
  }
}

bool sluice__survey_holds(const sluice__survey_t *s) {
  struct stat st;

  return fstat(s->fd, &st) == 0 && (uint64_t)st.st_size == s->size &&
         st.st_mtim.tv_sec == s->changed.tv_sec &&
         st.st_mtim.tv_nsec == s->changed.tv_nsec;
}
