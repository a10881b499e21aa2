/* live_blocks.h - how many blocks of malloc() the code that is linked into this
 * program holds: what a shared library takes for itself is not counted.
 *
 * Link with live_blocks.c and LIVE_BLOCKS_WRAPS (CMakeLists.txt). Any thread;
 * without a lock, so that a child that is forked can go on counting. */
#ifndef SLUICE_TESTS_LIVE_BLOCKS_H
#define SLUICE_TESTS_LIVE_BLOCKS_H

unsigned live_blocks(void);

#endif
