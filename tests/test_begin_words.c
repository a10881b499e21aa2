/* test_begin_words.c - what the calls that begin something say when they do
 * not: which argument, which option, which section. A row a message. */
#include <sluice/sluice.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "rig.h"
#include "suite.h"
#include "toy.h"

static rig_t rig;
static toy_t toy;
static sluice_engine_t *engine; /* the test's own, of memory that may end */
static size_t blocks_left;

/* What the call is given; a row changes one thing. */
static struct {
  sluice_engine_t *engine;
  sluice_registry_t *registry;
  sluice_sink_t *sink;
  sluice_source_t *source;
  int has_place;
  int has_callback;
  int socket;
  uv_loop_t *loop;
  sluice_save_options_t save;
  sluice_restore_options_t restore;
  sluice_handover_options_t handover;
  sluice_takeover_options_t takeover;
  sluice_executor_t executor;
  sluice_engine_options_t open;
} given;

/* What no session has taken. */
static sluice_sink_t *own_sink;
static sluice_source_t *own_source;
static int sockets[2];
static void *data[2];
static size_t data_len[2];

/* ---- an engine whose memory may end ---- */

static void *alloc_some(void *ctx, size_t size, size_t align) {
  if (blocks_left == 0) {
    return NULL;
  }
  blocks_left--;
  return rig.alloc.alloc(ctx, size, align);
}

static sluice_sink_t *new_sink(int i) {
  sluice_sink_t *sink;

  ck_assert_int_eq(
      sluice_sink_memory(&sink, (size_t)1 << 20, &data[i], &data_len[i]), 0);
  return sink;
}

static void setup(void) {
  sluice_alloc_t alloc;
  sluice_engine_options_t o = {.size = sizeof(o), .alloc = &alloc};

  rig_init(&rig);
  alloc = rig.alloc;
  memset(data, 0, sizeof(data));
  alloc.alloc = alloc_some;
  blocks_left = SIZE_MAX;
  ck_assert_int_eq(sluice_engine_new(&engine, &rig.loop, &o, NULL), 0);
  toy_init_live(&toy, rig.registry, "toy", TOY_BYTES, 1, 1);
  memset(&given, 0, sizeof(given));
  given.engine = engine;
  given.registry = rig.registry;
  own_sink = given.sink = new_sink(0);
  ck_assert_int_eq(sluice_source_memory(&own_source, "", 0), 0);
  given.source = own_source;
  given.has_place = 1;
  given.has_callback = 1;
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets),
                   0);
  given.socket = sockets[0];
  given.loop = &rig.loop;
  given.save.size = sizeof(given.save);
  given.restore.size = sizeof(given.restore);
  given.handover.size = sizeof(given.handover);
  given.takeover.size = sizeof(given.takeover);
  given.executor.size = sizeof(given.executor);
  given.open.size = sizeof(given.open);
}

static void teardown(void) {
  blocks_left = SIZE_MAX;
  rig_run(&rig);
  if (engine != NULL) {
    ck_assert_int_eq(sluice_engine_close(engine, NULL, NULL), 0);
  }
  rig_run(&rig);
  ck_assert_int_eq(close(sockets[0]), 0); /* it was not taken */
  ck_assert_int_eq(close(sockets[1]), 0);
  ck_assert_int_eq(sluice_sink_free(own_sink), 0);
  ck_assert_int_eq(sluice_source_free(own_source), 0);
  free(data[0]);
  free(data[1]);
  rig_done(&rig);
  toy_done(&toy);
}

/* ---- the calls ---- */

static int begin_save(sluice_error_t *err) {
  sluice_save_t *save;

  return sluice_save_begin(given.has_place ? &save : NULL, given.engine,
                           given.registry, given.sink, &given.save,
                           given.has_callback ? rig_on_saved : NULL, err);
}

