/* encode.c - the native stream, written: everything but pages.
 *
 * Records are composed in place (encode_record.c). Bytes given in small
 * pieces are gathered into one DATA record until something else comes or the
 * chunk is full. A PART that turns out to be empty leaves nothing in the
 * stream: its first record is what opens it. */
#include "stream/native/encode.h"

#include <stdalign.h>
#include <string.h>
#include <uv.h>

#include "stream/bytes.h"
#include "stream/hash.h"
#include "stream/native/ends.h"

/* 512 KiB of the page map: measured, 0.05 ms. */
enum { SHRINK_BLOCKS = 64 };

static int native_init(sluice_encoder_t *e) {
  sluice__encode_native_t *n =
      e->alloc.alloc(e->alloc.ctx, sizeof(*n), alignof(max_align_t));

  if (n == NULL) {
    return UV_ENOMEM;
  }
  memset(n, 0, sizeof(*n));
  sluice__page_map_init(&n->map, &e->alloc);
  n->has_map = e->options.keep_last || !e->options.no_index;
  e->state = n;
  return 0;
}

static void native_free(sluice_encoder_t *e) {
  sluice__encode_native_t *n = e->state;

  if (n == NULL) {
    return;
  }
  sluice__native_drop_pages(e);
  sluice__native_free_pages(e);
  sluice__page_map_done(&n->map);
  if (n->bounce != NULL) {
    e->alloc.release(e->alloc.ctx, n->bounce, SLUICE_PAGE_MAX, 64);
  }
  e->alloc.release(e->alloc.ctx, n, sizeof(*n), alignof(max_align_t));
  e->state = NULL;
}

static bool native_shrink(sluice_encoder_t *e) {
  return sluice__page_map_shrink(&sluice__encode_native_of(e)->map,
                                 SHRINK_BLOCKS);
}

static void put_string(uint8_t **to, const char *s, size_t len) {
  memcpy(*to, s, len);
  *to += len;
}

static int native_header(sluice_encoder_t *e) {
  uint8_t h[SLUICE__FILE_STRINGS + 2 * SLUICE_NAME_MAX +
            2 * SLUICE__FILE_CHECKSUM_BYTES] = {0};
  uint8_t *end = h + SLUICE__FILE_STRINGS;
  size_t host = strlen(e->host);
  size_t version = strlen(e->host_version);
  size_t len =
      (size_t)sluice__native_padded(SLUICE__FILE_STRINGS + host + version);
  sluice__file_head_t head = {
      .version = SLUICE__NATIVE_VERSION,
      .length = (uint32_t)len + SLUICE__FILE_CHECKSUM_BYTES,
      .optional = e->options.no_index ? 0 : SLUICE__NATIVE_INDEXED,
      .align = SLUICE__NATIVE_ALIGN,
      .host_length = (uint16_t)host,
      .host_version_length = (uint16_t)version,
  };
  uint64_t checksum;

  memcpy(head.image_id, e->image_id, sizeof(head.image_id));
  memcpy(head.parent_id, e->parent_id, sizeof(head.parent_id));
  sluice__file_head_put(h, &head);
  put_string(&end, e->host, host);
  put_string(&end, e->host_version, version);
  checksum = sluice__hash(h, len);
  sluice__put_le64(h + len, checksum);
  sluice__encode_native_of(e)->chain = checksum;
  return sluice__native_raw(e, h, len + SLUICE__FILE_CHECKSUM_BYTES);
}

/* One NOTE record: as much of the note as the chunk has room for. Asks for 4
 * KiB at least, lest a few bytes at the end of a chunk cost a record. */
static int put_piece(sluice_encoder_t *e, const char *name, const uint8_t *data,
                     size_t len, size_t *out_len) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  size_t name_len = strlen(name);
  size_t least = len < 4096 ? len : 4096;
  uint8_t fixed[SLUICE__NOTE_STRINGS] = {0};
  int r =
      sluice__native_begin(e, SLUICE__NATIVE_NOTE, 0, SLUICE__NATIVE_NO_SECTION,
                           sizeof(fixed) + name_len + least);

  if (r < 0) {
    return r;
  }
  sluice__put_le16(fixed, (uint16_t)name_len);
  sluice__native_append(e, fixed, sizeof(fixed));
  sluice__native_append(e, name, name_len);
  *out_len = sluice__native_left(e) < len ? sluice__native_left(e) : len;
  sluice__native_append(e, data, *out_len);
  if (*out_len < len) {
    n->flags |= SLUICE__NATIVE_MORE;
  }
  return sluice__native_end(e);
}

