/* machines.h - kinds of machines that a real QEMU makes, for tests of all that
 * goes between it and the tool. */
#ifndef SLUICE_TESTS_TOOL_MACHINES_H
#define SLUICE_TESTS_TOOL_MACHINES_H

#include <stddef.h>
#include <stdint.h>

#include "machine_kinds.h"
#include "qemu.h"

/* Starts kind `i` with 1 MiB of noise in its memory, lets its firmware run for
 * a moment, stops it, and returns its memory, to be freed. */
uint8_t *machines_start(int i, qemu_t *q);

/* The same for a machine that is none of the kinds. */
uint8_t *machines_start_as(const char *const *args, size_t bytes, qemu_t *q);

/* Starts kind `i`, waiting for its state at `uri`. */
void machines_await(int i, qemu_t *q, const char *uri);

/* Fails the test unless the machine has this memory. */
void machines_check(int i, qemu_t *q, const uint8_t *memory);

/* The guest of guest.asm, whose serial port goes to a file; `extra` may be
 * NULL.
 */
void machines_start_guest(qemu_t *q, const char *serial,
                          const char *const *extra);

enum { GUEST_BYTES = 16 << 20, GUEST_AT = 0x10000, GUEST_PAGES = 128 };

/* Waits until a guest has written `count` more lines to its file. */
void machines_await_lines(const char *serial, size_t count);

/* Fails the test unless the file has numbers that go up one by one from
 * `first`, the last perhaps unfinished; `before` (may be NULL) is what stands
 * before it. Returns the last one. */
unsigned long machines_check_count(const char *before, const char *serial,
                                   unsigned long first);

#endif
