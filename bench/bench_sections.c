/* bench_sections.c - a save of very many very small sections.
 *
 * 100 000 sections of 64 bytes each, as a native stream, as QEMU's, and, as the
 * floor, in one loop that calls every handler and puts a name, the bytes and a
 * checksum behind each other in memory. Nanoseconds are per section. */
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "bench.h"
#include "host.h"
#include "memory.h"

enum { SMALL = 64, NAME = 32, BUFFER = 256 * 1024 };

typedef struct small_s {
  char name[NAME];
  uint8_t state[SMALL];
} small_t;

static struct {
  host_t host;
  small_t *all;
  size_t count;
  uint8_t buffer[BUFFER];
  size_t fill;
} sections;

static int save_begin(void *self, sluice_section_t *section,
                      sluice_error_t *err) {
  (void)self;
  (void)section;
  (void)err;
  return 0;
}

static int save_finish(void *self, sluice_writer_t *w, sluice_error_t *err) {
  const small_t *s = self;
  int r = sluice_writer_bytes(w, s->state, sizeof(s->state));

  (void)err;
  return r < 0 ? r : SLUICE_DONE;
}

static void save_end(void *self, int status) {
  (void)self;
  (void)status;
}

static int restore_begin(void *self, sluice_section_t *section,
                         uint32_t version, sluice_error_t *err) {
  (void)version;
  return save_begin(self, section, err);
}

static int restore_step(void *self, sluice_reader_t *r, sluice_error_t *err) {
  small_t *s = self;

  (void)err;
  return sluice_reader_exact(r, s->state, sizeof(s->state));
}

static const sluice_handler_t handler = {.size = sizeof(handler),
                                         .version = 1,
                                         .min_version = 1,
                                         .payload = SLUICE_PAYLOAD_BYTES,
                                         .type = "small",
                                         .save_begin = save_begin,
                                         .save_finish = save_finish,
                                         .save_end = save_end,
                                         .restore_begin = restore_begin,
                                         .restore_step = restore_step,
                                         .restore_end = save_end};

/* ---- the floor ---- */

static void append(const void *data, size_t len) {
  if (sections.fill + len > BUFFER) {
    sections.fill = 0; /* gone to nothing */
  }
  memcpy(sections.buffer + sections.fill, data, len);
  sections.fill += len;
}

static void append_small(void *self) {
  const small_t *s = self;
  uint64_t sum = XXH3_64bits(s->state, sizeof(s->state));

  append(s->name, sizeof(s->name));
  append(s->state, sizeof(s->state));
  append(&sum, sizeof(sum));
}

static const char *run_loop(void *ctx, uint64_t count, bench_sample_t *out) {
  void (*volatile save)(void *) = append_small; /* a handler's: indirect */

  (void)ctx;
  (void)count;
  bench_sample_begin(out);
  for (size_t i = 0; i < sections.count; i++) {
    save(&sections.all[i]);
  }
  bench_sample_end(out);
  return NULL;
}

static const char *run_format(sluice_format_t format, bench_sample_t *out) {
  const sluice_save_options_t options = {
      .size = sizeof(options), .format = format, .host = "pc"};
  const char *error;

  bench_sample_begin(out);
  error = host_save(&sections.host, host_null_sink(), &options);
  bench_sample_end(out);
  out->longest_ns = sections.host.longest_turn_ns;
  return error;
}

static const char *run_native(void *ctx, uint64_t count, bench_sample_t *out) {
  (void)ctx;
  (void)count;
  return run_format(SLUICE_FORMAT_NATIVE, out);
}

static const char *run_qemu3(void *ctx, uint64_t count, bench_sample_t *out) {
  (void)ctx;
  (void)count;
  return run_format(SLUICE_FORMAT_QEMU3, out);
}

static void fill_sections(size_t count) {
  sections.count = count;
  sections.all = calloc(count, sizeof(*sections.all));
  if (sections.all == NULL) {
    abort();
  }
  memory_fill(sections.all, count * sizeof(*sections.all), 1);
  for (size_t i = 0; i < count; i++) {
    small_t *s = &sections.all[i];

    (void)snprintf(s->name, sizeof(s->name), "device-%u", (unsigned)i);
    if (sluice_registry_add(sections.host.registry, s->name, &handler, s, NULL,
                            NULL, NULL) < 0) {
      abort();
    }
  }
}

int main(int argc, char **argv) {
  bench_t b = {.is_pinned = true};
  const host_config_t none = {0};
  static const bench_variant_t variants[] = {{"loop", run_loop, NULL},
                                             {"native", run_native, NULL},
                                             {"qemu3", run_qemu3, NULL}};
  bench_case_t c = {.name = "sections of 64 bytes",
                    .is_whole = true,
                    .variants = variants,
                    .variant_count = 3};

  bench_open(&b, "sections", argc, argv);
  host_open(&sections.host, &none);
  fill_sections(b.is_quick ? 1000 : 100000);
  c.units = (double)sections.count;
  bench_run(&b, &c);
  host_close(&sections.host);
  return bench_close(&b);
}
