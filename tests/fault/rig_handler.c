/* rig_handler.c - a section whose every hook fails in every way a hook may, and
 * which checks what handler.h promises it.
 *
 *   payload:  { be16 offset, be16 length, bytes }*  ff ff 00 00
 *
 * What changed after it was sent is sent again. */
#include "rigs.h"

#include <stdlib.h>
#include <string.h>

#include "fault.h"

enum { PIECE = 400, ARMS = 2, NONSENSE = 77, FLOOD_TIMES = 2000 };

const char *rigged_struck = "";

static void claim(rigged_t *r, bool condition) {
  r->is_broken |= !condition;
}

/* What befalls a hook that returns an int; NULL: nothing. */
static const fault_t *befall(const rigged_t *r) {
  const fault_t *f = fault_hits(FAULT_HANDLER);

  if (f != NULL) {
    rigged_struck = r->name;
  }
  return f;
}

/* For hooks of which nothing but their result matters; 0: go on. */
static int judge(rigged_t *r, sluice_error_t *err) {
  const fault_t *f = befall(r);

  if (f == NULL) {
    return 0;
  }
  switch (f->style) {
  case STYLE_FAIL: return sluice_fail(err, f->code, "told to");
  case STYLE_NONSENSE: return NONSENSE;
  case STYLE_ASLEEP: r->is_asleep = 1; return SLUICE_WAIT;
  case STYLE_TWICE:
    sluice_section_wake(r->section);
    sluice_section_wake(r->section);
    if (r->is_saving) {
      sluice_section_wake_async(r->section);
      sluice_section_wake_async(r->section);
    }
    return 0;
  case STYLE_LATE:
  case STYLE_HANG:
  case STYLE_SHORT:
  case STYLE_END:
  case STYLE_BOAST:
  case STYLE_FLOOD:
  case STYLE_JUMP:
  case STYLE_BACK:
  case STYLE_CANCEL:
  case STYLE_CLOSE:
  case STYLE_BEGIN:
  case STYLE_SWITCH:
  case STYLE_TRUNCATE:
  case STYLE_GROW:
  case STYLE_FILL: break;
  }
  return 0;
}

static uint64_t pending(void *self) {
  rigged_t *r = self;
  const fault_t *f = fault_hits(FAULT_HANDLER);

  if (f != NULL) {
    rigged_struck = r->name;
    if (f->style == STYLE_BOAST) {
      return UINT64_MAX / 4;
    }
  }
  return r->is_over ? 0 : RIGGED_BYTES - r->sent;
}

static int save_begin(void *self, sluice_section_t *section,
                      sluice_error_t *err) {
  rigged_t *r = self;
  const fault_t *f = befall(r);

  claim(r, !r->is_saving && !r->is_restoring);
  r->section = section;
  r->from = r->bytes;
  r->sent = 0;
  r->arms = 0;
  r->is_over = 0;
  r->is_asleep = 0;
  if (f != NULL && f->style == STYLE_FAIL) {
    return sluice_fail(err, f->code, "told to");
  }
  r->is_saving = 1;
  r->begins++;
  return 0;
}

static int save_arm(void *self, sluice_error_t *err) {
  rigged_t *r = self;
  int x = judge(r, err);

  claim(r, r->is_saving);
  return x != 0 ? x : r->arms++ < ARMS ? SLUICE_MORE : SLUICE_DONE;
}

static int save_cut(void *self, sluice_error_t *err) {
  rigged_t *r = self;
  const fault_t *f = befall(r);

  claim(r, r->is_saving);
  if (f != NULL && f->style == STYLE_FAIL) {
    return sluice_fail(err, f->code, "told to");
  }
  memcpy(r->cut, r->bytes, sizeof(r->cut));
  r->from = r->cut;
  r->sent = 0;
  return 0;
}

static int save_start(void *self, sluice_writer_t *w, sluice_error_t *err) {
  rigged_t *r = self;
  const fault_t *f = befall(r);

  (void)w;
  claim(r, r->is_saving);
  return f != NULL && f->style == STYLE_FAIL
             ? sluice_fail(err, f->code, "told to")
             : 0;
}

