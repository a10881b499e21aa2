/* decode3_scan.c - finds the end of a payload that nothing tells.
 *
 * Some sections have neither a length nor a description. Their footer is looked
 * for: 0x7e, the section's id, then a legal continuation:
 *
 *   0x00            and the description, or the end of the input
 *   0x01, 0x04      and a new id, a name, which is new as well
 *   0x02, 0x03      and the id of a live section
 *   0x08            and a known command
 *
 * A guess: random bytes match once in 2^45 positions or less, but payload that
 * holds a copy of such a stream would be truncated; all that follows is then
 * refused by name. Streams without footers cannot be delimited so. */
#include "stream/qemu/decode3.h"

#include <assert.h>
#include <string.h>

#include "stream/bytes.h"

/* A candidate that begins at `p`. What is not there yet is asked for. */
struct candidate {
  const uint8_t *p;
  size_t have;
  bool is_all; /* no more input will come */
  size_t want; /* when unsure: bytes to decide */
};

typedef enum verdict_e { IS_END, IS_NOT_END, IS_UNSURE } verdict_t;

enum { NEXT_AT = SLUICE__QEMU_FOOTER_BYTES };

static bool has(struct candidate *c, size_t len) {
  c->want = len;
  return c->have >= len;
}

static verdict_t missing(const struct candidate *c) {
  return c->is_all ? IS_NOT_END : IS_UNSURE;
}

static verdict_t judge_end(struct candidate *c) {
  if (!has(c, NEXT_AT + 2)) {
    return c->is_all ? IS_END : IS_UNSURE;
  }
  return c->p[NEXT_AT + 1] == SLUICE__QEMU_DESCRIPTION ? IS_END : IS_NOT_END;
}

static verdict_t judge_header(const qemu3_t *q, struct candidate *c) {
  char name[SLUICE_NAME_MAX + 1];
  size_t len;

  if (!has(c, NEXT_AT + 6)) {
    return missing(c);
  }
  len = c->p[NEXT_AT + 5];
  if (!has(c, NEXT_AT + 6 + len + 8)) {
    return missing(c);
  }
  if (!sluice__qemu_is_name(c->p + NEXT_AT + 6, len) ||
      sluice__qemu_sections_find(
          &q->sections, sluice__get_be32(c->p + NEXT_AT + 1)) != NULL) {
    return IS_NOT_END;
  }
  memcpy(name, c->p + NEXT_AT + 6, len);
  name[len] = '\0';
  return sluice__qemu_sections_named(
             &q->sections, name, sluice__get_be32(c->p + NEXT_AT + 6 + len)) ==
                 NULL
             ? IS_END
             : IS_NOT_END;
}

static verdict_t judge_live(const qemu3_t *q, struct candidate *c) {
  const sluice__qemu_section_t *s;

  if (!has(c, NEXT_AT + 5)) {
    return missing(c);
  }
  s = sluice__qemu_sections_find(&q->sections,
                                 sluice__get_be32(c->p + NEXT_AT + 1));
  return s != NULL && (s->decl.flags & SLUICE_SECTION_LIVE) != 0 && !s->is_ended
             ? IS_END
             : IS_NOT_END;
}

static verdict_t judge_command(struct candidate *c) {
  if (!has(c, NEXT_AT + 3)) {
    return missing(c);
  }
  return sluice__qemu3_command_name(sluice__get_be16(c->p + NEXT_AT + 1)) !=
                 NULL
             ? IS_END
             : IS_NOT_END;
}

static verdict_t judge(const qemu3_t *q, struct candidate *c) {
  if (!has(c, NEXT_AT)) {
    return missing(c);
  }
  if (sluice__get_be32(c->p + 1) != q->section->decl.id) {
    return IS_NOT_END;
  }
  if (!has(c, NEXT_AT + 1)) {
    return missing(c);
  }
  switch (c->p[NEXT_AT]) {
  case SLUICE__QEMU_EOF: return judge_end(c);
  case SLUICE__QEMU_START:
  case SLUICE__QEMU_FULL: return judge_header(q, c);
  case SLUICE__QEMU_PART:
  case SLUICE__QEMU_END: return judge_live(q, c);
  case SLUICE__QEMU_COMMAND: return judge_command(c);
  default: return IS_NOT_END;
  }
}

/* The first candidate that is not refuted at or after the head, or one that
 * begins behind what is at hand. */
static verdict_t find_candidate(sluice_decoder_t *d, struct candidate *c) {
  const uint8_t *end =
      sluice__window_at(&d->window) + sluice__window_have(&d->window);
  const uint8_t *p = sluice__window_at(&d->window);

  while (p < end &&
         (p = memchr(p, SLUICE__QEMU_FOOTER, (size_t)(end - p))) != NULL) {
    verdict_t v;

    c->p = p;
    c->have = (size_t)(end - p);
    v = judge(d->state, c);
    if (v != IS_NOT_END) {
      return v;
    }
    p++;
  }
  c->p = end;
  c->want = 1;
  return IS_UNSURE;
}

/* `len` bytes, which are more than are at hand. */
static int wait_for(sluice_decoder_t *d, size_t len) {
  const qemu3_t *q = d->state;
  const sluice__window_t *w = &d->window;

  assert(len > sluice__window_have(w));
  (void)sluice__window_peek(&d->window, len);
  if (w->eof) {
    return sluice__decoder_fail(
        d, SLUICE_ETRUNCATED, w->offset + sluice__window_have(w),
        sluice__qemu3_name(q),
        "expected the footer of section %u, found the end",
        q->section->decl.id);
  }
  return sluice__decoder_starve(d, sluice__qemu3_name(q), "payload");
}

int sluice__qemu3_scan(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;
  struct candidate c = {.is_all = d->window.eof};
  verdict_t v;
  size_t len;
  int r;

  if (sluice__window_have(&d->window) == 0) {
    return wait_for(d, 1);
  }
  v = find_candidate(d, &c);
  len = (size_t)(c.p - sluice__window_at(&d->window));
  if (v == IS_END && len == 0 && q->min == 1) {
    q->phase = QEMU3_FOOTER;
    return SLUICE__AGAIN;
  }
  if (len == 0 && v != IS_END) {
    return wait_for(d, c.want);
  }
  r = sluice__qemu3_lend(d, item, len, v == IS_END);
  return r == SLUICE__AGAIN ? wait_for(d, len + c.want) : r;
}
