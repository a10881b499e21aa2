/* quiet_write.h - system calls that write and never raise a signal.
 *
 * A reader that went away, or a file over its limit, must fail a save by name;
 * SIGPIPE and SIGXFSZ would end the host instead. A library may not change
 * signal dispositions, so the signal is blocked around the call and, when this
 * call raised it, taken back.
 *
 * All but _patch return bytes written (possibly fewer than asked, never 0 for a
 * non-empty request) or a negative UV_E* code; EINTR is retried. Any thread. */
#ifndef SLUICE_IO_QUIET_WRITE_H
#define SLUICE_IO_QUIET_WRITE_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <sluice/sink.h>

/* At the descriptor's own position. */
ssize_t sluice__quiet_write(int fd, const struct iovec *iov, int count);

/* At `offset`. */
ssize_t sluice__quiet_pwrite(int fd, const struct iovec *iov, int count,
                             uint64_t offset);

/* All of each, where it belongs, counted from `base` on. 0 or a code. */
int sluice__quiet_patch(int fd, const sluice_patch_t *patches, size_t count,
                        uint64_t base);

/* To a socket, without ever waiting, whatever its blocking mode is. */
ssize_t sluice__quiet_send(int fd, const struct iovec *iov, int count);

/* Skips `n` written bytes: `*iov` and `*count` are what is left. */
void sluice__iov_advance(struct iovec **iov, int *count, size_t n);

#endif
