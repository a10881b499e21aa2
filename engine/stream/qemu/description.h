/* description.h - device sizes out of QEMU's description of its stream.
 *
 * QEMU writes device payloads without a length, and after the stream a JSON
 * text that says of every device which fields it has and how many bytes each
 * took. Must know no window. The text is untrusted: sizes may be wrong, so
 * whoever uses them compares with the footers. */
#ifndef SLUICE_STREAM_QEMU_DESCRIPTION_H
#define SLUICE_STREAM_QEMU_DESCRIPTION_H

#include <stddef.h>

#include <sluice/error.h>

#include "stream/qemu/sections.h"

/* Adds every device of `text` to `out`, its payload size in `bytes`. The parser
 * takes memory of its own, about 50 times the text: so `max_memory` bounds that
 * too. SLUICE_ECORRUPT: not such a text; SLUICE_ELIMIT; UV_ENOMEM. */
int sluice__qemu_description_read(sluice__qemu_sections_t *out,
                                  const char *text, size_t len,
                                  size_t max_memory, sluice_error_t *err);

#endif
