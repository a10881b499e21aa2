/* machine.h - where was this measured? */
#ifndef SLUICE_BENCH_MACHINE_H
#define SLUICE_BENCH_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

/* Processor, cores, kernel, libraries, load: one line. */
void machine_describe(char *out, size_t len);

/* Keeps this thread on the last processor there is, the one that interrupts
 * and other people's programs are met on least. False where it is forbidden. */
bool machine_pin(void);

#endif
