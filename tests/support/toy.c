/* toy.c - see toy.h. */
#include "toy.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* Counts the call; 0, or what it shall return. */
static int count(toy_t *toy, toy_hook_t hook, sluice_error_t *err) {
  toy->calls[hook]++;
  if (toy->fail_hook == hook && toy->calls[hook] == toy->fail_call) {
    return toy->fail_code < 0
               ? sluice_fail(err, toy->fail_code, "the toy was told to fail")
               : toy->fail_code;
  }
  return 0;
}

static uint64_t toy_pending(void *self) {
  const toy_t *toy = self;

  return toy->len - toy->sent + toy->dirty;
}

static int toy_save_begin(void *self, sluice_section_t *section,
                          sluice_error_t *err) {
  toy_t *toy = self;

  toy->section = section;
  toy->sent = 0;
  return count(toy, TOY_SAVE_BEGIN, err);
}

static int toy_save_start(void *self, sluice_writer_t *w, sluice_error_t *err) {
  toy_t *toy = self;
  int r = count(toy, TOY_SAVE_START, err);

  (void)sluice_writer_u64(w, toy->len);
  return r;
}

static int toy_save_step(void *self, sluice_writer_t *w, sluice_error_t *err) {
  toy_t *toy = self;
  size_t left = toy->len - toy->sent;
  size_t n = toy->steps <= 1 ? left : toy->len / toy->steps;
  int r = count(toy, TOY_SAVE_STEP, err);

  if (r != 0) {
    return r;
  }
  n = n < left ? n : left;
  if (toy->calls[TOY_SAVE_STEP] >= toy->steps) {
    n = left;
  }
  (void)sluice_writer_bytes(w, toy->state + toy->sent, n);
  toy->sent += n;
  toy->dirty = 0;
  return toy->sent < toy->len ? SLUICE_MORE : SLUICE_WAIT;
}

static int toy_save_finish(void *self, sluice_writer_t *w,
                           sluice_error_t *err) {
  toy_t *toy = self;
  int r = count(toy, TOY_SAVE_FINISH, err);

  if (r == 0) {
    (void)sluice_writer_bytes(w, toy->state + toy->sent, toy->len - toy->sent);
    toy->sent = toy->len;
  }
  return r;
}

static void toy_save_end(void *self, int status) {
  toy_t *toy = self;

  toy->save_ends++;
  toy->end_status = status;
}

static int toy_restore_begin(void *self, sluice_section_t *section,
                             uint32_t version, sluice_error_t *err) {
  toy_t *toy = self;

  (void)section;
  toy->version_seen = version;
  toy->shadow_len = 0;
  return count(toy, TOY_RESTORE_BEGIN, err);
}

static int read_length(toy_t *toy, sluice_reader_t *r, sluice_error_t *err) {
  uint64_t len;
  int got = sluice_reader_u64(r, &len);

  if (got != 0) {
    return got;
  }
  if (len > TOY_MAX_BYTES) {
    return sluice_fail(err, SLUICE_ELIMIT, "a toy is at most 1 MiB");
  }
  toy->shadow = realloc(toy->shadow, (size_t)len + 1);
  toy->shadow_len = 0;
  toy->sent = (size_t)len; /* what is to come */
  return 0;
}

static int toy_restore_step(void *self, sluice_reader_t *r,
                            sluice_error_t *err) {
  toy_t *toy = self;
  int result = count(toy, TOY_RESTORE_STEP, err);
  size_t got;

  if (result == 0 && toy->shadow == NULL) {
    result = read_length(toy, r, err);
  }
  while (result == 0 && toy->shadow_len < toy->sent) {
    result = sluice_reader_some(r, toy->shadow + toy->shadow_len,
                                toy->sent - toy->shadow_len, &got);
    if (result == 0 && got == 0) {
      return sluice_fail(err, SLUICE_ECORRUPT, "the toy is too short");
    }
    toy->shadow_len += result == 0 ? got : 0;
  }
  return result;
}

static int toy_restore_check(void *self, sluice_error_t *err) {
  return count(self, TOY_RESTORE_CHECK, err);
}

static void toy_restore_commit(void *self) {
  toy_t *toy = self;

  toy->commits++;
  free(toy->state);
  toy->state = toy->shadow;
  toy->len = toy->shadow_len;
  toy->shadow = NULL;
}

static void toy_restore_end(void *self, int status) {
  toy_t *toy = self;

  toy->restore_ends++;
  toy->end_status = status;
  free(toy->shadow);
  toy->shadow = NULL;
}

static const sluice_handler_t toy_handler = {
    .size = sizeof(sluice_handler_t),
    .version = 2,
    .min_version = 1,
    .payload = SLUICE_PAYLOAD_BYTES,
    .type = "toy",
    .save_begin = toy_save_begin,
    .save_start = toy_save_start,
    .save_finish = toy_save_finish,
    .save_end = toy_save_end,
    .restore_begin = toy_restore_begin,
    .restore_step = toy_restore_step,
    .restore_check = toy_restore_check,
    .restore_commit = toy_restore_commit,
    .restore_end = toy_restore_end,
};

static void fill(toy_t *toy, size_t len, unsigned seed) {
  memset(toy, 0, sizeof(*toy));
  toy->handler = toy_handler;
  toy->len = len;
  toy->state = malloc(len + 1);
  for (size_t i = 0; i < len; i++) {
    seed = seed * 1103515245u + 12345u;
    toy->state[i] = (uint8_t)(seed >> 16);
  }
}

void toy_init(toy_t *toy, sluice_registry_t *registry, const char *name,
              size_t len, unsigned seed) {
  fill(toy, len, seed);
  if (registry != NULL) {
    (void)sluice_registry_add(registry, name, &toy->handler, toy, NULL,
                              &toy->section, NULL);
  }
}

void toy_init_live(toy_t *toy, sluice_registry_t *registry, const char *name,
                   size_t len, unsigned seed, unsigned steps) {
  fill(toy, len, seed);
  toy->steps = steps;
  toy->handler.save_step = toy_save_step;
  toy->handler.save_pending = toy_pending;
  (void)sluice_registry_add(registry, name, &toy->handler, toy, NULL,
                            &toy->section, NULL);
}

void toy_done(toy_t *toy) {
  free(toy->state);
  free(toy->shadow);
}

void toy_fail(toy_t *toy, toy_hook_t hook, unsigned call, int code) {
  toy->fail_hook = hook;
  toy->fail_call = call;
  toy->fail_code = code;
}

void toy_touch(toy_t *toy) {
  toy->dirty = 1;
  sluice_section_wake(toy->section);
}

int toy_equal(const toy_t *a, const toy_t *b) {
  return a->len == b->len && memcmp(a->state, b->state, a->len) == 0;
}
