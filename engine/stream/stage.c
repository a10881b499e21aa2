/* stage.c - see stage.h. */
#include "stream/stage.h"

#include <assert.h>
#include <string.h>

void sluice__stage_init(sluice__stage_t *s, const sluice_output_t *output) {
  memset(s, 0, sizeof(*s));
  s->output = *output;
  s->chunk_bytes =
      output->chunk_bytes != 0 ? output->chunk_bytes : SLUICE_CHUNK_BYTES;
}

void sluice__stage_done(sluice__stage_t *s) {
  if (s->base != NULL) {
    (void)s->output.emit(s->output.ctx, s->base, 0, 0);
    s->base = NULL;
  }
}

/* The lent chunk is empty; it begins where the stream is. */
static void begin_chunk(sluice__stage_t *s) {
  s->skip = (size_t)(s->emitted % SLUICE_CHUNK_ALIGN);
  s->fill = s->skip;
  s->cap = s->skip + (size_t)(s->chunk_bytes - s->emitted % s->chunk_bytes);
}

static int lend_chunk(sluice__stage_t *s) {
  s->code = s->output.lend(s->output.ctx, &s->base);
  if (s->code < 0) {
    s->base = NULL;
    return s->code;
  }
  begin_chunk(s);
  return 0;
}

size_t sluice__stage_room(sluice__stage_t *s) {
  if (s->code < 0 || (s->base == NULL && lend_chunk(s) < 0)) {
    return 0;
  }
  return s->cap - s->fill;
}

int sluice__stage_flush(sluice__stage_t *s) {
  size_t len = s->fill - s->skip;
  uint8_t *base = s->base;

  if (s->code < 0 || base == NULL || len == 0) {
    return s->code;
  }
  s->base = NULL; /* given back, whatever the output answers */
  s->emitted += len;
  s->code = s->output.emit(s->output.ctx, base, s->skip, len);
  s->skip = 0;
  s->fill = 0;
  return s->code < 0 ? s->code : 0;
}

int sluice__stage_pass(sluice__stage_t *s, size_t len) {
  assert(s->base != NULL && len <= s->fill - s->skip);
  s->emitted += len;
  s->skip += len;
  if (s->skip < s->fill) {
    return sluice__stage_flush(s);
  }
  begin_chunk(s);
  return s->code;
}

int sluice__stage_advance(sluice__stage_t *s, size_t len) {
  assert(s->base != NULL && len <= s->cap - s->fill);
  s->fill += len;
  return s->fill == s->cap ? sluice__stage_flush(s) : 0;
}

int sluice__stage_put(sluice__stage_t *s, const void *data, size_t len) {
  const uint8_t *from = data;

  while (len > 0) {
    size_t n = sluice__stage_room(s);

    if (n == 0) {
      return s->code;
    }
    n = n < len ? n : len;
    memcpy(sluice__stage_at(s), from, n);
    if (sluice__stage_advance(s, n) < 0) {
      return s->code;
    }
    from += n;
    len -= n;
  }
  return s->code;
}

uint8_t *sluice__stage_find(sluice__stage_t *s, uint64_t offset) {
  if (s->base == NULL || offset < s->emitted ||
      offset >= sluice__stage_offset(s)) {
    return NULL;
  }
  return s->base + s->skip + (size_t)(offset - s->emitted);
}
