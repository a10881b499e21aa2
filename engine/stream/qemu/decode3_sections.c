/* decode3_sections.c - records between payloads: headers, footers, the
 * end.
 *
 * Must know no payload. Invariant: a section's id is known before its payload
 * is looked at, and the order START, PART, END is checked here and nowhere
 * else. */
#include "stream/qemu/decode3.h"

#include <string.h>

#include "stream/bytes.h"

enum { ID_BYTES = 5, STRING_AT = 5, TAIL_BYTES = 8 };

/* A START's or FULL's header: be32 id, str8 name, be32 instance, be32 version.
 * `*out_len` is its length. AGAIN: parsed. */
static int parse_header(sluice_decoder_t *d, sluice_decl_t *decl,
                        char name[SLUICE_NAME_MAX + 1], size_t *out_len) {
  sluice__window_t *w = &d->window;
  const uint8_t *p = sluice__window_peek(w, STRING_AT + 1);
  size_t len;

  if (p == NULL) {
    return sluice__decoder_starve(d, "", "a section's header");
  }
  len = p[STRING_AT];
  *out_len = STRING_AT + 1 + len + TAIL_BYTES;
  p = sluice__window_peek(w, *out_len);
  if (p == NULL) {
    return sluice__decoder_starve(d, "", "a section's header");
  }
  if (!sluice__qemu_is_name(p + STRING_AT + 1, len)) {
    return sluice__decoder_fail(d, SLUICE_ECORRUPT, w->offset, "",
                                "section %u has a malformed name",
                                sluice__get_be32(p + 1));
  }
  memcpy(name, p + STRING_AT + 1, len);
  name[len] = '\0';
  decl->id = sluice__get_be32(p + 1);
  decl->instance = sluice__get_be32(p + STRING_AT + 1 + len);
  decl->version = sluice__get_be32(p + STRING_AT + 1 + len + 4);
  return SLUICE__AGAIN;
}

static int check_new(sluice_decoder_t *d, const sluice_decl_t *decl) {
  const qemu3_t *q = d->state;
  const sluice__qemu_section_t *s =
      sluice__qemu_sections_find(&q->sections, decl->id);
  uint64_t at = d->window.offset;

  if (s != NULL) {
    return sluice__decoder_fail(d, SLUICE_EORDER, at, decl->name,
                                "section id %u is that of '%s' already",
                                decl->id, s->decl.name);
  }
  s = sluice__qemu_sections_named(&q->sections, decl->name, decl->instance);
  if (s != NULL) {
    return sluice__decoder_fail(d, SLUICE_EORDER, at, decl->name,
                                "instance %u of '%s' was declared already",
                                decl->instance, decl->name);
  }
  if (q->sections.count >= d->options.max_sections) {
    return sluice__decoder_fail(d, SLUICE_ELIMIT, at, decl->name,
                                "more than %u sections",
                                d->options.max_sections);
  }
  return SLUICE__AGAIN;
}

/* Only the ram section's pages can be read, and only one version of it. */
static int check_ram(sluice_decoder_t *d, sluice_decl_t *decl) {
  uint64_t at = d->window.offset;

  if (strcmp(decl->name, SLUICE__RAM_NAME) != 0) {
    return SLUICE__AGAIN;
  }
  decl->payload = SLUICE_PAYLOAD_PAGES;
  if (decl->version != SLUICE__QEMU_RAM_VERSION) {
    return sluice__decoder_fail(d, SLUICE_EVERSION, at, decl->name,
                                "expected version %d of 'ram', found %u",
                                SLUICE__QEMU_RAM_VERSION, decl->version);
  }
  if (decl->instance != 0) {
    return sluice__decoder_fail(d, SLUICE_ECORRUPT, at, decl->name,
                                "expected instance 0 of 'ram', found %u",
                                decl->instance);
  }
  return SLUICE__AGAIN;
}

