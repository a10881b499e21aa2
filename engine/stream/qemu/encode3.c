/* encode3.c - QEMU's stream, version 3: sections and both ends.
 *
 * Must know no device. The configuration is written late, with the first thing
 * that follows the header, because a verbatim one may come as a note.
 * Invariant: START, PART, END of every live section in this order, ids and
 * names unique, and the stream ends only when all live sections have. */
#include "stream/qemu/encode3.h"

#include <string.h>
#include <uv.h>

#include "stream/bytes.h"

#define NO_FRAME UINT64_MAX

static int init_writer(sluice_encoder_t *e) {
  qemu3_writer_t *q =
      e->alloc.alloc(e->alloc.ctx, sizeof(*q), _Alignof(max_align_t));

  if (q == NULL) {
    return UV_ENOMEM;
  }
  memset(q, 0, sizeof(*q));
  q->has_footers = !e->options.no_footers;
  sluice__arena_init(&q->arena, &e->alloc, SIZE_MAX);
  sluice__qemu_sections_init(&q->sections, &q->arena);
  e->state = q;
  return 0;
}

static void free_writer(sluice_encoder_t *e) {
  qemu3_writer_t *q = e->state;

  if (q != NULL) {
    sluice__arena_done(&q->arena);
    e->alloc.release(e->alloc.ctx, q, sizeof(*q), _Alignof(max_align_t));
    e->state = NULL;
  }
}

static void put_u8(sluice_encoder_t *e, uint8_t v) {
  (void)sluice__stage_put(&e->stage, &v, 1);
}

static void put_be32(sluice_encoder_t *e, uint32_t v) {
  uint8_t b[4];

  sluice__put_be32(b, v);
  (void)sluice__stage_put(&e->stage, b, sizeof(b));
}

static int write_header(sluice_encoder_t *e) {
  put_be32(e, SLUICE__QEMU_MAGIC);
  put_be32(e, 3);
  return sluice__encoder_staged(e);
}

/* A host that has no name has no configuration either: QEMU would refuse an
 * empty one no less. */
static void configure(sluice_encoder_t *e) {
  qemu3_writer_t *q = e->state;
  size_t len = strlen(e->host);

  if (!q->is_configured && !e->options.no_configuration && len > 0) {
    put_u8(e, SLUICE__QEMU_CONFIGURATION);
    put_be32(e, (uint32_t)len);
    (void)sluice__stage_put(&e->stage, e->host, len);
  }
  q->is_configured = true;
}

static int note_configuration(sluice_encoder_t *e, const void *data,
                              size_t len) {
  qemu3_writer_t *q = e->state;
  sluice__qemu_configuration_t parsed;
  sluice_error_t err = {0};
  int r;

  if (e->options.no_configuration) {
    return 0;
  }
  if (q->is_configured) {
    return sluice__encoder_fail(e, SLUICE_ESTATE,
                                "the configuration must follow the header");
  }
  r = sluice__qemu_configuration_read(data, len, true, &parsed, &err);
  if (r < 0) {
    return sluice__encoder_fail(e, r, "configuration: %s", err.message);
  }
  if (parsed.len != len) {
    return sluice__encoder_fail(e, SLUICE_ECORRUPT,
                                "configuration: %zu bytes too many",
                                len - parsed.len);
  }
  put_u8(e, SLUICE__QEMU_CONFIGURATION);
  (void)sluice__stage_put(&e->stage, data, len);
  q->is_configured = true;
  return sluice__encoder_staged(e);
}

static int note_description(sluice_encoder_t *e, const void *data, size_t len) {
  qemu3_writer_t *q = e->state;
  int code = 0;
  char *copy = sluice__arena_name(&q->arena, data, len, &code);

  if (copy == NULL) {
    return sluice__encoder_fail(e, code, "no memory for the description");
  }
  q->description = copy;
  q->description_len = len;
  return 0;
}

/* Of use before the first section only: a stream cannot change its mind. */
static int note_footers(sluice_encoder_t *e, const uint8_t *data, size_t len) {
  qemu3_writer_t *q = e->state;

  if (len == 1 && q->sections.count == 0) {
    q->has_footers = data[0] != 0 && !e->options.no_footers;
  }
  return 0;
}

