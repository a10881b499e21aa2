/* fields_restore.c - the hooks of a restore.
 *
 * Native: all bytes of the section are collected (at most what the table
 * allows), then loaded. QEMU's formats do not say where a payload ends: there
 * loading asks for what it needs, field by field; when that has not arrived it
 * begins anew, over the bytes that have, once more of them are there. */
#include <stdlib.h>
#include <uv.h>

#include "fields/fields.h"

static void free_restore(sluice__fields_restore_t *re) {
  sluice__load_discard(&re->load);
  sluice__foreign_drop(re->foreign);
  sluice__out_done(&re->bytes);
  free(re);
}

void sluice__fields_end_restore(sluice_fields_t *fields) {
  if (fields->restore != NULL) {
    free_restore(fields->restore);
    fields->restore = NULL;
  }
}

static sluice__fields_restore_t *new_restore(sluice_fields_t *fields,
                                             uint32_t version) {
  sluice__fields_restore_t *re = malloc(sizeof(*re));

  if (re == NULL) {
    return NULL;
  }
  memset(re, 0, offsetof(sluice__fields_restore_t, local));
  sluice__out_open(&re->bytes, re->local, sizeof(re->local), false);
  re->version = version;
  re->max_bytes = fields->kind->max_bytes;
  re->load.table = fields->kind->table;
  re->load.version = version;
  re->load.live = fields->structure;
  return re;
}

/* A schema equal to ours needs no plan of its own: most of the time it is. */
static int take_schema(sluice_fields_t *fields, const void *schema, size_t len,
                       sluice_error_t *err) {
  sluice__kind_t *kind = fields->kind;
  sluice__fields_restore_t *re = fields->restore;
  int r;

  if (len == kind->schema_len && memcmp(schema, kind->schema_bytes, len) == 0 &&
      re->version == kind->table->version) {
    re->use = &kind->plan;
    return 0;
  }
  r = sluice__foreign_take(&re->foreign, kind, schema, len, re->version, err);
  if (r == 0) {
    re->use = &re->foreign->plan;
  }
  return r;
}

static int restore_begin(void *self, sluice_section_t *section,
                         uint32_t version, sluice_error_t *err) {
  sluice_fields_t *fields = self;
  size_t len = 0;
  const void *schema = sluice_section_stream_schema(section, &len);
  int r = 0;

  fields->restore = new_restore(fields, version);
  if (fields->restore == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory to restore fields");
  }
  if (schema != NULL) {
    r = take_schema(fields, schema, len, err);
  }
  if (r < 0) {
    sluice__fields_end_restore(fields);
  }
  return r;
}

static int no_room(const sluice__fields_restore_t *re, sluice_error_t *err) {
  return sluice_fail(err, SLUICE_ELIMIT,
                     "the section has more than the %zu bytes that its table "
                     "allows",
                     re->max_bytes);
}

/* ---- native ---- */

/* 0: the section is over. SLUICE_MORE: it goes on. */
static int collect(sluice__fields_restore_t *re, sluice_reader_t *r,
                   sluice_error_t *err) {
  sluice__out_t *b = &re->bytes;
  size_t got = 0;
  int result;

  if (b->len > re->max_bytes) {
    return no_room(re, err);
  }
  if (!sluice__out_room(b, 1)) {
    return sluice_fail(err, b->status, "no memory for a section's bytes");
  }
  result = sluice_reader_some(r, b->base + b->len, b->cap - b->len, &got);
  b->len += got;
  return result != 0 ? result : (got > 0 ? SLUICE_MORE : 0);
}

static int restore_native(sluice__fields_restore_t *re, sluice_reader_t *r,
                          sluice_error_t *err) {
  int result;

  if (re->use == NULL) {
    return sluice_fail(err, SLUICE_ECORRUPT, "the section has no schema");
  }
  do {
    result = collect(re, r, err);
  } while (result == SLUICE_MORE && !sluice_reader_should_yield(r));
  if (result != 0) {
    return result;
  }
  re->load.plan = re->use;
  re->load.in = (sluice__in_t){.at = re->bytes.base,
                               .end = re->bytes.base + re->bytes.len};
  result = sluice__load_run(&re->load, err);
  if (result == 0 && sluice__in_left(&re->load.in) > 0) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "%zu bytes are left over behind the last field",
                       sluice__in_left(&re->load.in));
  }
  return result;
}

/* ---- QEMU ---- */

static int read_more(sluice__in_t *in, size_t need) {
  sluice__fields_restore_t *re = in->ctx;
  sluice__out_t *b = &re->bytes;
  size_t at = (size_t)(in->at - b->base);
  int r = 0;

  if (need > re->max_bytes || b->len > re->max_bytes) {
    return no_room(re, re->load.path.err);
  }
  while (r == 0 && b->len - at < need) {
    size_t want = need - (b->len - at);

    want = want < SLUICE_READER_EXACT_MAX ? want : SLUICE_READER_EXACT_MAX;
    if (!sluice__out_room(b, want)) {
      return b->status;
    }
    r = sluice_reader_exact(re->reader, b->base + b->len, want);
    b->len += r == 0 ? want : 0;
  }
  in->at = b->base + at;
  in->end = b->base + b->len;
  return r;
}

static int look_ahead(sluice__in_t *in, uint8_t *out, size_t need) {
  sluice__fields_restore_t *re = in->ctx;
  size_t have = sluice__in_left(in);
  size_t got = 0;
  int r;

  memcpy(out, in->at, have);
  r = sluice_reader_peek(re->reader, out + have, need - have, &got);
  return r != 0 ? r : (have + got == need ? 1 : 0);
}

static int restore_qemu(sluice__fields_restore_t *re, sluice_reader_t *r,
                        sluice_error_t *err) {
  re->reader = r;
  re->load.plan = NULL;
  re->load.in = (sluice__in_t){.at = re->bytes.base,
                               .end = re->bytes.base + re->bytes.len,
                               .is_big = true,
                               .more = read_more,
                               .peek = look_ahead,
                               .ctx = re};
  return sluice__load_run(&re->load, err);
}

static int restore_step(void *self, sluice_reader_t *r, sluice_error_t *err) {
  sluice_fields_t *fields = self;

  return sluice_reader_format(r) == SLUICE_FORMAT_NATIVE
             ? restore_native(fields->restore, r, err)
             : restore_qemu(fields->restore, r, err);
}

static int restore_check(void *self, sluice_error_t *err) {
  sluice_fields_t *fields = self;

  return sluice__load_reserve(&fields->restore->load, err);
}

static void restore_commit(void *self) {
  sluice_fields_t *fields = self;

  sluice__load_commit(&fields->restore->load);
}

static void restore_end(void *self, int status) {
  (void)status;
  sluice__fields_end_restore(self);
}

void sluice__fields_set_restore(sluice_handler_t *h) {
  h->restore_begin = restore_begin;
  h->restore_step = restore_step;
  h->restore_check = restore_check;
  h->restore_commit = restore_commit;
  h->restore_end = restore_end;
}
