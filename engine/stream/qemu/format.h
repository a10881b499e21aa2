/* format.h - constants of QEMU's migration streams, versions 2 and 3.
 *
 * Source: the observable behaviour of QEMU 7.2, described in docs/qemu.md. Must
 * know no code: whoever reads or writes these streams includes it. */
#ifndef SLUICE_STREAM_QEMU_FORMAT_H
#define SLUICE_STREAM_QEMU_FORMAT_H

#define SLUICE__QEMU_MAGIC 0x5145564du /* "QEVM", big-endian */

/* Where the extra connections of a multifd migration begin. */
#define SLUICE__QEMU_MULTIFD_MAGIC 0x11223344u

/* What a record of version 3 begins with. */
enum {
  SLUICE__QEMU_EOF = 0x00,
  SLUICE__QEMU_START = 0x01,
  SLUICE__QEMU_PART = 0x02,
  SLUICE__QEMU_END = 0x03,
  SLUICE__QEMU_FULL = 0x04,
  SLUICE__QEMU_SUBSECTION = 0x05,
  SLUICE__QEMU_DESCRIPTION = 0x06,
  SLUICE__QEMU_CONFIGURATION = 0x07,
  SLUICE__QEMU_COMMAND = 0x08,
  SLUICE__QEMU_FOOTER = 0x7e
};

enum {
  SLUICE__QEMU_FOOTER_BYTES = 5,      /* 0x7e, be32 section id */
  SLUICE__QEMU_DESCRIPTION_BYTES = 5, /* 0x06, be32 length */
  SLUICE__QEMU_COMMAND_BYTES = 5,     /* 0x08, be16 number, be16 length */
  SLUICE__QEMU_RAM_VERSION = 4
};

/* Low bits of the be64 that every item of the ram section begins with. */
enum {
  SLUICE__RAM_FULL = 0x01,
  SLUICE__RAM_ZERO = 0x02,
  SLUICE__RAM_MEM_SIZE = 0x04,
  SLUICE__RAM_PAGE = 0x08,
  SLUICE__RAM_EOS = 0x10,
  SLUICE__RAM_CONTINUE = 0x20,
  SLUICE__RAM_XBZRLE = 0x40,
  SLUICE__RAM_HOOK = 0x80,
  SLUICE__RAM_COMPRESS_PAGE = 0x100,
  SLUICE__RAM_MULTIFD_FLUSH = 0x200
};

enum {
  SLUICE__RAM_PAGE_MIN = 1024, /* all flags fit below it */
  SLUICE__RAM_XBZRLE_MARK = 0x01
};

#define SLUICE__RAM_NAME "ram"

#endif
