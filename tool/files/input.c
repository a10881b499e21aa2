/* input.c - see input.h. Must know no format. */
#include "files/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/handler.h>

#include "cli/bar.h"

/* What a pipe may hold: four times as fast as the 64 KiB they are born with. */
enum { PIPE_BYTES = 1024 * 1024 };

/* Room for the places of all pages of a machine of 480 GiB. */
#define CHECK_MEMORY ((size_t)1024 * 1024 * 1024)

static void prepare(input_t *in, const struct stat *st) {
  if (S_ISREG(st->st_mode)) {
    in->size = (uint64_t)st->st_size;
    (void)posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  } else if (S_ISFIFO(st->st_mode)) {
    (void)fcntl(in->fd, F_SETPIPE_SZ, PIPE_BYTES);
  }
}

static int make_decoder(input_t *in, const input_options_t *given,
                        failure_t *f) {
  sluice_decoder_options_t options = {.size = sizeof(options),
                                      .payload_ends =
                                          SLUICE_ENDS_BY_DESCRIPTION,
                                      .page_size = given->page_size,
                                      .check_index = given->check_index};
  struct stat st;
  int r;

  if (fstat(in->fd, &st) < 0) {
    return fail_system(f, in->name, errno, "read");
  }
  prepare(in, &st);
  options.may_stay_open = S_ISSOCK(st.st_mode);
  if (given->check_index) {
    options.max_memory = CHECK_MEMORY;
  }
  r = sluice_decoder_new(&in->decoder, &options, NULL);
  if (r < 0) {
    return fail_with(f, in->name, r, "cannot begin to read: %s",
                     sluice_strerror(r));
  }
  bar_begin(in->size);
  return 0;
}

static const input_options_t usual = {.page_size = 0};

int input_open(input_t *in, const char *path, const input_options_t *options,
               failure_t *f) {
  *in = (input_t){.name = input_name(path), .fd = STDIN_FILENO};
  if (strcmp(path, "-") != 0) {
    in->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0) {
      return fail_system(f, in->name, errno, "open");
    }
    in->is_ours = true;
  }
  return make_decoder(in, options, f);
}

int input_open_fd(input_t *in, int fd, const char *name, failure_t *f) {

  *in = (input_t){.name = name, .fd = fd};
  if (lseek(fd, 0, SEEK_SET) < 0) {
    return fail_system(f, name, errno, "read again");
  }
  return make_decoder(in, &usual, f);
}

int input_open_live(input_t *in, int fd, const char *name, failure_t *f) {
  *in = (input_t){.name = name, .fd = fd};
  return make_decoder(in, &usual, f);
}

static int wait(input_t *in, failure_t *f) {
  return in->hooks == NULL || in->hooks->wait == NULL
             ? 0
             : in->hooks->wait(in->ctx, in->fd, f);
}

static int copy(input_t *in, const void *data, size_t len, failure_t *f) {
  return in->hooks == NULL || in->hooks->copy == NULL
             ? 0
             : in->hooks->copy(in->ctx, data, len, f);
}

static int fill(input_t *in, failure_t *f) {
  void *space;
  size_t len;
  ssize_t n;
  int r = wait(in, f);

  if (r < 0) {
    return r;
  }
  sluice_decoder_space(in->decoder, &space, &len);
  do {
    n = read(in->fd, space, len);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    return fail_system(f, in->name, errno, "read");
  }
  if (n == 0) {
    sluice_decoder_eof(in->decoder);
    return 0;
  }
  sluice_decoder_fill(in->decoder, (size_t)n);
  in->fetched += (uint64_t)n;
  bar_move(in->fetched);
  return copy(in, space, (size_t)n, f);
}

static int fail_aborted(const input_t *in, const sluice_item_t *item,
                        failure_t *f) {
  int r = fail_with(f, in->name, SLUICE_EABORTED, "the sender gave up: %s (%s)",
                    item->u.abort.message, sluice_err_name(item->u.abort.code));

  f->error.offset = item->offset;
  (void)strncat(f->error.section, item->u.abort.section,
                sizeof(f->error.section) - 1);
  return r;
}

int input_next(input_t *in, sluice_item_t *item, failure_t *f) {
  sluice_error_t error = {0};
  int r;

  for (;;) {
    r = sluice_decoder_next(in->decoder, item, &error);
    if (r != SLUICE_WAIT) {
      break;
    }
    r = fill(in, f);
    if (r < 0) {
      return r;
    }
  }
  if (r < 0) {
    return fail_stream(f, in->name, &error);
  }
  if (r == SLUICE_MORE && item->kind == SLUICE_ITEM_ABORT) {
    return fail_aborted(in, item, f);
  }
  return r;
}

uint64_t input_offset(const input_t *in) {
  return in->decoder == NULL ? 0 : sluice_decoder_offset(in->decoder);
}

void input_close(input_t *in) {
  bar_end();
  sluice_decoder_free(in->decoder);
  in->decoder = NULL;
  if (in->is_ours) {
    (void)close(in->fd);
    in->is_ours = false;
  }
}
