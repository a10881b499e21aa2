/* test_registry.c - names, duplicates and order of sections. */
#include <sluice/registry.h>

#include <check.h>
#include <string.h>
#include <uv.h>

#include "rig.h"
#include "session/registry.h"
#include "suite.h"
#include "toy.h"

static rig_t rig;
static toy_t toy;

static void setup(void) {
  rig_init(&rig);
  toy_init(&toy, NULL, "", 8, 1);
}

static void teardown(void) {
  toy_done(&toy);
  rig_done(&rig);
}

static int add(const char *name, uint32_t instance) {
  sluice_section_options_t o = {.size = sizeof(o), .instance = instance};

  return sluice_registry_add(rig.registry, name, &toy.handler, &toy, &o, NULL,
                             &rig.error);
}

START_TEST(a_name_and_instance_is_taken_once) {
  ck_assert_int_eq(add("disk", 0), 0);
  ck_assert_int_eq(add("disk", 1), 0);
  ck_assert_int_eq(add("disk", 1), SLUICE_EEXISTS);
  ck_assert_str_eq(rig.error.message, "'disk' instance 1 is registered");
  ck_assert_uint_eq(sluice_registry_count(rig.registry), 2);
}
END_TEST

static char long_name[300];

static const struct {
  const char *name;
  int code;
} names[] = {
    {"", UV_EINVAL},
    {"with space", UV_EINVAL},
    {"line\nfeed", UV_EINVAL},
    {"\xc3\xa9", UV_EINVAL},
    {"0000:00:01.3/piix4_pm", 0},
    {"/rom@etc/acpi", 0},
    {"delete\x7f", UV_EINVAL},
    {long_name, UV_EINVAL},
};

START_TEST(names_are_printable_and_bounded) {
  memset(long_name, 'x', 256);
  ck_assert_int_eq(add(names[_i].name, 0), names[_i].code);
}
END_TEST

START_TEST(the_longest_name_is_accepted) {
  memset(long_name, 'x', 255);
  ck_assert_int_eq(add(long_name, 0), 0);
  ck_assert_int_eq(add(long_name, 0), SLUICE_EEXISTS);
}
END_TEST

/* Hooks that come in a set: without one of them nothing can be done. */
static const size_t mandatory[] = {
    offsetof(sluice_handler_t, save_finish),
    offsetof(sluice_handler_t, save_end),
    offsetof(sluice_handler_t, restore_step),
    offsetof(sluice_handler_t, restore_end),
};

START_TEST(a_handler_without_a_mandatory_hook_is_refused) {
  memset((char *)&toy.handler + mandatory[_i], 0, sizeof(void (*)(void)));
  ck_assert_int_eq(add("toy", 0), UV_EINVAL);
}
END_TEST

START_TEST(a_handler_of_another_size_is_refused) {
  toy.handler.size--;
  ck_assert_int_eq(add("toy", 0), UV_EINVAL);
}
END_TEST

static const char *const no_types[] = {NULL, "", "With-Capitals", "a b",
                                       "longer.than.any.type.may.be.4321"};

START_TEST(a_type_is_a_short_word_in_small_letters) {
  toy.handler.type = no_types[_i];
  ck_assert_int_eq(add("toy", 0), UV_EINVAL);
  toy.handler.type = "just-as.long_as.it.may.be.12345";
  ck_assert_int_eq(add("toy", 0), 0);
}
END_TEST

START_TEST(a_handler_that_is_newer_than_itself_is_refused) {
  toy.handler.min_version = toy.handler.version + 1;
  ck_assert_int_eq(add("toy", 0), UV_EINVAL);
  toy.handler.min_version = toy.handler.version;
  ck_assert_int_eq(add("toy", 0), 0);
}
END_TEST

/* Rows: it only saves, it only restores, it does neither. */
START_TEST(a_handler_may_go_one_way_but_not_none) {
  if (_i != 0) {
    toy.handler.save_begin = NULL;
  }
  if (_i != 1) {
    toy.handler.restore_begin = NULL;
  }
  ck_assert_int_eq(add("toy", 0), _i == 2 ? UV_EINVAL : 0);
}
END_TEST

/* ---- no memory ---- */

static unsigned grants; /* to come */

static void *grant(void *ctx, size_t size, size_t align) {
  if (grants == 0) {
    return NULL;
  }
  grants--;
  return rig.alloc.alloc(ctx, size, align);
}

