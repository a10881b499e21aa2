/* sound.h - is that an image? Decoded to its end, nothing kept. */
#ifndef SLUICE_FAULT_SOUND_H
#define SLUICE_FAULT_SOUND_H

#include <stddef.h>

#include <sluice/decoder.h>

/* 0, or the decoder's error; `err` may be NULL. Devices of QEMU's streams end
 * where their description says. */
int image_decode(const void *data, size_t len, sluice_error_t *err);

/* The whole file; NULL: there is none. To be freed. */
void *file_read(const char *path, size_t *out_len);

#endif
