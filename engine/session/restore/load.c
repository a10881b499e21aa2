/* load.c - which section's turn is it, and is it what we expect?
 *
 * The pull continuation reads the stream's frame. At a section's payload it
 * hands over to that section's continuation and parks; the section takes items
 * until its payload closes, then wakes pull. So at any time exactly one of them
 * reads from the decoder. */
#include "session/restore/load.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "session/hook.h"

#define FROM(member, type, field)                                              \
  ((type *)(void *)((char *)(member)-offsetof(type, field)))

static int fail(sluice__restore_load_t *load, int code,
                const sluice_section_t *section, const sluice_error_t *err) {
  return sluice__fault(&load->fault, code, section,
                       sluice_decoder_offset(load->decoder), err);
}

/* ---- sections ---- */

static int section_closed(sluice__restore_load_t *load,
                          sluice_section_t *section) {
  load->reading = NULL;
  sluice__queue_wake(&load->pull);
  if (section->stage == SLUICE__SECTION_LOADED) {
    load->session->sections_done += section->is_end ? 1 : 0;
    return SLUICE__WAIT;
  }
  if (section->is_end) {
    sluice_error_t err = {0};

    (void)sluice_fail(&err, SLUICE_ECORRUPT,
                      "the section ends, its handler expects more");
    return fail(load, SLUICE_ECORRUPT, section, &err);
  }
  return SLUICE__WAIT;
}

/* The handler is done: nothing but the frame may follow. */
static int finish_payload(sluice__restore_load_t *load,
                          sluice_section_t *section) {
  int r = sluice__reader_close(&load->reader);

  section->stage = SLUICE__SECTION_LOADED;
  if (r < 0) {
    return fail(load, r, section, &load->reader.error);
  }
  if (r == SLUICE_WAIT) {
    load->starved = &section->cont;
    return SLUICE__WAIT;
  }
  return section_closed(load, section);
}

static int waiting(sluice__restore_load_t *load, sluice_section_t *section) {
  sluice_error_t err = {0};

  if (load->reader.is_closed) {
    return section_closed(load, section);
  }
  if (load->reader.is_starved) {
    load->starved = &section->cont;
    return SLUICE__WAIT;
  }
  (void)sluice_fail(&err, SLUICE_EHANDLER,
                    "the handler waits although it has input");
  return fail(load, SLUICE_EHANDLER, section, &err);
}

static int call_step(sluice__restore_load_t *load, sluice_section_t *section,
                     sluice_error_t *err) {
  uint64_t before = load->reader.taken;
  int r = section->handler->restore_step(section->self, &load->reader, err);

  r = sluice__hook_check("restore_step", r, SLUICE_WAIT, err);
  return sluice__hook_count(section, load->session, "restore_step",
                            load->reader.taken != before, r, err);
}

static int section_step(sluice__cont_t *c, sluice__budget_t *b) {
  sluice_section_t *section = FROM(c, sluice_section_t, cont);
  sluice__restore_load_t *load = section->load;
  sluice_error_t err = {0};
  int r;

  sluice__reader_lend(&load->reader, section, b);
  if (section->stage == SLUICE__SECTION_LOADED) {
    return finish_payload(load, section);
  }
  r = call_step(load, section, &err);
  if (load->reader.status < 0) {
    return fail(load, load->reader.status, section, &load->reader.error);
  }
  switch (r) {
  case SLUICE_DONE: return finish_payload(load, section);
  case SLUICE_MORE: return SLUICE__MORE;
  case SLUICE_WAIT: return waiting(load, section);
  default: return fail(load, r, section, &err);
  }
}

/* ---- the frame ---- */

static int refuse(sluice__restore_load_t *load, int code,
                  const sluice_decl_t *decl, const char *message) {
  sluice_error_t err = {0};

  (void)sluice_fail(&err, code, "%s", message);
  (void)snprintf(err.section, sizeof(err.section), "%.63s", decl->name);
  err.instance = decl->instance;
  return fail(load, code, NULL, &err);
}

static bool is_qemu(const sluice__restore_load_t *load) {
  return sluice_decoder_format(load->decoder) != SLUICE_FORMAT_NATIVE;
}

