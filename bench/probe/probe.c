/* probe.c - the course of a measurement: warm up, rest, a save, after it.
 *
 *   WARM --1 s--> REST --rest_s--> SAVE --until it is over--> AFTER --> end
 *
 * In the place of the save there may be a command. Prints what was felt, "name
 * value" a line. */
#include "probe.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_MS = 1000 };

static struct {
  settings_t settings;
  recorder_t recorder;
  phase_t phase;
  uint64_t phase_began_ns;
  uv_loop_t *loop;
  uv_timer_t timer;
  load_t *load;
} probe;

_Noreturn void probe_fail(const char *what, int code) {
  fprintf(stderr, "probe: %s: %s\n", what, uv_strerror(code));
  exit(1);
}

static void enter(phase_t phase) {
  uint64_t now = uv_hrtime();

  probe.recorder.phase_ns[probe.phase] = now - probe.phase_began_ns;
  probe.phase = phase;
  probe.phase_began_ns = now;
}

static void end(uv_timer_t *timer) {
  (void)timer;
  enter(PHASE_WARM);
  recorder_tell(&probe.recorder, &probe.settings);
  load_stop(probe.load);
}

static void on_over(bool ok) {
  enter(PHASE_AFTER);
  if (!ok) {
    probe_fail("the save, or the command, failed", UV_EIO);
  }
  uv_timer_start(&probe.timer, end, (uint64_t)(probe.settings.after_s * 1000),
                 0);
}

static void begin_save(uv_timer_t *timer) {
  const settings_t *s = &probe.settings;

  if (!s->has_save && s->command == NULL) {
    end(timer);
    return;
  }
  enter(PHASE_SAVE);
  if (s->command != NULL) {
    event_start(probe.loop, s->command, on_over);
  } else {
    watch_start(probe.loop, s->port, on_over);
  }
}

static void begin_rest(uv_timer_t *timer) {
  enter(PHASE_REST);
  probe.recorder.begun_ns = uv_hrtime();
  uv_timer_start(timer, begin_save, (uint64_t)(probe.settings.rest_s * 1000),
                 0);
}

static void on_filled(void) {
  load_stop(probe.load);
}

static const struct option names[] = {
    {"port", required_argument, NULL, 'p'},
    {"clients", required_argument, NULL, 'c'},
    {"depth", required_argument, NULL, 'd'},
    {"rate", required_argument, NULL, 'r'},
    {"keys", required_argument, NULL, 'k'},
    {"bytes", required_argument, NULL, 'b'},
    {"sets", required_argument, NULL, 's'},
    {"prefix", required_argument, NULL, 'x'},
    {"rest", required_argument, NULL, 't'},
    {"after", required_argument, NULL, 'a'},
    {"columns", required_argument, NULL, 'o'},
    {"percentiles", required_argument, NULL, 'q'},
    {"fill", no_argument, NULL, 'f'},
    {"save", no_argument, NULL, 'v'},
    {"run", required_argument, NULL, 'u'},
    {NULL, 0, NULL, 0}};

static bool take_option(settings_t *s, int name, const char *value) {
  switch (name) {
  case 'p': s->port = atoi(value); return true;
  case 'c': s->clients = (unsigned)atoi(value); return s->clients > 0;
  case 'd': s->depth = (unsigned)atoi(value); return s->depth > 0;
  case 'r': s->rate = strtoull(value, NULL, 10); return true;
  case 'k': s->keys = strtoull(value, NULL, 10); return s->keys > 0;
  case 'b': s->bytes = strtoull(value, NULL, 10); return true;
  case 's': s->sets = (unsigned)atoi(value); return true;
  case 'x': s->prefix = value; return strlen(value) < 64;
  case 't': s->rest_s = atof(value); return true;
  case 'a': s->after_s = atof(value); return true;
  case 'o': s->columns = value; return true;
  case 'q': s->percentiles = value; return true;
  case 'f': s->is_fill = true; return true;
  case 'v': s->has_save = true; return true;
  case 'u': s->command = value; return true;
  default: return false;
  }
}

static void take_options(settings_t *s, int argc, char **argv) {
  int name;

  *s = (settings_t){.port = 6379,
                    .clients = 50,
                    .depth = 1,
                    .keys = 1000,
                    .bytes = 1024,
                    .sets = 50,
                    .prefix = "key",
                    .rest_s = 3,
                    .after_s = 1};
  while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
    if (!take_option(s, name, optarg)) {
      fprintf(stderr, "usage: probe [--port N] [--clients N] [--rate N] "
                      "[--depth N] [--keys N] [--bytes N] [--sets PERCENT] "
                      "[--prefix WORD] [--rest S] [--save | --run COMMAND] "
                      "[--after S] "
                      "[--fill] [--columns FILE] [--percentiles FILE]\n");
      exit(2);
    }
  }
}

int main(int argc, char **argv) {
  take_options(&probe.settings, argc, argv);
  probe.loop = uv_default_loop();
  probe.phase_began_ns = uv_hrtime();
  recorder_open(&probe.recorder, probe.settings.columns);
  probe.load = load_start(probe.loop, &probe.settings, &probe.recorder,
                          &probe.phase, on_filled);
  uv_timer_init(probe.loop, &probe.timer);
  if (!probe.settings.is_fill) {
    uv_timer_start(&probe.timer, begin_rest, WARM_MS, 0);
  }
  uv_run(probe.loop, UV_RUN_DEFAULT);
  return 0;
}
