/* bench_fields.c - 10 000 devices of 20 fields, saved and restored by a table.
 *
 * Beside handlers written by hand, with a put or get call a field, and a copy
 * of the same structures in memory. All but the copy run through a whole
 * session, with memory as sink and source. Restoring "native v1" is of images
 * of an older table, whose schema is not the program's. Nanoseconds are per
 * device. */
#include <stdlib.h>
#include <string.h>

#include <sluice/fields.h>

#include "bench.h"
#include "host.h"
#include "memory.h"

enum { IMAGE_MAX = 256 * 1024 * 1024 };

/* Each field: C type, member, suffix of the calls, of the table's macro. */
#define OLD_FIELDS(X)                                                          \
  X(uint8_t, a0, u8, U8)                                                       \
  X(uint8_t, a1, u8, U8)                                                       \
  X(uint8_t, a2, u8, U8)                                                       \
  X(uint8_t, a3, u8, U8)                                                       \
  X(uint16_t, b0, u16, U16)                                                    \
  X(uint16_t, b1, u16, U16)                                                    \
  X(uint16_t, b2, u16, U16)                                                    \
  X(uint16_t, b3, u16, U16)                                                    \
  X(uint32_t, c0, u32, U32)                                                    \
  X(uint32_t, c1, u32, U32)                                                    \
  X(uint32_t, c2, u32, U32)                                                    \
  X(uint32_t, c3, u32, U32)                                                    \
  X(uint32_t, c4, u32, U32)                                                    \
  X(uint32_t, c5, u32, U32)                                                    \
  X(uint64_t, d0, u64, U64)                                                    \
  X(uint64_t, d1, u64, U64)                                                    \
  X(uint64_t, d2, u64, U64)                                                    \
  X(uint64_t, d3, u64, U64)
#define FIELDS(X)                                                              \
  OLD_FIELDS(X)                                                                \
  X(uint32_t, e0, u32, U32)                                                    \
  X(uint8_t, e1, u8, U8)

#define MEMBER(type, member, call, macro) type member;
typedef struct device_s {
  FIELDS(MEMBER)
  unsigned next; /* by hand: the field that has not arrived yet */
} device_t;

#define FIELD(type, member, call, macro) {SLUICE_##macro(device_t, member)},
static const sluice_field_t v1_fields[] = {
    OLD_FIELDS(FIELD){SLUICE_FIELDS_END}};
static const sluice_table_t v1 = {SLUICE_TABLE(device_t, "device", 1, 1),
                                  .fields = v1_fields};
static const sluice_field_t v2_fields[] = {
    OLD_FIELDS(FIELD){SLUICE_U32(device_t, e0), .since = 2},
    {SLUICE_U8(device_t, e1), .since = 2},
    {SLUICE_FIELDS_END}};
static const sluice_table_t v2 = {SLUICE_TABLE(device_t, "device", 2, 1),
                                  .fields = v2_fields};

/* ---- by hand ---- */

static int hand_save_begin(void *self, sluice_section_t *section,
                           sluice_error_t *err) {
  (void)self;
  (void)section;
  (void)err;
  return 0;
}

static int hand_save(void *self, sluice_writer_t *w, sluice_error_t *err) {
  const device_t *d = self;

  (void)err;
#define PUT(type, member, call, macro) (void)sluice_writer_##call(w, d->member);
  FIELDS(PUT)
  return sluice_writer_status(w);
}

static int hand_restore_begin(void *self, sluice_section_t *section,
                              uint32_t version, sluice_error_t *err) {
  device_t *d = self;

  (void)section;
  (void)version;
  (void)err;
  d->next = 0;
  return 0;
}

/* Goes on where input ran out. */
static int hand_restore(void *self, sluice_reader_t *r, sluice_error_t *err) {
  device_t *d = self;
  unsigned at = 0;
  int result;

  (void)err;
#define GET(type, member, call, macro)                                         \
  if (at++ == d->next) {                                                       \
    result = sluice_reader_##call(r, &d->member);                              \
    if (result != 0) {                                                         \
      return result;                                                           \
    }                                                                          \
    d->next++;                                                                 \
  }
  FIELDS(GET)
  return SLUICE_DONE;
}

