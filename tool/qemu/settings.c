/* settings.c - see settings.h. */
#include "qemu/settings.h"

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

static int look_at_capabilities(settings_t *s, qmp_t *q, failure_t *f) {
  json_t *all = NULL;
  int r = qmp_run(q, "query-migrate-capabilities", NULL, &all, f);

  if (r == 0) {
    s->capabilities = json_array();
    s->wanted_capabilities = plan_capabilities(all, s->capabilities);
    json_decref(all);
  }
  return r;
}

/* Notes how it is, and what it shall be; takes `value`. */
static void plan(settings_t *s, const json_t *all, const char *name,
                 json_t *value) {
  json_t *now = json_object_get(all, name);

  if (now != NULL && !json_equal(now, value)) {
    (void)json_object_set(s->parameters, name, now);
    (void)json_object_set(s->wanted_parameters, name, value);
  }
  json_decref(value);
}

static int look_at_parameters(settings_t *s, qmp_t *q, uint64_t downtime_ms,
                              failure_t *f) {
  json_t *all = NULL;
  int r = qmp_run(q, "query-migrate-parameters", NULL, &all, f);

  if (r < 0) {
    return r;
  }
  s->parameters = json_object();
  s->wanted_parameters = json_object();
  plan(s, all, "max-bandwidth", json_integer(full_speed));
  plan(s, all, "tls-creds", json_string(""));
  if (downtime_ms > 0) {
    plan(s, all, "downtime-limit", json_integer((json_int_t)downtime_ms));
  }
  json_decref(all);
  return 0;
}

int settings_for_incoming(settings_t *s, qmp_t *q, failure_t *f) {
  *s = (settings_t){.capabilities = NULL};
  return look_at_capabilities(s, q, f);
}

int settings_for_outgoing(settings_t *s, qmp_t *q, uint64_t downtime_ms,
                          failure_t *f) {
  int r = settings_for_incoming(s, q, f);

  return r < 0 ? r : look_at_parameters(s, q, downtime_ms, f);
}

static int set(qmp_t *q, json_t *capabilities, json_t *parameters,
               failure_t *f) {
  int r = 0;
  int last = 0;

  if (json_object_size(parameters) > 0) {
    r = qmp_run(q, "migrate-set-parameters", json_incref(parameters), NULL, f);
  }
  if (json_array_size(capabilities) > 0) {
    last = qmp_run(q, "migrate-set-capabilities",
                   json_pack("{s:O}", "capabilities", capabilities), NULL, f);
  }
  return r < 0 ? r : last;
}

int settings_apply(const settings_t *s, qmp_t *q, failure_t *f) {
  return set(q, s->wanted_capabilities, s->wanted_parameters, f);
}

int settings_restore(settings_t *s, qmp_t *q, failure_t *f) {
  int r = set(q, s->capabilities, s->parameters, f);

  if (r == 0) {
    settings_drop(s);
  }
  return r;
}

void settings_drop(settings_t *s) {
  json_decref(s->capabilities);
  json_decref(s->parameters);
  json_decref(s->wanted_capabilities);
  json_decref(s->wanted_parameters);
  *s = (settings_t){.capabilities = NULL};
}
