/* hostile_streams.c - see hostile_streams.h. */
#include "hostile_streams.h"

#include <stdio.h>
#include <string.h>

#include <sluice/item.h>

#include "native_forge.h"
#include "stream/bytes.h"

static void take_forged(native_forge_t *f, build_t *b) {
  build_raw(b, f->data, f->len);
  forge_done(f);
}

void hostile_pads(build_t *b, uint32_t n) {
  native_forge_t f;

  forge_header(&f, 0, 0);
  for (uint32_t i = 0; i < n; i++) {
    forge_record(&f, SLUICE__NATIVE_PAD, 0, SLUICE__NATIVE_NO_SECTION, "", 0);
  }
  forge_trailer(&f);
  take_forged(&f, b);
}

void hostile_news(build_t *b, uint32_t n) {
  native_forge_t f;

  forge_header(&f, 0, 0);
  for (uint32_t i = 0; i < n; i++) {
    forge_record(&f, 99, SLUICE__NATIVE_SKIPPABLE, i, "", 0);
  }
  forge_trailer(&f);
  take_forged(&f, b);
}

void hostile_notes(build_t *b, uint32_t n) {
  static const uint8_t note[] = {1, 0, 0, 0, 0, 0, 0, 0, 'n'};
  native_forge_t f;

  forge_header(&f, 0, 0);
  for (uint32_t i = 0; i < n; i++) {
    forge_record(&f, SLUICE__NATIVE_NOTE, 0, SLUICE__NATIVE_NO_SECTION, note,
                 sizeof(note));
  }
  forge_trailer(&f);
  take_forged(&f, b);
}

/* One note, a byte a record. */
void hostile_note_in_pieces(build_t *b, uint32_t n) {
  static const uint8_t note[] = {1, 0, 0, 0, 0, 0, 0, 0, 'n', 'x'};
  native_forge_t f;

  forge_header(&f, 0, 0);
  for (uint32_t i = 0; i < n; i++) {
    forge_record(&f, SLUICE__NATIVE_NOTE, i + 1 < n ? SLUICE__NATIVE_MORE : 0,
                 SLUICE__NATIVE_NO_SECTION, note, sizeof(note));
  }
  forge_trailer(&f);
  take_forged(&f, b);
}

/* DATA of nothing, with `flags`; a PART of nothing at that if they say so. */
static void empty_data(build_t *b, uint32_t n, uint16_t flags) {
  native_forge_t f;

  forge_header(&f, 0, 0);
  forge_section(&f, SLUICE__NATIVE_START, 1, "s", SLUICE_PAYLOAD_BYTES);
  for (uint32_t i = 0; i < n; i++) {
    forge_record(&f, SLUICE__NATIVE_DATA, flags, 1, "", 0);
  }
  forge_record(&f, SLUICE__NATIVE_END, 0, 1, NULL, 0);
  forge_trailer(&f);
  take_forged(&f, b);
}

void hostile_data_of_nothing(build_t *b, uint32_t n) {
  empty_data(b, n, 0);
}

void hostile_parts_of_nothing(build_t *b, uint32_t n) {
  empty_data(b, n, SLUICE__NATIVE_OPENS);
}

void hostile_sections(build_t *b, uint32_t n) {
  native_forge_t f;

  forge_header(&f, 0, 0);
  for (uint32_t i = 0; i < n; i++) {
    forge_section(&f, SLUICE__NATIVE_FULL, i * 65536, "s",
                  SLUICE_PAYLOAD_BYTES);
  }
  forge_trailer(&f);
  take_forged(&f, b);
}

void hostile_zeros_one_by_one(build_t *b, uint32_t n) {
  native_forge_t f;

  forge_header(&f, 0, 0);
  forge_section(&f, SLUICE__NATIVE_FULL, 1, "s", SLUICE_PAYLOAD_PAGES);
  forge_region(&f, 1, 0, 1024 * 1024, 256);
  for (uint32_t i = 0; i < n; i++) {
    forge_zeros(&f, 1, 0, (n - i) % 4096 * 256, 1);
  }
  forge_trailer(&f);
  take_forged(&f, b);
}

