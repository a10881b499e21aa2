/* compat.c - sluice compat: will images of one program load into another?
 *
 * Takes two images, or two schemas as sluice_registry_schema() writes them:
 * only what sections declare is looked at. Sections that carry no field table
 * are compared by version and kind. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sluice/schema.h>

#include "cli/args.h"
#include "cli/command.h"
#include "contents/image.h"

enum { OPTION_BOTH = 256 };

static const args_option_t options[] = {
    {'j', "json", NULL, "print one JSON object"},
    {OPTION_BOTH, "both", NULL,
     "new images must load into the old program, too"},
};

static const args_spec_t spec = {
    .command = "compat",
    .usage = "[--json] [--both] OLD NEW",
    .about =
        "Compares what two programs save, by an image or a schema of each: "
        "which sections\nand fields were added, removed, resized, moved, whose "
        "versions were raised; and\nwhether images of the old program load "
        "into the new one, and the other way\nround. Exits with 1 when old "
        "images do not load; with --both, when either do not.\n",
    .examples = "  sluice compat released.schema built.schema\n"
                "  sluice compat --json old.sluice new.sluice\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .min_operands = 2,
    .max_operands = 2,
};

typedef struct compat_s {
  image_t before;
  image_t after;
  json_t *findings; /* NULL: print text */
  const image_section_t *section;
  unsigned breaks;
  failure_t failure;
} compat_t;

static const char *breaks_text(unsigned breaks) {
  switch (breaks) {
  case 0: return "";
  case SLUICE_BREAKS_OLD_IMAGE: return "  (breaks old images)";
  case SLUICE_BREAKS_NEW_IMAGE: return "  (breaks new images in old programs)";
  default: return "  (breaks both ways)";
  }
}

static json_t *json_text(const char *text) {
  char clean[1024];

  return json_string(printable(clean, sizeof(clean), text));
}

static void add_json(const compat_t *c, const sluice_finding_t *f) {
  json_t *finding = json_object();

  json_object_set_new(finding, "section", json_text(c->section->name));
  json_object_set_new(finding, "instance",
                      json_integer((json_int_t)c->section->instance));
  json_object_set_new(finding, "field", json_text(f->path));
  json_object_set_new(finding, "change",
                      json_string(sluice_change_name(f->change)));
  json_object_set_new(finding, "text", json_text(f->text));
  json_object_set_new(finding, "breaks_old_images",
                      json_boolean((f->breaks & SLUICE_BREAKS_OLD_IMAGE) != 0));
  json_object_set_new(finding, "breaks_new_images",
                      json_boolean((f->breaks & SLUICE_BREAKS_NEW_IMAGE) != 0));
  json_array_append_new(c->findings, finding);
}

static void on_finding(void *data, const sluice_finding_t *f) {
  compat_t *c = data;
  char name[512], path[1024], text[512];

  c->breaks |= f->breaks;
  if (c->findings != NULL) {
    add_json(c, f);
    return;
  }
  (void)printf("%s/%" PRIu32 "%s%s: %s: %s%s\n",
               printable(name, sizeof(name), c->section->name),
               c->section->instance, f->path[0] != '\0' ? ": " : "",
               printable(path, sizeof(path), f->path),
               sluice_change_name(f->change),
               printable(text, sizeof(text), f->text), breaks_text(f->breaks));
}

static void tell(compat_t *c, sluice_change_t change, unsigned breaks,
                 const char *text) {
  const sluice_finding_t f = {change, breaks, "", text};

  on_finding(c, &f);
}

static bool is_optional(const image_section_t *s) {
  return (s->flags & SLUICE_SECTION_OPTIONAL) != 0;
}

static void compare_versions(compat_t *c, const image_section_t *b,
                             const image_section_t *a) {
  char text[80];

  if (b->version != a->version) {
    (void)snprintf(text, sizeof(text), "was %" PRIu32 ", is %" PRIu32,
                   b->version, a->version);
    tell(c, SLUICE_CHANGE_VERSION,
         a->version > b->version ? SLUICE_BREAKS_NEW_IMAGE
                                 : SLUICE_BREAKS_OLD_IMAGE,
         text);
  }
}

static int compare_schemas(compat_t *c, const image_section_t *b,
                           const image_section_t *a) {
  sluice_schema_t *before = NULL;
  sluice_schema_t *after = NULL;
  sluice_error_t err = {.offset = SLUICE_OFFSET_NONE};
  int r = sluice_schema_parse(&before, b->schema, b->schema_len, &err);

  if (r < 0) {
    (void)fail_stream(&c->failure, c->before.path, &err);
  } else {
    r = sluice_schema_parse(&after, a->schema, a->schema_len, &err);
    if (r < 0) {
      (void)fail_stream(&c->failure, c->after.path, &err);
    }
  }
  if (r == 0) {
    r = sluice_schema_compare(before, after, on_finding, c);
  }
  sluice_schema_free(before);
  sluice_schema_free(after);
  return r < 0 ? fail_with(&c->failure, NULL, r, "cannot compare '%s'", b->name)
               : 0;
}