static void begin_payload(sluice_decoder_t *d, sluice_item_t *item,
                          sluice_item_kind_t kind, size_t header_len) {
  sluice__window_t *w = &d->window;
  qemu3_t *q = d->state;

  item->kind = kind;
  item->offset = w->offset;
  item->u.decl = q->section->decl;
  sluice__window_take(w, header_len);
  q->payload_at = w->offset;
  q->framing = 0;
  q->left = 0;
  q->min = 1;
  q->totals.records++;
}

static int declare_section(sluice_decoder_t *d, sluice_item_t *item,
                           uint32_t flags) {
  qemu3_t *q = d->state;
  char name[SLUICE_NAME_MAX + 1] = "";
  sluice_decl_t decl = {.flags = flags, .name = name};
  size_t len = 0;
  int code = 0;
  int r = parse_header(d, &decl, name, &len);

  r = r == SLUICE__AGAIN ? check_ram(d, &decl) : r;
  r = r == SLUICE__AGAIN ? check_new(d, &decl) : r;
  if (r != SLUICE__AGAIN) {
    return r;
  }
  sluice__qemu3_charge(d);
  q->section = sluice__qemu_sections_add(&q->sections, &decl, &code);
  sluice__qemu3_charge(d);
  if (q->section == NULL) {
    return sluice__qemu3_fail_memory(d, code, "the table of sections");
  }
  begin_payload(d, item, SLUICE_ITEM_SECTION, len);
  r = sluice__qemu3_choose(d);
  return r < 0 ? r : SLUICE__ITEM;
}

static int start_section(sluice_decoder_t *d, sluice_item_t *item) {
  return declare_section(d, item, SLUICE_SECTION_LIVE);
}

static int full_section(sluice_decoder_t *d, sluice_item_t *item) {
  int r = sluice__qemu3_gather(d);

  return r == SLUICE__AGAIN ? declare_section(d, item, 0) : r;
}

/* PART and END name a section that was started and is not over. */
static int check_live(sluice_decoder_t *d, const sluice__qemu_section_t *s,
                      const char *what, uint32_t id) {
  uint64_t at = d->window.offset;

  if (s == NULL) {
    return sluice__decoder_fail(d, SLUICE_EORDER, at, "",
                                "%s of section %u, which was never started",
                                what, id);
  }
  if ((s->decl.flags & SLUICE_SECTION_LIVE) == 0) {
    return sluice__decoder_fail(d, SLUICE_EORDER, at, s->decl.name,
                                "%s of section %u, which was sent in full",
                                what, id);
  }
  if (s->is_ended) {
    return sluice__decoder_fail(d, SLUICE_EORDER, at, s->decl.name,
                                "%s of section %u after its end", what, id);
  }
  return SLUICE__AGAIN;
}

static int continue_section(sluice_decoder_t *d, sluice_item_t *item,
                            sluice_item_kind_t kind, const char *what) {
  qemu3_t *q = d->state;
  const uint8_t *p = sluice__window_peek(&d->window, ID_BYTES);
  sluice__qemu_section_t *s;
  uint32_t id;
  int r;

  if (p == NULL) {
    return sluice__decoder_starve(d, "", "a section's header");
  }
  id = sluice__get_be32(p + 1);
  s = sluice__qemu_sections_find(&q->sections, id);
  r = check_live(d, s, what, id);
  if (r != SLUICE__AGAIN) {
    return r;
  }
  q->section = s;
  if (kind == SLUICE_ITEM_END) {
    sluice__qemu_sections_end(&q->sections, s);
  }
  begin_payload(d, item, kind, ID_BYTES);
  r = sluice__qemu3_choose(d);
  return r < 0 ? r : SLUICE__ITEM;
}

static int end_stream(sluice_decoder_t *d) {
  qemu3_t *q = d->state;
  const sluice__qemu_section_t *s = q->sections.first;

  if (q->sections.live > 0) {
    while ((s->decl.flags & SLUICE_SECTION_LIVE) == 0 || s->is_ended) {
      s = s->next;
    }
    return sluice__decoder_fail(
        d, SLUICE_EORDER, d->window.offset, s->decl.name,
        "the stream ends without the end of '%s'", s->decl.name);
  }
  sluice__window_take(&d->window, 1);
  q->phase = QEMU3_DESCRIPTION;
  return SLUICE__AGAIN;
}

