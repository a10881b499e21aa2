/* forked_state.c - see forked_state.h. */
#include "forked_state.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>

#include "forked.h"

enum { STEP_PAGES = 48, WORDS_ONCE = 20000 };

/* ---- pages: saved ---- */

static int begin(void *self, sluice_section_t *section, sluice_error_t *err) {
  forked_state_t *s = self;

  (void)err;
  s->section = section;
  s->lent = 0;
  s->returned = 0;
  forked_call();
  return 0;
}

static int cut(void *self, sluice_error_t *err) {
  (void)self;
  (void)err;
  forked_call();
  return 0;
}

static int start(void *self, sluice_writer_t *w, sluice_error_t *err) {
  forked_state_t *s = self;

  (void)err;
  forked_call();
  return sluice_writer_region(w, "memory", STATE_BYTES, STATE_PAGE, &s->region);
}

static int step(void *self, sluice_writer_t *w, sluice_error_t *err) {
  forked_state_t *s = self;
  int r = 0;

  (void)err;
  if (s->lent < STATE_PAGES) {
    r = sluice_writer_lend_pages(w, s->region, s->lent * STATE_PAGE,
                                 s->memory + s->lent * STATE_PAGE, STEP_PAGES);
    s->lent += STEP_PAGES;
  }
  forked_call(); /* with what was written not there yet */
  s->returned = sluice_writer_returned(w);
  return r < 0                       ? r
         : s->lent < STATE_PAGES     ? SLUICE_MORE
         : s->returned < STATE_PAGES ? SLUICE_WAIT
                                     : SLUICE_DONE;
}

static uint64_t pending(void *self) {
  const forked_state_t *s = self;

  return (STATE_PAGES - s->lent) * STATE_PAGE;
}

static void returned(void *self, uint64_t pages) {
  forked_state_t *s = self;

  s->returned = pages;
  forked_call();
  sluice_section_wake(s->section);
}

static int finish(void *self, sluice_writer_t *w, sluice_error_t *err) {
  (void)self;
  (void)w;
  (void)err;
  forked_call();
  return SLUICE_DONE;
}

static void end(void *self, int status) {
  (void)self;
  (void)status;
  forked_call();
}

/* ---- pages: restored ---- */

static int restore_begin(void *self, sluice_section_t *section,
                         uint32_t version, sluice_error_t *err) {
  forked_state_t *s = self;

  s->section = section;
  (void)version;
  (void)err;
  forked_call();
  return 0;
}

static void take(forked_state_t *s, const sluice_run_t *run) {
  uint8_t *to = s->memory + run->offset;
  size_t len = (size_t)run->count * run->page_size;

  if (run->data != NULL && run->data != to) {
    memcpy(to, run->data, len);
  }
}

static int restore_step(void *self, sluice_reader_t *r, sluice_error_t *err) {
  forked_state_t *s = self;
  sluice_item_t item;
  int code;

  (void)err;
  forked_call();
  while ((code = sluice_reader_next(r, &item)) == SLUICE_MORE) {
    if (item.kind == SLUICE_ITEM_PAGES) {
      take(s, &item.u.run);
      forked_call();
    }
  }
  return code;
}

static uint8_t *restore_place(void *self, const sluice_run_t *run) {
  const forked_state_t *s = self;

  forked_call();
  return s->memory + run->offset;
}

static int restore_map(void *self, const sluice_extent_t *e,
                       sluice_error_t *err) {
  const forked_state_t *s = self;

  (void)err;
  forked_call();
  if (e->data != NULL) {
    memcpy(s->memory + e->offset, e->data, e->bytes);
  } else if (mmap(s->memory + e->offset, e->bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_FIXED, e->fd, (off_t)e->at) == MAP_FAILED) {
    return SLUICE_MORE;
  }
  return SLUICE_DONE;
}

static void *restore_late_place(void *self, const sluice_extent_t *e) {
  forked_state_t *s = self;

  forked_call();
  if (s->at_late != NULL) {
    s->at_late();
    s->at_late = NULL;
  }
  return s->is_late ? s->memory + e->offset : NULL;
}

static int restore_check(void *self, sluice_error_t *err) {
  (void)self;
  (void)err;
  forked_call();
  return SLUICE_DONE;
}

static void restore_commit(void *self) {
  (void)self;
  forked_call();
}

