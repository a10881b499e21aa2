/* descriptors_restore.c - descriptors and their bytes, kept until they are
 * taken or closed. */
#include "section.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { HEAD_BYTES = 8, LIST_MIN = 16, FILL_BYTES = 64 * 1024 };

int sluice__descriptors_restore_begin(void *self, sluice_section_t *section,
                                      uint32_t version, sluice_error_t *err) {
  sluice_descriptors_t *d = self;

  (void)version;
  if (d->options.take == NULL) {
    return sluice_fail(err, UV_EINVAL, "descriptors need the hook `take`");
  }
  d->section = section;
  d->count = 0;
  d->bytes = 0;
  d->checked = 0;
  d->is_filling = 0;
  d->has_kind = 0;
  return 0;
}

static int grow(sluice_descriptors_t *d) {
  uint32_t capacity = d->capacity == 0 ? LIST_MIN : 2 * d->capacity;
  sluice__descriptor_t *list;

  if (d->count < d->capacity) {
    return 0;
  }
  list = realloc(d->list, capacity * sizeof(*list));
  if (list == NULL) {
    return UV_ENOMEM;
  }
  d->list = list;
  d->capacity = capacity;
  return 0;
}

/* Room for its bytes, and its descriptor. */
static int add(sluice_descriptors_t *d, uint32_t tag, uint32_t len,
               sluice_error_t *err) {
  sluice__descriptor_t new = {.tag = tag, .len = len};
  int r = sluice__descriptors_bound(d, len, err);

  if (r < 0) {
    return r;
  }
  new.bytes = malloc((size_t)len + 1);
  if (new.bytes == NULL || grow(d) < 0) {
    free(new.bytes);
    return sluice_fail(err, UV_ENOMEM, "no memory for %u bytes", (unsigned)len);
  }
  new.fd = sluice_section_passed(d->section, SLUICE__DESCRIPTORS_TAG);
  if (new.fd < 0) {
    free(new.bytes);
    return sluice_fail(err, SLUICE_ECORRUPT, "descriptor %u was not passed",
                       (unsigned)d->count);
  }
  d->list[d->count++] = new;
  d->bytes += len;
  d->filled = 0;
  d->is_filling = len > 0;
  return 0;
}

static uint32_t get_le32(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
         (uint32_t)at[3] << 24;
}

/* MORE, DONE behind the last one, WAIT, or an error. */
static int read_kind(sluice_descriptors_t *d, sluice_reader_t *r,
                     sluice_error_t *err) {
  uint8_t kind;
  int status = sluice_reader_exact(r, &kind, 1);

  if (status != 0) {
    return status;
  }
  if (kind > 1) {
    return sluice_fail(err, SLUICE_ECORRUPT, "expected a descriptor, found %u",
                       (unsigned)kind);
  }
  d->has_kind = kind == 1;
  return kind == 1 ? SLUICE_MORE : SLUICE_DONE;
}

static int read_head(sluice_descriptors_t *d, sluice_reader_t *r,
                     sluice_error_t *err) {
  uint8_t head[HEAD_BYTES];
  int status = d->has_kind ? SLUICE_MORE : read_kind(d, r, err);

  if (status != SLUICE_MORE) {
    return status;
  }
  status = sluice_reader_exact(r, head, sizeof(head));
  if (status != 0) {
    return status;
  }
  d->has_kind = 0;
  status = add(d, get_le32(head), get_le32(head + 4), err);
  return status < 0 ? status : SLUICE_MORE;
}

static int fill(sluice_descriptors_t *d, sluice_reader_t *r) {
  sluice__descriptor_t *last = &d->list[d->count - 1];
  size_t left = last->len - d->filled;
  size_t got = 0;
  int status =
      sluice_reader_some(r, last->bytes + d->filled,
                         left < FILL_BYTES ? left : (size_t)FILL_BYTES, &got);

  if (status != 0) {
    return status;
  }
  d->filled += (uint32_t)got;
  d->is_filling = d->filled < last->len;
  return got > 0 ? SLUICE_MORE : SLUICE_ECORRUPT;
}

int sluice__descriptors_restore_step(void *self, sluice_reader_t *r,
                                     sluice_error_t *err) {
  sluice_descriptors_t *d = self;
  int status;

  do {
    status = d->is_filling ? fill(d, r) : read_head(d, r, err);
  } while (status == SLUICE_MORE && !sluice_reader_should_yield(r));
  return status;
}

static sluice_descriptor_t view(const sluice__descriptor_t *in) {
  return (sluice_descriptor_t){
      .fd = in->fd, .tag = in->tag, .bytes = in->bytes, .len = in->len};
}

/* One a call: what the host does with it may take its time. */
int sluice__descriptors_restore_check(void *self, sluice_error_t *err) {
  sluice_descriptors_t *d = self;
  sluice_descriptor_t in;
  int r;

  if (d->checked == d->count || d->options.check == NULL) {
    return SLUICE_DONE;
  }
  in = view(&d->list[d->checked++]);
  r = d->options.check(d->options.data, &in, err);
  return r < 0 ? r : SLUICE_MORE;
}

void sluice__descriptors_restore_commit(void *self) {
  sluice_descriptors_t *d = self;

  for (uint32_t i = 0; i < d->count; i++) {
    sluice_descriptor_t in = view(&d->list[i]);

    d->list[i].fd = -1;
    d->options.take(d->options.data, &in);
  }
}

void sluice__descriptors_restore_end(void *self, int status) {
  sluice_descriptors_t *d = self;

  (void)status;
  for (uint32_t i = 0; i < d->count; i++) {
    if (d->list[i].fd >= 0) {
      (void)close(d->list[i].fd);
    }
    free(d->list[i].bytes);
  }
  free(d->list);
  d->list = NULL;
  d->capacity = 0;
  d->count = 0;
  d->section = NULL;
}
