/* blob.c - bytes in one go or in steps; the public face of <sluice/blob.h>.
 *
 *   payload:  u64 length | length bytes
 *
 * What version the bytes have and whether they are live differs from blob to
 * blob, so each has a table of hooks of its own. Knows nothing of what the
 * bytes mean. The length is untrusted: it is bounded before use, and memory is
 * taken as bytes arrive, not as they are announced. */
#include <sluice/blob.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/options.h>

#define MAX_BYTES_DEFAULT ((size_t)64 << 20)

enum {
  UNIT_BYTES = 4096,         /* written however little is left */
  PART_BYTES = 1024 * 1024,  /* the most a call writes: 0.2 ms */
  FIRST_BYTES = 1024 * 1024, /* of the buffer; it doubles from here */
  READ_BYTES = 256 * 1024    /* between two questions whether to yield */
};

/* Of one save: what `get` lent, until save_end. */
typedef struct blob_save_s {
  const uint8_t *bytes;
  size_t len;
  size_t sent;
  int is_got;
  int has_length; /* the length has been written */
} blob_save_t;

/* Of one restore: ours until `take`. */
typedef struct blob_restore_s {
  uint8_t *bytes;
  size_t capacity;
  size_t len;  /* announced */
  size_t have; /* arrived */
  uint32_t version;
  int has_length;
} blob_restore_t;

struct sluice_blob_s {
  sluice_handler_t handler;
  int is_held; /* by the registry */
  sluice_blob_options_t options;
  blob_save_t save;
  blob_restore_t restore;
};

static int get_bytes(sluice_blob_t *blob, sluice_error_t *err) {
  const void *bytes = NULL;
  size_t len = 0;
  int r = blob->options.get(blob->options.data, &bytes, &len, err);

  if (r < 0) {
    return sluice_fail(err, r, "the blob's bytes were not given");
  }
  blob->save.is_got = 1;
  blob->save.bytes = bytes;
  blob->save.len = len;
  if (len > blob->options.max_bytes) {
    return sluice_fail(err, SLUICE_ELIMIT,
                       "a blob of %zu bytes, max_bytes is %zu", len,
                       blob->options.max_bytes);
  }
  return 0;
}

static int save_begin(void *self, sluice_section_t *section,
                      sluice_error_t *err) {
  sluice_blob_t *blob = self;

  (void)section;
  (void)err;
  memset(&blob->save, 0, sizeof(blob->save));
  return 0;
}

static size_t part_size(const blob_save_t *save, size_t goal) {
  size_t rest = save->len - save->sent;
  size_t n = goal < PART_BYTES ? goal : (size_t)PART_BYTES;

  n = n > UNIT_BYTES ? n : (size_t)UNIT_BYTES;
  return rest < n ? rest : n;
}

static int write_part(sluice_blob_t *blob, sluice_writer_t *w) {
  blob_save_t *save = &blob->save;
  size_t n;

  if (!save->has_length) {
    save->has_length = 1;
    (void)sluice_writer_u64(w, save->len); /* the writer's errors stick */
  }
  n = part_size(save, sluice_writer_left(w));
  if (n > 0) {
    (void)sluice_writer_bytes(w, save->bytes + save->sent, n);
  }
  save->sent += n;
  return sluice_writer_status(w);
}

/* save_step and save_finish alike. The bytes are asked for as late as can be:
 * those of a blob that is not live when the host has paused. */
static int save_part(void *self, sluice_writer_t *w, sluice_error_t *err) {
  sluice_blob_t *blob = self;
  int r = blob->save.is_got ? 0 : get_bytes(blob, err);

  if (r == 0 && (!blob->save.has_length || blob->save.sent < blob->save.len)) {
    r = write_part(blob, w);
  }
  if (r < 0) {
    return r;
  }
  return blob->save.sent < blob->save.len ? SLUICE_MORE : SLUICE_DONE;
}

/* Live bytes do not change, so the instant is when they are asked for. */
static int save_cut(void *self, sluice_error_t *err) {
  return get_bytes(self, err);
}

static uint64_t save_pending(void *self) {
  sluice_blob_t *blob = self;

  return blob->save.len - blob->save.sent;
}

static void save_end(void *self, int status) {
  sluice_blob_t *blob = self;

  (void)status;
  if (blob->save.is_got && blob->options.done != NULL) {
    blob->options.done(blob->options.data);
  }
  memset(&blob->save, 0, sizeof(blob->save));
}

static int restore_begin(void *self, sluice_section_t *section,
                         uint32_t version, sluice_error_t *err) {
  sluice_blob_t *blob = self;

  (void)section;
  (void)err;
  memset(&blob->restore, 0, sizeof(blob->restore));
  blob->restore.version = version;
  return 0;
}

static int read_length(sluice_blob_t *blob, sluice_reader_t *r,
                       sluice_error_t *err) {
  uint64_t len = 0;
  int result = sluice_reader_u64(r, &len);

  if (result != 0) {
    return result;
  }
  if (len > blob->options.max_bytes) {
    return sluice_fail(err, SLUICE_ELIMIT,
                       "a blob of %" PRIu64 " bytes, max_bytes is %zu", len,
                       blob->options.max_bytes);
  }
  blob->restore.len = (size_t)len;
  blob->restore.has_length = 1;
  return 0;
}

