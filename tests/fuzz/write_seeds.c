/* write_seeds.c - small inputs for the fuzz targets to begin with.
 *
 *   write_seeds FOLDER
 *
 * writes FOLDER/<target>/seed-*. Run again after a
 * format has grown; finds are put beside them by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sluice/schema.h>

#include "fields_sample.h"
#include "golden/native_tiny.h"
#include "handover_host.h"
#include "memory_output.h"
#include "native_forge.h"
#include "native_sample.h"
#include "qemu3_sample.h"
#include "require.h"

static const char *folder;

static void write_input(const char *target, const char *name,
                        const uint8_t *head, size_t head_len,
                        const build_t *body) {
  char path[4096];
  FILE *f;

  (void)snprintf(path, sizeof(path), "%s/%s", folder, target);
  (void)mkdir(path, 0777);
  (void)snprintf(path, sizeof(path), "%s/%s/seed-%s", folder, target, name);
  f = fopen(path, "wb");
  REQUIRE(f != NULL);
  REQUIRE(head_len == 0 || fwrite(head, 1, head_len, f) == head_len);
  REQUIRE(fwrite(body->data, 1, body->len, f) == body->len);
  REQUIRE(fclose(f) == 0);
}

/* ---- fields ---- */

static void write_fields(const char *name, uint8_t what, sluice_format_t format,
                         const sluice_table_t *table, void *structure) {
  uint8_t head[4] = {what, (uint8_t)table->version, 0, 0};
  uint8_t *schema, *payload;
  size_t schema_len, len;
  build_t body = {0};

  REQUIRE(sluice_fields_schema(table, &schema, &schema_len, NULL) == 0);
  REQUIRE(sluice_fields_encode(table, format, structure, &payload, &len,
                               NULL) == 0);
  if (what == 0) {
    head[2] = (uint8_t)schema_len;
    head[3] = (uint8_t)(schema_len >> 8);
    build_raw(&body, schema, schema_len);
  }
  build_raw(&body, payload, len);
  write_input("fields", name, head, sizeof(head), &body);
  build_done(&body);
  free(schema);
  free(payload);
}

static void write_all_fields(void) {
  seed_t seed = {42};
  sample_t full = {0}, empty = {0};
  sample_line_t line = {.level = 3, .delta = -7};

  sample_fill(&full, &seed);
  write_fields("full-schema", 0, SLUICE_FORMAT_NATIVE, &sample_table, &full);
  write_fields("full", 1, SLUICE_FORMAT_NATIVE, &sample_table, &full);
  write_fields("full-qemu", 2, SLUICE_FORMAT_QEMU3, &sample_table, &full);
  write_fields("empty-schema", 0, SLUICE_FORMAT_NATIVE, &sample_table, &empty);
  write_fields("empty", 1, SLUICE_FORMAT_NATIVE, &sample_table, &empty);
  write_fields("empty-qemu", 2, SLUICE_FORMAT_QEMU3, &sample_table, &empty);
  write_fields("line-schema", 0, SLUICE_FORMAT_NATIVE, &sample_line_table,
               &line);
  sample_done(&full);
}

/* ---- streams ---- */

static void write_stream(const char *target, const char *name, uint8_t options,
                         uint8_t cut, build_t *stream) {
  const uint8_t head[3] = {options, 6, cut};

  write_input(target, name, head, sizeof(head), stream);
  build_done(stream);
}

static void write_native(void) {
  memory_output_t memory;
  sluice_output_t output;
  native_forge_t f;
  build_t b = {0};

  build_raw(&b, tiny, sizeof(tiny));
  write_stream("native", "tiny", 9, 0, &b);

  memory_output_init(&memory);
  output = memory_output_of(&memory);
  REQUIRE(native_sample_write(&output, NULL) == 0);
  b = (build_t){0};
  build_raw(&b, memory.data, memory.len);
  write_stream("native", "sample", 9, 0, &b);
  memory_output_done(&memory);

  forge_header(&f, 0, 0);
  forge_section(&f, SLUICE__NATIVE_FULL, 1, "a", 0);
  forge_record(&f, SLUICE__NATIVE_DATA, 0, 1, "some bytes", 10);
  forge_section(&f, SLUICE__NATIVE_FULL, 2, "r", 1);
  forge_region(&f, 2, 0, 4096, 256);
  forge_zeros(&f, 2, 0, 256, 3);
  forge_record(&f, 99, SLUICE__NATIVE_SKIPPABLE, 0, "news", 4);
  forge_trailer(&f);
  b = (build_t){0};
  build_raw(&b, f.data, f.len);
  write_stream("native", "forged", 1, 0, &b);
  forge_done(&f);
}

