/* probe.c - see probe.h. */
#include "image/probe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/demand/demand.h"
#include "image/fragmentation.h"
#include "io/file_job.h"
#include "stream/native/ends.h"

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

static const char *look_at_header(const sluice__probe_t *s) {
  uint8_t bytes[SLUICE__FILE_STRINGS];
  sluice__file_head_t head;

  if (sluice__file_read(s->fd, bytes, sizeof(bytes), 0) !=
          (ptrdiff_t)sizeof(bytes) ||
      !sluice__file_head_get(&head, bytes)) {
    return "not a native image";
  }
  return (head.optional & SLUICE__NATIVE_INDEXED) == 0
             ? "the image has no index"
             : NULL;
}

static const char *look_at_trailer(sluice__probe_t *s) {
  uint8_t bytes[TRAILER_ALL];
  sluice__trailer_t trailer;

  if (s->size < TRAILER_ALL ||
      sluice__file_read(s->fd, bytes, sizeof(bytes), s->size - TRAILER_ALL) !=
          (ptrdiff_t)sizeof(bytes) ||
      !sluice__trailer_get(&trailer, bytes + SLUICE__RECORD_BYTES) ||
      trailer.total != s->size) {
    return "the image is not whole";
  }
  s->index = trailer.index;
  return s->index == 0 ? "the image has no index" : NULL;
}

static uint64_t mappings_left(void) {
  uint64_t limit = read_limit();
  uint64_t used = count_mappings();

  return limit > used ? limit - used : 0;
}

static const char *look_at_index(const sluice__probe_t *s) {
  sluice__fragmentation_t fragments;
  uint64_t most;

  if (s->may_fragment) {
    return NULL;
  }
  sluice__fragmentation_look(&fragments, s->fd, s->index, s->size);
  most = sluice__fragmentation_most(s->max_mappings, s->mappings,
                                    fragments.count, fragments.gaps);
  if (!sluice__fragmentation_is_too_much(&fragments, most) ||
      (s->may_page && fragments.count > most && sluice__demand_is_possible())) {
    return NULL;
  }
  return "the image is too scattered: most of it would be read anyway";
}

void sluice__probe_run(void *probe) {
  sluice__probe_t *s = probe;
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

bool sluice__probe_holds(const sluice__probe_t *s) {
  return sluice__file_holds(s->fd, s->size, &s->changed);
}