static int write_note(sluice_encoder_t *e, const char *name, const void *data,
                      size_t len) {
  if (strcmp(name, SLUICE_NOTE_QEMU_CONFIGURATION) == 0) {
    return note_configuration(e, data, len);
  }
  if (strcmp(name, SLUICE_NOTE_QEMU_DESCRIPTION) == 0) {
    return note_description(e, data, len);
  }
  if (strcmp(name, SLUICE_NOTE_QEMU_FOOTERS) == 0) {
    return note_footers(e, data, len);
  }
  return 0;
}

/* Sections. */

static int check_pages(sluice_encoder_t *e, const sluice_decl_t *decl) {
  bool is_ram = strcmp(decl->name, SLUICE__RAM_NAME) == 0;

  if (is_ram != (decl->payload == SLUICE_PAYLOAD_PAGES)) {
    return sluice__encoder_fail(e, UV_EINVAL,
                                "QEMU's stream has pages in section 'ram' and "
                                "nowhere else; '%s' does not fit",
                                decl->name);
  }
  if (is_ram && decl->instance != 0) {
    return sluice__encoder_fail(e, UV_EINVAL,
                                "QEMU's stream has instance 0 of 'ram' only, "
                                "not %u",
                                decl->instance);
  }
  return 0;
}

static int check_new(sluice_encoder_t *e, const sluice_decl_t *decl) {
  const qemu3_writer_t *q = e->state;

  if (decl->name == NULL ||
      !sluice__qemu_is_name((const uint8_t *)decl->name, strlen(decl->name))) {
    return sluice__encoder_fail(e, UV_EINVAL, "section %u has a malformed name",
                                decl->id);
  }
  if (sluice__qemu_sections_find(&q->sections, decl->id) != NULL ||
      sluice__qemu_sections_named(&q->sections, decl->name, decl->instance) !=
          NULL) {
    return sluice__encoder_fail(
        e, SLUICE_EORDER, "section %u, '%s', instance %u, was declared already",
        decl->id, decl->name, decl->instance);
  }
  return check_pages(e, decl);
}

static void put_section(sluice_encoder_t *e, const sluice_decl_t *decl) {
  size_t len = strlen(decl->name);

  put_u8(e, (decl->flags & SLUICE_SECTION_LIVE) != 0 ? SLUICE__QEMU_START
                                                     : SLUICE__QEMU_FULL);
  put_be32(e, decl->id);
  put_u8(e, (uint8_t)len);
  (void)sluice__stage_put(&e->stage, decl->name, len);
  put_be32(e, decl->instance);
  put_be32(e, decl->version);
}

/* A handler's version of a section of pages is its own business: here QEMU's
 * counts. */
static int declare_section(sluice_encoder_t *e, const sluice_decl_t *given) {
  qemu3_writer_t *q = e->state;
  sluice_decl_t decl = *given;
  int code = 0;
  int r = check_new(e, given);

  if (r < 0) {
    return r;
  }
  if (decl.payload == SLUICE_PAYLOAD_PAGES) {
    decl.version = SLUICE__QEMU_RAM_VERSION;
  }
  q->section = sluice__qemu_sections_add(&q->sections, &decl, &code);
  if (q->section == NULL) {
    return sluice__encoder_fail(e, code, "no memory for section '%s'",
                                decl.name);
  }
  put_section(e, &decl);
  return 0;
}

static int continue_section(sluice_encoder_t *e, uint8_t type, uint32_t id) {
  qemu3_writer_t *q = e->state;
  sluice__qemu_section_t *s = sluice__qemu_sections_find(&q->sections, id);

  if (s == NULL || (s->decl.flags & SLUICE_SECTION_LIVE) == 0 || s->is_ended) {
    return sluice__encoder_fail(e, SLUICE_EORDER,
                                "section %u is not a live one", id);
  }
  if (type == SLUICE__QEMU_END) {
    sluice__qemu_sections_end(&q->sections, s);
  }
  q->section = s;
  put_u8(e, type);
  put_be32(e, id);
  return 0;
}

static int open_payload(sluice_encoder_t *e, sluice_item_kind_t kind,
                        const sluice_decl_t *decl) {
  qemu3_writer_t *q = e->state;
  int r;

  configure(e);
  q->last_region = UINT32_MAX;
  q->frame_at = NO_FRAME;
  if (kind == SLUICE_ITEM_SECTION) {
    r = declare_section(e, decl);
  } else if (kind == SLUICE_ITEM_PART || kind == SLUICE_ITEM_END) {
    r = continue_section(
        e, kind == SLUICE_ITEM_PART ? SLUICE__QEMU_PART : SLUICE__QEMU_END,
        decl->id);
  } else {
    r = sluice__encoder_fail(e, UV_EINVAL,
                             "payloads of kind %d cannot be "
                             "opened",
                             (int)kind);
  }
  e->totals.records++;
  return r < 0 ? r : sluice__encoder_staged(e);
}

