/* test_fields_real.c - tables for two of QEMU's devices: what a QEMU that runs
 * now sends of its clock and its serial port is read, changed, put back, and
 * QEMU runs on with the change. */
#include <sluice/decoder.h>
#include <sluice/fields.h>
#include <sluice/handler.h>

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "qemu.h"
#include "suite.h"

/* ---- tables ---- */

typedef struct rtc_s {
  uint8_t cmos_data[128];
  uint8_t cmos_index;
  int64_t periodic_timer;
  int64_t next_periodic_time;
  uint32_t irq_coalesced;
  uint32_t period;
  uint64_t base_rtc;
  uint64_t last_update;
  int64_t offset;
  int64_t update_timer;
  uint64_t next_alarm_time;
  uint32_t irq_reinject_on_ack_count;
} rtc_t;

static const sluice_field_t rtc_fields[] = {
    {SLUICE_ARRAY(BYTE, rtc_t, cmos_data)},
    {SLUICE_U8(rtc_t, cmos_index)},
    {SLUICE_UNUSED("unused[0]", 28)},
    {SLUICE_I64(rtc_t, periodic_timer)},
    {SLUICE_I64(rtc_t, next_periodic_time)},
    {SLUICE_UNUSED("unused[1]", 24)},
    {SLUICE_U32(rtc_t, irq_coalesced), .since = 2},
    {SLUICE_U32(rtc_t, period), .since = 2},
    {SLUICE_U64(rtc_t, base_rtc), .since = 3},
    {SLUICE_U64(rtc_t, last_update), .since = 3},
    {SLUICE_I64(rtc_t, offset), .since = 3},
    {SLUICE_I64(rtc_t, update_timer), .since = 3},
    {SLUICE_U64(rtc_t, next_alarm_time), .since = 3},
    {SLUICE_FIELDS_END}};

static int has_reinjection(const void *structure) {
  return ((const rtc_t *)structure)->irq_reinject_on_ack_count != 0;
}

static const sluice_field_t reinject_fields[] = {
    {SLUICE_U32(rtc_t, irq_reinject_on_ack_count)}, {SLUICE_FIELDS_END}};

static const sluice_table_t reinject = {
    SLUICE_TABLE(rtc_t, "mc146818rtc/irq_reinject_on_ack_count", 1, 1),
    .fields = reinject_fields, .needed = has_reinjection};

static const sluice_table_t *const rtc_subsections[] = {&reinject, NULL};

static const sluice_table_t rtc_table = {
    SLUICE_TABLE(rtc_t, "mc146818rtc", 3, 1), .fields = rtc_fields,
    .subsections = rtc_subsections};

typedef struct uart_s {
  uint16_t divider;
  uint8_t rbr, ier, iir, lcr, mcr, lsr, msr, scr, fcr_vmstate;
} uart_t;

typedef struct isa_uart_s {
  uart_t state;
} isa_uart_t;

static const sluice_field_t uart_fields[] = {
    {SLUICE_U16(uart_t, divider), .since = 2, SLUICE_RANGE(0, 65535)},
    {SLUICE_U8(uart_t, rbr)},
    {SLUICE_U8(uart_t, ier)},
    {SLUICE_U8(uart_t, iir)},
    {SLUICE_U8(uart_t, lcr)},
    {SLUICE_U8(uart_t, mcr)},
    {SLUICE_U8(uart_t, lsr)},
    {SLUICE_U8(uart_t, msr)},
    {SLUICE_U8(uart_t, scr)},
    {SLUICE_U8(uart_t, fcr_vmstate), .since = 3},
    {SLUICE_FIELDS_END}};

static const sluice_table_t uart_table = {SLUICE_TABLE(uart_t, "serial", 3, 2),
                                          .fields = uart_fields};

static const sluice_field_t isa_uart_fields[] = {
    {SLUICE_STRUCT(isa_uart_t, state, uart_t, &uart_table)},
    {SLUICE_FIELDS_END}};

static const sluice_table_t isa_uart_table = {
    SLUICE_TABLE(isa_uart_t, "serial", 3, 2), .fields = isa_uart_fields};

/* ---- a section in a stream ---- */

static const char *const pc[] = {"-M",          "pc",  "-m",      "16",
                                 "-vga",        "std", "-serial", "null",
                                 "-nodefaults", NULL};

static char dir[224];
static char path[256];
static build_t stream;
static json_t *description;

typedef struct place_s {
  uint64_t offset; /* in the stream, of the payload */
  uint8_t bytes[512];
  size_t len;
  uint32_t version;
} place_t;

