/* has_tsan.h - whether this is built with the thread sanitizer: its shadow is
 * four times the memory that is looked at, and it takes a copy of a page that
 * another thread writes for what it is, a race. */
#ifndef SLUICE_TESTS_HAS_TSAN_H
#define SLUICE_TESTS_HAS_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#endif
#ifndef HAS_TSAN
#define HAS_TSAN 0
#endif

#define NO_SHADOW "the thread sanitizer's shadow of it would be over 16 GiB"
#define NO_RACES  "the thread sanitizer rightly calls it a race"

#endif