static void write_qemu3(void) {
  const sample_options_t with_all = {"pc", true, true};
  const sample_options_t bare = {NULL, false, true};
  const sample_options_t footers = {"pc", true, false};
  build_t b = {0};

  sample_minimal(&b);
  write_stream("qemu3", "minimal", 4, 0, &b);
  b = (build_t){0};
  sample_machine(&b, &with_all);
  write_stream("qemu3", "machine", 4, 0, &b);
  b = (build_t){0};
  sample_machine(&b, &bare);
  write_stream("qemu3", "bare", 4, 0, &b);
  b = (build_t){0};
  sample_machine(&b, &footers);
  write_stream("qemu3", "footers", 4, 0, &b);

  b = (build_t){0};
  build_qemu3(&b, "pc");
  build_section(&b, 4, 0, "timer", 0, 2);
  build_raw(&b, "abcd", 4);
  build_footer(&b, 0);
  build_raw(&b, "\x08\x00\x02\x00\x04ping", 9);
  build_section(&b, 4, 1, "rtc", 0, 1);
  build_raw(&b, "efgh", 4);
  build_footer(&b, 1);
  build_u8(&b, 0);
  write_stream("qemu3", "by-reader", 0, 4, &b);
}

static void begin_qemu2(build_t *b) {
  *b = (build_t){0};
  build_raw(b, "QEVM", 4);
  build_be32(b, 2);
  build_be64(b, 0); /* the total: end_qemu2() */
}

static void record_qemu2(build_t *b, const char *name, uint32_t version,
                         const void *payload, size_t len) {
  build_str8(b, name);
  build_be32(b, 0);
  build_be32(b, version);
  build_be32(b, (uint32_t)len);
  build_raw(b, payload, len);
}

static void end_qemu2(build_t *b, const char *name, uint8_t options) {
  size_t total = b->len - 16;

  b->data[14] = (uint8_t)(total >> 8);
  b->data[15] = (uint8_t)total;
  write_stream("qemu2", name, options, 0, b);
}

static void write_qemu2(void) {
  static const uint8_t fills[] = {0, 0, 0x20, 0, 1, 0, 1, 0xff};
  static const uint8_t items[] = {0, 0, 0, 0, 0, 0, 0x20, 4, /* size: 2 pages */
                                  0, 0, 0, 0, 0, 0, 0,    2,   0,
                                  0, 0, 0, 0, 0, 0, 0,    0x10};
  /* 1 KiB of 0x41 behind its mark, by zlib. */
  static const uint8_t packed[] = {0x00, 0x00, 0x04, 0x00, 0xfa, 0xbe, 0x00,
                                   0x11, 0x78, 0x9c, 0x63, 0x70, 0x1c, 0x05,
                                   0xa3, 0x60, 0x14, 0x8c, 0x58, 0x00, 0x00,
                                   0xa4, 0x79, 0x04, 0x10};
  static const uint8_t unpacked[4 + 2 * 1025] = {0, 0, 8, 0};
  build_t b;

  begin_qemu2(&b);
  record_qemu2(&b, "timer", 2, "abc", 3);
  record_qemu2(&b, "ram", 1, fills, sizeof(fills));
  end_qemu2(&b, "fills", 0);
  begin_qemu2(&b);
  record_qemu2(&b, "ram", 3, items, sizeof(items));
  end_qemu2(&b, "items", 0);
  begin_qemu2(&b);
  record_qemu2(&b, "ram", 2, packed, sizeof(packed));
  end_qemu2(&b, "packed", 0);
  begin_qemu2(&b);
  record_qemu2(&b, "ram", 2, unpacked, sizeof(unpacked));
  record_qemu2(&b, "timer", 2, "abc", 3);
  end_qemu2(&b, "to-pack", 32);
}

/* ---- queue: any bytes will do ---- */

static void write_queue(void) {
  seed_t seed = {7};

  for (int i = 0; i < 4; i++) {
    char name[16];
    build_t b = {0};

    (void)snprintf(name, sizeof(name), "%d", i);
    for (int n = 0; n < 400 << i; n++) {
      build_u8(&b, (uint8_t)(seed_next(&seed) >> (n % 3 == 0 ? 5 : 0)));
    }
    write_input("queue", name, NULL, 0, &b);
    build_done(&b);
  }
}

/* ---- hand-over ---- */

static void add_message(build_t *b, const sluice__frame_t *frame,
                        const uint8_t *payload) {
  build_u8(b, (uint8_t)((unsigned)frame->type | frame->fds << 4));
  build_u8(b, (uint8_t)frame->len);
  build_u8(b, (uint8_t)(frame->len >> 8));
  build_raw(b, payload, frame->len);
}

