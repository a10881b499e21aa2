/* event.c - a command of the shell's, run beside the load; the phase lasts as
 * long as it does. */
#include "probe.h"

static struct {
  uv_process_t process;
  void (*over)(bool ok);
} event;

static void on_exit(uv_process_t *process, int64_t status, int signal) {
  uv_close((uv_handle_t *)process, NULL);
  event.over(status == 0 && signal == 0);
}

void event_start(uv_loop_t *loop, const char *command, void (*over)(bool ok)) {
  char shell[] = "/bin/sh";
  char option[] = "-c";
  char *args[] = {shell, option, (char *)(uintptr_t)command, NULL};
  uv_stdio_container_t stdio[] = {{.flags = UV_IGNORE},
                                  {.flags = UV_IGNORE},
                                  {.flags = UV_INHERIT_FD, .data.fd = 2}};
  const uv_process_options_t options = {.file = shell,
                                        .args = args,
                                        .exit_cb = on_exit,
                                        .stdio_count = 3,
                                        .stdio = stdio};
  int r;

  event.over = over;
  r = uv_spawn(loop, &event.process, &options);
  if (r != 0) {
    probe_fail("cannot run the command", r);
  }
}