static int begin_restore(sluice_error_t *err) {
  sluice_restore_t *restore;

  return sluice_restore_begin(given.has_place ? &restore : NULL, given.engine,
                              given.registry, given.source, &given.restore,
                              given.has_callback ? rig_on_restored : NULL, err);
}

static void on_handed_over(sluice_handover_t *handover, int status) {
  (void)handover;
  ck_abort_msg("a hand-over has begun: %d", status);
}

static int begin_handover(sluice_error_t *err) {
  sluice_handover_t *handover;

  return sluice_handover_begin(given.has_place ? &handover : NULL, given.engine,
                               given.registry, given.socket, &given.handover,
                               given.has_callback ? on_handed_over : NULL, err);
}

static void on_taken_over(sluice_takeover_t *takeover, int status) {
  (void)takeover;
  ck_abort_msg("a takeover has begun: %d", status);
}

static int begin_takeover(sluice_error_t *err) {
  sluice_takeover_t *takeover;

  return sluice_takeover_begin(given.has_place ? &takeover : NULL, given.engine,
                               given.registry, given.socket, &given.takeover,
                               given.has_callback ? on_taken_over : NULL, err);
}

static int open_engine(sluice_error_t *err) {
  sluice_alloc_t alloc = rig.alloc;
  sluice_engine_t *another;

  alloc.alloc = alloc_some;
  given.open.alloc = &alloc;
  given.open.executor = &given.executor;
  return sluice_engine_new(given.has_place ? &another : NULL, given.loop,
                           &given.open, err);
}

/* ---- what is changed ---- */

static void no_place(void) {
  given.has_place = 0;
}

static void no_callback(void) {
  given.has_callback = 0;
}

static void no_engine(void) {
  given.engine = NULL;
}

static void no_registry(void) {
  given.registry = NULL;
}

static void no_loop(void) {
  given.loop = NULL;
}

static void no_memory(void) {
  blocks_left = 0;
}

static void engine_that_closes(void) {
  ck_assert_int_eq(sluice_engine_close(engine, NULL, NULL), 0);
  engine = NULL;
}

static void empty_registry(void) {
  ck_assert_int_eq(sluice_registry_remove(rig.registry, "toy", 0), 0);
}

/* Another save goes on beside what is refused, with a sink and a registry. */
static void save_with(sluice_sink_t *sink, sluice_registry_t *registry) {
  sluice_save_t *save;

  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, registry, sink, NULL,
                                     rig_on_saved, NULL),
                   0);
}

static void busy_registry(void) {
  save_with(new_sink(1), rig.registry);
}

static void busy_sink(void) {
  save_with(own_sink, rig.registry);
  own_sink = NULL;
}

static void busy_source(void) {
  sluice_restore_t *restore;

  ck_assert_int_eq(sluice_restore_begin(&restore, rig.engine, rig.registry,
                                        own_source, NULL, rig_on_restored,
                                        NULL),
                   0);
  own_source = NULL;
}

static void no_sink(void) {
  given.sink = NULL;
}

static void no_source(void) {
  given.source = NULL;
}

static void no_size(void) {
  given.save.size = 0;
  given.restore.size = 0;
  given.takeover.size = 0;
  given.open.size = 0;
  given.handover.save = &given.save;
}

static void no_size_of_handover(void) {
  given.handover.size = 0;
}

static void no_size_of_executor(void) {
  given.executor.size = 0;
}

static void short_size(void) {
  given.save.size = 8;
}

static void too_many_jobs(void) {
  given.executor.jobs_max = 17;
}

static void too_much_weight(void) {
  given.save.weight = 1001;
  given.restore.weight = 1001;
  given.handover.save = &given.save;
}

static void little_memory(void) {
  given.save.max_memory = 1;
  given.restore.max_memory = 1;
}

static void no_such_mode(void) {
  given.save.mode = (sluice_save_mode_t)9;
}

static void format_of_readers(void) {
  given.save.format = SLUICE_FORMAT_QEMU2;
}

static void no_save_begin(void) {
  toy.handler.save_begin = NULL;
}