/* STREAM as a type of the target's own, in parts of 2 KiB. */
static void add_parts(build_t *b, uint8_t type, const sluice__frame_t *frame,
                      const uint8_t *payload) {
  build_u8(b, type);
  build_u8(b, (uint8_t)(frame->len + 1));
  build_u8(b, (uint8_t)((frame->len + 1) >> 8));
  build_u8(b, 2048 / 64 - 1);
  build_raw(b, payload, frame->len);
}

/* What an old host says, for a new one. */
static void record(build_t *b, uint8_t parts, const uint8_t *bytes, size_t len,
                   uint32_t *number) {
  while (len >= SLUICE__FRAME_HEADER) {
    sluice__frame_t frame;

    REQUIRE(sluice__frame_get(&frame, bytes, (*number)++, NULL) == 0);
    if (frame.type == SLUICE__FRAME_STREAM && parts != 0) {
      add_parts(b, parts, &frame, bytes + SLUICE__FRAME_HEADER);
    } else if (frame.type != SLUICE__FRAME_FAIL) {
      add_message(b, &frame, bytes + SLUICE__FRAME_HEADER);
    }
    bytes += SLUICE__FRAME_HEADER + frame.len;
    len -= SLUICE__FRAME_HEADER + frame.len;
  }
}

/* `parts`: the type of STREAM messages; 0: their own. */
static void write_old(const char *name, uint8_t options, uint8_t parts) {
  static uint8_t heard[1 << 17];
  static const uint8_t hello[SLUICE__FRAME_GREETING] = {1};
  sluice__frame_t frame = {.type = SLUICE__FRAME_HELLO, .len = sizeof(hello)};
  uint8_t message[SLUICE__FRAME_HEADER + sizeof(hello)];
  host_t *host = host_open(1, options >> 1);
  uint32_t number = 0;
  build_t b = {0};

  build_u8(&b, options);
  sluice__frame_put(message, &frame, 0);
  memcpy(message + SLUICE__FRAME_HEADER, hello, sizeof(hello));
  host_tell(host, message, sizeof(message), 0);
  frame = (sluice__frame_t){.type = SLUICE__FRAME_PREPARED};
  sluice__frame_put(message, &frame, 1);
  host_tell(host, message, SLUICE__FRAME_HEADER, 0);
  for (int i = 0; i < 20; i++) {
    host_turn(host);
    record(&b, parts, heard, host_hear(host, heard, sizeof(heard)), &number);
  }
  frame = (sluice__frame_t){.type = SLUICE__FRAME_READY};
  sluice__frame_put(message, &frame, 2);
  host_tell(host, message, SLUICE__FRAME_HEADER, 0);
  host_turn(host);
  record(&b, parts, heard, host_hear(host, heard, sizeof(heard)), &number);
  REQUIRE(host_close(host) < 0);
  write_input("handover", name, NULL, 0, &b);
  build_done(&b);
}

static void write_new(const char *name, uint8_t options, uint32_t fail) {
  static const uint8_t hello[SLUICE__FRAME_GREETING] = {1};
  const sluice__frame_t words[] = {
      {.type = SLUICE__FRAME_HELLO, .len = sizeof(hello)},
      {.type = SLUICE__FRAME_PREPARED},
      {.type = SLUICE__FRAME_READY},
      {.type = SLUICE__FRAME_RUNNING}};
  uint8_t no[6] = {0xff, 0xff, 0xff, 0xff, 'n', 'o'};
  build_t b = {0};

  build_u8(&b, options);
  for (uint32_t i = 0; i < 4 && i != fail; i++) {
    add_message(&b, &words[i], hello);
  }
  if (fail < 4) {
    add_message(
        &b, &(sluice__frame_t){.type = SLUICE__FRAME_FAIL, .len = sizeof(no)},
        no);
  }
  write_input("handover", name, NULL, 0, &b);
  build_done(&b);
}

static void write_handover(void) {
  write_old("old", 0, 0);
  write_old("old-copied", 2, 0);
  write_old("old-in-parts", 2, 14);
  write_old("old-in-messages", 2, 15);
  write_new("new", 1, 4);
  write_new("new-fails", 1, 3);
  write_new("new-unprepared", 1, 1);
  write_new("new-copied", 3, 4);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    (void)fprintf(stderr, "usage: write_seeds FOLDER\n");
    return 2;
  }
  folder = argv[1];
  write_all_fields();
  write_native();
  write_qemu3();
  write_qemu2();
  write_queue();
  write_handover();
  return 0;
}