void hostile_devices(build_t *b, uint32_t n) {
  build_qemu3(b, "pc");
  for (uint32_t i = 0; i < n; i++) {
    build_section(b, 4, i, "card", i, 1);
    build_raw(b, "1234", 4);
    build_footer(b, i);
  }
  build_u8(b, 0);
}

static void begin_ram(build_t *b) {
  build_qemu3(b, "pc");
  build_section(b, 1, 1, "ram", 0, 4);
  build_be64(b, 0x400000 | 0x04);
  build_str8(b, "ram");
  build_be64(b, 0x400000);
  build_eos(b);
  build_footer(b, 1);
}

static void end_ram(build_t *b) {
  build_part(b, 3, 1);
  build_eos(b);
  build_footer(b, 1);
  build_u8(b, 0);
}

void hostile_empty_parts(build_t *b, uint32_t n) {
  begin_ram(b);
  for (uint32_t i = 0; i < n; i++) {
    build_part(b, 2, 1);
    build_eos(b);
    build_footer(b, 1);
  }
  end_ram(b);
}

void hostile_zero_pages(build_t *b, uint32_t n) {
  begin_ram(b);
  build_part(b, 2, 1);
  for (uint32_t i = 0; i < n; i++) {
    build_zero(b, (uint64_t)(n - i) % 1024 * 4096, i == 0 ? "ram" : NULL);
  }
  build_eos(b);
  build_footer(b, 1);
  end_ram(b);
}

void hostile_commands(build_t *b, uint32_t n) {
  build_qemu3(b, "pc");
  for (uint32_t i = 0; i < n; i++) {
    build_raw(b, "\x08\x00\x02\x00\x04ping", 9);
  }
  build_u8(b, 0);
}

void hostile_regions(build_t *b, uint32_t n) {
  build_qemu3(b, "pc");
  build_section(b, 1, 1, "ram", 0, 4);
  build_be64(b, (uint64_t)n * 4096 | 0x04);
  for (uint32_t i = 0; i < n; i++) {
    char name[16];

    (void)snprintf(name, sizeof(name), "r%u", i);
    build_str8(b, name);
    build_be64(b, 4096);
  }
  build_eos(b);
  build_footer(b, 1);
  end_ram(b);
}

/* A device whose bytes all look like footers, and are not. */
void hostile_false_footers(build_t *b, uint32_t n) {
  build_qemu3(b, "pc");
  build_section(b, 1, 1, "ram", 0, 4);
  build_be64(b, 0x1000 | 0x04);
  build_str8(b, "ram");
  build_be64(b, 0x1000);
  build_eos(b);
  build_footer(b, 1);
  build_section(b, 4, 0x7e7e7e7e, "card", 0, 1);
  build_fill(b, 0x7e, (size_t)n * 8);
}

/* A tail that could be over after every byte. */
void hostile_braces(build_t *b, uint32_t n) {
  begin_ram(b);
  build_part(b, 3, 1);
  build_eos(b);
  build_footer(b, 1);
  build_section(b, 4, 9, "card", 0, 1);
  build_fill(b, '}', (size_t)n * 8);
}

/* A tail full of what could be a description, and is not. */
void hostile_false_descriptions(build_t *b, uint32_t n) {
  begin_ram(b);
  build_part(b, 3, 1);
  build_eos(b);
  build_footer(b, 1);
  build_section(b, 4, 9, "card", 0, 1);
  for (uint32_t i = 0; i < n; i++) {
    build_raw(b, "\x00\x06\x00\x00\x04\x00{}", 8);
  }
}