/* Bytes. */

static bool is_framed(const sluice_encoder_t *e) {
  const qemu3_writer_t *q = e->state;

  return (q->section->decl.flags & SLUICE_SECTION_LIVE) != 0 &&
         q->section->decl.payload == SLUICE_PAYLOAD_BYTES &&
         !e->options.no_frames;
}

/* Small writes share a frame as long as its length can still be changed, which
 * is while both ends of it are in the lent chunk. */
static bool extend_frame(sluice_encoder_t *e, const void *data, size_t len) {
  qemu3_writer_t *q = e->state;
  uint8_t *head;

  if (q->frame_at == NO_FRAME || len >= sluice__stage_room(&e->stage)) {
    return false;
  }
  head = sluice__stage_find(&e->stage, q->frame_at);
  if (head == NULL) {
    return false;
  }
  (void)sluice__stage_put(&e->stage, data, len);
  q->frame_len += (uint32_t)len;
  sluice__put_be32(head, q->frame_len);
  return true;
}

static void put_frame(sluice_encoder_t *e, const uint8_t *data, size_t len) {
  qemu3_writer_t *q = e->state;

  if (extend_frame(e, data, len)) {
    return;
  }
  while (len > 0) {
    uint32_t n = len > UINT32_MAX ? UINT32_MAX : (uint32_t)len;

    q->frame_at = sluice__stage_offset(&e->stage);
    q->frame_len = n;
    put_be32(e, n);
    (void)sluice__stage_put(&e->stage, data, n);
    data += n;
    len -= n;
  }
}

static int write_bytes(sluice_encoder_t *e, const void *data, size_t len) {
  qemu3_writer_t *q = e->state;

  if (q->section->decl.payload != SLUICE_PAYLOAD_BYTES) {
    return sluice__encoder_fail(e, UV_EINVAL,
                                "section '%s' is one of pages, not of bytes",
                                q->section->decl.name);
  }
  q->section->bytes += len;
  if (is_framed(e)) {
    put_frame(e, data, len);
  } else {
    (void)sluice__stage_put(&e->stage, data, len);
  }
  return sluice__encoder_staged(e);
}

static int close_payload(sluice_encoder_t *e) {
  qemu3_writer_t *q = e->state;
  uint32_t id = q->section->decl.id;

  if (q->section->decl.payload == SLUICE_PAYLOAD_PAGES &&
      sluice__encode_qemu3_eos(e) < 0) {
    return e->error.code;
  }
  if (is_framed(e)) {
    put_be32(e, 0);
  }
  if (q->has_footers) {
    put_u8(e, SLUICE__QEMU_FOOTER);
    put_be32(e, id);
  }
  q->section = NULL;
  return sluice__encoder_staged(e);
}

static int finish(sluice_encoder_t *e, uint64_t *looks) {
  const qemu3_writer_t *q = e->state;

  (void)looks; /* there is no index */
  configure(e);
  if (q->sections.live > 0) {
    return sluice__encoder_fail(
        e, SLUICE_EORDER, "%u live sections have not ended", q->sections.live);
  }
  put_u8(e, SLUICE__QEMU_EOF);
  if (q->description == NULL) {
    return sluice__encode_qemu3_describe(e);
  }
  put_u8(e, SLUICE__QEMU_DESCRIPTION);
  put_be32(e, (uint32_t)q->description_len);
  (void)sluice__stage_put(&e->stage, q->description, q->description_len);
  return sluice__encoder_staged(e);
}

const sluice__encode_ops_t sluice__encode_qemu3 = {
    .init = init_writer,
    .free = free_writer,
    .header = write_header,
    .note = write_note,
    .open = open_payload,
    .region = sluice__encode_qemu3_region,
    .pages = sluice__encode_qemu3_pages,
    .zeros = sluice__encode_qemu3_zeros,
    .bytes = write_bytes,
    .describe = sluice__encode_qemu3_section_describe,
    .close = close_payload,
    .finish = finish,
};
