/* qemu.h - a QEMU as a peer: paused, nothing in it but memory.
 *
 * Spoken to over a socket pair, so that it can be given descriptors. QEMU has
 * its memory from the start: what a hypervisor takes to hand out fresh pages
 * varies tenfold and would be all that is seen. */
#ifndef SLUICE_BENCH_QEMU_H
#define SLUICE_BENCH_QEMU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct qemu_s {
  pid_t pid;
  int fd; /* QMP */
  char line[1 << 16];
  size_t len;
} qemu_t;

/* QEMU loads files of less than 2 GiB only, so memory is filled in pieces: MiB
 * of the file for `mib` of memory. */
enum { QEMU_PIECE_MIB = 1024, QEMU_PIECES_MAX = 64 };
unsigned qemu_piece(unsigned mib);

/* With `mib` of memory that `file` (a piece; may be NULL) is loaded into;
 * `is_incoming`: waits for a stream, else it can be sent again and again.
 * False: there is no QEMU here. */
bool qemu_open(qemu_t *q, unsigned mib, const char *file, bool is_incoming);
void qemu_close(qemu_t *q);

/* Runs a command and waits for its answer; false: it was refused. */
bool qemu_run(qemu_t *q, const char *command);
/* Gives it a descriptor, which it knows by "bench" from then on. */
bool qemu_give(qemu_t *q, int fd);
/* Begins to send to an address of QEMU's. */
bool qemu_migrate(qemu_t *q, const char *uri);
/* How many connections of their own the pages get from now on; 0: they go with
 * the rest. Such a stream goes to `tcp:` and `unix:` only. */
bool qemu_set_channels(qemu_t *q, unsigned count);
/* Until it says that a migration is complete, or has failed: false. */
bool qemu_await(qemu_t *q);
/* After that: until it has let go of what it wrote to. */
bool qemu_settle(qemu_t *q);
/* After a migration: so that it can be sent once more. */
bool qemu_rewind(qemu_t *q);

/* Of QEMU and, to 10 ms, of the commands that it ran and that have ended. */
uint64_t qemu_cpu_ns(const qemu_t *q);

#endif