static void take_item(const sluice_item_t *item, const char *name, int *is_in,
                      place_t *out) {
  switch (item->kind) {
  case SLUICE_ITEM_SECTION:
    *is_in = strcmp(item->u.decl.name, name) == 0;
    if (*is_in) {
      out->version = item->u.decl.version;
    }
    break;
  case SLUICE_ITEM_BYTES:
    if (*is_in) {
      ck_assert_uint_le(item->u.bytes.len, sizeof(out->bytes));
      memcpy(out->bytes, item->u.bytes.data, item->u.bytes.len);
      out->len = item->u.bytes.len;
      out->offset = item->offset;
      *is_in = 0;
    }
    break;
  case SLUICE_ITEM_NOTE:
    if (strcmp(item->u.note.name, SLUICE_NOTE_QEMU_DESCRIPTION) == 0) {
      json_decref(description);
      description = json_loadb((const char *)item->u.note.data,
                               item->u.note.len, 0, NULL);
    }
    break;
  default: break;
  }
}

static void fill(sluice_decoder_t *d, size_t *at) {
  void *to;
  size_t room;
  size_t n = stream.len - *at;

  sluice_decoder_space(d, &to, &room);
  n = n < room ? n : room;
  memcpy(to, stream.data + *at, n);
  sluice_decoder_fill(d, n);
  *at += n;
  if (*at == stream.len) {
    sluice_decoder_eof(d);
  }
}

static void find_section(const char *name, place_t *out) {
  const sluice_decoder_options_t o = {
      .size = sizeof(o), .payload_ends = SLUICE_ENDS_BY_DESCRIPTION};
  sluice_decoder_t *d;
  sluice_error_t err = {0};
  sluice_item_t item;
  size_t at = 0;
  int is_in = 0;
  int r;

  memset(out, 0, sizeof(*out));
  ck_assert_int_eq(sluice_decoder_new(&d, &o, NULL), 0);
  while ((r = sluice_decoder_next(d, &item, &err)) != SLUICE_DONE) {
    ck_assert_msg(r >= 0, "%s", err.message);
    if (r == SLUICE_WAIT) {
      fill(d, &at);
    } else {
      take_item(&item, name, &is_in, out);
    }
  }
  ck_assert_uint_gt(out->len, 0);
  ck_assert_int_eq(memcmp(stream.data + out->offset, out->bytes, out->len), 0);
  sluice_decoder_free(d);
}

static void read_section(const char *name, const sluice_table_t *table,
                         void *structure, place_t *out) {
  sluice_error_t err = {0};

  find_section(name, out);
  ck_assert_msg(sluice_fields_decode(table, SLUICE_FORMAT_QEMU3, out->version,
                                     NULL, 0, out->bytes, out->len, structure,
                                     &err) == 0,
                "%s", err.message);
}

static void write_section(const sluice_table_t *table, void *structure,
                          const place_t *place) {
  uint8_t *bytes;
  size_t len;

  ck_assert_int_eq(sluice_fields_encode(table, SLUICE_FORMAT_QEMU3, structure,
                                        &bytes, &len, NULL),
                   0);
  ck_assert_uint_eq(len, place->len);
  memcpy(stream.data + place->offset, bytes, len);
  free(bytes);
}

static void write_stream(void) {
  FILE *f = fopen(path, "wb");

  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(stream.data, 1, stream.len, f), stream.len);
  ck_assert_int_eq(fclose(f), 0);
}

static void setup(void) {
  qemu_t q;

  memset(&stream, 0, sizeof(stream));
  test_template(dir, sizeof(dir), "test");
  ck_assert_ptr_nonnull(mkdtemp(dir));
  (void)snprintf(path, sizeof(path), "%s/stream", dir);
  qemu_start(&q, pc, NULL);
  qemu_do(&q, "stop", NULL);
  ck_assert_str_eq(qemu_save(&q, dir, &stream), "completed");
  qemu_quit(&q);
}

static void teardown(void) {
  json_decref(description);
  description = NULL;
  build_done(&stream);
  (void)unlink(path);
  (void)rmdir(dir);
}

/* Lets a new QEMU take the stream, and takes its own in exchange. */
static void pass_through_qemu(qemu_t *q) {
  static const char *const incoming[] = {"-incoming", "defer", "-S", NULL};

  write_stream();
  qemu_start(q, pc, incoming);
  ck_assert_str_eq(qemu_load(q, path), "completed");
}

static void say(qemu_t *q, const char *line, char *out, size_t size) {
  char *said = qemu_info(q, line);

  (void)snprintf(out, size, "%s", said);
  free(said);
}