static sluice_registry_t *open_stingy(void) {
  sluice_alloc_t stingy = rig.alloc;
  sluice_registry_t *registry = NULL;

  stingy.alloc = grant;
  grants = 0;
  ck_assert_int_eq(sluice_registry_new(&registry, &stingy), UV_ENOMEM);
  grants = 1;
  ck_assert_int_eq(sluice_registry_new(&registry, &stingy), 0);
  return registry;
}

/* Each registration is refused its memory, then granted; the table of names
 * grows in between. */
START_TEST(without_memory_a_section_is_not_added_and_nothing_is_lost) {
  sluice_registry_t *registry = open_stingy();
  unsigned refused = 0;
  char name[32];

  for (uint32_t i = 0; i < 1000; i++) {
    sluice_error_t err = {0};
    int r = UV_ENOMEM;

    (void)snprintf(name, sizeof(name), "s%u", i);
    for (unsigned n = 0; r != 0; n++) {
      grants = n;
      memset(&err, 0, sizeof(err));
      r = sluice_registry_add(registry, name, &toy.handler, &toy, NULL, NULL,
                              &err);
      refused += r != 0;
      ck_assert(r == 0 || (r == UV_ENOMEM && strstr(err.message, name)));
      ck_assert_uint_eq(sluice_registry_count(registry), i + (r == 0));
    }
    ck_assert_ptr_nonnull(sluice__registry_find(registry, name, 0));
  }
  ck_assert_uint_ge(refused, 1000);
  ck_assert_int_eq(sluice_registry_free(registry), 0);
}
END_TEST

START_TEST(nothing_is_freed_in_vain) {
  ck_assert_int_eq(sluice_registry_free(NULL), 0);
}
END_TEST

/* ---- its schema ---- */

static uint8_t chunk[1 << 20];
static int takes; /* chunks to come */

static int lend_chunk(void *ctx, uint8_t **out) {
  (void)ctx;
  *out = chunk;
  return 0;
}

static int take_chunk(void *ctx, uint8_t *base, size_t skip, size_t len) {
  (void)ctx, (void)base, (void)skip, (void)len;
  return takes-- > 0 ? 0 : UV_ENOSPC;
}

static const sluice_output_t output = {
    .size = sizeof(output), .lend = lend_chunk, .emit = take_chunk};

START_TEST(a_schema_that_cannot_be_written_says_why) {
  sluice_error_t err = {0};

  ck_assert_int_eq(add("toy", 0), 0);
  takes = 0;
  ck_assert_int_eq(sluice_registry_schema(rig.registry, NULL, &output, &err),
                   UV_ENOSPC);
  ck_assert_int_eq(err.code, UV_ENOSPC);
  ck_assert_str_ne(err.message, "");
  takes = 0;
  ck_assert_int_eq(sluice_registry_schema(rig.registry, NULL, &output, NULL),
                   UV_ENOSPC);
  takes = 1;
  ck_assert_int_eq(sluice_registry_schema(rig.registry, NULL, &output, &err),
                   0);
}
END_TEST

START_TEST(without_memory_there_is_no_schema) {
  sluice_registry_t *registry = open_stingy();
  sluice_error_t err = {0};

  grants = 0;
  ck_assert_int_eq(sluice_registry_schema(registry, NULL, &output, &err),
                   UV_ENOMEM);
  ck_assert_ptr_nonnull(strstr(err.message, "schema"));
  ck_assert_int_eq(sluice_registry_free(registry), 0);
}
END_TEST

START_TEST(pages_that_qemus_stream_has_no_place_for_are_told) {
  const sluice_encoder_options_t o = {.size = sizeof(o),
                                      .format = SLUICE_FORMAT_QEMU3};
  sluice_error_t err = {0};

  toy.handler.payload = SLUICE_PAYLOAD_PAGES; /* of no name that QEMU knows */
  ck_assert_int_eq(add("toy", 0), 0);
  takes = 9;
  ck_assert_int_lt(sluice_registry_schema(rig.registry, &o, &output, &err), 0);
  ck_assert_str_ne(err.message, "");
}
END_TEST

START_TEST(a_weight_over_1000_is_refused) {
  sluice_section_options_t o = {.size = sizeof(o), .weight = 1001};

  ck_assert_int_eq(sluice_registry_add(rig.registry, "toy", &toy.handler, &toy,
                                       &o, NULL, NULL),
                   UV_EINVAL);
}
END_TEST

/* The hash takes names in pieces of 12 bytes. */
START_TEST(names_of_every_length_are_found) {
  for (size_t len = 1; len <= 40; len++) {
    memset(long_name, 'n', len);
    ck_assert_int_eq(add(long_name, 0), 0);
  }
  for (size_t len = 40; len >= 1; len--) {
    long_name[len] = '\0';
    ck_assert_ptr_nonnull(sluice__registry_find(rig.registry, long_name, 0));
    long_name[len - 1] = 'm';
    ck_assert_ptr_null(sluice__registry_find(rig.registry, long_name, 0));
    long_name[len - 1] = 'n';
  }
}
END_TEST

