/* migration.c - see migration.h. */
#include "qemu/migration.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "qemu/socket.h"

#define FD_NAME "sluice"

enum {
  LOOK_MS = 50, /* events come at once; this is for what has none */
  /* What QEMU does after the last byte: milliseconds, and its main loop may be
   * busy. */
  END_MS = 60 * 1000,
  ENDS = END_MS / LOOK_MS
};

int machine_query(qmp_t *q, machine_state_t *out, failure_t *f) {
  json_t *said = NULL;
  const char *status;
  int r = qmp_run(q, "query-status", NULL, &said, f);

  if (r < 0) {
    return r;
  }
  status = json_string_value(json_object_get(said, "status"));
  (void)snprintf(out->status, sizeof(out->status), "%s",
                 status != NULL ? status : "");
  out->is_running = json_is_true(json_object_get(said, "running"));
  json_decref(said);
  return 0;
}

int machine_is_kvm(qmp_t *q, bool *out, failure_t *f) {
  json_t *said = NULL;
  int r = qmp_run(q, "query-kvm", NULL, &said, f);

  if (r == 0) {
    *out = json_is_true(json_object_get(said, "enabled"));
    json_decref(said);
  }
  return r;
}

/* QEMU tells of the end before it has left this state; one that is continued
 * before would be marked as stopped while it runs. */
static bool is_between(const machine_state_t *state) {
  return strcmp(state->status, "finish-migrate") == 0;
}

static int await_state(qmp_t *q, machine_state_t *out, failure_t *f) {
  int r = machine_query(q, out, f);

  for (int i = 0; r == 0 && is_between(out) && i < ENDS; i++) {
    r = qmp_wait(q, -1, LOOK_MS, f);
    r = r < 0 ? r : machine_query(q, out, f);
  }
  return r;
}

int machine_resume(qmp_t *q, failure_t *f) {
  machine_state_t state;
  int r = await_state(q, &state, f);

  return r < 0 || state.is_running ? r : qmp_run(q, "cont", NULL, NULL, f);
}

int migration_begin(qmp_t *q, const char *command, int *out_fd, failure_t *f) {
  failure_t ignored = {0};
  int ends[2];
  int r = socket_pair(ends, q->name, f);

  if (r < 0) {
    return r;
  }
  q->migration[0] = '\0';
  r = qmp_give_fd(q, ends[1], FD_NAME, f);
  if (r == 0) {
    r = qmp_run(q, command, json_pack("{s:s}", "uri", "fd:" FD_NAME), NULL, f);
    if (r < 0) {
      (void)qmp_run(q, "closefd", json_pack("{s:s}", "fdname", FD_NAME), NULL,
                    &ignored);
    }
  }
  (void)close(ends[1]);
  if (r < 0) {
    (void)close(ends[0]);
    return r;
  }
  *out_fd = ends[0];
  return 0;
}

/* "": there has never been one. */
static int query_migration(qmp_t *q, char *status, size_t size, char *why,
                           size_t why_size, failure_t *f) {
  json_t *said = NULL;
  const char *text;
  int r = qmp_run(q, "query-migrate", NULL, &said, f);

  if (r < 0) {
    return r;
  }
  text = json_string_value(json_object_get(said, "status"));
  (void)snprintf(status, size, "%s", text != NULL ? text : "");
  text = json_string_value(json_object_get(said, "error-desc"));
  (void)snprintf(why, why_size, "%s", text != NULL ? text : "");
  json_decref(said);
  return 0;
}

static bool is_one_of(const char *word, const char *a, const char *b,
                      const char *c) {
  return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

static bool is_end(const char *status) {
  return is_one_of(status, "completed", "failed", "cancelled") ||
         is_one_of(status, "", "none", "cancelled");
}

static int await_end(qmp_t *q, char *status, size_t size, char *why,
                     size_t why_size, failure_t *f) {
  for (int i = 0; i < ENDS; i++) {
    int r = query_migration(q, status, size, why, why_size, f);

    if (r < 0 || is_end(status)) {
      return r;
    }
    r = qmp_wait(q, -1, LOOK_MS, f);
    if (r < 0) {
      return r;
    }
  }
  return fail_with(f, q->name, UV_ETIMEDOUT,
                   "QEMU does not come to an end: its migration is '%s'",
                   status);
}

int migration_await(qmp_t *q, failure_t *f) {
  char status[32];
  char why[128];
  int r = await_end(q, status, sizeof(status), why, sizeof(why), f);

  if (r < 0 || strcmp(status, "completed") == 0) {
    return r;
  }
  return fail_with(f, q->name, UV_EREMOTEIO, "QEMU's migration has %s%s%s",
                   status[0] != '\0' ? status : "not begun",
                   why[0] != '\0' ? ": " : "", why);
}

int migration_cancel(qmp_t *q, failure_t *f) {
  char status[32];
  char why[128];
  int r = qmp_run(q, "migrate_cancel", NULL, NULL, f);

  return r < 0 ? r : await_end(q, status, sizeof(status), why, sizeof(why), f);
}