START_TEST(a_changed_byte_of_cmos_is_read_by_qemu) {
  place_t place;
  rtc_t rtc = {0};
  char said[256];
  qemu_t q;

  read_section("mc146818rtc", &rtc_table, &rtc, &place);
  ck_assert_uint_ne(rtc.cmos_data[0x70], 0xa7);
  rtc.cmos_data[0x70] = 0xa7;
  write_section(&rtc_table, &rtc, &place);
  pass_through_qemu(&q);
  say(&q, "o /b 0x70 0x70", said, sizeof(said)); /* the clock's index port */
  say(&q, "i /b 0x71", said, sizeof(said));
  ck_assert_msg(strstr(said, "0xa7") != NULL, "%s", said);
  qemu_do(&q, "cont", NULL);
  qemu_do(&q, "stop", NULL); /* it ran on, and still answers */
  qemu_quit(&q);
}
END_TEST

START_TEST(a_changed_divisor_comes_back_from_qemu) {
  place_t place;
  isa_uart_t uart;
  qemu_t q;

  memset(&uart, 0, sizeof(uart));
  read_section("serial", &isa_uart_table, &uart, &place);
  uart.state.divider = 12; /* 9600 baud */
  uart.state.scr = 0x5a;
  write_section(&isa_uart_table, &uart, &place);
  pass_through_qemu(&q);
  build_done(&stream);
  memset(&stream, 0, sizeof(stream));
  ck_assert_str_eq(qemu_save(&q, dir, &stream), "completed");
  qemu_quit(&q);
  memset(&uart, 0, sizeof(uart));
  read_section("serial", &isa_uart_table, &uart, &place);
  ck_assert_uint_eq(uart.state.divider, 12);
  ck_assert_uint_eq(uart.state.scr, 0x5a);
}
END_TEST

/* ---- descriptions ---- */

static json_t *device(const char *name) {
  json_t *devices = json_object_get(description, "devices");
  json_t *found = NULL;
  json_t *at;
  size_t i;

  json_array_foreach(devices, i, at) {
    if (strcmp(json_string_value(json_object_get(at, "name")), name) == 0) {
      found = at;
    }
  }
  ck_assert_ptr_nonnull(found);
  return found;
}

static void assert_same_fields(json_t *ours, json_t *theirs) {
  json_t *a = json_object_get(ours, "fields");
  json_t *b = json_object_get(theirs, "fields");

  ck_assert(json_equal(json_object_get(ours, "vmsd_name"),
                       json_object_get(theirs, "vmsd_name")));
  ck_assert(json_equal(json_object_get(ours, "version"),
                       json_object_get(theirs, "version")));
  ck_assert_uint_eq(json_array_size(a), json_array_size(b));
  for (size_t i = 0; i < json_array_size(a); i++) {
    json_t *x = json_array_get(a, i);
    json_t *y = json_array_get(b, i);

    ck_assert(
        json_equal(json_object_get(x, "name"), json_object_get(y, "name")));
    ck_assert(
        json_equal(json_object_get(x, "size"), json_object_get(y, "size")));
    if (json_object_get(y, "struct") != NULL) {
      assert_same_fields(json_object_get(x, "struct"),
                         json_object_get(y, "struct"));
    }
  }
}

static void assert_described(const char *name, const sluice_table_t *table,
                             void *structure) {
  json_t *ours;
  char *text;
  size_t len;

  ck_assert_int_eq(sluice_fields_describe(table, structure, &text, &len, NULL),
                   0);
  ours = json_loadb(text, len, 0, NULL);
  ck_assert_msg(ours != NULL, "%s", text);
  assert_same_fields(ours, device(name));
  json_decref(ours);
  free(text);
}

START_TEST(a_table_is_described_as_qemu_describes_the_device) {
  place_t place;
  rtc_t rtc = {0};
  isa_uart_t uart;

  memset(&uart, 0, sizeof(uart));
  read_section("mc146818rtc", &rtc_table, &rtc, &place);
  assert_described("mc146818rtc", &rtc_table, &rtc);
  read_section("serial", &isa_uart_table, &uart, &place);
  assert_described("serial", &isa_uart_table, &uart);
}
END_TEST

Suite *fields_real_suite(void) {
  Suite *s = suite_create("fields_real");
  TCase *t = tcase_create("real");

  tcase_set_timeout(t, 0);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, a_changed_byte_of_cmos_is_read_by_qemu);
  tcase_add_test(t, a_changed_divisor_comes_back_from_qemu);
  tcase_add_test(t, a_table_is_described_as_qemu_describes_the_device);
  suite_add_tcase(s, t);
  return s;
}
