/* inspect_json.c - `sluice inspect` for programs: one JSON object.
 *
 * Sections are printed as they come, so the frame of the object is written
 * here; what is within comes from jansson. Invariant: whatever happens to the
 * stream, what was printed by the end is one whole object. */
#include "show/inspect_view.h"

#include <jansson.h>
#include <stdio.h>

#include "cli/format.h"

enum { DUMP = JSON_COMPACT | JSON_ENCODE_ANY };

static uint64_t section_count;

/* Names need not be UTF-8; JSON must. */
static json_t *text(const char *s) {
  char escaped[4 * sizeof(((sluice_error_t *)NULL)->message) + 1];
  json_t *json = json_string(s);

  if (json == NULL) {
    json = json_string(printable(escaped, sizeof(escaped), s));
  }
  return json;
}

/* Takes `value`. */
static void print(json_t *value) {
  (void)json_dumpf(value, stdout, DUMP);
  json_decref(value);
}

static void print_member(const char *before, const char *key, json_t *value) {
  (void)printf("%s\"%s\":", before, key);
  print(value);
}

static json_t *number(uint64_t n) {
  return json_integer((json_int_t)n); /* 63 bits: streams are shorter */
}

static void print_id(const char *key, const uint8_t id[16]) {
  char digits[33];

  if (inspect_id_text(digits, id)) {
    print_member(",\n", key, json_string(digits));
  }
}

static void json_header(const sluice_header_t *h) {
  print_member("{", "format", json_string(format_name(h->format)));
  print_member(",\n", "version", number(h->version));
  print_member(",\n", "host", text(h->host));
  if (h->host_version[0] != '\0') {
    print_member(",\n", "host_version", text(h->host_version));
  }
  print_id("image_id", h->image_id);
  print_id("parent_id", h->parent_id);
  (void)fputs(",\n\"sections\":[", stdout);
}

static void json_section(const inspect_section_t *s) {
  (void)fputs(section_count++ == 0 ? "\n" : ",\n", stdout);
  print(json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "offset",
                  number(s->offset), "kind", inspect_kind_name(s), "id",
                  number(s->id), "name", text(s->name), "instance",
                  number(s->instance), "version", number(s->version),
                  "payload_bytes", number(s->payload_bytes)));
}

static void print_regions(const regions_t *regions) {
  (void)fputs(",\n\"regions\":[", stdout);
  for (size_t i = 0; i < regions->count; i++) {
    const region_t *r = &regions->list[i];

    (void)fputs(i == 0 ? "\n" : ",\n", stdout);
    print(json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", text(r->name), "bytes",
                    number(r->bytes), "page_size", number(r->page_size),
                    "pages_data", number(r->states.count[PAGE_DATA]),
                    "pages_zero", number(r->states.count[PAGE_ZERO])));
  }
  (void)fputs("]", stdout);
}

static void print_devices(const devices_t *devices) {
  (void)fputs(",\n\"devices\":[", stdout);
  for (const device_t *d = devices->first; d != NULL; d = d->next) {
    (void)fputs(d == devices->first ? "\n" : ",\n", stdout);
    print(json_pack("{s:o, s:o, s:o, s:o}", "name", text(d->name), "instance",
                    number(d->instance), "version", number(d->version), "bytes",
                    number(d->bytes)));
  }
  (void)fputs("]", stdout);
}

static void print_error(const sluice_error_t *e) {
  json_t *offset =
      e->offset == SLUICE_OFFSET_NONE ? json_null() : number(e->offset);

  print_member(",\n", "error",
               json_pack("{s:i, s:s, s:o, s:o, s:o}", "code", e->code, "name",
                         sluice_err_name(e->code), "section", text(e->section),
                         "offset", offset, "message", text(e->message)));
}

static void json_end(const inspect_end_t *e) {
  static const sluice_header_t none = {.host = "", .host_version = ""};

  if (!e->has_header) {
    json_header(&none);
  }
  (void)fputs("]", stdout);
  print_regions(e->regions);
  print_devices(e->devices);
  print_member(",\n", "complete", json_boolean(e->is_complete));
  print_member(",\n", "bytes", number(e->bytes));
  if (e->failure->error.code != 0) {
    print_error(&e->failure->error);
  }
  (void)fputs("}\n", stdout);
}

const inspect_view_t inspect_json = {json_header, json_section, json_end};