static int check_version(sluice__restore_load_t *load,
                         const sluice_decl_t *decl, const sluice_handler_t *h) {
  char text[128];

  if (is_qemu(load) && decl->payload == SLUICE_PAYLOAD_PAGES) {
    return 0; /* the dialect's own version, checked there */
  }
  if (decl->version > h->version) {
    (void)snprintf(text, sizeof(text),
                   "stream has version %u, the handler knows up to %u",
                   decl->version, h->version);
    return refuse(load, SLUICE_EVERSION, decl, text);
  }
  if (decl->version < h->min_version) {
    (void)snprintf(text, sizeof(text),
                   "stream has version %u, the handler accepts from %u",
                   decl->version, h->min_version);
    return refuse(load, SLUICE_EOLDVERSION, decl, text);
  }
  return 0;
}

static int check_kind(sluice__restore_load_t *load, const sluice_decl_t *decl,
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
  return refuse(load, SLUICE_EKIND, decl, text);
}

static bool takes_mappings(const sluice_section_t *section) {
  const sluice_handler_t *h = section->handler;

  return h->restore_map != NULL && (h->restore_unmappable == NULL ||
                                    h->restore_unmappable(section->self) == 0);
}

static int begin_section(sluice__restore_load_t *load,
                         sluice_section_t *section, const sluice_decl_t *decl) {
  const sluice_handler_t *h = section->handler;
  sluice_error_t err = {0};
  uint32_t version = decl->version;
  int r = check_kind(load, decl, h);

  if (r == 0) {
    r = check_version(load, decl, h);
  }
  if (r < 0) {
    return r;
  }
  if (is_qemu(load) && decl->payload == SLUICE_PAYLOAD_PAGES) {
    version = h->version;
  }
  section->stream_schema = decl->schema_len > 0 ? decl->schema : NULL;
  section->stream_schema_len = decl->schema_len;
  r = h->restore_begin(section->self, section, version, &err);
  r = sluice__hook_check("restore_begin", r, 0, &err);
  section->stream_schema = NULL; /* the decoder's: gone with its next item */
  section->stream_schema_len = 0;
  if (r < 0) {
    return fail(load, r, section, &err);
  }
  section->stage = SLUICE__SECTION_BEGUN;
  section->id = decl->id;
  section->is_mapping = load->skips_pages && takes_mappings(section);
  if (load->skips_pages && !section->is_mapping &&
      h->payload == SLUICE_PAYLOAD_PAGES) {
    (*load->unmapped)++;
  }
  return 0;
}

static int hand_over(sluice__restore_load_t *load, sluice_section_t *section,
                     bool is_end) {
  section->is_end = is_end;
  sluice__decoder_skip_pages(load->decoder, section->is_mapping);
  load->reading = section;
  load->session->current = section;
  sluice__reader_open(&load->reader);
  sluice__queue_wake(&section->cont);
  return SLUICE__WAIT;
}

/* A payload of a section begins: whose, and is it its turn? */
static int open_payload(sluice__restore_load_t *load,
                        const sluice_item_t *item) {
  const sluice_decl_t *decl = &item->u.decl;
  sluice_section_t *section = sluice__registry_resolve(
      load->session->registry, decl->name, decl->instance);
  bool is_first = item->kind == SLUICE_ITEM_SECTION;
  int r = 0;

  if (section == NULL) {
    sluice__decoder_skip_pages(load->decoder, load->skips_pages);
    load->has_skipped = true;
    return (decl->flags & SLUICE_SECTION_OPTIONAL) != 0
               ? SLUICE__MORE /* its items are passed over */
               : refuse(load, SLUICE_EUNKNOWN, decl,
                        sluice_strerror(SLUICE_EUNKNOWN));
  }
  if (is_first && section->stage != SLUICE__SECTION_PRIMED) {
    return refuse(load, SLUICE_EORDER, decl, "section begins twice");
  }
  assert(section->stage != SLUICE__SECTION_PRIMED || is_first);
  if (is_first) {
    r = begin_section(load, section, decl);
  }
  return r < 0 ? r
               : hand_over(load, section,
                           item->kind == SLUICE_ITEM_END ||
                               (decl->flags & SLUICE_SECTION_LIVE) == 0);
}

