/* inspect_text.c - `sluice inspect` for people.
 *
 * Parts of one section that follow each other are one line: a machine that was
 * running while it was saved has thousands. */
#include "show/inspect_view.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/format.h"

enum { NAME_TEXT = 4 * SLUICE_NAME_MAX + 1 };

/* The line that is not printed yet, as more may join it; `lines` 0: none. */
static struct {
  inspect_section_t first;
  uint64_t lines;
} held;

static bool has_titles;

static const char *name_text(const char *name) {
  static char text[NAME_TEXT];

  return printable(text, sizeof(text), name);
}

static void print_id(const char *title, const uint8_t id[16]) {
  char text[33];

  if (inspect_id_text(text, id)) {
    (void)printf("%-9s %s\n", title, text);
  }
}

static void text_header(const sluice_header_t *h) {
  (void)printf("%-9s %s, version %" PRIu32 "\n", "format",
               format_name(h->format), h->version);
  if (h->host[0] != '\0') {
    (void)printf("%-9s %s",
                 h->format == SLUICE_FORMAT_NATIVE ? "host" : "machine",
                 name_text(h->host));
    (void)printf("%s%s\n", h->host_version[0] == '\0' ? "" : " ",
                 name_text(h->host_version));
  }
  print_id("image", h->image_id);
  print_id("parent", h->parent_id);
}

static void print_held(void) {
  const inspect_section_t *s = &held.first;

  if (held.lines == 0) {
    return;
  }
  if (!has_titles) {
    (void)printf("\n%14s  %-5s %10s %8s %7s %14s %6s  %s\n", "offset", "kind",
                 "id", "instance", "version", "payload", "times", "section");
    has_titles = true;
  }
  (void)printf("%14" PRIu64 "  %-5s %10" PRIu32 " %8" PRIu32 " %7" PRIu32
               " %14" PRIu64 " %6" PRIu64 "  %s\n",
               s->offset, inspect_kind_name(s), s->id, s->instance, s->version,
               s->payload_bytes, held.lines, name_text(s->name));
  held.lines = 0;
}

static void text_section(const inspect_section_t *s) {
  if (held.lines > 0 && s->kind == SLUICE_ITEM_PART &&
      held.first.kind == SLUICE_ITEM_PART && held.first.id == s->id) {
    held.first.payload_bytes += s->payload_bytes;
    held.lines++;
    return;
  }
  print_held();
  held.first = *s;
  held.lines = 1;
}

static void print_regions(const regions_t *regions) {
  if (regions->count == 0) {
    return;
  }
  (void)printf("\n%16s %8s %12s %12s  %s\n", "bytes", "page", "data pages",
               "zero pages", "region");
  for (size_t i = 0; i < regions->count; i++) {
    const region_t *r = &regions->list[i];

    (void)printf("%16" PRIu64 " %8" PRIu32 " %12" PRIu64 " %12" PRIu64 "  %s\n",
                 r->bytes, r->page_size, r->states.count[PAGE_DATA],
                 r->states.count[PAGE_ZERO], name_text(r->name));
  }
}

static void print_devices(const devices_t *devices) {
  if (devices->first == NULL) {
    return;
  }
  (void)printf("\n%16s %8s %7s  %s\n", "bytes", "instance", "version",
               "device");
  for (const device_t *d = devices->first; d != NULL; d = d->next) {
    (void)printf("%16" PRIu64 " %8" PRIu32 " %7" PRIu32 "  %s\n", d->bytes,
                 d->instance, d->version, name_text(d->name));
  }
}

static void text_end(const inspect_end_t *e) {
  print_held();
  print_regions(e->regions);
  print_devices(e->devices);
  (void)printf("%s%-9s %s\n%-9s %" PRIu64 "\n", e->has_header ? "\n" : "",
               "complete", e->is_complete ? "yes" : "no", "bytes", e->bytes);
}

const inspect_view_t inspect_text = {text_header, text_section, text_end};