static void hand_end(void *self, int status) {
  (void)self;
  (void)status;
}

static const sluice_handler_t by_hand = {.size = sizeof(by_hand),
                                         .version = 2,
                                         .min_version = 2,
                                         .payload = SLUICE_PAYLOAD_BYTES,
                                         .type = "device",
                                         .save_begin = hand_save_begin,
                                         .save_finish = hand_save,
                                         .save_end = hand_end,
                                         .restore_begin = hand_restore_begin,
                                         .restore_step = hand_restore,
                                         .restore_end = hand_end};

/* ---- hosts ---- */

/* A program with its devices, and images of them, one a format. */
typedef struct program_s {
  host_t host;
  device_t *devices;
  sluice_fields_t **fields; /* NULL: by hand */
  size_t count;
} program_t;

typedef struct image_s {
  program_t *to;
  sluice_format_t format;
  void *data;
  size_t len;
} image_t;

static void must(bool is_so) {
  if (!is_so) {
    abort();
  }
}

static void add_device(program_t *p, const sluice_table_t *table, size_t i) {
  char name[32];
  int r;

  (void)snprintf(name, sizeof(name), "device-%zu", i);
  if (table == NULL) {
    r = sluice_registry_add(p->host.registry, name, &by_hand, &p->devices[i],
                            NULL, NULL, NULL);
  } else if (i == 0) {
    r = sluice_fields_new(&p->fields[0], p->host.registry, name, NULL, table,
                          &p->devices[0], NULL);
  } else {
    r = sluice_fields_new_like(&p->fields[i], p->fields[0], p->host.registry,
                               name, NULL, &p->devices[i], NULL);
  }
  must(r == 0);
}

static void program_open(program_t *p, const sluice_table_t *table,
                         size_t count) {
  const host_config_t none = {0};

  host_open(&p->host, &none);
  p->count = count;
  p->devices = calloc(count, sizeof(*p->devices));
  must(p->devices != NULL);
  memory_fill(p->devices, count * sizeof(*p->devices), 1);
  if (table != NULL) {
    p->fields = calloc(count, sizeof(sluice_fields_t *));
    must(p->fields != NULL);
  }
  for (size_t i = 0; i < count; i++) {
    add_device(p, table, i);
  }
}

static void program_close(program_t *p) {
  host_close(&p->host);
  for (size_t i = 0; i < p->count && p->fields != NULL; i++) {
    (void)sluice_fields_free(p->fields[i]);
  }
  free(p->fields);
  free(p->devices);
}

static const char *save_image(program_t *p, sluice_format_t format, void **data,
                              size_t *len) {
  const sluice_save_options_t options = {
      .size = sizeof(options), .format = format, .host = "pc"};
  sluice_sink_t *sink = NULL;

  must(sluice_sink_memory(&sink, IMAGE_MAX, data, len) == 0);
  return host_save(&p->host, sink, &options);
}

/* ---- what is measured ---- */

static const char *run_save(void *ctx, uint64_t count, bench_sample_t *out) {
  image_t *image = ctx;
  void *data = NULL;
  size_t len = 0;
  const char *error;

  (void)count;
  bench_sample_begin(out);
  error = save_image(image->to, image->format, &data, &len);
  bench_sample_end(out);
  free(data);
  return error;
}

static const char *run_restore(void *ctx, uint64_t count, bench_sample_t *out) {
  image_t *image = ctx;
  sluice_source_t *source = NULL;
  const char *error;

  (void)count;
  must(sluice_source_memory(&source, image->data, image->len) == 0);
  bench_sample_begin(out);
  error = host_restore(&image->to->host, source);
  bench_sample_end(out);
  return error;
}