START_TEST(what_was_removed_can_be_registered_again) {
  ck_assert_int_eq(add("toy", 0), 0);
  ck_assert_int_eq(sluice_registry_remove(rig.registry, "toy", 0), 0);
  ck_assert_int_eq(sluice_registry_remove(rig.registry, "toy", 0), UV_ENOENT);
  ck_assert_int_eq(add("toy", 0), 0);
}
END_TEST

START_TEST(many_sections_are_found_in_no_time) {
  char name[32];

  for (int i = 0; i < 100000; i++) {
    (void)snprintf(name, sizeof(name), "s%d", i);
    ck_assert_int_eq(add(name, 0), 0);
  }
  ck_assert_int_eq(add("s99999", 0), SLUICE_EEXISTS);
}
END_TEST

static int add_with(const char *name, int32_t priority) {
  sluice_section_options_t o = {.size = sizeof(o), .priority = priority};

  return sluice_registry_add(rig.registry, name, &toy.handler, &toy, &o, NULL,
                             &rig.error);
}

START_TEST(sections_stand_by_priority_then_as_they_came) {
  static const char *const order[] = {"high", "middle", "later", "low"};
  size_t i = 0;

  ck_assert_int_eq(add_with("high", 9), 0);
  ck_assert_int_eq(add_with("middle", 5), 0);
  ck_assert_int_eq(add_with("low", 1), 0);
  ck_assert_int_eq(add_with("later", 5), 0);
  for (const sluice_section_t *at = rig.registry->first; at != NULL;
       at = at->next) {
    ck_assert_uint_lt(i, 4);
    ck_assert_str_eq(sluice__section_name(at), order[i++]);
  }
  ck_assert_uint_eq(i, 4);
}
END_TEST

START_TEST(what_no_section_is_called_is_not_found) {
  static const char *const aliases[] = {"old name", NULL};
  const sluice_section_options_t o = {.size = sizeof(o), .aliases = aliases};

  ck_assert_int_eq(sluice_registry_add(rig.registry, "name", &toy.handler, &toy,
                                       &o, NULL, &rig.error),
                   0);
  memset(long_name, 'x', sizeof(long_name) - 1);
  ck_assert_ptr_nonnull(sluice__registry_resolve(rig.registry, "old name", 0));
  ck_assert_ptr_null(sluice__registry_resolve(rig.registry, "old name", 1));
  ck_assert_ptr_null(sluice__registry_resolve(rig.registry, "other", 0));
  ck_assert_ptr_null(sluice__registry_find(rig.registry, long_name, 0));
}
END_TEST

Suite *registry_suite(void) {
  Suite *s = suite_create("registry");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, a_name_and_instance_is_taken_once);
  tcase_add_loop_test(t, names_are_printable_and_bounded, 0,
                      sizeof(names) / sizeof(names[0]));
  tcase_add_test(t, the_longest_name_is_accepted);
  tcase_add_loop_test(t, a_handler_without_a_mandatory_hook_is_refused, 0,
                      sizeof(mandatory) / sizeof(mandatory[0]));
  tcase_add_test(t, a_handler_of_another_size_is_refused);
  tcase_add_loop_test(t, a_type_is_a_short_word_in_small_letters, 0,
                      sizeof(no_types) / sizeof(no_types[0]));
  tcase_add_test(t, a_handler_that_is_newer_than_itself_is_refused);
  tcase_add_loop_test(t, a_handler_may_go_one_way_but_not_none, 0, 3);
  tcase_add_test(t, without_memory_a_section_is_not_added_and_nothing_is_lost);
  tcase_add_test(t, nothing_is_freed_in_vain);
  tcase_add_test(t, a_schema_that_cannot_be_written_says_why);
  tcase_add_test(t, without_memory_there_is_no_schema);
  tcase_add_test(t, pages_that_qemus_stream_has_no_place_for_are_told);
  tcase_add_test(t, names_of_every_length_are_found);
  tcase_add_test(t, a_weight_over_1000_is_refused);
  tcase_add_test(t, what_was_removed_can_be_registered_again);
  tcase_add_test(t, sections_stand_by_priority_then_as_they_came);
  tcase_add_test(t, what_no_section_is_called_is_not_found);
  tcase_add_test(t, many_sections_are_found_in_no_time);
  suite_add_tcase(s, t);
  return s;
}
