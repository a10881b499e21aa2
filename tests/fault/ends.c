/* ends.c - see ends.h. What is done here is the host's: no fault strikes it. */
#include "ends.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "folder.h"

enum { ROOM = 8 * 1024 * 1024, SIPS = 64 * 1024 };

static char folder[224];
static char path[256];

static void need(int condition, const char *what) {
  if (!condition) {
    fault_die(what);
  }
}

const char *ends_folder(void) {
  if (folder[0] == '\0') {
    const char *parent = getenv("SLUICE_TEST_FOLDER");

    (void)snprintf(folder, sizeof(folder), "%s/fault.XXXXXX",
                   parent != NULL           ? parent
                   : access(".", W_OK) == 0 ? "."
                                            : test_folder());
    need(mkdtemp(folder) != NULL, "no folder for the tests");
    (void)snprintf(path, sizeof(path), "%s/image", folder);
  }
  return folder;
}

const char *ends_path(void) {
  (void)ends_folder();
  return path;
}

static int count_files(int remove) {
  DIR *d = opendir(ends_folder());
  const struct dirent *entry;
  int n = 0;

  need(d != NULL, "no folder");
  while ((entry = readdir(d)) != NULL) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
      n++;
      if (remove) {
        (void)unlinkat(dirfd(d), entry->d_name, 0);
      }
    }
  }
  (void)closedir(d);
  return n;
}

const char *ends_folder_complaint(void) {
  return folder[0] != '\0' && count_files(0) > 1 ? "a file was left behind"
                                                 : NULL;
}

void ends_folder_remove(void) {
  if (folder[0] != '\0') {
    (void)count_files(1);
    (void)rmdir(folder);
    folder[0] = '\0';
  }
}

void ends_write_file(const void *data, size_t len) {
  int fd = open(ends_path(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  need(fd >= 0 && write(fd, data, len) == (ssize_t)len, "no file");
  (void)close(fd);
}

static void resize_file(off_t (*to)(off_t size)) {
  struct stat st;

  fault_hold();
  need(stat(ends_path(), &st) == 0 && truncate(path, to(st.st_size)) == 0,
       "no file to change");
  fault_release();
}

static off_t one_more(off_t size) {
  return size + 1;
}

static off_t a_third(off_t size) {
  return size / 3;
}

void ends_grow_file(void) {
  resize_file(one_more);
}

void ends_cut_file(void) {
  resize_file(a_third);
}

static void clear(end_t *e, end_kind_t kind, uv_loop_t *loop) {
  memset(e, 0, sizeof(*e));
  e->kind = kind;
  e->loop = loop;
  e->ours = -1;
  e->theirs = -1;
}

/* ---- peers ---- */

static void on_readable(uv_poll_t *poll, int status, int events) {
  end_t *e = poll->data;
  ssize_t n = 0;

  (void)status;
  (void)events;
  fault_hold();
  need(e->len + SIPS <= e->room, "a stream without end");
  n = read(e->theirs, e->data + e->len, SIPS);
  if (n > 0) {
    e->len += (size_t)n;
  } else if (n == 0 || errno != EAGAIN) {
    (void)uv_poll_stop(poll);
  }
  fault_release();
}

static void stop_sending(end_t *e) {
  (void)uv_poll_stop(&e->peer);
  (void)shutdown(e->theirs, SHUT_WR);
  if (e->kind == END_PIPE) { /* only closing ends a pipe */
    uv_close((uv_handle_t *)&e->peer, NULL);
    (void)close(e->theirs);
    e->has_peer = 0;
    e->theirs = -1;
  }
}

static void on_writable(uv_poll_t *poll, int status, int events) {
  end_t *e = poll->data;
  size_t left = e->len - e->sent;
  ssize_t n;

  (void)status;
  (void)events;
  fault_hold();
  n = left == 0
          ? 0
          : write(e->theirs, e->data + e->sent, left < 3000 ? left : 3000);
  e->sent += n > 0 ? (size_t)n : 0;
  if (left == 0 || (n < 0 && errno != EAGAIN)) {
    stop_sending(e);
  }
  fault_release();
}

static void start_peer(end_t *e, int events, uv_poll_cb on_event) {
  need(uv_poll_init(e->loop, &e->peer, e->theirs) == 0, "no peer");
  e->peer.data = e;
  e->has_peer = 1;
  (void)uv_poll_start(&e->peer, events, on_event);
  uv_unref((uv_handle_t *)&e->peer);
}

/* `ours` is the end that the library gets. */
static void connect_pair(end_t *e, int is_sending) {
  int fds[2];

  if (e->kind == END_PIPE) {
    need(pipe2(fds, O_CLOEXEC) == 0, "no pipe");
    e->ours = fds[is_sending ? 1 : 0];
    e->theirs = fds[is_sending ? 0 : 1];
    return;
  }
  need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0,
       "no sockets");
  (void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int));
  e->ours = fds[0];
  e->theirs = fds[1];
  need(uv_pipe_init(e->loop, &e->stream, 0) == 0 &&
           uv_pipe_open(&e->stream, e->ours) == 0,
       "no stream");
  e->has_stream = 1;
  e->ours = -1; /* the stream's */
}