static int put_piece(rigged_t *r, sluice_writer_t *w) {
  size_t n = RIGGED_BYTES - r->sent < PIECE ? RIGGED_BYTES - r->sent : PIECE;
  uint8_t head[4] = {(uint8_t)(r->sent >> 8), (uint8_t)r->sent,
                     (uint8_t)(n >> 8), (uint8_t)n};

  (void)sluice_writer_bytes(w, head, sizeof(head));
  (void)sluice_writer_bytes(w, r->from + r->sent, n);
  r->sent += n;
  return sluice_writer_status(w);
}

static int put_end(rigged_t *r, sluice_writer_t *w) {
  static const uint8_t end[4] = {0xff, 0xff, 0, 0};

  r->is_over = 1;
  return sluice_writer_bytes(w, end, sizeof(end));
}

/* Far more than anybody asked for: no harm, but for the turn's length. */
static int flood(rigged_t *r, sluice_writer_t *w) {
  int x = 0;

  for (int i = 0; i < FLOOD_TIMES && x == 0; i++) {
    r->sent = 0;
    x = put_piece(r, w);
  }
  return x;
}

static int act(rigged_t *r, sluice_writer_t *w, sluice_error_t *err) {
  const fault_t *f = befall(r);

  claim(r, r->is_saving);
  if (f == NULL) {
    return 0;
  }
  switch (f->style) {
  case STYLE_FAIL: return sluice_fail(err, f->code, "told to");
  case STYLE_NONSENSE: return NONSENSE;
  case STYLE_ASLEEP: r->is_asleep = 1; return SLUICE_WAIT;
  case STYLE_FLOOD: return flood(r, w);
  case STYLE_TWICE:
    sluice_section_wake(r->section);
    sluice_section_urgent(r->section);
    sluice_section_wake_async(r->section);
    return 0;
  case STYLE_LATE:
  case STYLE_HANG:
  case STYLE_SHORT:
  case STYLE_END:
  case STYLE_BOAST:
  case STYLE_JUMP:
  case STYLE_BACK:
  case STYLE_CANCEL:
  case STYLE_CLOSE:
  case STYLE_BEGIN:
  case STYLE_SWITCH:
  case STYLE_TRUNCATE:
  case STYLE_GROW:
  case STYLE_FILL: break;
  }
  return 0;
}

static int save_step(void *self, sluice_writer_t *w, sluice_error_t *err) {
  rigged_t *r = self;
  int x = act(r, w, err);

  if (x == 0 && r->sent < RIGGED_BYTES) {
    x = put_piece(r, w);
  }
  if (x != 0) {
    return x;
  }
  if (r->sent < RIGGED_BYTES) {
    return SLUICE_MORE;
  }
  if (r->from == r->bytes) {
    return SLUICE_WAIT; /* clean for now */
  }
  x = put_end(r, w);
  return x < 0 ? x : SLUICE_DONE;
}

static int save_finish(void *self, sluice_writer_t *w, sluice_error_t *err) {
  rigged_t *r = self;
  int x = act(r, w, err);

  if (x == 0 && r->sent < RIGGED_BYTES) {
    x = put_piece(r, w);
  }
  if (x == 0 && r->sent == RIGGED_BYTES) {
    x = put_end(r, w);
  }
  return x != 0 ? x : r->is_over ? SLUICE_DONE : SLUICE_MORE;
}

static int save_release(void *self) {
  rigged_t *r = self;

  claim(r, r->is_saving);
  return r->arms++ % 3 == 0 ? SLUICE_DONE : SLUICE_MORE;
}

static void save_end(void *self, int status) {
  rigged_t *r = self;

  claim(r, r->is_saving);
  r->is_saving = 0;
  r->is_over = 1;
  r->ends++;
  r->ended_with = status;
}