static int native_note(sluice_encoder_t *e, const char *name, const void *data,
                       size_t len) {
  const uint8_t *from = data;
  size_t done = 0;
  int r;

  if (name[0] == '\0') {
    return sluice__encoder_fail(e, UV_EINVAL, "a note needs a name");
  }
  do {
    size_t piece = 0;

    r = put_piece(e, name, from + done, len - done, &piece);
    done += piece;
  } while (r == 0 && done < len);
  return r;
}

static int check_decl(sluice_encoder_t *e, const sluice_decl_t *decl,
                      const char *type) {
  size_t name = strlen(decl->name);

  if (name == 0 || name > SLUICE_NAME_MAX || strlen(type) > SLUICE_NAME_MAX ||
      decl->id == SLUICE__NATIVE_NO_SECTION) {
    return sluice__encoder_fail(e, UV_EINVAL, "section '%s' is malformed",
                                decl->name);
  }
  if (decl->schema_len > SLUICE__NATIVE_SCHEMA_MAX) {
    return sluice__encoder_fail(
        e, SLUICE_ELIMIT, "schema of section '%s' has %zu bytes, at most %d",
        decl->name, decl->schema_len, (int)SLUICE__NATIVE_SCHEMA_MAX);
  }
  return 0;
}

static void put_decl(sluice_encoder_t *e, const sluice_decl_t *decl,
                     const char *type) {
  uint8_t d[SLUICE__DECL_STRINGS] = {0};

  sluice__put_le32(d + SLUICE__DECL_INSTANCE, decl->instance);
  sluice__put_le32(d + SLUICE__DECL_VERSION, decl->version);
  d[SLUICE__DECL_PAYLOAD] = (uint8_t)decl->payload;
  d[SLUICE__DECL_FLAGS] =
      (decl->flags & SLUICE_SECTION_OPTIONAL) != 0 ? SLUICE__DECL_OPTIONAL : 0;
  sluice__put_le16(d + SLUICE__DECL_NAME_LENGTH, (uint16_t)strlen(decl->name));
  sluice__put_le16(d + SLUICE__DECL_TYPE_LENGTH, (uint16_t)strlen(type));
  sluice__put_le32(d + SLUICE__DECL_SCHEMA_LENGTH, (uint32_t)decl->schema_len);
  sluice__native_append(e, d, sizeof(d));
  sluice__native_append(e, decl->name, strlen(decl->name));
  sluice__native_append(e, type, strlen(type));
  sluice__native_append(e, decl->schema, decl->schema_len);
}

static int open_section(sluice_encoder_t *e, const sluice_decl_t *decl) {
  const char *type = decl->type == NULL ? "" : decl->type;
  uint16_t record = (decl->flags & SLUICE_SECTION_LIVE) != 0
                        ? SLUICE__NATIVE_START
                        : SLUICE__NATIVE_FULL;
  int r = check_decl(e, decl, type);

  if (r == 0) {
    r = sluice__native_begin(e, record, 0, decl->id,
                             SLUICE__DECL_STRINGS + strlen(decl->name) +
                                 strlen(type) + decl->schema_len);
  }
  if (r < 0) {
    return r;
  }
  put_decl(e, decl, type);
  return sluice__native_end(e);
}

static int native_open(sluice_encoder_t *e, sluice_item_kind_t kind,
                       const sluice_decl_t *decl) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  int r;

  n->has_payload = false;
  if (kind == SLUICE_ITEM_SECTION) {
    return open_section(e, decl);
  }
  if (kind == SLUICE_ITEM_PART) {
    n->opens = true;
    return 0;
  }
  if (kind != SLUICE_ITEM_END) {
    return sluice__encoder_fail(e, UV_EINVAL, "item %d opens no payload",
                                (int)kind);
  }
  r = sluice__native_begin(e, SLUICE__NATIVE_END, 0, decl->id, 0);
  return r < 0 ? r : sluice__native_end(e);
}

