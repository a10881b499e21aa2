/* image_output.c - see image_output.h.
 *
 *     encoder --lend/emit--> slots[head .. tail) --thread--> file
 *
 * A ring of chunks, large ones for a file, as that may be mapped: slot `tail`
 * is the one that is lent, those before it wait to be written. The mutex guards
 * head, tail, number and is_over; a slot's contents belong to the encoder's
 * side until tail has passed it, then to the thread. */
#include "files/image_output.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

enum {
  SLOTS_BYTES = 16 * 1024 * 1024, /* covers the disk's hiccups, not more */
  SLOTS = SLOTS_BYTES / SLUICE_CHUNK_BYTES, /* at most */
  BATCH = SLOTS / 2                         /* in a write, at most */
};

struct slot {
  uint8_t *base;
  size_t skip;
  size_t len;
  uint64_t offset; /* in the target */
};

struct image_output_s {
  target_t *target;
  int direct; /* the same file, past the page cache; -1: cannot be */
  struct slot slots[SLOTS];
  size_t chunk_bytes;
  uint64_t slot_count;
  uint64_t offset; /* of what is emitted next */
  pthread_t thread;
  bool has_thread;
  pthread_mutex_t lock;
  pthread_cond_t moved;
  uint64_t head; /* counts for ever; the slot is head % slot_count */
  uint64_t tail;
  int number; /* errno of the first failure */
  bool is_over;
};

static struct slot *slot_at(image_output_t *o, uint64_t n) {
  return &o->slots[n % o->slot_count];
}

/* The thread's side. */

static bool is_direct(const image_output_t *o, const struct slot *s) {
  return o->direct >= 0 && s->skip == 0 &&
         s->offset % SLUICE_CHUNK_ALIGN == 0 &&
         s->len % SLUICE_CHUNK_ALIGN == 0;
}

static ssize_t write_some(image_output_t *o, int fd, const struct iovec *iov,
                          int count, uint64_t offset) {
  return o->target->is_stream ? writev(fd, iov, count)
                              : pwritev(fd, iov, count, (off_t)offset);
}

static void advance(struct iovec **iov, int *count, size_t n) {
  while (*count > 0 && n >= (*iov)->iov_len) {
    n -= (*iov)->iov_len;
    (*iov)++;
    (*count)--;
  }
  if (*count > 0) {
    (*iov)->iov_base = (char *)(*iov)->iov_base + n;
    (*iov)->iov_len -= n;
  }
}

/* 0 or an errno. */
static int write_all(image_output_t *o, int fd, struct iovec *iov, int count,
                     uint64_t offset) {
  while (count > 0) {
    ssize_t n = write_some(o, fd, iov, count, offset);

    if (n < 0 && errno == EINVAL && fd == o->direct) {
      fd = o->target->fd; /* the disk wants another alignment than ours */
    } else if (n < 0 && errno != EINTR) {
      return errno;
    } else if (n > 0) {
      offset += (uint64_t)n;
      advance(&iov, &count, (size_t)n);
      fd = o->target->fd; /* after a short write it is no longer aligned */
    }
  }
  return 0;
}

/* Writes some of the slots from `head` on, at most `ready`, in one go. */
static int write_batch(image_output_t *o, uint64_t head, int ready, int *out) {
  const struct slot *first = slot_at(o, head);
  bool direct = is_direct(o, first);
  struct iovec iov[BATCH];
  int count = 0;

  while (count < ready && (uint64_t)count < o->slot_count / 2) {
    const struct slot *s = slot_at(o, head + (uint64_t)count);

    if (is_direct(o, s) != direct) {
      break;
    }
    iov[count].iov_base = s->base + s->skip;
    iov[count].iov_len = s->len;
    count++;
  }
  *out = count;
  return write_all(o, direct ? o->direct : o->target->fd, iov, count,
                   first->offset);
}

static void *write_loop(void *arg) {
  image_output_t *o = arg;

  (void)pthread_mutex_lock(&o->lock);
  for (;;) {
    uint64_t head = o->head;
    int ready = (int)(o->tail - head);
    int number = o->number;
    int count = ready; /* after a failure the rest is dropped */

    if (ready == 0) {
      if (o->is_over) {
        break;
      }
      (void)pthread_cond_wait(&o->moved, &o->lock);
      continue;
    }
    (void)pthread_mutex_unlock(&o->lock);
    if (number == 0) {
      number = write_batch(o, head, ready, &count);
    }
    (void)pthread_mutex_lock(&o->lock);
    o->number = number;
    o->head += (uint64_t)count;
    (void)pthread_cond_broadcast(&o->moved);
  }
  (void)pthread_mutex_unlock(&o->lock);
  return NULL;
}

/* The encoder's side. */

static int code_of(int number) {
  return number == 0 ? 0 : uv_translate_sys_error(number);
}

/* Waits until at most `left` chunks are still to be written. */
static int wait_for(image_output_t *o, uint64_t left) {
  int number;

  (void)pthread_mutex_lock(&o->lock);
  while (o->tail - o->head > left) {
    (void)pthread_cond_wait(&o->moved, &o->lock);
  }
  number = o->number;
  (void)pthread_mutex_unlock(&o->lock);
  return code_of(number);
}

