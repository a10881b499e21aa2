/* qemu.h - constants of QEMU's migration streams, versions 2 and 3.
 *
 * Source: the observable behaviour of QEMU 7.2, described in NOTES.md. */
#ifndef SLUICE_STREAM_QEMU_H
#define SLUICE_STREAM_QEMU_H

#define SLUICE__QEMU_MAGIC 0x5145564du /* "QEVM", big-endian */

#endif
