/* made.c - see made.h. */
#include "tool/made.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const sluice_decl_t ram = {.id = 1,
                                  .version = 4,
                                  .flags = SLUICE_SECTION_LIVE,
                                  .payload = SLUICE_PAYLOAD_PAGES,
                                  .name = "ram",
                                  .type = "ram"};

struct made {
  FILE *file;
  uint8_t *chunk;
  sluice_encoder_t *e;
};

static int lend(void *ctx, uint8_t **out) {
  struct made *m = ctx;

  *out = m->chunk;
  return 0;
}

static int emit(void *ctx, uint8_t *base, size_t skip, size_t len) {
  struct made *m = ctx;

  ck_assert_uint_eq(fwrite(base + skip, 1, len, m->file), len);
  return 0;
}

static void begin(struct made *m, const char *path,
                  const sluice_encoder_options_t *options) {
  sluice_output_t out = {
      .size = sizeof(out), .ctx = m, .lend = lend, .emit = emit};

  m->file = fopen(path, "wb");
  m->chunk = aligned_alloc(SLUICE_CHUNK_ALIGN, SLUICE_CHUNK_BYTES);
  ck_assert_ptr_nonnull(m->file);
  ck_assert_ptr_nonnull(m->chunk);
  ck_assert_int_eq(sluice_encoder_new(&m->e, options, &out, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(m->e), 0);
}

static void end(struct made *m) {
  sluice_encoder_free(m->e);
  ck_assert_int_eq(fclose(m->file), 0);
  free(m->chunk);
}

static void put_page(struct made *m, unsigned page, char c) {
  char data[MADE_PAGE];

  memset(data, c, sizeof(data));
  ck_assert_int_eq(
      sluice_encoder_pages(m->e, 0, (uint64_t)page * MADE_PAGE, data, 1), 0);
}

static void put_zeros(struct made *m, uint64_t page, uint64_t count) {
  ck_assert_int_eq(sluice_encoder_zeros(m->e, 0, page * MADE_PAGE, count), 0);
}

static void open_ram(struct made *m, sluice_item_kind_t kind) {
  ck_assert_int_eq(sluice_encoder_open(m->e, kind, &ram), 0);
}

static void start_ram(struct made *m, uint64_t bytes) {
  uint32_t index;

  open_ram(m, SLUICE_ITEM_SECTION);
  ck_assert_int_eq(sluice_encoder_region(m->e, "ram", bytes, MADE_PAGE, &index),
                   0);
}

static void close_payload(struct made *m) {
  ck_assert_int_eq(sluice_encoder_close(m->e), 0);
}

static void put_device(struct made *m, const char *name, uint32_t instance,
                       char c, size_t len) {
  sluice_decl_t decl = {.id = 10 + instance,
                        .instance = instance,
                        .version = 2,
                        .name = name,
                        .type = "blob"};
  char data[MADE_DEVICE];

  memset(data, c, sizeof(data));
  ck_assert_int_eq(sluice_encoder_open(m->e, SLUICE_ITEM_SECTION, &decl), 0);
  ck_assert_int_eq(sluice_encoder_bytes(m->e, data, len), 0);
  close_payload(m);
}

static void put_sample(struct made *m) {
  start_ram(m, MADE_PAGES * MADE_PAGE);
  close_payload(m);
  open_ram(m, SLUICE_ITEM_PART);
  put_page(m, 0, 'a');
  put_page(m, 1, 'b');
  put_page(m, 2, 'd');
  put_zeros(m, 3, MADE_PAGES - 3);
  close_payload(m);
  open_ram(m, SLUICE_ITEM_END);
  put_page(m, 1, 'c');
  put_zeros(m, 2, 1);
  close_payload(m);
  put_device(m, "timer", 0, 't', MADE_DEVICE);
  put_device(m, "timer", 1, 'u', 1);
  ck_assert_int_eq(sluice_encoder_finish(m->e), 0);
}

void made_memory(unsigned char out[MADE_PAGES * MADE_PAGE]) {
  memset(out, 0, MADE_PAGES * MADE_PAGE);
  memset(out, 'a', MADE_PAGE);
  memset(out + MADE_PAGE, 'c', MADE_PAGE);
}

void made_sample(const char *path, sluice_format_t format) {
  sluice_encoder_options_t options = {
      .size = sizeof(options), .format = format, .host = "none"};
  struct made m;

  begin(&m, path, &options);
  put_sample(&m);
  end(&m);
}

void made_old(const char *path) {
  sluice_encoder_options_t options = {.size = sizeof(options),
                                      .format = SLUICE_FORMAT_QEMU3,
                                      .no_footers = 1,
                                      .no_configuration = 1};
  struct made m;

  begin(&m, path, &options);
  put_sample(&m);
  end(&m);
}

void made_aborted(const char *path) {
  sluice_encoder_options_t options = {.size = sizeof(options),
                                      .format = SLUICE_FORMAT_NATIVE};
  sluice_error_t reason = {.code = SLUICE_ENOCONVERGE,
                           .section = "ram",
                           .message = "too many writes"};
  struct made m;

  begin(&m, path, &options);
  start_ram(&m, MADE_PAGES * MADE_PAGE);
  put_page(&m, 0, 'a');
  ck_assert_int_eq(sluice_encoder_abort(m.e, &reason), 0);
  end(&m);
}

void made_rude(const char *path) {
  sluice_encoder_options_t options = {.size = sizeof(options),
                                      .format = SLUICE_FORMAT_NATIVE};
  struct made m;

  begin(&m, path, &options);
  put_device(&m, "a\x1b[2Jb", 0, 't', 1);
  ck_assert_int_eq(sluice_encoder_finish(m.e), 0);
  end(&m);
}

void made_large(const char *path, sluice_format_t format, uint64_t bytes) {
  sluice_encoder_options_t options = {
      .size = sizeof(options), .format = format, .host = "none"};
  const uint64_t stride = 64 * 1024 * 1024 / MADE_PAGE;
  struct made m;

  begin(&m, path, &options);
  start_ram(&m, bytes);
  close_payload(&m);
  open_ram(&m, SLUICE_ITEM_END);
  for (uint64_t page = 0; page < bytes / MADE_PAGE; page++) {
    if (page % stride == 0) {
      put_page(&m, (unsigned)page, 'a');
    } else {
      put_zeros(&m, page, 1);
    }
  }
  close_payload(&m);
  ck_assert_int_eq(sluice_encoder_finish(m.e), 0);
  end(&m);
}

/* By hand. */

static void put_be(FILE *f, uint64_t v, int bytes) {
  for (int i = bytes - 1; i >= 0; i--) {
    (void)fputc((int)(v >> (8 * i) & 0xff), f);
  }
}

static void put_name(FILE *f, const char *name) {
  put_be(f, strlen(name), 1);
  (void)fputs(name, f);
}

enum { RAM_SIZE = 0x04, RAM_PAGE = 0x08, RAM_EOS = 0x10 };

static void put_footer(FILE *f) {
  put_be(f, RAM_EOS, 8);
  put_be(f, 0x7e, 1);
  put_be(f, 1, 4);
}

static void put_start(FILE *f) {
  put_be(f, 0x01, 1);
  put_be(f, 1, 4);
  put_name(f, "ram");
  put_be(f, 0, 4);
  put_be(f, 4, 4);
  put_be(f, MADE_PAGES * MADE_PAGE | RAM_SIZE, 8);
  put_name(f, "ram");
  put_be(f, MADE_PAGES * MADE_PAGE, 8);
  put_footer(f);
}

static void put_pages(FILE *f) {
  put_be(f, 0x03, 1);
  put_be(f, 1, 4);
  put_be(f, RAM_PAGE, 8);
  put_name(f, "ram");
  for (int i = 0; i < MADE_PAGE; i++) {
    (void)fputc('a', f);
  }
  put_be(f, 0x60, 8); /* XBZRLE, the same region */
  put_be(f, 0x01, 1);
  put_be(f, 4, 2);
  (void)fputs("\x05\x02xy", f); /* 5 as they are, 2 new */
  put_footer(f);
}

void made_delta(const char *path) {
  static const char description[] = "{\"page_size\":4096,\"devices\":[]}";
  FILE *f = fopen(path, "wb");

  ck_assert_ptr_nonnull(f);
  (void)fputs("QEVM", f);
  put_be(f, 3, 4);
  put_be(f, 0x07, 1);
  put_be(f, 4, 4);
  (void)fputs("none", f);
  put_be(f, 0x08000200, 4); /* PING with 4 bytes */
  put_be(f, 4, 1);
  put_be(f, 1, 4);
  put_start(f);
  put_pages(f);
  put_be(f, 0x00, 1);
  put_be(f, 0x06, 1);
  put_be(f, sizeof(description) - 1, 4);
  (void)fputs(description, f);
  ck_assert_int_eq(fclose(f), 0);
}