/* Room for at least one more byte, and for a blob of none at all. */
static int grow_buffer(blob_restore_t *in, sluice_error_t *err) {
  size_t rest = in->len - in->capacity;
  size_t more = in->capacity == 0 ? (size_t)FIRST_BYTES : in->capacity;
  size_t capacity = in->capacity + (rest < more ? rest : more);
  void *bytes;

  if (in->bytes != NULL && in->have < in->capacity) {
    return 0;
  }
  bytes = realloc(in->bytes, capacity == 0 ? 1 : capacity);
  if (bytes == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for %zu of %zu bytes",
                       capacity, in->len);
  }
  in->bytes = bytes;
  in->capacity = capacity;
  return 0;
}

static int read_part(blob_restore_t *in, sluice_reader_t *r,
                     sluice_error_t *err) {
  size_t room = in->capacity - in->have;
  size_t got = 0;
  int result = sluice_reader_some(r, in->bytes + in->have,
                                  room < READ_BYTES ? room : READ_BYTES, &got);

  if (result != 0) {
    return result;
  }
  if (got == 0) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "the section ends after %zu of %zu bytes", in->have,
                       in->len);
  }
  in->have += got;
  return 0;
}

static int restore_turn(sluice_blob_t *blob, sluice_reader_t *r,
                        sluice_error_t *err) {
  blob_restore_t *in = &blob->restore;
  int result = in->has_length ? 0 : read_length(blob, r, err);

  if (result == 0) {
    result = grow_buffer(in, err);
  }
  if (result == 0 && in->have < in->len) {
    result = read_part(in, r, err);
  }
  if (result != 0) {
    return result;
  }
  return in->have < in->len ? SLUICE_MORE : SLUICE_DONE;
}

static int restore_step(void *self, sluice_reader_t *r, sluice_error_t *err) {
  int result;

  do {
    result = restore_turn(self, r, err);
  } while (result == SLUICE_MORE && !sluice_reader_should_yield(r));
  return result;
}

static int restore_check(void *self, sluice_error_t *err) {
  sluice_blob_t *blob = self;
  int r = 0;

  if (blob->options.check != NULL) {
    r = blob->options.check(blob->options.data, blob->restore.bytes,
                            blob->restore.len, blob->restore.version, err);
  }
  return r < 0 ? sluice_fail(err, r, "the blob was refused") : SLUICE_DONE;
}

static void restore_commit(void *self) {
  sluice_blob_t *blob = self;
  blob_restore_t *in = &blob->restore;
  uint8_t *bytes = in->bytes;

  in->bytes = NULL;
  blob->options.take(blob->options.data, bytes, in->len, in->version);
}

static void restore_end(void *self, int status) {
  sluice_blob_t *blob = self;

  (void)status;
  free(blob->restore.bytes);
  memset(&blob->restore, 0, sizeof(blob->restore));
}

static void removed(void *self) {
  sluice_blob_t *blob = self;

  blob->is_held = 0;
}

static void set_hooks(sluice_blob_t *blob) {
  sluice_handler_t *h = &blob->handler;

  h->size = sizeof(*h);
  h->version = blob->options.version;
  h->min_version = blob->options.min_version;
  h->payload = SLUICE_PAYLOAD_BYTES;
  h->type = "blob";
  h->save_begin = save_begin;
  h->save_finish = save_part;
  h->save_end = save_end;
  h->restore_begin = restore_begin;
  h->restore_step = restore_step;
  h->restore_check = restore_check;
  h->restore_commit = restore_commit;
  h->restore_end = restore_end;
  h->removed = removed;
  if (blob->options.is_live) {
    h->save_pending = save_pending;
    h->save_step = save_part;
    h->save_cut = save_cut;
  }
}

static int check_options(const sluice_blob_options_t *options,
                         sluice_error_t *err) {
  if (options->get == NULL || options->take == NULL) {
    return sluice_fail(err, UV_EINVAL, "a blob needs get and take");
  }
  if (options->min_version > options->version) {
    return sluice_fail(err, UV_EINVAL, "blob: min_version %u over version %u",
                       (unsigned)options->min_version,
                       (unsigned)options->version);
  }
  return 0;
}

int sluice_blob_new(sluice_blob_t **out, sluice_registry_t *registry,
                    const char *name, const sluice_section_options_t *section,
                    const sluice_blob_options_t *options, sluice_error_t *err) {
  sluice_blob_options_t o;
  sluice_blob_t *blob;
  int r = SLUICE_OPTIONS_COPY(&o, options, "blob options",
                              sluice_blob_options_t, take, err);

  if (r == 0) {
    r = check_options(&o, err);
  }
  if (r == 0 && (out == NULL || registry == NULL || name == NULL)) {
    r = sluice_fail(err, UV_EINVAL, "a blob needs a registry and a name");
  }
  if (r != 0) {
    return r;
  }
  blob = calloc(1, sizeof(*blob));
  if (blob == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for a blob");
  }
  blob->options = o;
  if (blob->options.max_bytes == 0) {
    blob->options.max_bytes = MAX_BYTES_DEFAULT;
  }
  set_hooks(blob);
  r = sluice_registry_add(registry, name, &blob->handler, blob, section, NULL,
                          err);
  if (r != 0) {
    free(blob);
    return r;
  }
  blob->is_held = 1;
  *out = blob;
  return 0;
}

int sluice_blob_free(sluice_blob_t *blob) {
  if (blob == NULL) {
    return 0;
  }
  if (blob->is_held) {
    return UV_EBUSY;
  }
  free(blob->restore.bytes);
  free(blob);
  return 0;
}
