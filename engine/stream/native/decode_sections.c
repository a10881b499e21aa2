/* decode_sections.c - which sections there are, and whose payload is
 * open.
 *
 * The table finds sections by id, any 32-bit number the writer chose. Its hash
 * is seeded with where the table happens to lie in memory, so a stream cannot
 * be made in which all ids collide. */
#include "stream/native/decode.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "stream/bytes.h"
#include "stream/hash.h"

enum { TABLE_MIN = 64 };

static size_t probe(sluice__decode_section_t *const *table, size_t cap,
                    uint32_t id) {
  uint64_t seed = (uint64_t)(uintptr_t)table;
  size_t i = (size_t)sluice__hash_seeded(&id, sizeof(id), seed) & (cap - 1);

  while (table[i] != NULL && table[i]->decl.id != id) {
    i = (i + 1) & (cap - 1);
  }
  return i;
}

sluice__decode_section_t *sluice__native_find(const sluice__decode_native_t *n,
                                              uint32_t id) {
  if (n->sections.cap == 0) {
    return NULL;
  }
  return n->sections.list[probe(n->sections.list, n->sections.cap, id)];
}

/* Half of the table stays empty, so probes end soon. */
static int grow_table(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  size_t cap = n->sections.cap == 0 ? TABLE_MIN : n->sections.cap * 2;
  void *fresh = NULL;
  sluice__decode_section_t **table;
  int r;

  if (n->sections.count < n->sections.cap / 2) {
    return 0;
  }
  r = sluice__native_keep(d, &fresh, cap * sizeof(*table), "section table");
  if (r < 0) {
    return r;
  }
  table = memset(fresh, 0, cap * sizeof(*table));
  for (size_t i = 0; i < n->sections.cap; i++) {
    if (n->sections.list[i] != NULL) {
      table[probe(table, cap, n->sections.list[i]->decl.id)] =
          n->sections.list[i];
    }
  }
  sluice__native_release(d, n->sections.list, n->sections.cap * sizeof(*table));
  n->sections.list = table;
  n->sections.cap = cap;
  return 0;
}

void sluice__native_free_sections(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);

  for (size_t i = 0; i < n->sections.cap; i++) {
    if (n->sections.list[i] != NULL) {
      sluice__native_release(d, n->sections.list[i], n->sections.list[i]->size);
    }
  }
  sluice__native_release(d, n->sections.list,
                         n->sections.cap * sizeof(*n->sections.list));
}

static bool is_unended(const sluice__decode_section_t *s) {
  return s != NULL && (s->decl.flags & SLUICE_SECTION_LIVE) != 0 && !s->is_over;
}

const sluice__decode_section_t *
sluice__native_unended(const sluice__decode_native_t *n) {
  size_t i = 0;

  assert(n->sections.live > 0);
  while (!is_unended(n->sections.list[i])) {
    i++;
  }
  return n->sections.list[i];
}

typedef struct lengths_s {
  size_t name;
  size_t type;
  size_t schema;
} lengths_t;

static int check_decl(sluice_decoder_t *d, lengths_t *len) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  const uint8_t *p = sluice__native_payload(d);
  uint64_t total = n->record.length;

  if (total >= SLUICE__DECL_STRINGS) {
    len->name = sluice__get_le16(p + SLUICE__DECL_NAME_LENGTH);
    len->type = sluice__get_le16(p + SLUICE__DECL_TYPE_LENGTH);
    len->schema = sluice__get_le32(p + SLUICE__DECL_SCHEMA_LENGTH);
  }
  if (total < SLUICE__DECL_STRINGS || len->name == 0 ||
      (uint64_t)SLUICE__DECL_STRINGS + len->name + len->type + len->schema !=
          total ||
      len->schema > SLUICE__NATIVE_SCHEMA_MAX ||
      p[SLUICE__DECL_PAYLOAD] > SLUICE_PAYLOAD_PAGES ||
      (p[SLUICE__DECL_FLAGS] & ~SLUICE__DECL_OPTIONAL) != 0 ||
      sluice__get_le16(p + SLUICE__DECL_ZERO) != 0 ||
      sluice__get_le32(p + SLUICE__DECL_ZERO_TOO) != 0) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "the declaration of a section is malformed");
  }
  return 0;
}

/* Into the block: the name, the type, the schema. */
static int fill_strings(sluice_decoder_t *d, sluice__decode_section_t *s,
                        const lengths_t *len) {
  const uint8_t *from = sluice__native_payload(d) + SLUICE__DECL_STRINGS;
  char name[SLUICE_NAME_MAX + 1];
  char type[SLUICE_NAME_MAX + 1];
  char *to = (char *)(s + 1);
  int r = sluice__native_copy_name(d, name, from, len->name, "section name");

  if (r == 0) {
    r = sluice__native_copy_name(d, type, from + len->name, len->type,
                                 "section type");
  }
  if (r < 0) {
    return r;
  }
  s->decl.name = memcpy(to, name, len->name + 1);
  to += len->name + 1;
  s->decl.type = memcpy(to, type, len->type + 1);
  to += len->type + 1;
  if (len->schema > 0) {
    s->decl.schema = memcpy(to, from + len->name + len->type, len->schema);
    s->decl.schema_len = len->schema;
  }
  return 0;
}

