/* fuzz_qemu2.c - fuzz target: the reader of QEMU's streams, version 2.
 *
 * Input: see decode_twice.h. The stream's length is made right, and that of a
 * record which goes over the end. With OPTION_PACK, memory of version 2 is in
 * the input as it is before compression (be32 bytes, blocks with their marks)
 * and is packed here: a fuzzer would never get past zlib's checksum. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "decode_twice.h"
#include "fuzz.h"
#include "require.h"
#include "stream/bytes.h"

enum {
  HEADER = 16,
  RECORD_TAIL = 12, /* instance, version, length: be32 each */
  SIZE = 4,         /* of memory, before its blocks */
  CHUNK_MAX = 4096,
  CHUNK_HEAD = 4
};

typedef struct packer_s {
  const uint8_t *from;
  size_t left;
  uint8_t *to;
  size_t len;
  size_t cap;
  size_t chunk;
} packer_t;

static void put(packer_t *p, const uint8_t *data, size_t len) {
  REQUIRE(len <= p->cap - p->len);
  memcpy(p->to + p->len, data, len);
  p->len += len;
}

/* Small and quick, not good: this runs for every input. */
static uint8_t *deflate_all(const uint8_t *data, size_t len, size_t *out_len) {
  z_stream z = {0};
  uint8_t *out;
  size_t most;

  REQUIRE(deflateInit2(&z, 1, Z_DEFLATED, 9, 1, Z_DEFAULT_STRATEGY) == Z_OK);
  most = deflateBound(&z, len);
  out = malloc(most);
  REQUIRE(out != NULL);
  z.next_in = (void *)(uintptr_t)data;
  z.avail_in = (unsigned)len;
  z.next_out = out;
  z.avail_out = (unsigned)most;
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  *out_len = most - z.avail_out;
  REQUIRE(deflateEnd(&z) == Z_OK);
  return out;
}

static void put_packed(packer_t *p, const uint8_t *plain, size_t len) {
  size_t total;
  uint8_t *packed = deflate_all(plain, len, &total);

  for (size_t at = 0; at < total; at += p->chunk) {
    size_t n = total - at < p->chunk ? total - at : p->chunk;
    uint8_t head[CHUNK_HEAD] = {0xfa, 0xbe, (uint8_t)(n >> 8), (uint8_t)n};

    put(p, head, sizeof(head));
    put(p, packed + at, n);
  }
  free(packed);
}

/* One record; false: no whole head is left. */
static bool pack_record(packer_t *p, bool pack) {
  size_t head = p->left > 0 ? 1u + p->from[0] + RECORD_TAIL : 1;
  size_t at = p->len;
  size_t len;
  bool is_packed;

  if (head > p->left) {
    return false;
  }
  put(p, p->from, head);
  len = sluice__get_be32(p->from + head - 4);
  len = len < p->left - head ? len : p->left - head;
  is_packed = pack && len >= SIZE && memcmp(p->from, "\x03ram", 4) == 0 &&
              sluice__get_be32(p->from + head - 8) == 2;
  p->from += head;
  if (is_packed) {
    put(p, p->from, SIZE);
    put_packed(p, p->from + SIZE, len - SIZE);
  } else {
    put(p, p->from, len);
  }
  sluice__put_be32(p->to + at + head - 4, (uint32_t)(p->len - at - head));
  p->from += len;
  p->left -= head + len;
  return true;
}

/* A chunk of 1 byte has 4 of head, and every record may be a packed one. */
static uint8_t *pack(decode_twice_t *in, const uint8_t *stream) {
  packer_t p = {.from = stream + HEADER,
                .left = in->len - HEADER,
                .cap = 64 * in->len + 4096};

  p.to = malloc(p.cap);
  REQUIRE(p.to != NULL);
  p.chunk = 1 + (in->cut * 17) % CHUNK_MAX;
  put(&p, stream, HEADER);
  while (pack_record(&p, (in->options & OPTION_PACK) != 0)) {
  }
  put(&p, p.from, p.left);
  sluice__put_be64(p.to + 8, p.len - HEADER);
  in->data = p.to;
  in->len = p.len;
  return p.to;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  decode_twice_t in;
  uint8_t *stream = NULL;
  uint8_t *mended = NULL;

  if (decode_twice_open(&in, SLUICE_FORMAT_QEMU2, "QEVM\0\0\0\x02", data, size,
                        &stream) == 0) {
    return 0;
  }
  if (in.len >= HEADER && (in.options & OPTION_AS_IT_IS) == 0) {
    mended = pack(&in, stream);
  }
  decode_twice(&in);
  free(mended);
  free(stream);
  return 0;
}
