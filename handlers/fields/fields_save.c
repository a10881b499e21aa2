/* fields_save.c - the hooks of a save: the host is paused, all in one go.
 *
 * The payload is put together whole, then written: what fits a buffer on the
 * stack at once, more in slices. */
#include <stdlib.h>

#include "fields/encode.h"
#include "fields/fields.h"

enum {
  STACK_BYTES = 4096,
  UNIT_BYTES = 16 * 1024 /* written however little is left */
};

static int save_begin(void *self, sluice_section_t *section,
                      sluice_error_t *err) {
  sluice_fields_t *fields = self;

  (void)section;
  (void)err;
  memset(&fields->save, 0, sizeof(fields->save));
  return 0;
}

static uint64_t save_pending(void *self) {
  const sluice_fields_t *fields = self;

  return fields->kind->table->structure_size;
}

static int write_slice(sluice_fields_t *fields, sluice_writer_t *w) {
  sluice__fields_save_t *save = &fields->save;
  size_t rest = save->len - save->sent;
  size_t goal = sluice_writer_left(w);
  size_t n = goal < UNIT_BYTES ? (size_t)UNIT_BYTES : goal;

  n = n < rest ? n : rest;
  (void)sluice_writer_bytes(w, save->bytes + save->sent, n);
  save->sent += n;
  if (sluice_writer_status(w) < 0) {
    return sluice_writer_status(w);
  }
  return save->sent < save->len ? SLUICE_MORE : SLUICE_DONE;
}

static int describe(sluice_fields_t *fields, sluice_writer_t *w,
                    sluice_error_t *err) {
  char *json = NULL;
  size_t len = 0;
  int r = sluice_fields_describe(fields->kind->table, fields->structure, &json,
                                 &len, err);

  if (r == 0) {
    r = sluice_writer_describe(w, json, len);
  }
  free(json);
  return r;
}

static int write_all(sluice_fields_t *fields, sluice_writer_t *w,
                     sluice__out_t *out) {
  if (!out->is_owned) {
    return sluice_writer_bytes(w, out->base, out->len);
  }
  fields->save.bytes = out->base; /* freed in save_end */
  fields->save.len = out->len;
  memset(out, 0, sizeof(*out));
  return write_slice(fields, w);
}

static int save_finish(void *self, sluice_writer_t *w, sluice_error_t *err) {
  sluice_fields_t *fields = self;
  sluice_format_t format = sluice_writer_format(w);
  uint8_t stack[STACK_BYTES];
  sluice__out_t out;
  int r;

  if (fields->save.bytes != NULL) {
    return write_slice(fields, w);
  }
  sluice__out_open(&out, stack, sizeof(stack), format != SLUICE_FORMAT_NATIVE);
  r = sluice__fields_encode(fields->kind->table, format, fields->structure,
                            &out, err);
  if (r == 0 && format == SLUICE_FORMAT_QEMU3) {
    r = describe(fields, w, err);
  }
  if (r == 0) {
    r = write_all(fields, w, &out);
  }
  sluice__out_done(&out);
  return r;
}

static void save_end(void *self, int status) {
  sluice_fields_t *fields = self;

  (void)status;
  free(fields->save.bytes);
  memset(&fields->save, 0, sizeof(fields->save));
}

void sluice__fields_set_save(sluice_handler_t *h) {
  h->save_pending = save_pending;
  h->save_begin = save_begin;
  h->save_finish = save_finish;
  h->save_end = save_end;
}