static int refuse_record(sluice_decoder_t *d, uint8_t type) {
  return sluice__decoder_fail(
      d, SLUICE_ECORRUPT, d->window.offset, "",
      type == SLUICE__QEMU_FOOTER
          ? "found a footer (0x%02x) outside of any section"
      : type == SLUICE__QEMU_CONFIGURATION
          ? "found a second configuration (0x%02x)"
      : type == SLUICE__QEMU_DESCRIPTION
          ? "found the description (0x%02x) before the end"
          : "expected a section, a command or the end, found 0x%02x",
      type);
}

int sluice__qemu3_record(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;
  const uint8_t *p = sluice__window_peek(&d->window, 1);

  q->section = NULL;
  if (p == NULL) {
    return sluice__decoder_starve(d, "", "the next section");
  }
  switch (*p) {
  case SLUICE__QEMU_START: return start_section(d, item);
  case SLUICE__QEMU_FULL: return full_section(d, item);
  case SLUICE__QEMU_PART:
    return continue_section(d, item, SLUICE_ITEM_PART, "a part");
  case SLUICE__QEMU_END:
    return continue_section(d, item, SLUICE_ITEM_END, "the end");
  case SLUICE__QEMU_COMMAND: return sluice__qemu3_command(d, item);
  case SLUICE__QEMU_EOF: return end_stream(d);
  default: return refuse_record(d, *p);
  }
}

static int check_footer(sluice_decoder_t *d, const uint8_t *p) {
  const qemu3_t *q = d->state;
  uint32_t id = q->section->decl.id;

  if (*p != SLUICE__QEMU_FOOTER) {
    return sluice__decoder_fail(
        d, SLUICE_ECORRUPT, d->window.offset, q->section->decl.name,
        "expected the footer (0x7e) of section %u, found 0x%02x", id, *p);
  }
  if (sluice__get_be32(p + 1) != id) {
    return sluice__decoder_fail(d, SLUICE_ECORRUPT, d->window.offset,
                                q->section->decl.name,
                                "expected the footer of section %u, found that "
                                "of %u",
                                id, sluice__get_be32(p + 1));
  }
  return SLUICE__AGAIN;
}

int sluice__qemu3_footer(sluice_decoder_t *d) {
  sluice__window_t *w = &d->window;
  qemu3_t *q = d->state;
  const uint8_t *p =
      sluice__window_peek(w, q->footers == QEMU3_FOOTERS_OFF ? 0 : 1);

  q->left = w->offset - q->payload_at - q->framing; /* for the CLOSE */
  q->phase = QEMU3_CLOSE;
  if (q->footers == QEMU3_FOOTERS_OFF) {
    return SLUICE__AGAIN;
  }
  q->phase = QEMU3_FOOTER;
  if (p == NULL) {
    return sluice__decoder_starve(d, sluice__qemu3_name(q), "the footer");
  }
  if (q->footers == QEMU3_FOOTERS_UNKNOWN && *p != SLUICE__QEMU_FOOTER) {
    q->footers = QEMU3_FOOTERS_OFF;
    return SLUICE__AGAIN;
  }
  p = sluice__window_peek(w, SLUICE__QEMU_FOOTER_BYTES);
  if (p == NULL) {
    return sluice__decoder_starve(d, sluice__qemu3_name(q), "the footer");
  }
  if (check_footer(d, p) < 0) {
    return d->error.code;
  }
  q->footers = QEMU3_FOOTERS_ON;
  sluice__window_take(w, SLUICE__QEMU_FOOTER_BYTES);
  q->phase = QEMU3_CLOSE;
  return SLUICE__AGAIN;
}

int sluice__qemu3_close(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;

  item->kind = SLUICE_ITEM_CLOSE;
  item->offset = q->payload_at + q->left + q->framing;
  item->u.payload_bytes = q->left;
  q->section = NULL;
  q->phase = QEMU3_RECORD;
  return SLUICE__ITEM;
}
