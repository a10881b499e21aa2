/* fuzz.h - a fuzz target: called by libFuzzer, or by replay.c for files. */
#ifndef SLUICE_FUZZ_FUZZ_H
#define SLUICE_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* 0; a find is an abort, or what a sanitizer says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
