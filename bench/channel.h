/* channel.h - a pipe or a connection to a child that reads or writes it.
 *
 * The child takes or gives bytes in the plainest fast way, one MiB at a time,
 * and exits. Its processor time is counted with ours once it was waited for. */
#ifndef SLUICE_BENCH_CHANNEL_H
#define SLUICE_BENCH_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum channel_kind_e {
  CHANNEL_PIPE, /* of 1 MiB */
  CHANNEL_UNIX,
  CHANNEL_TCP
} channel_kind_t;

enum { CHANNEL_UNIT = 1 << 20 };

typedef struct channel_s {
  int fd; /* our end */
  pid_t child;
} channel_t;

/* A child that reads until the end. 0 or -1. */
int channel_to_reader(channel_t *c, channel_kind_t kind);

/* A child that runs `command` in a shell, which reads a pipe as it comes, of
 * 64 KiB. */
int channel_to_command(channel_t *c, const char *command);

/* A child that takes `count` connections at `*port` and reads each in a process
 * of its own; there is no end of ours (`fd` -1). */
int channel_to_readers(channel_t *c, unsigned count, unsigned *port);

/* A child that writes all of the open file `file`. */
int channel_to_writer(channel_t *c, channel_kind_t kind, int file);

/* Closes our end and waits for the child: 0 when all went well. */
int channel_close(channel_t *c);

/* Ends the child where nobody came to end it. */
void channel_kill(channel_t *c);

/* Writes all of it, in units of 1 MiB. */
int channel_write(int fd, const uint8_t *data, size_t len);

#endif