static void no_restore_begin(void) {
  toy.handler.restore_begin = NULL;
}

static void no_save_cut(void) {
  given.save.mode = SLUICE_CUT;
  toy.handler.save_cut = NULL;
}

static void pages_that_are_not_live(void) {
  given.save.mode = SLUICE_CUT;
  toy.handler.payload = SLUICE_PAYLOAD_PAGES;
  toy.handler.save_step = NULL;
}

static void nobody_to_tell(void) {
  given.restore.way = SLUICE_RESTORE_MAPPED_VERIFY;
}

static void no_such_way(void) {
  given.restore.way = (sluice_restore_way_t)9;
}

static void too_large_an_offer(void) {
  given.handover.offer = "";
  given.handover.offer_len = SLUICE_OFFER_MAX + 1;
}

static void offer_of_nothing(void) {
  given.handover.offer_len = 1;
}

static void no_socket(void) {
  given.socket = -1;
}

static const struct {
  int (*begin)(sluice_error_t *err);
  void (*change)(void);
  int code;
  const char *says; /* how it begins */
} rows[] = {
    {open_engine, no_place, UV_EINVAL, "an engine needs a loop, and a place"},
    {open_engine, no_loop, UV_EINVAL, "an engine needs a loop, and a place"},
    {open_engine, no_size, UV_EINVAL, "engine options: size is 0"},
    {open_engine, no_size_of_executor, UV_EINVAL, "executor: size is 0"},
    {open_engine, too_many_jobs, UV_EINVAL,
     "executor: jobs_max is 17, at most 16"},
    {open_engine, no_memory, UV_ENOMEM, "no memory for an engine"},

    {begin_save, no_place, UV_EINVAL, "there is no place for the save"},
    {begin_save, no_sink, UV_EINVAL, "there is no sink"},
    {begin_save, no_engine, UV_EINVAL, "there is no engine"},
    {begin_save, no_registry, UV_EINVAL, "there is no registry"},
    {begin_save, no_callback, UV_EINVAL, "there is no callback"},
    {begin_save, busy_sink, UV_EBUSY, "the sink is another save's"},
    {begin_save, engine_that_closes, SLUICE_ESTATE, "the engine is closing"},
    {begin_save, busy_registry, UV_EBUSY,
     "another operation uses the registry"},
    {begin_save, empty_registry, UV_EINVAL, "no section is registered"},
    {begin_save, no_size, UV_EINVAL,
     "save options: size is 0: set it to "
     "sizeof(sluice_save_options_t)"},
    {begin_save, short_size, UV_EINVAL, "save options: size is 8, but "},
    {begin_save, too_much_weight, UV_EINVAL, "weight is 1001, at most 1000"},
    {begin_save, no_such_mode, UV_EINVAL, "no such mode: 9"},
    {begin_save, format_of_readers, UV_EINVAL, "format "},
    {begin_save, no_save_begin, UV_EINVAL,
     "the handler of section 'toy' cannot save"},
    {begin_save, no_save_cut, UV_ENOTSUP,
     "section 'toy' cannot be cut: it is live and lacks save_cut"},
    {begin_save, pages_that_are_not_live, UV_ENOTSUP,
     "section 'toy' cannot be cut: it is of pages and not live"},
    {begin_save, no_memory, UV_ENOMEM, "no memory for a save"},
    {begin_save, little_memory, SLUICE_ELIMIT,
     "the save cannot begin: a configured limit was exceeded"},

    {begin_restore, no_place, UV_EINVAL, "there is no place for the restore"},
    {begin_restore, no_source, UV_EINVAL, "there is no source"},
    {begin_restore, no_engine, UV_EINVAL, "there is no engine"},
    {begin_restore, no_registry, UV_EINVAL, "there is no registry"},
    {begin_restore, no_callback, UV_EINVAL, "there is no callback"},
    {begin_restore, busy_source, UV_EBUSY, "the source is another restore's"},
    {begin_restore, engine_that_closes, SLUICE_ESTATE, "the engine is closing"},
    {begin_restore, busy_registry, UV_EBUSY,
     "another operation uses the registry"},
    {begin_restore, empty_registry, UV_EINVAL, "no section is registered"},
    {begin_restore, no_size, UV_EINVAL, "restore options: size is 0"},
    {begin_restore, too_much_weight, UV_EINVAL, "weight is 1001, at most 1000"},
    {begin_restore, no_restore_begin, UV_EINVAL,
     "the handler of section 'toy' cannot restore"},
    {begin_restore, nobody_to_tell, UV_EINVAL,
     "MAPPED_VERIFY needs `verified`"},
    {begin_restore, no_such_way, UV_EINVAL, "no such way: 9"},
    {begin_restore, no_memory, UV_ENOMEM, "no memory for a restore"},
    {begin_restore, little_memory, SLUICE_ELIMIT,
     "the restore cannot begin: a configured limit was exceeded"},

    {begin_handover, no_place, UV_EINVAL, "no place for a hand-over"},
    {begin_handover, no_engine, UV_EINVAL, "there is no engine"},
    {begin_handover, no_registry, UV_EINVAL, "there is no registry"},
    {begin_handover, no_callback, UV_EINVAL, "there is no callback"},
    {begin_handover, engine_that_closes, SLUICE_ESTATE,
     "the engine is closing"},
    {begin_handover, busy_registry, UV_EBUSY,
     "another operation uses the registry"},
    {begin_handover, empty_registry, UV_EINVAL, "no section is registered"},
    {begin_handover, no_size_of_handover, UV_EINVAL,
     "hand-over options: size is 0"},
    {begin_handover, no_size, UV_EINVAL,
     "save options of a hand-over: size is 0"},
    {begin_handover, too_much_weight, UV_EINVAL,
     "weight is 1001, at most 1000"},
    {begin_handover, too_large_an_offer, UV_EINVAL,
     "offer of 65537 bytes, at most 65536"},
    {begin_handover, offer_of_nothing, UV_EINVAL,
     "offer of 1 bytes, but there are none"},
    {begin_handover, no_save_begin, UV_EINVAL,
     "the handler of section 'toy' cannot save"},
    {begin_handover, no_memory, UV_ENOMEM, "no memory for a hand-over"},
    {begin_handover, no_socket, UV_EINVAL,
     "the hand-over cannot begin: the socket is not a unix stream socket"},

    {begin_takeover, no_place, UV_EINVAL, "a takeover needs "},
    {begin_takeover, no_engine, UV_EINVAL, "a takeover needs an engine, "},
    {begin_takeover, no_registry, UV_EINVAL, "a takeover needs "},
    {begin_takeover, no_callback, UV_EINVAL, "a takeover needs "},
    {begin_takeover, engine_that_closes, SLUICE_ESTATE,
     "the takeover cannot begin: the engine is closing"},
    {begin_takeover, no_size, UV_EINVAL, "takeover options: size is 0"},
    {begin_takeover, no_memory, UV_ENOMEM, "no memory for a takeover"},
    {begin_takeover, no_socket, UV_EINVAL,
     "the takeover cannot begin: the socket is not a unix stream socket"},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

START_TEST(what_does_not_begin_says_why) {
  sluice_error_t err = {.code = UV_EIO, .message = "of before"};
  const char *says = rows[_i].says;

  rows[_i].change();
  ck_assert_int_eq(rows[_i].begin(&err), rows[_i].code);
  ck_assert_int_eq(err.code, rows[_i].code);
  ck_assert_msg(strncmp(err.message, says, strlen(says)) == 0,
                "%d: expected '%s', found '%s'", _i, says, err.message);
}
END_TEST

Suite *begin_words_suite(void) {
  Suite *s = suite_create("begin_words");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_loop_test(tc, what_does_not_begin_says_why, 0, ROWS);
  suite_add_tcase(s, tc);
  return s;
}
