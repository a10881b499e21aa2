/* peer_process.h - peers that save themselves: Redis and CRIU, as they come.
 *
 * Each is started with as much memory as was asked for, saves it once a round,
 * and is told in rate and in how long it was held. Where one is not installed
 * or the machine does not let it, a remark says so: that is no failure. */
#ifndef SLUICE_BENCH_PEER_PROCESS_H
#define SLUICE_BENCH_PEER_PROCESS_H

#include "bench.h"

/* BGSAVE to tmpfs, without compression, of values of 1 KiB. */
void peer_redis(bench_t *b);
/* Dump to tmpfs of a process of the same size. */
void peer_criu(bench_t *b);

#endif
