/* load.c - which section's turn is it, and is it what we expect?
 *
 * The pull continuation reads the stream's frame. At a section's payload it
 * hands over to that section's continuation and parks; the section takes items
 * until its payload closes, then wakes pull. So at any time exactly one of them
 * reads from the decoder. */
#include "session/restore/restore.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FROM(member, type, field)                                              \
  ((type *)(void *)((char *)(member)-offsetof(type, field)))

static int fail(sluice_restore_t *restore, int code,
                const sluice_section_t *section, const sluice_error_t *err) {
  sluice__session_fail(&restore->session, code, section,
                       sluice_decoder_offset(restore->decoder), err);
  return code;
}

/* ---- sections ---- */

static int section_closed(sluice_restore_t *restore,
                          sluice_section_t *section) {
  restore->reading = NULL;
  sluice__queue_wake(&restore->pull);
  if (section->stage == SLUICE__SECTION_LOADED) {
    restore->session.sections_done += section->is_end ? 1 : 0;
    return SLUICE__WAIT;
  }
  if (section->is_end) {
    sluice_error_t err = {0};

    (void)sluice_fail(&err, SLUICE_ECORRUPT,
                      "the section ends, its handler expects more");
    return fail(restore, SLUICE_ECORRUPT, section, &err);
  }
  return SLUICE__WAIT;
}

/* The handler is done: nothing but the frame may follow. */
static int finish_payload(sluice_restore_t *restore,
                          sluice_section_t *section) {
  int r = sluice__reader_close(&restore->reader);

  section->stage = SLUICE__SECTION_LOADED;
  if (r < 0) {
    return fail(restore, r, section, &restore->reader.error);
  }
  if (r == SLUICE_WAIT) {
    restore->starved = &section->cont;
    return SLUICE__WAIT;
  }
  return section_closed(restore, section);
}

static int waiting(sluice_restore_t *restore, sluice_section_t *section) {
  sluice_error_t err = {0};

  if (restore->reader.is_closed) {
    return section_closed(restore, section);
  }
  if (restore->reader.is_starved) {
    restore->starved = &section->cont;
    return SLUICE__WAIT;
  }
  (void)sluice_fail(&err, SLUICE_EHANDLER,
                    "the handler waits although it has input");
  return fail(restore, SLUICE_EHANDLER, section, &err);
}

static int section_step(sluice__cont_t *c, sluice__budget_t *b) {
  sluice_section_t *section = FROM(c, sluice_section_t, cont);
  sluice_restore_t *restore = section->session;
  sluice_error_t err = {0};
  int r;

  sluice__reader_lend(&restore->reader, section, b);
  if (section->stage == SLUICE__SECTION_LOADED) {
    return finish_payload(restore, section);
  }
  r = section->handler->restore_step(section->self, &restore->reader, &err);
  if (restore->reader.status < 0) {
    return fail(restore, restore->reader.status, section,
                &restore->reader.error);
  }
  switch (r) {
  case SLUICE_DONE: return finish_payload(restore, section);
  case SLUICE_MORE: return SLUICE__MORE;
  case SLUICE_WAIT: return waiting(restore, section);
  default: return fail(restore, r < 0 ? r : SLUICE_EHANDLER, section, &err);
  }
}

/* ---- the frame ---- */

static int refuse(sluice_restore_t *restore, int code,
                  const sluice_decl_t *decl, const char *message) {
  sluice_error_t err = {0};

  (void)sluice_fail(&err, code, "%s", message);
  (void)snprintf(err.section, sizeof(err.section), "%.63s", decl->name);
  err.instance = decl->instance;
  return fail(restore, code, NULL, &err);
}

static bool is_qemu(const sluice_restore_t *restore) {
  return sluice_decoder_format(restore->decoder) != SLUICE_FORMAT_NATIVE;
}

