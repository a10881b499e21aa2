/* fault_handler.h - memory that tells before it is written (Linux 6.4).
 *
 * userfaultfd, synchronous write-protect: who writes to a protected page is
 * held by the kernel, whoever it is: a thread of the host, its loop, the kernel
 * on its behalf. A thread of its own is told and lets the writer go by
 * releasing the page. Measured: 20 to 50 us for such a write; a page that was
 * released costs nothing.
 *
 * Sees addresses and bytes, whole pages of the kernel's; knows nothing of
 * sections, cuts or pre-images. Calls may come from any thread. Its own
 * memory, and all that `on_fault` writes to, must lie outside of what it
 * protects. */
#ifndef SLUICE_RAM_FAULT_HANDLER_H
#define SLUICE_RAM_FAULT_HANDLER_H

#include <stdint.h>

#include <sluice/error.h>

typedef struct sluice__fault_handler_s sluice__fault_handler_t;

/* The byte at `at` is about to be written, and its writer held until the page
 * is released or woken. `is_owner`: it is the thread that opened it.
 * Called by its thread. */
typedef void (*sluice__fault_handler_cb)(void *ctx,
                                         sluice__fault_handler_t *faults,
                                         uint8_t *at, int is_owner);

/* UV_ENOTSUP, UV_EPERM (the kernel's settings forbid it), UV_ENOMEM, and what
 * pthread_create() returns; the reason in `err`. */
int sluice__fault_handler_open(sluice__fault_handler_t **out,
                               sluice__fault_handler_cb on_fault, void *ctx,
                               sluice_error_t *err);
/* Lets everybody go and ends the thread. NULL is fine. */
void sluice__fault_handler_close(sluice__fault_handler_t *faults);

/* Makes memory known; nothing is protected yet. */
int sluice__fault_handler_add(sluice__fault_handler_t *faults, uint8_t *at,
                              uint64_t bytes, sluice_error_t *err);
/* Forgets memory, protected or not. */
void sluice__fault_handler_remove(sluice__fault_handler_t *faults, uint8_t *at,
                                  uint64_t bytes);

/* Of known memory. Cost of both: measured, 17 us a MiB. */
int sluice__fault_handler_protect(sluice__fault_handler_t *faults, uint8_t *at,
                                  uint64_t bytes, sluice_error_t *err);
void sluice__fault_handler_release(sluice__fault_handler_t *faults, uint8_t *at,
                                   uint64_t bytes);

/* Lets held writers try again, which is a new fault. */
void sluice__fault_handler_wake(sluice__fault_handler_t *faults, uint8_t *at,
                                uint64_t bytes);

#endif
