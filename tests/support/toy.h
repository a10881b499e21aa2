/* toy.h - a section whose every hook is counted and can be told to fail.
 *
 * Its state is some bytes. A live toy sends them in `steps` steps, then waits;
 * a plain one sends all at its end. What was restored is in `state` only after
 * commit. */
#ifndef SLUICE_TESTS_TOY_H
#define SLUICE_TESTS_TOY_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/registry.h>

typedef enum toy_hook_e {
  TOY_NONE,
  TOY_SAVE_BEGIN,
  TOY_SAVE_START,
  TOY_SAVE_STEP,
  TOY_SAVE_FINISH,
  TOY_RESTORE_BEGIN,
  TOY_RESTORE_STEP,
  TOY_RESTORE_CHECK,
  TOY_HOOKS
} toy_hook_t;

enum { TOY_BYTES = 64, TOY_MAX_BYTES = 1 << 20 };

typedef struct toy_s {
  sluice_handler_t handler; /* a copy for each toy: tests change it */
  sluice_section_t *section;
  uint8_t *state;
  size_t len;
  uint8_t *shadow;
  size_t shadow_len;
  size_t sent;
  unsigned steps; /* live: how many steps it takes to be clean */
  size_t dirty;   /* bytes that toy_touch() has made to be sent again */

  toy_hook_t fail_hook;
  unsigned fail_call; /* which call of the hook fails, from 1 */
  int fail_code;      /* or what it returns instead */

  unsigned calls[TOY_HOOKS];
  unsigned save_ends, restore_ends, commits;
  unsigned calls_after_error;
  int end_status;
  uint32_t version_seen;
} toy_t;

/* A toy of `len` bytes, filled from `seed`, registered as `name`. */
void toy_init(toy_t *toy, sluice_registry_t *registry, const char *name,
              size_t len, unsigned seed);
void toy_init_live(toy_t *toy, sluice_registry_t *registry, const char *name,
                   size_t len, unsigned seed, unsigned steps);
void toy_done(toy_t *toy);

/* The `call`th call of `hook` returns `code`. */
void toy_fail(toy_t *toy, toy_hook_t hook, unsigned call, int code);

/* Live: its bytes changed; wakes the section. */
void toy_touch(toy_t *toy);

int toy_equal(const toy_t *a, const toy_t *b);

#endif
