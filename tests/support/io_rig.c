/* io_rig.c - see io_rig.h. */
#include "io_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "open_files.h"

enum { CHUNK = 256 * 1024, PAGE = 4096 };

/* ck_assert() allocates even when all is well, and suites make malloc() fail
 * while the stand-ins run. */
#define REQUIRE(what)                                                          \
  do {                                                                         \
    if (!(what)) {                                                             \
      ck_abort_msg("not so: %s", #what);                                       \
    }                                                                          \
  } while (0)

uv_loop_t rig_loop;
char rig_dir[224];
char rig_shm[224];
static int files_before;

int rig_count_files(const char *dir) {
  DIR *d = opendir(dir);
  int count = -2; /* "." and ".." */

  ck_assert_ptr_nonnull(d);
  while (readdir(d) != NULL) {
    count++;
  }
  (void)closedir(d);
  return count;
}

/* On the disk of the build, most likely; where that is not to be written, in
 * the tests' folder. */
static void make_folder(void) {
  (void)snprintf(rig_dir, sizeof(rig_dir), "./rig.XXXXXX");
  if (mkdtemp(rig_dir) == NULL) {
    test_template(rig_dir, sizeof(rig_dir), "rig");
    ck_assert_ptr_nonnull(mkdtemp(rig_dir));
  }
  (void)snprintf(rig_shm, sizeof(rig_shm), "/dev/shm/rig.XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(rig_shm));
}

void rig_setup(void) {
  /* libuv keeps a pipe for the whole process: not a leak. */
  ck_assert_int_eq(uv_loop_init(&rig_loop), 0);
  ck_assert_int_eq(uv_loop_close(&rig_loop), 0);
  files_before = (int)count_open_files();
  ck_assert_int_eq(uv_loop_init(&rig_loop), 0);
  make_folder();
}

static void remove_folder(const char *dir) {
  DIR *d = opendir(dir);
  struct dirent *e;

  ck_assert_ptr_nonnull(d);
  while ((e = readdir(d)) != NULL) {
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
        unlinkat(dirfd(d), e->d_name, 0) != 0) {
      (void)unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
    }
  }
  (void)closedir(d);
  ck_assert_int_eq(rmdir(dir), 0);
}

void rig_teardown(void) {
  (void)uv_run(&rig_loop, UV_RUN_DEFAULT);
  ck_assert_int_eq(uv_loop_close(&rig_loop), 0);
  ck_assert_int_eq((int)count_open_files(), files_before);
  remove_folder(rig_dir);
  remove_folder(rig_shm);
}

const char *rig_path(const char *dir, const char *name) {
  static char paths[4][512];
  static unsigned turn;
  char *path = paths[turn++ % 4];

  (void)snprintf(path, 512, "%s/%s", dir, name);
  return path;
}

static uint8_t byte_at(uint64_t offset) {
  uint64_t word = (offset / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);

  return (uint8_t)(word >> (8 * (offset % 8)));
}

void rig_fill(uint8_t *data, uint64_t offset, size_t len) {
  size_t i;

  for (i = 0; i < len; i++) {
    data[i] = byte_at(offset + i);
  }
}

bool rig_matches(const uint8_t *data, uint64_t offset, size_t len) {
  size_t i;

  for (i = 0; i < len; i++) {
    if (data[i] != byte_at(offset + i)) {
      return false;
    }
  }
  return true;
}

bool rig_file_matches(const char *path, size_t len) {
  FILE *file = fopen(path, "rb");
  uint8_t *data = malloc(len + 1);
  bool same;

  ck_assert_ptr_nonnull(data);
  if (file == NULL) {
    free(data);
    return false;
  }
  same = fread(data, 1, len + 1, file) == len && rig_matches(data, 0, len);
  (void)fclose(file);
  free(data);
  return same;
}

/* A chunk on its way; `base` is aligned as the engine's buffers are. */
struct parcel {
  rig_save_t *save;
  uint8_t *base;
  size_t len;
};

/* Not malloc(): suites make that one fail, for the sinks. */
static void *get_memory(size_t len) {
  void *p = aligned_alloc(PAGE, (len / PAGE + 1) * PAGE);

  REQUIRE(p != NULL);
  return p;
}

static struct parcel *make_parcel(rig_save_t *s) {
  struct parcel *p = get_memory(sizeof(*p));
  uint64_t offset = s->start + s->given;
  uint64_t len = s->chunk != 0 ? s->chunk : CHUNK - offset % CHUNK;

  p->save = s;
  p->len = (size_t)(len < s->total - s->given ? len : s->total - s->given);
  p->base = get_memory(p->len + PAGE);
  rig_fill(p->base + offset % PAGE, offset, p->len);
  return p;
}

static void free_parcel(struct parcel *p) {
  memset(p->base, 0xee, p->len); /* a late reader must not find good data */
  free(p->base);
  free(p);
}

static void end_save(rig_save_t *s) {
  REQUIRE(!s->is_over);
  REQUIRE(s->under_way == 0);
  s->is_over = true;
  sluice__sink_close(s->sink);
}

static void on_ended(void *ctx, int status) {
  rig_save_t *s = ctx;

  REQUIRE(!s->in_call);
  if (s->status == 0) {
    s->status = status;
  }
  end_save(s);
}

void rig_save_abort(rig_save_t *s) {
  int r;

  s->is_aborting = true;
  s->status = s->status != 0 ? s->status : UV_ECANCELED;
  s->in_call = true;
  r = sluice__sink_abort(s->sink, on_ended, s);
  s->in_call = false;
  if (r != 0) {
    end_save(s);
  }
}

static void finish_save(rig_save_t *s) {
  int r;

  if (s->hold) {
    s->is_held = true;
    return;
  }
  s->in_call = true;
  r = sluice__sink_finish(s->sink, on_ended, s);
  s->in_call = false;
  if (r != 0) {
    s->status = r < 0 ? r : 0;
    end_save(s);
  }
}

static void give(rig_save_t *s);

static void on_written(void *ctx, int status) {
  struct parcel *p = ctx;
  rig_save_t *s = p->save;

  REQUIRE(!s->in_call);
  REQUIRE(s->under_way > 0);
  s->under_way--;
  free_parcel(p);
  if (s->is_aborting) {
    return;
  }
  if (status < 0) {
    s->status = status;
    rig_save_abort(s);
  } else {
    give(s);
  }
}

static int give_one(rig_save_t *s) {
  struct parcel *p = make_parcel(s);
  uint64_t offset = s->start + s->given;
  size_t len = p->len;
  int r;

  s->in_call = true;
  r = sluice__sink_write(s->sink, p->base + offset % PAGE, len, offset,
                         on_written, p);
  s->in_call = false;
  s->given += len;
  if (r != 0) {
    free_parcel(p);
  } else {
    s->under_way++;
    s->waited++;
  }
  return r;
}

static void give(rig_save_t *s) {
  while (s->given < s->total && s->under_way < s->window) {
    int r = give_one(s);

    if (r < 0 || (s->cancel_after > 0 && s->given >= s->cancel_after)) {
      s->status = r < 0 ? r : UV_ECANCELED;
      rig_save_abort(s);
      return;
    }
  }
  if (s->given == s->total && s->under_way == 0) {
    finish_save(s);
  }
}

static void on_opened(void *ctx, int status) {
  rig_save_t *s = ctx;

  REQUIRE(!s->in_call);
  if (status < 0) {
    s->status = status;
    end_save(s);
  } else {
    give(s);
  }
}

void rig_save_begin(rig_save_t *s) {
  int r;

  s->window = s->window != 0 ? s->window : 4;
  s->in_call = true;
  r = sluice__sink_open(s->sink, &rig_loop, on_opened, s, &s->err);
  s->in_call = false;
  if (r < 0) {
    s->status = r;
    end_save(s);
  } else if (r > 0) {
    give(s);
  }
}

void rig_save_go_on(rig_save_t *s) {
  REQUIRE(s->is_held);
  s->hold = false;
  finish_save(s);
}

int rig_save_finish(rig_save_t *s) {
  while (!s->is_over) {
    REQUIRE(uv_run(&rig_loop, UV_RUN_ONCE) != 0 || s->is_over);
  }
  return s->status;
}

int rig_save_run(rig_save_t *s) {
  rig_save_begin(s);
  return rig_save_finish(s);
}

static void end_load(rig_load_t *l, int status) {
  REQUIRE(!l->is_over);
  l->is_over = true;
  l->status = status;
  free(l->buf);
  sluice__source_close(l->source);
}

static void load_more(rig_load_t *l);

/* Returns false when it is over. */
static bool take_bytes(rig_load_t *l, ptrdiff_t got) {
  if (got <= 0) {
    end_load(l, (int)got);
    return false;
  }
  REQUIRE(rig_matches(l->buf, l->got, (size_t)got));
  l->got += (size_t)got;
  return true;
}

static void on_loaded(void *ctx, ptrdiff_t got) {
  rig_load_t *l = ctx;

  REQUIRE(!l->in_call);
  REQUIRE(l->is_reading);
  l->is_reading = false;
  if (take_bytes(l, got)) {
    load_more(l);
  }
}

static size_t next_step(const rig_load_t *l) {
  if (l->expect == 0 || l->expect - l->got > l->step) {
    return l->step;
  }
  return (size_t)(l->expect - l->got);
}

static void load_more(rig_load_t *l) {
  for (;;) {
    ptrdiff_t got;

    if (l->expect > 0 && l->got == l->expect) {
      end_load(l, 0);
      return;
    }
    l->in_call = true;
    got = sluice__source_read(l->source, l->buf, next_step(l), on_loaded, l);
    l->in_call = false;
    if (got == 0) {
      l->is_reading = true;
      l->waited++;
      return;
    }
    if (!take_bytes(l, got == UV_EOF ? 0 : got)) {
      return;
    }
  }
}

static void on_source_opened(void *ctx, ptrdiff_t status) {
  rig_load_t *l = ctx;

  REQUIRE(!l->in_call);
  if (status < 0) {
    end_load(l, (int)status);
  } else {
    load_more(l);
  }
}

void rig_load_begin(rig_load_t *l) {
  int r;

  l->step = l->step != 0 ? l->step : CHUNK;
  l->buf = get_memory(l->step);
  l->in_call = true;
  r = sluice__source_open(l->source, &rig_loop, on_source_opened, l, &l->err);
  l->in_call = false;
  if (r < 0) {
    end_load(l, r);
  } else if (r > 0) {
    load_more(l);
  }
}

int rig_load_finish(rig_load_t *l) {
  while (!l->is_over) {
    REQUIRE(uv_run(&rig_loop, UV_RUN_ONCE) != 0 || l->is_over);
  }
  return l->status;
}

int rig_load_run(rig_load_t *l) {
  rig_load_begin(l);
  return rig_load_finish(l);
}

void rig_run_both(rig_save_t *s, rig_load_t *l) {
  while (!s->is_over || !l->is_over) {
    REQUIRE(uv_run(&rig_loop, UV_RUN_ONCE) != 0 || (s->is_over && l->is_over));
  }
}
