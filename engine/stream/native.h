/* native.h - the bytes of the native stream; NOTES.md has them in prose.
 *
 * Little-endian. Numbers here are on disk for ever: never reused. */
#ifndef SLUICE_STREAM_NATIVE_H
#define SLUICE_STREAM_NATIVE_H

/* Like PNG's: a byte over 127, a name, CR LF, the end-of-file mark of DOS, LF:
 * damage by text-mode transfers shows in the first eight bytes. */
#define SLUICE__NATIVE_SIGNATURE "\x89SLC\r\n\x1a\n"

#endif
