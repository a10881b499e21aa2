/* index_file.c - see index_file.h. */
#include "image/index_file.h"

#include "io/file_job.h"

bool sluice__index_file_next(sluice__index_cursor_t *cursor, int fd,
                             uint8_t *buf, sluice__index_entry_t *out) {
  int r;

  while ((r = sluice__index_cursor_next(cursor, out)) == SLUICE__INDEX_WANTS) {
    ptrdiff_t n = sluice__file_read(fd, buf, cursor->want, cursor->at);

    sluice__index_cursor_feed(cursor, buf, n > 0 ? (size_t)n : 0);
  }
  return r == SLUICE__INDEX_ENTRY;
}