static int compare_sections(compat_t *c, const image_section_t *b,
                            const image_section_t *a) {
  c->section = a;
  if (strcmp(b->type, a->type) != 0 || b->payload != a->payload) {
    tell(c, SLUICE_CHANGE_RETYPED,
         SLUICE_BREAKS_OLD_IMAGE | SLUICE_BREAKS_NEW_IMAGE,
         "the section is of another kind");
    return 0;
  }
  if (b->schema != NULL && a->schema != NULL) {
    return compare_schemas(c, b, a);
  }
  compare_versions(c, b, a);
  return 0;
}

/* A section that a program registers must be in the image, and the other way
 * round, unless it is optional. */
static int compare_images(compat_t *c) {
  int r = 0;

  for (size_t i = 0; i < c->after.section_count && r == 0; i++) {
    const image_section_t *a = &c->after.sections[i];
    const image_section_t *b = image_find(&c->before, a->name, a->instance);

    c->section = a;
    if (b != NULL) {
      r = compare_sections(c, b, a);
    } else {
      tell(c, SLUICE_CHANGE_ADDED,
           is_optional(a) ? 0
                          : SLUICE_BREAKS_OLD_IMAGE | SLUICE_BREAKS_NEW_IMAGE,
           is_optional(a) ? "optional section" : "required section");
    }
  }
  for (size_t i = 0; i < c->before.section_count && r == 0; i++) {
    const image_section_t *b = &c->before.sections[i];

    c->section = b;
    if (image_find(&c->after, b->name, b->instance) == NULL) {
      tell(c, SLUICE_CHANGE_REMOVED,
           is_optional(b) ? 0
                          : SLUICE_BREAKS_OLD_IMAGE | SLUICE_BREAKS_NEW_IMAGE,
           is_optional(b) ? "optional section" : "required section");
    }
  }
  return r;
}

static void print_verdict(compat_t *c) {
  bool old_loads = (c->breaks & SLUICE_BREAKS_OLD_IMAGE) == 0;
  bool new_loads = (c->breaks & SLUICE_BREAKS_NEW_IMAGE) == 0;
  json_t *all;

  if (c->findings == NULL) {
    (void)printf("old images into the new program: %s\n"
                 "new images into the old program: %s\n",
                 old_loads ? "yes" : "NO", new_loads ? "yes" : "NO");
  } else {
    all =
        json_pack("{s:O, s:b, s:b}", "findings", c->findings, "old_images_load",
                  (int)old_loads, "new_images_load", (int)new_loads);
    (void)json_dumpf(all, stdout, JSON_COMPACT);
    (void)fputc('\n', stdout);
    json_decref(all);
  }
  if (fflush(stdout) != 0) {
    (void)fail_stdout(&c->failure);
  }
}

static int compat(compat_t *c, char **paths) {
  int r = image_load(&c->before, paths[0], IMAGE_SECTIONS, &c->failure);

  if (r == 0) {
    r = image_load(&c->after, paths[1], IMAGE_SECTIONS, &c->failure);
  }
  if (r == 0) {
    r = compare_images(c);
  }
  if (r == 0) {
    print_verdict(c);
  }
  image_done(&c->before);
  image_done(&c->after);
  json_decref(c->findings);
  return c->failure.error.code == 0 ? TOOL_OK : report_failure(&c->failure);
}

static int run_compat(int argc, char **argv) {
  compat_t c = {0};
  unsigned refused = SLUICE_BREAKS_OLD_IMAGE;
  args_t args;
  int letter;
  int r;

  args_begin(&args, &spec, argc, argv);
  while ((letter = args_next(&args)) > 0) {
    if (letter == OPTION_BOTH) {
      refused |= SLUICE_BREAKS_NEW_IMAGE;
    } else if (c.findings == NULL) {
      c.findings = json_array();
    }
  }
  if (letter < 0) {
    json_decref(c.findings);
    return args.exit_code;
  }
  r = compat(&c, args.operands);
  return r == TOOL_OK && (c.breaks & refused) != 0 ? TOOL_FAILED : r;
}

const command_t command_compat = {
    .name = "compat",
    .summary = "tell whether images of one program load into another",
    .run = run_compat,
};