static int check_host(sluice__restore_load_t *load, const sluice_header_t *h) {
  sluice_error_t err = {0};

  load->reader.is_big_endian = h->format != SLUICE_FORMAT_NATIVE;
  if (load->host == NULL || strcmp(load->host, h->host) == 0) {
    return SLUICE__MORE;
  }
  (void)sluice_fail(&err, SLUICE_EKIND,
                    "stream is of host '%.60s', expected '%.60s'", h->host,
                    load->host);
  return fail(load, SLUICE_EKIND, NULL, &err);
}

static int check_complete(sluice__restore_load_t *load) {
  sluice_decl_t missing = {0};

  for (const sluice_section_t *at = load->session->registry->first; at != NULL;
       at = at->next) {
    missing.name = sluice__section_name(at);
    missing.instance = at->options.instance;
    /* No decoder delivers a trailer before the end of what is live. */
    assert(at->stage != SLUICE__SECTION_BEGUN);
    if (at->stage == SLUICE__SECTION_PRIMED &&
        (at->options.flags & SLUICE_SECTION_OPTIONAL) == 0) {
      return refuse(load, SLUICE_EMISSING, &missing,
                    sluice_strerror(SLUICE_EMISSING));
    }
  }
  return SLUICE__MORE;
}

static int take_item(sluice__restore_load_t *load, const sluice_item_t *item) {
  switch (item->kind) {
  case SLUICE_ITEM_HEADER: return check_host(load, &item->u.header);
  case SLUICE_ITEM_SECTION:
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END: return open_payload(load, item);
  case SLUICE_ITEM_TRAILER: return check_complete(load);
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

static int next_frame(sluice__restore_load_t *load, sluice__budget_t *b) {
  uint64_t before = sluice__decoder_read(load->decoder);
  sluice_error_t err = {0};
  sluice_item_t item;
  int r = sluice_decoder_next(load->decoder, &item, &err);

  sluice__budget_charge(b, sluice__decoder_read(load->decoder) - before);
  switch (r) {
  case SLUICE_MORE: return take_item(load, &item);
  case SLUICE_WAIT: load->starved = &load->pull; return SLUICE__WAIT;
  case SLUICE_DONE: load->is_whole = true; return SLUICE__DONE;
  default: return fail(load, r, NULL, &err);
  }
}

static int pull_step(sluice__cont_t *c, sluice__budget_t *b) {
  sluice__restore_load_t *load = FROM(c, sluice__restore_load_t, pull);
  int r;

  do {
    r = next_frame(load, b);
  } while (r == SLUICE__MORE && !sluice__budget_should_yield(b));
  return r;
}

void sluice__restore_load_prime(sluice__restore_load_t *load) {
  sluice__session_t *s = load->session;

  load->reader.decoder = load->decoder;
  load->reader.mem = &s->mem;
  for (sluice_section_t *at = s->registry->first; at != NULL; at = at->next) {
    at->session = s;
    at->load = load;
    at->stage = SLUICE__SECTION_PRIMED;
    at->is_end = false;
    sluice__hook_reset(at);
    at->cont.pending = NULL;
    at->cont.on_cancel = NULL;
    sluice__cont_init(&at->cont, &s->queue, section_step, SLUICE__BULK,
                      at->options.weight);
  }
  sluice__cont_init(&load->pull, &s->queue, pull_step, SLUICE__BULK, 100);
  sluice__queue_wake(&load->pull);
}

int sluice__restore_load_run(sluice__restore_load_t *load,
                             sluice__budget_t *b) {
  sluice__cont_t *failed = NULL;
  int r = sluice__queue_drain(&load->session->queue, b, &failed);

  if (r < 0 || !load->is_whole) {
    return r == SLUICE__DONE ? SLUICE__WAIT : r;
  }
  return SLUICE__DONE;
}

void sluice__restore_load_feed(sluice__restore_load_t *load) {
  sluice__cont_t *c = load->starved;

  load->starved = NULL;
  if (c != NULL) {
    sluice__queue_wake(c);
  }
}

uint8_t *sluice__restore_load_place(void *ctx, const sluice_run_t *run) {
  const sluice__restore_load_t *load = ctx;
  const sluice_section_t *section = load->reading;

  if (section == NULL || section->stage != SLUICE__SECTION_BEGUN ||
      section->handler->restore_place == NULL) {
    return NULL;
  }
  return section->handler->restore_place(section->self, run);
}
