/* test_fault_crash.c - the end of the process, and of the power, at every
 * moment of a save to a file: a whole image always has the name, the former or
 * the new one.
 *
 * What is on the disk changes with system calls only, so those are counted: a
 * child is killed before each of them, and in the midst of each write. The loss
 * of power is played through on paper: of the calls up to any one, every write
 * that was not synced may be there, or not, or be torn; every change of a
 * folder that was not synced, too. */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ends.h"
#include "fault.h"
#include "sound.h"
#include "suite.h"
#include "sweep.h"
#include "tally.h"
#include "world.h"

enum { BIG_BYTES = 3 * 1024 * 1024 + 333 };

static uint8_t big[BIG_BYTES];

/* ---- a save to the file ---- */

static int get_big(void *data, const void **out, size_t *out_len,
                   sluice_error_t *err) {
  (void)data;
  (void)err;
  *out = big;
  *out_len = sizeof(big);
  return 0;
}

static void take_big(void *data, void *bytes, size_t len, uint32_t version) {
  (void)data;
  (void)len;
  (void)version;
  free(bytes);
}

/* Several chunks, so that writes are under way beside each other. */
static int save_file(world_t *w, int no_sync) {
  const sluice_file_options_t file = {.size = sizeof(file), .no_sync = no_sync};
  const sluice_blob_options_t b = {
      .size = sizeof(b), .is_live = 1, .get = get_big, .take = take_big};
  sluice_save_options_t o = {.size = sizeof(o), .host = "test"};
  sluice_blob_t *blob = NULL;
  sluice_sink_t *sink = NULL;

  if (world_open(w, WORLD_ALL | WORLD_STILL) != 0 ||
      sluice_blob_new(&blob, w->source.registry, "big", NULL, &b, NULL) != 0 ||
      sluice_sink_file(&sink, ends_path(), &file) != 0) {
    fault_die("no world");
  }
  world_set_hooks(w, &o);
  if (sluice_save_begin(&w->save, w->engine, w->source.registry, sink, &o,
                        world_on_saved, NULL) != 0) {
    fault_die("no save");
  }
  world_run(w);
  if (world_close(w) != NULL) {
    fault_die("not closed");
  }
  (void)sluice_blob_free(blob);
  return w->done == 1 ? w->status : UV_EIO;
}

/* ---- kill -9 ---- */

typedef struct shot_s {
  int nth;     /* call, from 0 */
  int is_torn; /* half of it is done before */
} shot_t;

static shot_t shot;
static int calls;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void die(void) {
  (void)raise(SIGKILL);
}

static size_t shoot(const rig_file_call_t *call) {
  int is_hit;

  (void)pthread_mutex_lock(&lock);
  is_hit = calls++ == shot.nth;
  (void)pthread_mutex_unlock(&lock);
  if (is_hit && shot.is_torn && call->call == RIG_WRITE) {
    (void)pwrite(call->fd, call->iov[0].iov_base, call->iov[0].iov_len / 2,
                 call->offset);
  }
  if (is_hit) {
    die();
  }
  return 0;
}

/* Returns whether it was killed. */
static int save_in_child(void) {
  static world_t world;
  int status = 0;
  pid_t pid;

  (void)fflush(NULL);
  pid = fork();
  if (pid == 0) {
    calls = 0;
    rig_on_file_call = shoot;
    _exit(save_file(&world, 0) == 0 ? 0 : 1);
  }
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_msg(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL
                                    : WEXITSTATUS(status) == 0,
                "the child ended with %x", (unsigned)status);
  return WIFSIGNALED(status);
}

static const char former[] = "the former image";

/* 1: the former one is there, 2: a new one. */
static int what_is_there(void) {
  size_t len = 0;
  void *data = file_read(ends_path(), &len);
  sluice_error_t err = {0};
  int is = 0;

  ck_assert_ptr_nonnull(data);
  if (len == sizeof(former) && memcmp(data, former, len) == 0) {
    is = 1;
  } else if (image_decode(data, len, &err) == 0) {
    is = 2;
  }
  free(data);
  ck_assert_msg(is != 0, "killed at call %d: %s", shot.nth, err.message);
  return is;
}

START_TEST(a_killed_save_leaves_a_whole_image) {
  int seen[3] = {0};
  int killed = 1;

  shot = (shot_t){.nth = 0, .is_torn = _i};
  for (; killed; shot.nth++) {
    ends_write_file(former, sizeof(former));
    killed = save_in_child();
    seen[what_is_there()]++;
  }
  fault_tally("save to a file, killed", 1, (unsigned)shot.nth - 1, 0);
  ck_assert_int_gt(shot.nth, 6);
  ck_assert_int_gt(seen[1], 4);
  ck_assert_int_gt(seen[2], 0);
}
END_TEST

/* Whatever the dead left, the end of the sweep was a save that lived. */
START_TEST(what_killed_saves_leave_the_next_one_removes) {
  int killed = 1;

  ends_write_file(former, sizeof(former));
  for (shot = (shot_t){.nth = 0}; killed; shot.nth++) {
    killed = save_in_child();
  }
  ck_assert_ptr_null(ends_folder_complaint());
}
END_TEST

/* What was left by the dead is not in the way. */
START_TEST(after_a_killed_save_the_next_one_goes_well) {
  shot = (shot_t){.nth = 3};
  ends_write_file(former, sizeof(former));
  ck_assert(save_in_child());
  shot.nth = -1;
  ck_assert(!save_in_child());
  ck_assert_int_eq(what_is_there(), 2);
}
END_TEST

/* ---- a store that forgets what was not synced ---- */

