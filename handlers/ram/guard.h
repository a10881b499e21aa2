/* guard.h - memory that tells before it is written (Linux 6.4).
 *
 * userfaultfd, synchronous write-protect: who writes to a protected page is
 * held by the kernel, whoever it is: a thread of the host, its loop, the kernel
 * on its behalf. A thread of the guard's own is told and lets the writer go by
 * releasing the page. Measured: 20 to 50 us for such a write; a page that was
 * released costs nothing.
 *
 * Sees addresses and bytes, whole pages of the kernel's; knows nothing of
 * sections, cuts or pre-images. Calls may come from any thread. The guard's own
 * memory, and all that `on_fault` writes to, must lie outside of what it
 * protects. */
#ifndef SLUICE_RAM_GUARD_H
#define SLUICE_RAM_GUARD_H

#include <stdint.h>

#include <sluice/error.h>

typedef struct sluice__guard_s sluice__guard_t;

/* The byte at `at` is about to be written, and its writer held until the page
 * is released or woken. `is_owner`: it is the thread that opened the guard.
 * Called by the guard's thread. */
typedef void (*sluice__guard_cb)(void *ctx, sluice__guard_t *guard, uint8_t *at,
                                 int is_owner);

/* UV_ENOTSUP, UV_EPERM (the kernel's settings forbid it), UV_ENOMEM, and what
 * pthread_create() returns; the reason in `err`. */
int sluice__guard_open(sluice__guard_t **out, sluice__guard_cb on_fault,
                       void *ctx, sluice_error_t *err);
/* Lets everybody go and ends the thread. NULL is fine. */
void sluice__guard_close(sluice__guard_t *guard);

/* Makes memory known; nothing is protected yet. */
int sluice__guard_add(sluice__guard_t *guard, uint8_t *at, uint64_t bytes,
                      sluice_error_t *err);
/* Forgets memory, protected or not. */
void sluice__guard_remove(sluice__guard_t *guard, uint8_t *at, uint64_t bytes);

/* Of known memory. Cost of both: measured, 17 us a MiB. */
int sluice__guard_protect(sluice__guard_t *guard, uint8_t *at, uint64_t bytes,
                          sluice_error_t *err);
void sluice__guard_release(sluice__guard_t *guard, uint8_t *at, uint64_t bytes);

/* Lets held writers try again, which is a new fault. */
void sluice__guard_wake(sluice__guard_t *guard, uint8_t *at, uint64_t bytes);

#endif
