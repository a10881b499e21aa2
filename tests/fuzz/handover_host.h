/* handover_host.h - a small host that hands over or takes over, and the far end
 * of its socket in the hands of whoever tests it. One at a time. */
#ifndef SLUICE_FUZZ_HANDOVER_HOST_H
#define SLUICE_FUZZ_HANDOVER_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "handover/frame.h"

/* Pages enough to be read straight into their place. */
enum { HOST_BYTES = 6 * 4096 };

typedef struct host_s host_t;

/* Begins it. */
host_t *host_open(int is_old, int copies);
/* Sends it bytes, with the first `fds` of a memfd and a device. */
void host_tell(host_t *host, const void *bytes, size_t len, unsigned fds);
/* Lets it do what it can at once. */
void host_turn(host_t *host);
/* What it has said since; at most `room` bytes. */
size_t host_hear(host_t *host, uint8_t *bytes, size_t room);
/* Ends its input, waits for its end, and checks that nothing is left. Returns
 * what its callback got. */
int host_close(host_t *host);

#endif