enum { LOG_MAX = 64 };

typedef struct entry_s {
  rig_call_t call;
  ino_t file;
  int is_folder;
  off_t offset;
  size_t len;
  uint8_t *data;
} entry_t;

static entry_t entries[LOG_MAX];
static int entries_count;

static void note_write(entry_t *e, const rig_file_call_t *call) {
  for (int i = 0; i < call->count; i++) {
    e->len += call->iov[i].iov_len;
  }
  e->data = malloc(e->len);
  e->len = 0;
  for (int i = 0; i < call->count; i++) {
    memcpy(e->data + e->len, call->iov[i].iov_base, call->iov[i].iov_len);
    e->len += call->iov[i].iov_len;
  }
}

static size_t note(const rig_file_call_t *call) {
  struct stat st = {0};
  entry_t *e;

  (void)fstat(call->fd, &st);
  (void)pthread_mutex_lock(&lock);
  if (entries_count == LOG_MAX) {
    fault_die("more calls than expected");
  }
  e = &entries[entries_count++];
  *e = (entry_t){.call = call->call,
                 .file = st.st_ino,
                 .is_folder = S_ISDIR(st.st_mode),
                 .offset = call->offset};
  if (call->call == RIG_WRITE) {
    note_write(e, call);
  }
  (void)pthread_mutex_unlock(&lock);
  return 0;
}

/* How a store loses what it was not told to keep. */
typedef struct loss_s {
  unsigned seed;   /* which of the writes that are in doubt are there */
  int is_torn;     /* ... the others are there by half */
  int has_renamed; /* a change of the folder that is in doubt is there */
} loss_t;

static int is_synced(int at, int end, int is_folder) {
  for (int i = at + 1; i < end; i++) {
    if (entries[i].call == RIG_SYNC && entries[i].is_folder == is_folder &&
        (is_folder || entries[i].file == entries[at].file)) {
      return 1;
    }
  }
  return 0;
}

/* How much of a write is there; `end`: so many calls were made. */
static size_t survives(int at, int end, const loss_t *loss) {
  const entry_t *e = &entries[at];
  unsigned dice = (loss->seed * 2654435761u) >> (at % 29);

  if (is_synced(at, end, 0) || (loss->seed != 0 && (dice & 1) != 0)) {
    return e->len;
  }
  return loss->is_torn ? e->len / 2 : 0;
}

/* Is the new image what stands under the name after the power comes back? */
static int is_renamed(int end, const loss_t *loss) {
  for (int i = 0; i < end; i++) {
    if (entries[i].call == RIG_RENAME) {
      return is_synced(i, end, 1) || loss->has_renamed;
    }
  }
  return 0;
}

static uint8_t *image;
static size_t image_len;

static int is_whole(int end, const loss_t *loss) {
  uint8_t *file = calloc(1, image_len);
  int same;

  for (int i = 0; i < end; i++) {
    if (entries[i].call == RIG_WRITE) {
      memcpy(file + entries[i].offset, entries[i].data, survives(i, end, loss));
    }
  }
  same = memcmp(file, image, image_len) == 0;
  free(file);
  return same;
}

/* Every end of power; how many of them left half an image under the name. */
static unsigned play_losses(unsigned *cases) {
  enum { SEEDS = 16 };
  unsigned bad = 0;

  for (int end = 0; end <= entries_count; end++) {
    for (unsigned n = 0; n < SEEDS * 4; n++) {
      const loss_t loss = {n / 4, (int)(n & 1), (int)(n >> 1 & 1)};

      (*cases)++;
      bad += is_renamed(end, &loss) && !is_whole(end, &loss);
    }
  }
  return bad;
}

static void record_save(int no_sync) {
  static world_t world;

  ends_write_file(former, sizeof(former));
  rig_on_file_call = note;
  ck_assert_int_eq(save_file(&world, no_sync), 0);
  rig_on_file_call = NULL;
  image = file_read(ends_path(), &image_len);
  ck_assert_int_eq(image_decode(image, image_len, NULL), 0);
}

static void forget_record(void) {
  for (int i = 0; i < entries_count; i++) {
    free(entries[i].data);
  }
  free(image);
  entries_count = 0;
}

START_TEST(a_store_that_loses_what_was_not_synced_keeps_a_whole_image) {
  unsigned cases = 0;
  unsigned bad;

  record_save(0);
  bad = play_losses(&cases);
  fault_tally("save to a file, power lost", 1, cases, bad);
  ck_assert_uint_eq(bad, 0);
  ck_assert_int_gt(entries_count, 8);
  forget_record();
}
END_TEST

/* The test can fail: without syncing it does. */
START_TEST(without_syncing_an_image_may_be_lost) {
  unsigned cases = 0;

  record_save(1);
  ck_assert_uint_gt(play_losses(&cases), 0);
  forget_record();
}
END_TEST

Suite *fault_crash_suite(void);

Suite *fault_crash_suite(void) {
  Suite *s = suite_create("fault_crash");
  TCase *t = tcase_create("crash");

  memset(big, 0x33, sizeof(big));
  tcase_add_checked_fixture(t, sweep_folder_setup, sweep_teardown);
  tcase_add_loop_test(t, a_killed_save_leaves_a_whole_image, 0, 2);
  tcase_add_test(t, what_killed_saves_leave_the_next_one_removes);
  tcase_add_test(t, after_a_killed_save_the_next_one_goes_well);
  tcase_add_test(t, a_store_that_loses_what_was_not_synced_keeps_a_whole_image);
  tcase_add_test(t, without_syncing_an_image_may_be_lost);
  suite_add_tcase(s, t);
  return s;
}