static int check_version(sluice_restore_t *restore, const sluice_decl_t *decl,
                         const sluice_handler_t *h) {
  char text[128];

  if (is_qemu(restore) && decl->payload == SLUICE_PAYLOAD_PAGES) {
    return 0; /* the dialect's own version, checked there */
  }
  if (decl->version > h->version) {
    (void)snprintf(text, sizeof(text),
                   "stream has version %u, the handler knows up to %u",
                   decl->version, h->version);
    return refuse(restore, SLUICE_EVERSION, decl, text);
  }
  if (decl->version < h->min_version) {
    (void)snprintf(text, sizeof(text),
                   "stream has version %u, the handler accepts from %u",
                   decl->version, h->min_version);
    return refuse(restore, SLUICE_EOLDVERSION, decl, text);
  }
  return 0;
}

static int check_kind(sluice_restore_t *restore, const sluice_decl_t *decl,
                      const sluice_handler_t *h) {
  char text[192];

  if (decl->payload == h->payload &&
      (decl->type == NULL || decl->type[0] == '\0' ||
       strcmp(decl->type, h->type) == 0)) {
    return 0;
  }
  (void)snprintf(text, sizeof(text),
                 "stream has kind '%.31s' of %s, the handler is '%.31s' of %s",
                 decl->type == NULL ? "" : decl->type,
                 decl->payload == SLUICE_PAYLOAD_PAGES ? "pages" : "bytes",
                 h->type,
                 h->payload == SLUICE_PAYLOAD_PAGES ? "pages" : "bytes");
  return refuse(restore, SLUICE_EKIND, decl, text);
}

static bool takes_mappings(const sluice_section_t *section) {
  const sluice_handler_t *h = section->handler;

  return h->restore_map != NULL && (h->restore_unmappable == NULL ||
                                    h->restore_unmappable(section->self) == 0);
}

static int begin_section(sluice_restore_t *restore, sluice_section_t *section,
                         const sluice_decl_t *decl) {
  const sluice_handler_t *h = section->handler;
  sluice_error_t err = {0};
  uint32_t version = decl->version;
  int r = check_kind(restore, decl, h);

  if (r == 0) {
    r = check_version(restore, decl, h);
  }
  if (r < 0) {
    return r;
  }
  if (is_qemu(restore) && decl->payload == SLUICE_PAYLOAD_PAGES) {
    version = h->version;
  }
  section->stream_schema = decl->schema_len > 0 ? decl->schema : NULL;
  section->stream_schema_len = decl->schema_len;
  r = h->restore_begin(section->self, section, version, &err);
  section->stream_schema = NULL; /* the decoder's: gone with its next item */
  section->stream_schema_len = 0;
  if (r < 0) {
    return fail(restore, r, section, &err);
  }
  section->stage = SLUICE__SECTION_BEGUN;
  section->id = decl->id;
  section->is_mapping = restore->file.is_walking && takes_mappings(section);
  if (restore->file.is_walking && !section->is_mapping &&
      h->payload == SLUICE_PAYLOAD_PAGES) {
    restore->file.stats.sections_unmapped++;
  }
  return 0;
}

static int hand_over(sluice_restore_t *restore, sluice_section_t *section,
                     bool is_end) {
  section->is_end = is_end;
  sluice__decoder_skip_pages(restore->decoder, section->is_mapping);
  restore->reading = section;
  restore->session.current = section;
  sluice__reader_open(&restore->reader);
  sluice__queue_wake(&section->cont);
  return SLUICE__WAIT;
}

/* A payload of a section begins: whose, and is it its turn? */
static int open_payload(sluice_restore_t *restore, const sluice_item_t *item) {
  const sluice_decl_t *decl = &item->u.decl;
  sluice_section_t *section = sluice__registry_resolve(
      restore->session.registry, decl->name, decl->instance);
  bool is_first = item->kind == SLUICE_ITEM_SECTION;
  int r = 0;

  if (section == NULL) {
    sluice__decoder_skip_pages(restore->decoder, restore->file.is_walking);
    restore->has_skipped = true;
    return (decl->flags & SLUICE_SECTION_OPTIONAL) != 0
               ? SLUICE__MORE /* its items are passed over */
               : refuse(restore, SLUICE_EUNKNOWN, decl,
                        sluice_strerror(SLUICE_EUNKNOWN));
  }
  if (is_first && section->stage != SLUICE__SECTION_PRIMED) {
    return refuse(restore, SLUICE_EORDER, decl, "section begins twice");
  }
  assert(section->stage != SLUICE__SECTION_PRIMED || is_first);
  if (is_first) {
    r = begin_section(restore, section, decl);
  }
  return r < 0 ? r
               : hand_over(restore, section,
                           item->kind == SLUICE_ITEM_END ||
                               (decl->flags & SLUICE_SECTION_LIVE) == 0);
}

