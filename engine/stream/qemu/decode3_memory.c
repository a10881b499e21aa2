/* decode3_memory.c - one limit for two that grow: the window and the arena. */
#include "stream/qemu/decode3.h"

void sluice__qemu3_charge(sluice_decoder_t *d) {
  qemu3_t *q = d->state;
  size_t max = d->options.max_memory;

  q->arena.max = max > d->window.cap ? max - d->window.cap : 0;
  d->window.limit = max > q->arena.held ? max - q->arena.held : 0;
  d->window.both = d->window.limit;
}

int sluice__qemu3_fail_memory(sluice_decoder_t *d, int code, const char *what) {
  const char *name = sluice__qemu3_name(d->state);

  if (code == SLUICE_ELIMIT) {
    return sluice__decoder_fail(d, code, d->window.offset, name,
                                "%s goes over the limit of %zu bytes", what,
                                d->options.max_memory);
  }
  return sluice__decoder_fail(d, code, d->window.offset, name,
                              "no memory for %s", what);
}
