/* lost_pages.h - which pages of a postcopy_box raise a signal?
 *
 * Included behind postcopy_box.h. */
#ifndef SLUICE_TESTS_LOST_PAGES_H
#define SLUICE_TESTS_LOST_PAGES_H

#include <setjmp.h>
#include <signal.h>

static sigjmp_buf on_bus;

static inline void jump(int number) {
  (void)number;
  siglongjmp(on_bus, 1);
}

static inline int is_readable(const uint8_t *at) {
  const volatile uint8_t *v = at;

  if (sigsetjmp(on_bus, 1) != 0) {
    return 0;
  }
  (void)*v;
  return 1;
}

/* Bytes of both regions that raise a signal. */
static inline uint64_t count_lost(void) {
  struct sigaction act = {.sa_handler = jump};
  struct sigaction before;
  volatile uint64_t lost = 0;

  ck_assert_int_eq(sigaction(SIGBUS, &act, &before), 0);
  for (size_t i = 0; i < LOW_PAGES; i++) {
    lost += !is_readable(box.to.low + i * KERNEL_PAGE);
  }
  for (size_t i = 0; i < HIGH_PAGES; i++) {
    lost += !is_readable(box.to.high + i * KERNEL_PAGE);
  }
  ck_assert_int_eq(sigaction(SIGBUS, &before, NULL), 0);
  return lost * KERNEL_PAGE;
}

#endif