static void fill_numbers(sluice_decoder_t *d, sluice__decode_section_t *s) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  const uint8_t *p = sluice__native_payload(d);

  s->decl.id = n->record.section;
  s->decl.instance = sluice__get_le32(p + SLUICE__DECL_INSTANCE);
  s->decl.version = sluice__get_le32(p + SLUICE__DECL_VERSION);
  s->decl.payload = (sluice_payload_t)p[SLUICE__DECL_PAYLOAD];
  if ((p[SLUICE__DECL_FLAGS] & SLUICE__DECL_OPTIONAL) != 0) {
    s->decl.flags |= SLUICE_SECTION_OPTIONAL;
  }
  if (n->record.type == SLUICE__NATIVE_START) {
    s->decl.flags |= SLUICE_SECTION_LIVE;
  }
}

static int new_section(sluice_decoder_t *d, sluice__decode_section_t **out) {
  lengths_t len = {0};
  sluice__decode_section_t *s;
  void *block = NULL;
  size_t size;
  int r = check_decl(d, &len);

  if (r < 0) {
    return r;
  }
  size = sizeof(*s) + len.name + 1 + len.type + 1 + len.schema;
  r = sluice__native_keep(d, &block, size, "section");
  if (r < 0) {
    return r;
  }
  s = memset(block, 0, size);
  s->size = size;
  fill_numbers(d, s);
  r = fill_strings(d, s, &len);
  if (r < 0) {
    sluice__native_release(d, s, size);
    return r;
  }
  *out = s;
  return 0;
}

static int check_new(sluice_decoder_t *d) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);

  if (n->section != NULL) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_EORDER,
                                 "section id %" PRIu32 " is declared twice",
                                 n->record.section);
  }
  if (n->sections.count >= d->options.max_sections) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ELIMIT,
                                 "more than %" PRIu32 " sections",
                                 d->options.max_sections);
  }
  return 0;
}

static int open_payload(sluice_decoder_t *d, sluice_item_t *item,
                        sluice_item_kind_t kind, sluice__decode_section_t *s) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);

  n->open = s;
  n->is_first = kind == SLUICE_ITEM_SECTION;
  n->has_payload = false;
  n->payload_bytes = 0;
  item->kind = kind;
  item->u.decl = s->decl;
  return SLUICE__ITEM;
}

int sluice__native_on_section(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  sluice__decode_section_t *s = NULL;
  int r = check_new(d);

  if (r == 0) {
    r = grow_table(d);
  }
  if (r == 0) {
    r = new_section(d, &s);
  }
  if (r < 0) {
    return r;
  }
  assert(s != NULL);
  n->sections.list[probe(n->sections.list, n->sections.cap, s->decl.id)] = s;
  n->sections.count++;
  if ((s->decl.flags & SLUICE_SECTION_LIVE) != 0) {
    n->sections.live++;
  }
  sluice__native_take_record(d);
  return open_payload(d, item, SLUICE_ITEM_SECTION, s);
}

/* PART and END go to a live section that has not ended. */
static int check_live(sluice_decoder_t *d, const char *what) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);

  if (n->section == NULL) {
    return SLUICE__NATIVE_REFUSE(
        d, SLUICE_EORDER, "%s of section id %" PRIu32 ", which is not declared",
        what, n->record.section);
  }
  if ((n->section->decl.flags & SLUICE_SECTION_LIVE) == 0) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_EORDER,
                                 "%s of a section that came in full", what);
  }
  if (n->section->is_over) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_EORDER,
                                 "%s of a section that has ended", what);
  }
  return 0;
}

/* The record stays: its payload is the first of the part. */
int sluice__native_on_part(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  int r = check_live(d, "part");

  if (r < 0) {
    return r;
  }
  n->record.flags &= (uint16_t)~SLUICE__NATIVE_OPENS;
  return open_payload(d, item, SLUICE_ITEM_PART, n->section);
}

int sluice__native_on_end(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  int r = check_live(d, "end");

  if (r < 0) {
    return r;
  }
  n->section->is_over = true;
  n->sections.live--;
  sluice__native_take_record(d);
  return open_payload(d, item, SLUICE_ITEM_END, n->section);
}

int sluice__native_check_open(sluice_decoder_t *d) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);

  if (n->open != NULL && n->open == n->section) {
    return 0;
  }
  return SLUICE__NATIVE_REFUSE(
      d, SLUICE_EORDER,
      "%s of section id %" PRIu32 " outside of a payload of it",
      sluice__native_type_name(n->record.type), n->record.section);
}

int sluice__native_close_payload(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);

  n->open = NULL;
  item->kind = SLUICE_ITEM_CLOSE;
  item->u.payload_bytes = n->payload_bytes;
  return SLUICE__ITEM;
}
