/* sound.c - see sound.h. */
#include "sound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/handler.h>

typedef struct input_s {
  const unsigned char *data;
  size_t left;
} input_t;

static void feed(sluice_decoder_t *d, input_t *in) {
  void *space;
  size_t room;

  if (in->left == 0) {
    sluice_decoder_eof(d);
    return;
  }
  sluice_decoder_space(d, &space, &room);
  room = room < in->left ? room : in->left;
  memcpy(space, in->data, room);
  sluice_decoder_fill(d, room);
  in->data += room;
  in->left -= room;
}

static int decode_all(sluice_decoder_t *d, input_t *in, sluice_error_t *err) {
  sluice_item_t item;
  int r;

  do {
    r = sluice_decoder_next(d, &item, err);
    if (r == SLUICE_WAIT) {
      feed(d, in);
    }
  } while (r == SLUICE_MORE || r == SLUICE_WAIT);
  return r;
}

int image_decode(const void *data, size_t len, sluice_error_t *err) {
  const sluice_decoder_options_t o = {.size = sizeof(o),
                                      .payload_ends =
                                          SLUICE_ENDS_BY_DESCRIPTION,
                                      .check_index = 1};
  input_t in = {data, len};
  sluice_decoder_t *d;
  int r = sluice_decoder_new(&d, &o, NULL);

  if (r == 0) {
    r = decode_all(d, &in, err);
    sluice_decoder_free(d);
  }
  return r;
}

void *file_read(const char *path, size_t *out_len) {
  FILE *file = fopen(path, "rb");
  void *data;
  long len;

  if (file == NULL) {
    return NULL;
  }
  (void)fseek(file, 0, SEEK_END);
  len = ftell(file);
  rewind(file);
  data = malloc((size_t)len + 1);
  *out_len = data == NULL ? 0 : fread(data, 1, (size_t)len, file);
  (void)fclose(file);
  return data;
}