static void open_file(end_t *e, int flags) {
  e->ours = open(ends_path(), flags | O_CREAT | O_CLOEXEC, 0600);
  need(e->ours >= 0, "no file");
}

/* ---- sinks ---- */

static void prepare_sink(end_t *e) {
  fault_hold();
  if (e->kind == END_FD_FILE) {
    open_file(e, O_WRONLY | O_TRUNC);
  }
  if (e->kind == END_PIPE || e->kind == END_STREAM) {
    connect_pair(e, 1);
    e->room = ROOM;
    e->data = malloc(ROOM);
    start_peer(e, UV_READABLE, on_readable);
  }
  fault_release();
}

int end_sink(end_t *e, end_kind_t kind, uv_loop_t *loop, sluice_sink_t **out) {
  clear(e, kind, loop);
  prepare_sink(e);
  switch (kind) {
  case END_CUSTOM: return rig_sink_new(out, &e->custom);
  case END_MEMORY:
    return sluice_sink_memory(out, ROOM, &e->memory, &e->memory_len);
  case END_FILE: return sluice_sink_file(out, ends_path(), NULL);
  case END_FD_FILE:
  case END_PIPE: return sluice_sink_fd(out, e->ours);
  case END_STREAM: return sluice_sink_stream(out, (uv_stream_t *)&e->stream);
  case END_KINDS: break;
  }
  return UV_EINVAL;
}

static void read_file(end_t *e) {
  int fd = open(ends_path(), O_RDONLY | O_CLOEXEC);
  struct stat st;

  need(fd >= 0 && fstat(fd, &st) == 0, "the file is gone");
  e->data = malloc((size_t)st.st_size + 1);
  e->len = (size_t)st.st_size;
  need(pread(fd, e->data, e->len, 0) == (ssize_t)e->len, "a short read");
  (void)close(fd);
}

/* What is still in the pipe, too. */
static void drain_peer(end_t *e) {
  ssize_t n;

  while ((n = read(e->theirs, e->data + e->len, SIPS)) > 0) {
    e->len += (size_t)n;
    need(e->len + SIPS <= e->room, "a stream without end");
  }
}

void end_collect(end_t *e, const void **out, size_t *out_len) {
  fault_hold();
  if (e->kind == END_FILE || e->kind == END_FD_FILE) {
    free(e->data);
    read_file(e);
  }
  if (e->has_peer) {
    drain_peer(e);
  }
  fault_release();
  *out = e->kind == END_CUSTOM   ? e->custom.data
         : e->kind == END_MEMORY ? e->memory
                                 : e->data;
  *out_len = e->kind == END_CUSTOM   ? e->custom.len
             : e->kind == END_MEMORY ? e->memory_len
                                     : e->len;
}

/* ---- sources ---- */

static void prepare_source(end_t *e, const void *data, size_t len) {
  fault_hold();
  if (e->kind == END_FILE || e->kind == END_FD_FILE) {
    ends_write_file(data, len);
  }
  if (e->kind == END_FD_FILE) {
    open_file(e, O_RDONLY);
  }
  if (e->kind == END_PIPE || e->kind == END_STREAM) {
    connect_pair(e, 0);
    e->data = malloc(len + 1);
    memcpy(e->data, data, len);
    e->len = len;
    start_peer(e, UV_WRITABLE, on_writable);
  }
  fault_release();
}

int end_source(end_t *e, end_kind_t kind, uv_loop_t *loop, const void *data,
               size_t len, sluice_source_t **out) {
  clear(e, kind, loop);
  prepare_source(e, data, len);
  switch (kind) {
  case END_CUSTOM: return rig_source_new(out, data, len);
  case END_MEMORY: return sluice_source_memory(out, data, len);
  case END_FILE: return sluice_source_file(out, ends_path());
  case END_FD_FILE:
  case END_PIPE: return sluice_source_fd(out, e->ours);
  case END_STREAM: return sluice_source_stream(out, (uv_stream_t *)&e->stream);
  case END_KINDS: break;
  }
  return UV_EINVAL;
}

static void close_fd(int *fd) {
  if (*fd >= 0) {
    (void)close(*fd);
  }
  *fd = -1;
}

void end_close(end_t *e) {
  fault_hold();
  if (e->has_peer) {
    uv_close((uv_handle_t *)&e->peer, NULL);
  }
  if (e->has_stream) {
    uv_close((uv_handle_t *)&e->stream, NULL);
  }
  (void)uv_run(e->loop, UV_RUN_DEFAULT);
  close_fd(&e->ours);
  close_fd(&e->theirs);
  free(e->custom.data);
  free(e->memory);
  free(e->data);
  clear(e, e->kind, e->loop);
  fault_release();
}