static int native_region(sluice_encoder_t *e, uint32_t index) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  const sluice__region_t *region = &e->regions[index];
  uint8_t fixed[SLUICE__REGION_NAME];
  int r;

  if (n->has_payload || e->payload != SLUICE_PAYLOAD_PAGES) {
    return sluice__encoder_fail(e, SLUICE_ESTATE,
                                "region '%s' comes after data, or its section "
                                "is not one of pages",
                                region->name);
  }
  if (n->has_map &&
      sluice__page_map_region(&n->map, region->bytes / region->page_size) < 0) {
    return sluice__encoder_fail(e, UV_ENOMEM, "no memory for the page map");
  }
  r = sluice__native_reserve_pages(e);
  if (r == 0) {
    r = sluice__native_begin(e, SLUICE__NATIVE_REGION, 0, e->section_id,
                             sizeof(fixed) + strlen(region->name));
  }
  if (r < 0) {
    return r;
  }
  sluice__put_le32(fixed + SLUICE__REGION_INDEX, index);
  sluice__put_le32(fixed + SLUICE__REGION_PAGE_SIZE, region->page_size);
  sluice__put_le64(fixed + SLUICE__REGION_SIZE, region->bytes);
  sluice__native_append(e, fixed, sizeof(fixed));
  sluice__native_append(e, region->name, strlen(region->name));
  return sluice__native_end(e);
}

static int native_bytes(sluice_encoder_t *e, const void *data, size_t len) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  const uint8_t *from = data;

  n->has_payload = true;
  while (len > 0) {
    size_t piece;

    if (n->type != SLUICE__NATIVE_DATA || sluice__native_left(e) == 0) {
      int r = sluice__native_begin(e, SLUICE__NATIVE_DATA, 0, e->section_id, 8);

      if (r < 0) {
        return r;
      }
    }
    piece = sluice__native_left(e) < len ? sluice__native_left(e) : len;
    sluice__native_append(e, from, piece);
    from += piece;
    len -= piece;
  }
  return sluice__native_left(e) == 0 ? sluice__native_end(e) : 0;
}

static int native_close(sluice_encoder_t *e) {
  int r = sluice__native_complete(e);

  if (r == 0) {
    r = sluice__native_end(e);
  }
  sluice__encode_native_of(e)->opens = false;
  return r;
}

static void put_reason(sluice_encoder_t *e, const sluice_error_t *reason) {
  uint8_t fixed[SLUICE__ABORT_STRINGS] = {0};
  size_t section = strlen(reason->section);
  size_t message = strlen(reason->message);
  int code = reason->code < 0 ? reason->code : UV_ECANCELED;

  sluice__put_le32(fixed + SLUICE__ABORT_CODE, (uint32_t)code);
  sluice__put_le32(fixed + SLUICE__ABORT_INSTANCE, reason->instance);
  sluice__put_le64(fixed + SLUICE__ABORT_OFFSET, reason->offset);
  sluice__put_le16(fixed + SLUICE__ABORT_SECTION_LENGTH, (uint16_t)section);
  sluice__put_le16(fixed + SLUICE__ABORT_MESSAGE_LENGTH, (uint16_t)message);
  sluice__native_append(e, fixed, sizeof(fixed));
  sluice__native_append(e, reason->section, section);
  sluice__native_append(e, reason->message, message);
}

static int native_abort(sluice_encoder_t *e, const sluice_error_t *reason) {
  sluice_error_t why = {.offset = SLUICE_OFFSET_NONE,
                        .message = "no reason was given"};
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  int r;

  if (n->is_over) {
    return 0;
  }
  if (reason != NULL) {
    why = *reason;
  }
  n->is_over = true;
  n->opens = false;
  sluice__native_drop(e);
  r = sluice__native_begin(
      e, SLUICE__NATIVE_ABORT, 0, SLUICE__NATIVE_NO_SECTION,
      SLUICE__ABORT_STRINGS + sizeof(why.section) + sizeof(why.message));
  if (r < 0) {
    return r;
  }
  put_reason(e, &why);
  (void)sluice__native_end(e);
  return e->stage.code;
}

const sluice__encode_ops_t sluice__encode_native = {
    .init = native_init,
    .free = native_free,
    .header = native_header,
    .note = native_note,
    .open = native_open,
    .region = native_region,
    .pages = sluice__native_pages,
    .zeros = sluice__native_zeros,
    .bytes = native_bytes,
    .close = native_close,
    .linger = sluice__native_settle,
    .finish = sluice__native_finish,
    .flush = sluice__native_complete,
    .abort = native_abort,
    .fetch = sluice__native_fetch,
    .shrink = native_shrink,
};