static int check_host(sluice_restore_t *restore, const sluice_header_t *h) {
  sluice_error_t err = {0};

  restore->reader.is_big_endian = h->format != SLUICE_FORMAT_NATIVE;
  if (restore->options.host == NULL ||
      strcmp(restore->options.host, h->host) == 0) {
    return SLUICE__MORE;
  }
  (void)sluice_fail(&err, SLUICE_EKIND,
                    "stream is of host '%.60s', expected '%.60s'", h->host,
                    restore->options.host);
  return fail(restore, SLUICE_EKIND, NULL, &err);
}

static int check_complete(sluice_restore_t *restore) {
  sluice_decl_t missing = {0};

  for (const sluice_section_t *at = restore->session.registry->first;
       at != NULL; at = at->next) {
    missing.name = sluice__section_name(at);
    missing.instance = at->options.instance;
    /* No decoder delivers a trailer before the end of what is live. */
    assert(at->stage != SLUICE__SECTION_BEGUN);
    if (at->stage == SLUICE__SECTION_PRIMED &&
        (at->options.flags & SLUICE_SECTION_OPTIONAL) == 0) {
      return refuse(restore, SLUICE_EMISSING, &missing,
                    sluice_strerror(SLUICE_EMISSING));
    }
  }
  return SLUICE__MORE;
}

static int take_item(sluice_restore_t *restore, const sluice_item_t *item) {
  switch (item->kind) {
  case SLUICE_ITEM_HEADER: return check_host(restore, &item->u.header);
  case SLUICE_ITEM_SECTION:
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END: return open_payload(restore, item);
  case SLUICE_ITEM_TRAILER: return check_complete(restore);
  case SLUICE_ITEM_NOTE:
  case SLUICE_ITEM_COMMAND:
  case SLUICE_ITEM_ABORT: /* the next call fails with its reason */
  case SLUICE_ITEM_CLOSE: /* of an optional section without handler, as are: */
  case SLUICE_ITEM_REGION:
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS:
  case SLUICE_ITEM_DELTA:
  case SLUICE_ITEM_BYTES: break;
  }
  return SLUICE__MORE;
}

static int next_frame(sluice_restore_t *restore, sluice__budget_t *b) {
  uint64_t before = sluice__decoder_read(restore->decoder);
  sluice_error_t err = {0};
  sluice_item_t item;
  int r = sluice_decoder_next(restore->decoder, &item, &err);

  sluice__budget_charge(b, sluice__decoder_read(restore->decoder) - before);
  switch (r) {
  case SLUICE_MORE: return take_item(restore, &item);
  case SLUICE_WAIT: restore->starved = &restore->pull; return SLUICE__WAIT;
  case SLUICE_DONE: restore->is_loaded = true; return SLUICE__DONE;
  default: return fail(restore, r, NULL, &err);
  }
}

static int pull_step(sluice__cont_t *c, sluice__budget_t *b) {
  sluice_restore_t *restore = FROM(c, sluice_restore_t, pull);
  int r;

  do {
    r = next_frame(restore, b);
  } while (r == SLUICE__MORE && !sluice__budget_should_yield(b));
  return r;
}

void sluice__restore_prime_load(sluice_restore_t *restore) {
  sluice__session_t *s = &restore->session;

  for (sluice_section_t *at = s->registry->first; at != NULL; at = at->next) {
    at->session = restore;
    at->stage = SLUICE__SECTION_PRIMED;
    at->is_end = false;
    at->cont.pending = NULL;
    at->cont.on_cancel = NULL;
    sluice__cont_init(&at->cont, &s->queue, section_step, SLUICE__BULK,
                      at->options.weight);
  }
  sluice__cont_init(&restore->pull, &s->queue, pull_step, SLUICE__BULK, 100);
  sluice__queue_wake(&restore->pull);
}
