/* page_list.c - see page_list.h. */
#include "stream/page_list.h"

#include <string.h>
#include <sys/uio.h>

#include "stream/bytes.h"
#include "stream/hash.h"

/* A data race on purpose, and the only one: the bytes are not believed before
 * they have been read again. The thread sanitizer would see it in memcpy() too,
 * so there the copy is made by hand. */
#if defined(__SANITIZE_THREAD__)
#define SLUICE__COPY_BY_HAND 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE__COPY_BY_HAND 1
#endif
#endif

#ifdef SLUICE__COPY_BY_HAND
__attribute__((no_sanitize("thread"))) void
sluice__copy_changing(uint8_t *to, const uint8_t *from, size_t len) {
  const volatile uint64_t *source =
      (const volatile uint64_t *)(const void *)from;
  volatile uint64_t *target = (volatile uint64_t *)(void *)to;

  for (size_t i = 0; i < len / sizeof(*source); i++) {
    target[i] = source[i];
  }
}
#else
void sluice__copy_changing(uint8_t *to, const uint8_t *from, size_t len) {
  memcpy(to, from, len);
}
#endif

void sluice__page_list_fill(const sluice__page_list_t *list) {
  uint8_t *to = list->data;
  uint8_t *hash = list->hashes;

  for (uint32_t i = 0; i < list->count; i++) {
    const sluice__listed_page_t *page = &list->pages[i];

    if (page->from != NULL) {
      sluice__copy_changing(to, page->from, list->page_size);
      sluice__put_le64(hash, sluice__hash(to, list->page_size) ^ page->place);
    }
    to += list->page_size;
    hash += sizeof(uint64_t);
  }
}

/* Behind the last piece, or as part of it. */
static int add_piece(struct iovec *out, int count, const uint8_t *at,
                     size_t len) {
  struct iovec *last = out + count - 1;

  if (len == 0) {
    return count;
  }
  if (count > 0 && (const uint8_t *)last->iov_base + last->iov_len == at) {
    last->iov_len += len;
    return count;
  }
  out[count].iov_base = (void *)(uintptr_t)at;
  out[count].iov_len = len;
  return count + 1;
}

int sluice__page_list_gather(const sluice__page_list_t *list, uint8_t *from,
                             uint8_t *to, struct iovec *out) {
  uint8_t *slot = list->data + (size_t)list->out * list->page_size;
  int count = from < list->data
                  ? add_piece(out, 0, from, (size_t)(list->data - from))
                  : 0;

  for (uint32_t i = list->out; i < list->count; i++) {
    const uint8_t *page = list->pages[i].from;

    count = add_piece(out, count, page != NULL ? page : slot, list->page_size);
    slot += list->page_size;
  }
  return add_piece(out, count, slot, (size_t)(to - slot));
}

void sluice__page_list_copy(const sluice__page_list_t *list,
                            const uint8_t *from) {
  uint8_t *slot = list->data;

  for (uint32_t i = 0; i < list->count; i++) {
    if (list->pages[i].from != NULL && slot + list->page_size > from) {
      memcpy(slot, list->pages[i].from, list->page_size);
    }
    slot += list->page_size;
  }
}
