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
  sluice_section_options_t o = {.instance = instance};

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

START_TEST(a_weight_over_1000_is_refused) {
  sluice_section_options_t o = {.weight = 1001};

  ck_assert_int_eq(sluice_registry_add(rig.registry, "toy", &toy.handler, &toy,
                                       &o, NULL, NULL),
                   UV_EINVAL);
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
  sluice_section_options_t o = {.priority = priority};

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
  const sluice_section_options_t o = {.aliases = aliases};

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
  tcase_add_test(t, a_weight_over_1000_is_refused);
  tcase_add_test(t, what_was_removed_can_be_registered_again);
  tcase_add_test(t, sections_stand_by_priority_then_as_they_came);
  tcase_add_test(t, what_no_section_is_called_is_not_found);
  tcase_add_test(t, many_sections_are_found_in_no_time);
  suite_add_tcase(s, t);
  return s;
}
