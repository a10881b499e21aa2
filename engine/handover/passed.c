/* passed.c - see passed.h. */
#include "handover/passed.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "stream/bytes.h"

enum { ENTRY_HEAD = 8, TEXT_MAX = 255, MUST_TAKE = 1 << 15 };

struct sluice__passed_s {
  sluice__passed_t *next;
  int fd;
  uint32_t instance;
  bool must_take;
  const char *tag;
  char section[]; /* and the tag behind it */
};

void sluice__batch_add(sluice__batch_t *batch, const sluice__pass_t *pass,
                       int fd) {
  uint8_t *at = batch->entries + batch->len;
  size_t n = strlen(pass->section);
  size_t t = strlen(pass->tag);

  sluice__put_le16(at, (uint16_t)n);
  sluice__put_le16(at + 2, (uint16_t)(t | (pass->must_take ? MUST_TAKE : 0)));
  sluice__put_le32(at + 4, pass->instance);
  memcpy(at + ENTRY_HEAD, pass->section, n);
  memcpy(at + ENTRY_HEAD + n, pass->tag, t);
  batch->len += ENTRY_HEAD + n + t;
  batch->fds[batch->count++] = fd;
}

static int is_text(const uint8_t *at, size_t len) {
  return len >= 1 && len <= TEXT_MAX && memchr(at, '\0', len) == NULL;
}

static sluice__passed_t *new_passed(const uint8_t *entry, size_t n, size_t t) {
  sluice__passed_t *p = malloc(sizeof(*p) + n + t + 2);

  if (p == NULL) {
    return NULL;
  }
  p->next = NULL;
  p->instance = sluice__get_le32(entry + 4);
  p->must_take = (sluice__get_le16(entry + 2) & MUST_TAKE) != 0;
  memcpy(p->section, entry + ENTRY_HEAD, n);
  p->section[n] = '\0';
  memcpy(p->section + n + 1, entry + ENTRY_HEAD + n, t);
  p->section[n + 1 + t] = '\0';
  p->tag = p->section + n + 1;
  return p;
}

/* The length of the entry at `entry`, of which there are `left` bytes; 0: it is
 * none. */
static size_t measure(const uint8_t *entry, size_t left, size_t *out_n,
                      size_t *out_t) {
  if (left < ENTRY_HEAD) {
    return 0;
  }
  *out_n = sluice__get_le16(entry);
  *out_t = sluice__get_le16(entry + 2) & (uint16_t)~MUST_TAKE;
  if (left - ENTRY_HEAD < *out_n + *out_t ||
      !is_text(entry + ENTRY_HEAD, *out_n) ||
      !is_text(entry + ENTRY_HEAD + *out_n, *out_t)) {
    return 0;
  }
  return ENTRY_HEAD + *out_n + *out_t;
}

int sluice__arrivals_add(sluice__arrivals_t *a, const uint8_t *entries,
                         size_t len, size_t *at, int fd, sluice_error_t *err) {
  size_t n = 0;
  size_t t = 0;
  size_t bytes = measure(entries + *at, len - *at, &n, &t);
  sluice__passed_t *p;

  if (bytes == 0) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "descriptor %u is passed without a name",
                       (unsigned)a->count);
  }
  if (a->count == SLUICE__PASSED_MAX) {
    return sluice_fail(err, SLUICE_ELIMIT, "over %d descriptors are passed",
                       (int)SLUICE__PASSED_MAX);
  }
  p = new_passed(entries + *at, n, t);
  if (p == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for a descriptor's name");
  }
  p->fd = fd;
  if (a->last == NULL) {
    a->first = p;
  } else {
    a->last->next = p;
  }
  a->last = p;
  a->count++;
  *at += bytes;
  return 0;
}

int sluice__arrivals_take(sluice__arrivals_t *a, sluice__owner_fn owner_of,
                          void *ctx, const void *owner, const char *tag) {
  sluice__passed_t *before = NULL;
  sluice__passed_t *p = a->first;
  int fd;

  while (p != NULL && (strcmp(p->tag, tag) != 0 ||
                       owner_of(ctx, p->section, p->instance) != owner)) {
    before = p;
    p = p->next;
  }
  if (p == NULL) {
    return -1;
  }
  if (before == NULL) {
    a->first = p->next;
  } else {
    before->next = p->next;
  }
  if (p->next == NULL) {
    a->last = before;
  }
  fd = p->fd;
  free(p);
  return fd;
}

bool sluice__arrivals_left(const sluice__arrivals_t *a,
                           const sluice__passed_t **at, sluice__pass_t *out) {
  const sluice__passed_t *p = *at == NULL ? a->first : (*at)->next;

  while (p != NULL && !p->must_take) {
    p = p->next;
  }
  *at = p;
  if (p != NULL) {
    *out = (sluice__pass_t){.section = p->section,
                            .instance = p->instance,
                            .tag = p->tag,
                            .must_take = true};
  }
  return p != NULL;
}

void sluice__arrivals_drop(sluice__arrivals_t *a) {
  while (a->first != NULL) {
    sluice__passed_t *p = a->first;

    a->first = p->next;
    (void)close(p->fd);
    free(p);
  }
  a->last = NULL;
}
