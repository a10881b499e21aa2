/* recorder.c - puts times where they belong, and says what came of it. */
#include <stdlib.h>
#include <string.h>

#include "probe.h"

#define WINDOW_NS UINT64_C(10000000)

static double us(uint64_t ns) {
  return (double)ns / 1000;
}

void recorder_open(recorder_t *r, const char *columns) {
  memset(r, 0, sizeof(*r));
  if (columns != NULL) {
    r->columns = fopen(columns, "w");
    if (r->columns == NULL) {
      probe_fail(columns, UV_EIO);
    }
    fprintf(r->columns, "# seconds requests p50_us p99_us max_us phase\n");
  }
}

static void end_window(recorder_t *r, phase_t phase) {
  if (r->columns != NULL && r->now.total > 0) {
    fprintf(r->columns, "%.3f %llu %.1f %.1f %.1f %d\n",
            (double)(r->window * WINDOW_NS) / 1e9,
            (unsigned long long)r->now.total, us(histogram_at(&r->now, 0.5)),
            us(histogram_at(&r->now, 0.99)), us(r->now.max), (int)phase);
  }
  histogram_clear(&r->now);
}

/* By the time a request was due: what it felt belongs to that moment. */
void recorder_add(recorder_t *r, phase_t phase, uint64_t due_ns,
                  uint64_t now_ns) {
  uint64_t window;

  histogram_add(&r->by_phase[phase], now_ns - due_ns);
  if (r->columns == NULL || phase == PHASE_WARM || due_ns < r->begun_ns) {
    return;
  }
  window = (due_ns - r->begun_ns) / WINDOW_NS;
  if (window > r->window) { /* late ones go to the window that is open */
    end_window(r, phase);
    r->window = window;
  }
  histogram_add(&r->now, now_ns - due_ns);
}

static void tell_phase(const recorder_t *r, const char *name, phase_t phase) {
  const histogram_t *h = &r->by_phase[phase];

  printf("%s_seconds %.3f\n", name, (double)r->phase_ns[phase] / 1e9);
  if (h->total == 0) {
    return;
  }
  printf("%s_per_s %.0f\n", name,
         (double)h->total * 1e9 / (double)r->phase_ns[phase]);
  printf("%s_p50_us %.0f\n", name, us(histogram_at(h, 0.5)));
  printf("%s_p99_us %.0f\n", name, us(histogram_at(h, 0.99)));
  printf("%s_p999_us %.0f\n", name, us(histogram_at(h, 0.999)));
  printf("%s_max_us %.0f\n", name, us(h->max));
}

/* The curve, closer and closer to the worst: x is 1 / (1 - share). */
static void write_curve(const recorder_t *r, const char *path) {
  FILE *f = fopen(path, "w");
  double x = 1;

  if (f == NULL) {
    probe_fail(path, UV_EIO);
  }
  fprintf(f, "# 1/(1-share) rest_us save_us\n");
  while (x <= 1e6) {
    fprintf(f, "%.3f %.1f %.1f\n", x,
            us(histogram_at(&r->by_phase[PHASE_REST], 1 - 1 / x)),
            us(histogram_at(&r->by_phase[PHASE_SAVE], 1 - 1 / x)));
    x *= 1.1;
  }
  (void)fclose(f);
}

void recorder_tell(recorder_t *r, const settings_t *settings) {
  tell_phase(r, "rest", PHASE_REST);
  if (settings->has_save) {
    tell_phase(r, "save", PHASE_SAVE);
  }
  if (settings->command != NULL) {
    tell_phase(r, "run", PHASE_SAVE);
    tell_phase(r, "after", PHASE_AFTER);
  }
  printf("errors %llu\n", (unsigned long long)r->errors);
  if (settings->percentiles != NULL) {
    write_curve(r, settings->percentiles);
  }
  if (r->columns != NULL) {
    end_window(r, PHASE_AFTER);
    (void)fclose(r->columns);
  }
}
