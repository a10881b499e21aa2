/* bar.c - see bar.h. Must know nothing of what is being done. */
#include "cli/bar.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
  QUIET_MS = 1000, /* short work shows no bar */
  REDRAW_MS = 100, /* faster is not seen and costs */
  WIDTH = 30
};

static struct {
  bool is_on;
  bool is_drawn;
  uint64_t total;
  uint64_t begun_ms;
  uint64_t drawn_ms;
  char said[80];
} bar;

static uint64_t now_ms(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void bar_begin(uint64_t total) {
  bar.is_on = isatty(STDERR_FILENO) == 1;
  bar.is_drawn = false;
  bar.total = total;
  bar.begun_ms = bar.is_on ? now_ms() : 0;
  bar.drawn_ms = 0;
  bar.said[0] = '\0';
}

void bar_say(const char *format, ...) {
  va_list ap;

  va_start(ap, format);
  (void)vsnprintf(bar.said, sizeof(bar.said), format, ap);
  va_end(ap);
}

static void draw_gauge(uint64_t done) {
  uint64_t part = done < bar.total ? done : bar.total;
  int filled = (int)((double)part / (double)bar.total * (double)WIDTH);

  (void)fputs("\r[", stderr);
  for (int i = 0; i < WIDTH; i++) {
    (void)fputc(i < filled ? '#' : '.', stderr);
  }
  (void)fprintf(stderr, "] %3d%%",
                (int)((double)part / (double)bar.total * 100));
}

static void draw(uint64_t done, uint64_t elapsed_ms) {
  double mib = (double)done / (1024 * 1024);

  if (bar.total > 0) {
    draw_gauge(done);
  } else {
    (void)fputc('\r', stderr);
  }
  (void)fprintf(stderr, "  %.0f MiB, %.0f MiB/s%s%s\033[K", mib,
                mib * 1000 / (double)elapsed_ms,
                bar.said[0] != '\0' ? ", " : "", bar.said);
  (void)fflush(stderr);
}

void bar_move(uint64_t done) {
  uint64_t now;

  if (!bar.is_on) {
    return;
  }
  now = now_ms();
  if (now - bar.begun_ms < QUIET_MS || now - bar.drawn_ms < REDRAW_MS) {
    return;
  }
  bar.drawn_ms = now;
  bar.is_drawn = true;
  draw(done, now - bar.begun_ms);
}

void bar_clear(void) {
  if (bar.is_drawn) {
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    bar.is_drawn = false;
  }
}

void bar_end(void) {
  bar_clear();
  bar.is_on = false;
}
