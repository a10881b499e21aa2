/* inspect_fields.c - sluice inspect --fields: values by name.
 *
 * QEMU describes its devices behind the stream, so sections are read whole
 * first. Text or JSON, section by section. */
#include "show/inspect_fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "show/field_values.h"

typedef struct show_s {
  image_t image;
  const char *only; /* this section; NULL: all */
  bool is_json;
  bool has_shown;
  bool has_titled; /* this section */
  const image_section_t *section;
  json_t *fields;
  failure_t failure;
} show_t;

static json_t *json_text(const char *text) {
  char clean[8192];

  return json_string(printable(clean, sizeof(clean), text));
}

static void print_title(show_t *s) {
  char name[4 * SLUICE_NAME_MAX + 1];

  if (!s->has_titled) {
    (void)printf("%s%s, instance %" PRIu32 ", version %" PRIu32 "\n",
                 s->has_shown ? "\n" : "",
                 printable(name, sizeof(name), s->section->name),
                 s->section->instance, s->section->version);
  }
  s->has_titled = true;
  s->has_shown = true;
}

static void on_value(void *ctx, const char *path, const char *value) {
  show_t *s = ctx;
  char clean[8192];

  if (s->is_json) {
    json_t *field = json_object();

    json_object_set_new(field, "name", json_text(path));
    json_object_set_new(field, "value", json_text(value));
    json_array_append_new(s->fields, field);
    return;
  }
  print_title(s);
  (void)printf("  %s = %s\n", printable(clean, sizeof(clean), path), value);
}

static void print_json(show_t *s) {
  json_t *section = json_object();

  json_object_set_new(section, "name", json_text(s->section->name));
  json_object_set_new(section, "instance",
                      json_integer((json_int_t)s->section->instance));
  json_object_set_new(section, "version",
                      json_integer((json_int_t)s->section->version));
  json_object_set(section, "fields", s->fields);
  (void)fputs(s->has_shown ? "," : "", stdout);
  (void)json_dumpf(section, stdout, JSON_COMPACT);
  json_decref(section);
  s->has_shown = true;
}

static int show_section(show_t *s, const image_section_t *section) {
  int r;

  s->section = section;
  s->has_titled = false;
  s->fields = s->is_json ? json_array() : NULL;
  r = field_values_of(&s->image, section, on_value, s, &s->failure);
  if (s->is_json && r > 0) {
    print_json(s);
  }
  json_decref(s->fields);
  s->fields = NULL;
  if (r == 0 && s->only != NULL) {
    return fail_with(&s->failure, s->image.path, SLUICE_EUNKNOWN,
                     "section '%s' does not say which fields it has",
                     section->name);
  }
  return r;
}

static int show_sections(show_t *s) {
  bool is_found = s->only == NULL;
  int r = 0;

  (void)fputs(s->is_json ? "{\"sections\":[" : "", stdout);
  for (size_t i = 0; i < s->image.section_count && r >= 0; i++) {
    const image_section_t *section = &s->image.sections[i];

    if (section->payload == SLUICE_PAYLOAD_BYTES &&
        (s->only == NULL || strcmp(s->only, section->name) == 0)) {
      is_found = true;
      r = show_section(s, section);
    }
  }
  (void)fputs(s->is_json ? "]}\n" : "", stdout);
  return is_found ? r
                  : fail_with(&s->failure, s->image.path, SLUICE_EMISSING,
                              "there is no section '%s' of bytes", s->only);
}

int inspect_fields(const char *path, const char *section, bool is_json) {
  show_t s = {.only = section, .is_json = is_json};

  if (image_load(&s.image, path, IMAGE_SECTIONS, &s.failure) == 0) {
    (void)show_sections(&s);
    if (fflush(stdout) != 0) {
      (void)fail_stdout(&s.failure);
    }
  }
  image_done(&s.image);
  return s.failure.error.code == 0 ? TOOL_OK : report_failure(&s.failure);
}
