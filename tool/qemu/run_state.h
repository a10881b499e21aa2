/* run_state.h - does a saved machine run on when it is loaded?
 *
 * QEMU says so in a device of its own, 'globalstate': a length and a name in a
 * field of fixed size. A machine that was stopped only to be saved would come
 * back stopped: this makes it come back as it was. Must know no other device.
 */
#ifndef SLUICE_TOOL_QEMU_RUN_STATE_H
#define SLUICE_TOOL_QEMU_RUN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/item.h>

enum { RUN_STATE_BYTES = 4 + 100 };

/* Is it the section that says it? */
bool run_state_is(const sluice_decl_t *decl);

/* Puts what a running machine would have sent into `out`; false: `data` does
 * not say that the machine was paused. */
bool run_state_resume(const uint8_t *data, size_t len,
                      uint8_t out[RUN_STATE_BYTES]);

#endif