static const sluice_handler_t pages = {.size = sizeof(pages),
                                       .version = 1,
                                       .payload = SLUICE_PAYLOAD_PAGES,
                                       .type = "pages",
                                       .save_pending = pending,
                                       .save_begin = begin,
                                       .save_cut = cut,
                                       .save_start = start,
                                       .save_step = step,
                                       .save_returned = returned,
                                       .save_finish = finish,
                                       .save_end = end,
                                       .restore_begin = restore_begin,
                                       .restore_step = restore_step,
                                       .restore_map = restore_map,
                                       .restore_place = restore_place,
                                       .restore_check = restore_check,
                                       .restore_commit = restore_commit,
                                       .restore_end = end,
                                       .restore_late_place =
                                           restore_late_place};

/* ---- bytes: kept by a cut, and waited for by a restore ---- */

static int begin_words(void *self, sluice_section_t *section,
                       sluice_error_t *err) {
  (void)self;
  (void)section;
  (void)err;
  forked_call();
  return 0;
}

static int finish_words(void *self, sluice_writer_t *w, sluice_error_t *err) {
  const forked_state_t *s = self;

  (void)err;
  (void)sluice_writer_bytes(w, s->words, STATE_WORDS);
  forked_call();
  return SLUICE_DONE;
}

static int restore_begin_words(void *self, sluice_section_t *section,
                               uint32_t version, sluice_error_t *err) {
  forked_state_t *s = self;

  (void)section;
  (void)version;
  (void)err;
  s->words_done = 0;
  forked_call();
  return 0;
}

static int step_words(void *self, sluice_reader_t *r, sluice_error_t *err) {
  forked_state_t *s = self;

  (void)err;
  forked_call();
  while (s->words_done < STATE_WORDS) {
    size_t left = STATE_WORDS - s->words_done;
    size_t n = left < WORDS_ONCE ? left : (size_t)WORDS_ONCE;
    int code = sluice_reader_exact(r, s->words + s->words_done, n);

    if (code != 0) {
      return code;
    }
    s->words_done += n;
  }
  return SLUICE_DONE;
}

static const sluice_handler_t words = {.size = sizeof(words),
                                       .version = 1,
                                       .payload = SLUICE_PAYLOAD_BYTES,
                                       .type = "words",
                                       .save_begin = begin_words,
                                       .save_finish = finish_words,
                                       .save_end = end,
                                       .restore_begin = restore_begin_words,
                                       .restore_step = step_words,
                                       .restore_commit = restore_commit,
                                       .restore_end = end};

/* ---- life ---- */

static uint8_t *map_bytes(size_t bytes) {
  uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  ck_assert_ptr_ne(p, MAP_FAILED);
  return p;
}

void state_open(forked_state_t *s, size_t scatter) {
  memset(s, 0, sizeof(*s));
  s->memory = map_bytes(STATE_BYTES);
  s->words = map_bytes(STATE_WORDS);
  for (size_t i = 0; scatter != 0 && i < STATE_PAGES; i += scatter) {
    memset(s->memory + i * STATE_PAGE, (int)(i % 255) + 1, STATE_PAGE);
  }
  memset(s->words, (int)scatter, STATE_WORDS);
  ck_assert_int_eq(sluice_registry_new(&s->registry, NULL), 0);
  ck_assert_int_eq(
      sluice_registry_add(s->registry, "pages", &pages, s, NULL, NULL, NULL),
      0);
  ck_assert_int_eq(
      sluice_registry_add(s->registry, "words", &words, s, NULL, NULL, NULL),
      0);
}

void state_clear(forked_state_t *s) {
  ck_assert_ptr_eq(mmap(s->memory, STATE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                   s->memory);
  memset(s->words, 0, STATE_WORDS);
}

void state_close(forked_state_t *s) {
  ck_assert_int_eq(sluice_registry_free(s->registry), 0);
  ck_assert_int_eq(munmap(s->memory, STATE_BYTES), 0);
  ck_assert_int_eq(munmap(s->words, STATE_WORDS), 0);
}

unsigned state_is_unverified(const forked_state_t *s) {
  sluice_soundness_t known;

  sluice_section_soundness(s->section, &known, sizeof(known));
  return known.sound_bytes + known.unverified_bytes > 0;
}

int state_equal(const forked_state_t *a, const forked_state_t *b) {
  return memcmp(a->memory, b->memory, STATE_BYTES) == 0 &&
         memcmp(a->words, b->words, STATE_WORDS) == 0;
}