static int restore_begin(void *self, sluice_section_t *section,
                         uint32_t version, sluice_error_t *err) {
  rigged_t *r = self;
  const fault_t *f = befall(r);

  claim(r, !r->is_saving && !r->is_restoring && version == 1);
  r->section = section;
  r->has_head = 0;
  r->is_over = 0;
  r->is_asleep = 0;
  if (f != NULL && f->style == STYLE_FAIL) {
    return sluice_fail(err, f->code, "told to");
  }
  r->is_restoring = 1;
  r->begins++;
  return 0;
}

static int take_piece(rigged_t *r, sluice_reader_t *in, sluice_error_t *err) {
  size_t at;
  size_t len;
  int x = 0;

  if (!r->has_head) {
    x = sluice_reader_exact(in, r->head, sizeof(r->head));
  }
  if (x != 0) {
    return x;
  }
  r->has_head = 1;
  at = (size_t)r->head[0] << 8 | r->head[1];
  len = (size_t)r->head[2] << 8 | r->head[3];
  if (at == 0xffff) {
    r->is_over = 1;
    return 0;
  }
  if (at > RIGGED_BYTES || len > RIGGED_BYTES - at) {
    return sluice_fail(err, SLUICE_ECORRUPT, "a piece lies outside");
  }
  x = sluice_reader_exact(in, r->shadow + at, len);
  r->has_head = x != 0;
  return x;
}

static int restore_step(void *self, sluice_reader_t *in, sluice_error_t *err) {
  rigged_t *r = self;
  int x = judge(r, err);

  claim(r, r->is_restoring);
  while (x == 0 && !r->is_over) {
    x = take_piece(r, in, err);
  }
  return x != 0 ? x : SLUICE_DONE;
}

static int restore_check(void *self, sluice_error_t *err) {
  rigged_t *r = self;
  int x = judge(r, err);

  claim(r, r->is_restoring && r->is_over);
  return x;
}

static void restore_commit(void *self) {
  rigged_t *r = self;

  claim(r, r->is_restoring);
  memcpy(r->bytes, r->shadow, sizeof(r->bytes));
  r->commits++;
}

static void restore_end(void *self, int status) {
  rigged_t *r = self;

  claim(r, r->is_restoring);
  r->is_restoring = 0;
  r->ends++;
  r->ended_with = status;
}

static const sluice_handler_t hooks = {.size = sizeof(sluice_handler_t),
                                       .version = 1,
                                       .min_version = 1,
                                       .type = "rigged",
                                       .save_begin = save_begin,
                                       .save_start = save_start,
                                       .save_finish = save_finish,
                                       .save_end = save_end,
                                       .restore_begin = restore_begin,
                                       .restore_step = restore_step,
                                       .restore_check = restore_check,
                                       .restore_commit = restore_commit,
                                       .restore_end = restore_end};

void rigged_init(rigged_t *r, const char *name, unsigned kind, unsigned seed) {
  memset(r, 0, sizeof(*r));
  r->handler = hooks;
  r->name = name;
  r->is_over = 1;
  if ((kind & RIGGED_LIVE) != 0) {
    r->handler.save_pending = pending;
    r->handler.save_step = save_step;
    r->handler.save_cut = save_cut;
  }
  if ((kind & RIGGED_ARMS) != 0) {
    r->handler.save_arm = save_arm;
  }
  if ((kind & RIGGED_RELEASES) != 0) {
    r->handler.save_release = save_release;
  }
  for (size_t i = 0; i < RIGGED_BYTES; i++) {
    seed = seed * 1103515245u + 12345u;
    r->bytes[i] = (uint8_t)(seed >> 16);
  }
}

/* What was sent is not that any more: all of it goes again. */
void rigged_touch(rigged_t *r, size_t at) {
  r->bytes[at % RIGGED_BYTES]++;
  if (r->is_saving && r->from == r->bytes) {
    r->sent = 0;
    if (!r->is_asleep) {
      sluice_section_wake(r->section);
    }
  }
}
