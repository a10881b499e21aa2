/* watch.c - one save: BGSAVE, then INFO persistence every 20 ms until it is
 * over. Blocks nothing: the load goes on beside it. */
#include <stdlib.h>
#include <string.h>

#include "probe.h"

enum { ASK_MS = 20, TEXT_MAX = 16384 };

static struct {
  uv_tcp_t tcp;
  uv_connect_t connect;
  uv_timer_t timer;
  char text[TEXT_MAX];
  size_t len;
  bool has_begun;
  void (*over)(bool ok);
} watch;

static void send_text(const char *text) {
  uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));
  int r = uv_try_write((uv_stream_t *)&watch.tcp, &buf, 1);

  if (r != (int)buf.len) {
    probe_fail("cannot ask", r < 0 ? r : UV_EIO);
  }
}

static void on_timer(uv_timer_t *timer) {
  (void)timer;
  watch.len = 0;
  send_text("INFO persistence\r\n");
}

static void end(bool ok) {
  uv_close((uv_handle_t *)&watch.timer, NULL);
  uv_close((uv_handle_t *)&watch.tcp, NULL);
  watch.over(ok);
}

/* The line comes after the one that is looked for, so it is whole. */
static void look(void) {
  bool is_whole = strstr(watch.text, "rdb_last_bgsave_status:ok\r\n") ||
                  strstr(watch.text, "rdb_last_bgsave_status:err\r\n");

  if (!watch.has_begun && strchr(watch.text, '\n') != NULL) {
    if (watch.text[0] != '+') {
      probe_fail(watch.text, UV_EIO);
    }
    watch.has_begun = true;
    uv_timer_start(&watch.timer, on_timer, ASK_MS, 0);
  } else if (is_whole && strstr(watch.text, "bgsave_in_progress:0")) {
    end(strstr(watch.text, "bgsave_status:ok") != NULL);
  } else if (is_whole) {
    uv_timer_start(&watch.timer, on_timer, ASK_MS, 0);
  }
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf) {
  (void)handle;
  (void)hint;
  *buf =
      uv_buf_init(watch.text + watch.len, (unsigned)(TEXT_MAX - 1 - watch.len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  (void)stream;
  (void)buf;
  if (n < 0) {
    probe_fail("the server is gone", (int)n);
  }
  watch.len += (size_t)n;
  watch.text[watch.len] = '\0';
  look();
}

static void on_connect(uv_connect_t *connect, int status) {
  (void)connect;
  if (status != 0) {
    probe_fail("cannot connect", status);
  }
  uv_read_start((uv_stream_t *)&watch.tcp, on_alloc, on_read);
  send_text("BGSAVE\r\n");
}

void watch_start(uv_loop_t *loop, int port, void (*over)(bool ok)) {
  struct sockaddr_in to;

  memset(&watch, 0, sizeof(watch));
  watch.over = over;
  uv_ip4_addr("127.0.0.1", port, &to);
  uv_timer_init(loop, &watch.timer);
  uv_tcp_init(loop, &watch.tcp);
  uv_tcp_connect(&watch.connect, &watch.tcp, (struct sockaddr *)&to,
                 on_connect);
}
