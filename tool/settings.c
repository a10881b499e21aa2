/* settings.c - see settings.h. */
#include "settings.h"

#include <string.h>

/* Those that leave a stream that we read. Whatever else is on, also what only
 * newer QEMUs know, is off for the transfer: a stream over several channels, a
 * machine that moves in the middle (postcopy), memory that is given up once it
 * was sent (release-ram). */
static const char *const harmless[] = {"xbzrle", "auto-converge", "zero-blocks",
                                       "late-block-activate"};

/* Not 0, which is no word for "unlimited" in every version: 1 TiB/s. */
static const json_int_t full_speed = (json_int_t)1 << 40;

static bool is_harmless(const char *name) {
  for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
    if (strcmp(name, harmless[i]) == 0) {
      return true;
    }
  }
  return false;
}

static void add_capability(json_t *list, const char *name, bool is_on) {
  (void)json_array_append_new(
      list, json_pack("{s:s, s:b}", "capability", name, "state", is_on));
}

/* Which are to be changed: `former` takes how they are. */
static json_t *plan_capabilities(const json_t *all, json_t *former) {
  json_t *wanted = json_array();
  const json_t *entry;
  size_t i;

  json_array_foreach(all, i, entry) {
    const char *name = json_string_value(json_object_get(entry, "capability"));
    bool is_on = json_is_true(json_object_get(entry, "state"));
    bool is_events = name != NULL && strcmp(name, "events") == 0;

    if (name != NULL && (is_events ? !is_on : is_on && !is_harmless(name))) {
      add_capability(wanted, name, is_events);
      add_capability(former, name, is_on);
    }
  }
  return wanted;
}

static int set_capabilities(qmp_t *q, json_t *list, failure_t *f) {
  return qmp_run(q, "migrate-set-capabilities",
                 json_pack("{s:o}", "capabilities", list), NULL, f);
}

static int change_capabilities(settings_t *s, qmp_t *q, failure_t *f) {
  json_t *all = NULL;
  json_t *former = json_array();
  json_t *wanted;
  int r = qmp_run(q, "query-migrate-capabilities", NULL, &all, f);

  if (r < 0) {
    json_decref(former);
    return r;
  }
  wanted = plan_capabilities(all, former);
  json_decref(all);
  s->capabilities = former;
  if (json_array_size(wanted) > 0) {
    return set_capabilities(q, wanted, f);
  }
  json_decref(wanted);
  return 0;
}

/* Notes how it is, and what it shall be; takes `value`. */
static void plan(const json_t *all, const char *name, json_t *value,
                 json_t *wanted, json_t *former) {
  json_t *now = json_object_get(all, name);

  if (now != NULL && !json_equal(now, value)) {
    (void)json_object_set(former, name, now);
    (void)json_object_set(wanted, name, value);
  }
  json_decref(value);
}

static int change_parameters(settings_t *s, qmp_t *q, uint64_t downtime_ms,
                             failure_t *f) {
  json_t *all = NULL;
  json_t *wanted = json_object();
  int r = qmp_run(q, "query-migrate-parameters", NULL, &all, f);

  if (r < 0) {
    json_decref(wanted);
    return r;
  }
  s->parameters = json_object();
  plan(all, "max-bandwidth", json_integer(full_speed), wanted, s->parameters);
  plan(all, "tls-creds", json_string(""), wanted, s->parameters);
  if (downtime_ms > 0) {
    plan(all, "downtime-limit", json_integer((json_int_t)downtime_ms), wanted,
         s->parameters);
  }
  json_decref(all);
  if (json_object_size(wanted) > 0) {
    return qmp_run(q, "migrate-set-parameters", wanted, NULL, f);
  }
  json_decref(wanted);
  return 0;
}

int settings_for_incoming(settings_t *s, qmp_t *q, failure_t *f) {
  *s = (settings_t){.capabilities = NULL};
  return change_capabilities(s, q, f);
}

int settings_for_outgoing(settings_t *s, qmp_t *q, uint64_t downtime_ms,
                          failure_t *f) {
  int r = settings_for_incoming(s, q, f);

  return r < 0 ? r : change_parameters(s, q, downtime_ms, f);
}

int settings_restore(settings_t *s, qmp_t *q, failure_t *f) {
  int r = 0;

  if (json_object_size(s->parameters) > 0) {
    r = qmp_run(q, "migrate-set-parameters", json_incref(s->parameters), NULL,
                f);
  }
  if (json_array_size(s->capabilities) > 0) {
    int set = set_capabilities(q, json_incref(s->capabilities), f);

    r = r < 0 ? r : set;
  }
  if (r == 0) {
    settings_drop(s);
  }
  return r;
}

void settings_drop(settings_t *s) {
  json_decref(s->capabilities);
  json_decref(s->parameters);
  *s = (settings_t){.capabilities = NULL};
}