static const char *run_copy(void *ctx, uint64_t count, bench_sample_t *out) {
  const program_t *p = ctx;
  device_t *copy = calloc(p->count, sizeof(*copy));
  void *(*volatile copy_bytes)(void *, const void *, size_t) = memcpy;

  (void)count;
  if (copy == NULL) {
    abort();
  }
  memset(copy, 1, p->count * sizeof(*copy)); /* the pages are there */
  bench_sample_begin(out);
  for (size_t i = 0; i < p->count; i++) {
    copy_bytes(&copy[i], &p->devices[i], sizeof(*copy));
  }
  bench_sample_end(out);
  free(copy);
  return NULL;
}

enum {
  HAND,
  TABLE,
  OLD_TABLE,
  PROGRAMS,

  HAND_NATIVE = 0,
  HAND_QEMU3,
  NATIVE,
  QEMU3,
  NATIVE_V1,
  IMAGES
};

static program_t programs[PROGRAMS];
static image_t images[IMAGES];

static void make_image(unsigned i, unsigned from, unsigned to,
                       sluice_format_t format) {
  images[i].to = &programs[to];
  images[i].format = format;
  must(save_image(&programs[from], format, &images[i].data, &images[i].len) ==
       NULL);
}

static void tell_size(bench_t *b, const char *variant, unsigned image) {
  bench_tell(b, "bytes of the stream a device", variant, "bytes",
             (double)images[image].len / (double)programs[HAND].count);
}

static void set_up(bench_t *b, size_t count) {
  program_open(&programs[HAND], NULL, count);
  program_open(&programs[TABLE], &v2, count);
  program_open(&programs[OLD_TABLE], &v1, count);
  make_image(HAND_NATIVE, HAND, HAND, SLUICE_FORMAT_NATIVE);
  make_image(HAND_QEMU3, HAND, HAND, SLUICE_FORMAT_QEMU3);
  make_image(NATIVE, TABLE, TABLE, SLUICE_FORMAT_NATIVE);
  make_image(QEMU3, TABLE, TABLE, SLUICE_FORMAT_QEMU3);
  make_image(NATIVE_V1, OLD_TABLE, TABLE, SLUICE_FORMAT_NATIVE);
  tell_size(b, "by hand, native", HAND_NATIVE);
  tell_size(b, "table, native", NATIVE);
  tell_size(b, "by hand, qemu3", HAND_QEMU3);
  tell_size(b, "table, qemu3", QEMU3);
}

static void run_case(bench_t *b, const char *name,
                     const bench_variant_t *variants, size_t count) {
  const bench_case_t c = {.name = name,
                          .units = (double)programs[HAND].count,
                          .is_whole = true,
                          .variants = variants,
                          .variant_count = count};

  bench_run(b, &c);
}

static void run_all(bench_t *b) {
  const bench_variant_t save_native[] = {
      {"by hand", run_save, &images[HAND_NATIVE]},
      {"table", run_save, &images[NATIVE]},
      {"memcpy", run_copy, &programs[HAND]}};
  const bench_variant_t save_qemu3[] = {
      {"by hand", run_save, &images[HAND_QEMU3]},
      {"table", run_save, &images[QEMU3]}};
  const bench_variant_t load_native[] = {
      {"by hand", run_restore, &images[HAND_NATIVE]},
      {"table", run_restore, &images[NATIVE]},
      {"table, of v1", run_restore, &images[NATIVE_V1]},
      {"memcpy", run_copy, &programs[HAND]}};
  const bench_variant_t load_qemu3[] = {
      {"by hand", run_restore, &images[HAND_QEMU3]},
      {"table", run_restore, &images[QEMU3]}};

  run_case(b, "save native", save_native, 3);
  run_case(b, "save qemu3", save_qemu3, 2);
  run_case(b, "restore native", load_native, 4);
  run_case(b, "restore qemu3", load_qemu3, 2);
}

int main(int argc, char **argv) {
  bench_t b = {.is_pinned = true};

  bench_open(&b, "fields", argc, argv);
  set_up(&b, b.is_quick ? 100 : 10000);
  run_all(&b);
  for (int i = 0; i < IMAGES; i++) {
    free(images[i].data);
  }
  for (int i = 0; i < PROGRAMS; i++) {
    program_close(&programs[i]);
  }
  return bench_close(&b);
}
