/* persist.c - without an engine yet: nothing is saved, and it says so. */
#include "persist.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void persist_init(persist_t *p, uv_loop_t *loop, db_t *db,
                  const options_t *options) {
  memset(p, 0, sizeof(*p));
  p->loop = loop;
  p->db = db;
  p->options = options;
  p->last_save = (int64_t)time(NULL);
}

int persist_begin_save(persist_t *p) {
  return p->is_saving ? UV_EALREADY : UV_ENOTSUP;
}

int persist_save_now(persist_t *p) {
  return persist_begin_save(p);
}

int persist_restore_newest(persist_t *p) {
  (void)p;
  return UV_ENOENT;
}

void persist_info(const persist_t *p, char *out, size_t size) {
  snprintf(out, size,
           "loading:0\r\n"
           "rdb_bgsave_in_progress:%d\r\n"
           "rdb_last_save_time:%lld\r\n",
           p->is_saving ? 1 : 0, (long long)p->last_save);
}

const char *persist_strerror(int code) {
  switch (code) {
  case UV_EALREADY: return "Background save already in progress";
  case UV_ENOTSUP: return "saving is not available in this build";
  default: return uv_strerror(code);
  }
}