static void described(build_t *b, uint32_t n, const char *one, char between) {
  build_t text = {0};

  begin_ram(b);
  build_part(b, 3, 1);
  build_eos(b);
  build_footer(b, 1);
  build_u8(b, 0);
  build_raw(&text, "{\"devices\":[", 12);
  for (uint32_t i = 0; i < n; i++) {
    char number[16];

    build_raw(&text, one, strlen(one));
    if (between == ',') {
      (void)snprintf(number, sizeof(number), "%u}", i);
      build_raw(&text, number, strlen(number));
      build_raw(&text, i + 1 < n ? "," : "]}", i + 1 < n ? 1 : 2);
    }
  }
  build_u8(&text, 0);
  build_description(b, (const char *)text.data);
  build_done(&text);
}

void hostile_many_described(build_t *b, uint32_t n) {
  described(b, n, "{\"name\":\"card\",\"instance_id\":", ',');
}

void hostile_deep_lists(build_t *b, uint32_t n) {
  described(b, n, "[", ' ');
}

void hostile_deep_subsections(build_t *b, uint32_t n) {
  described(b, n, "{\"vmsd_name\":\"c\",\"fields\":[],\"subsections\":[", ' ');
}

static void begin_qemu2(build_t *b) {
  build_raw(b, "QEVM\0\0\0\2\0\0\0\0\0\0\0\0", 16);
}

static void end_qemu2(build_t *b) {
  sluice__put_be64(b->data + 8, b->len - 16);
}

void hostile_empty_records(build_t *b, uint32_t n) {
  begin_qemu2(b);
  for (uint32_t i = 0; i < n; i++) {
    build_raw(b, "\x01s\0\0\0\0\0\0\0\1\0\0\0\0", 14);
  }
  end_qemu2(b);
}

void hostile_empty_chunks(build_t *b, uint32_t n) {
  begin_qemu2(b);
  build_raw(b, "\x03ram\0\0\0\0\0\0\0\2", 12);
  build_be32(b, n * 4 + 4);
  build_be32(b, 1024);
  for (uint32_t i = 0; i < n; i++) {
    build_raw(b, "\xfa\xbe\0\0", 4);
  }
  end_qemu2(b);
}

void hostile_fills(build_t *b, uint32_t n) {
  begin_qemu2(b);
  build_raw(b, "\x03ram\0\0\0\0\0\0\0\1", 12);
  build_be32(b, n * 2 + 4);
  build_be32(b, n * 4096);
  for (uint32_t i = 0; i < n; i++) {
    build_raw(b, "\x01\x00", 2);
  }
  end_qemu2(b);
}

void hostile_configuration_of(build_t *b) {
  build_raw(b, "QEVM\0\0\0\3\x07", 9);
}

void hostile_memory_of(build_t *b) {
  build_qemu3(b, "pc");
  build_section(b, 1, 1, "ram", 0, 4);
}

void hostile_region_of(build_t *b) {
  hostile_memory_of(b);
  build_be64(b, 0x2000 | 0x04);
  build_str8(b, "ram");
}

void hostile_page_at(build_t *b) {
  begin_ram(b);
  build_part(b, 2, 1);
}

void hostile_description_of(build_t *b) {
  begin_ram(b);
  end_ram(b);
  build_u8(b, 6);
}

void hostile_command_of(build_t *b) {
  build_qemu3(b, "pc");
  build_raw(b, "\x08\x00\x02", 3);
}

void hostile_stream_of(build_t *b) {
  build_raw(b, "QEVM\0\0\0\2", 8);
}

void hostile_record_of(build_t *b) {
  hostile_stream_of(b);
  build_be64(b, UINT64_MAX - 16);
  build_raw(b, "\x01s\0\0\0\0\0\0\0\1", 10);
}

static void old_memory_of(build_t *b, uint8_t version) {
  hostile_stream_of(b);
  build_be64(b, UINT64_MAX - 16);
  build_raw(b, "\x03ram\0\0\0\0\0\0\0", 11);
  build_u8(b, version);
  build_be32(b, UINT32_MAX);
}

void hostile_plain_memory_of(build_t *b) {
  old_memory_of(b, 1);
}

void hostile_packed_memory_of(build_t *b) {
  old_memory_of(b, 2);
}

void hostile_memory_of_items_of(build_t *b) {
  old_memory_of(b, 3);
}
