/* forked_state.h - what the host of forked.h saves and restores: a live section
 * that lends its pages, and one of bytes. Every hook tells forked_call(); none
 * allocates or opens anything. */
#ifndef SLUICE_TESTS_FORKED_STATE_H
#define SLUICE_TESTS_FORKED_STATE_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/sluice.h>

enum { STATE_PAGES = 768, STATE_PAGE = 4096, STATE_WORDS = 30000 };
enum { STATE_BYTES = STATE_PAGES * STATE_PAGE };

typedef struct forked_state_s {
  sluice_registry_t *registry;
  sluice_section_t *section; /* of the pages, once there was an operation */
  uint8_t *memory;
  uint8_t *words;
  int is_late;           /* pages may come after the commit */
  void (*at_late)(void); /* when that is asked first; or NULL */
  uint32_t region;
  uint64_t lent;
  uint64_t returned;
  uint64_t words_done;
} forked_state_t;

/* Of its pages every `scatter`th is not zero; 0: none. After forked_init(),
 * before forked_begin(). */
void state_open(forked_state_t *s, size_t scatter);
void state_close(forked_state_t *s);
/* Fresh memory again. */
void state_clear(forked_state_t *s);
/* Its pages were mapped: what is known of them is the section's, in four blocks
 * with an open file, and stays with it. */
unsigned state_is_unverified(const forked_state_t *s);
int state_equal(const forked_state_t *a, const forked_state_t *b);

#endif