static int lend(void *ctx, uint8_t **out) {
  image_output_t *o = ctx;
  int r = wait_for(o, o->slot_count - 1);

  *out = slot_at(o, o->tail)->base;
  return r;
}

static int emit(void *ctx, uint8_t *base, size_t skip, size_t len) {
  image_output_t *o = ctx;
  struct slot *s = slot_at(o, o->tail);
  int number;

  (void)base; /* the only one that can be lent */
  if (len == 0) {
    return 0;
  }
  s->skip = skip;
  s->len = len;
  s->offset = o->offset;
  o->offset += len;
  (void)pthread_mutex_lock(&o->lock);
  o->tail++;
  number = o->number;
  (void)pthread_cond_broadcast(&o->moved);
  (void)pthread_mutex_unlock(&o->lock);
  return code_of(number);
}

static int note_failure(image_output_t *o, int number) {
  (void)pthread_mutex_lock(&o->lock);
  if (o->number == 0) {
    o->number = number;
  }
  (void)pthread_mutex_unlock(&o->lock);
  return code_of(number);
}

static int patch(void *ctx, uint64_t offset, const void *data, size_t len) {
  image_output_t *o = ctx;
  const char *from = data;
  int r = wait_for(o, 0);

  while (r == 0 && len > 0) {
    ssize_t n = pwrite(o->target->fd, from, len, (off_t)offset);

    if (n < 0 && errno != EINTR) {
      return note_failure(o, errno);
    }
    if (n > 0) {
      from += n;
      len -= (size_t)n;
      offset += (uint64_t)n;
    }
  }
  return r;
}

static int fetch(void *ctx, uint64_t offset, void *data, size_t len) {
  image_output_t *o = ctx;
  char *to = data;
  int r = wait_for(o, 0);

  while (r == 0 && len > 0) {
    ssize_t n = pread(o->target->fd, to, len, (off_t)offset);

    if (n == 0 || (n < 0 && errno != EINTR)) {
      return note_failure(o, n == 0 ? EIO : errno);
    }
    if (n > 0) {
      to += n;
      len -= (size_t)n;
      offset += (uint64_t)n;
    }
  }
  return r;
}

sluice_output_t image_output_calls(image_output_t *o) {
  sluice_output_t calls = {.size = sizeof(calls),
                           .ctx = o,
                           .lend = lend,
                           .emit = emit,
                           .chunk_bytes = o->chunk_bytes};

  if (!o->target->is_stream) {
    calls.patch = patch;
    calls.fetch = fetch;
  }
  return calls;
}

/* Life. */

static int open_direct(const target_t *t) {
  char path[64];

  if (t->is_stream) {
    return -1;
  }
  (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", t->fd);
  return open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
}

static int make_slots(image_output_t *o) {
  o->chunk_bytes =
      o->target->is_stream ? SLUICE_CHUNK_BYTES : SLUICE_CHUNK_BYTES_MAX;
  o->slot_count = SLOTS_BYTES / o->chunk_bytes;
  for (uint64_t i = 0; i < o->slot_count; i++) {
    o->slots[i].base = aligned_alloc(SLUICE_CHUNK_ALIGN, o->chunk_bytes);
    if (o->slots[i].base == NULL) {
      return ENOMEM;
    }
  }
  return 0;
}

int image_output_new(image_output_t **out, target_t *t, failure_t *f) {
  image_output_t *o = calloc(1, sizeof(*o));
  int number = ENOMEM;

  if (o != NULL) {
    o->target = t;
    o->direct = open_direct(t);
    (void)pthread_mutex_init(&o->lock, NULL);
    (void)pthread_cond_init(&o->moved, NULL);
    number = make_slots(o);
    if (number == 0) {
      number = pthread_create(&o->thread, NULL, write_loop, o);
      o->has_thread = number == 0;
    }
  }
  if (number != 0) {
    image_output_free(o);
    return fail_system(f, t->name, number, "begin to write");
  }
  *out = o;
  return 0;
}

int image_output_finish(image_output_t *o, failure_t *f) {
  return wait_for(o, 0) < 0
             ? fail_system(f, o->target->name, o->number, "write")
             : 0;
}

void image_output_free(image_output_t *o) {
  if (o == NULL) {
    return;
  }
  if (o->has_thread) {
    (void)pthread_mutex_lock(&o->lock);
    o->is_over = true;
    (void)pthread_cond_broadcast(&o->moved);
    (void)pthread_mutex_unlock(&o->lock);
    (void)pthread_join(o->thread, NULL);
  }
  if (o->direct >= 0) {
    (void)close(o->direct);
  }
  for (int i = 0; i < SLOTS; i++) {
    free(o->slots[i].base);
  }
  (void)pthread_mutex_destroy(&o->lock);
  (void)pthread_cond_destroy(&o->moved);
  free(o);
}
