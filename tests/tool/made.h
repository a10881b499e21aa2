/* made.h - streams made for the tool's tests, through the library's encoder or
 * by hand where that has no words for it. */
#ifndef SLUICE_TESTS_TOOL_MADE_H
#define SLUICE_TESTS_TOOL_MADE_H

#include <sluice/encoder.h>

enum {
  MADE_PAGE = 4096,
  MADE_PAGES = 64, /* of region "ram" */
  MADE_DEVICE = 24 /* bytes of device "timer", instance 0 */
};

/* A stream of machine (or host) "none": ram with page 0 of 'a', page 1 of 'b',
 * then of 'c', page 2 of 'd', then zeros, pages 3 to 63 zeros; two devices,
 * "timer" 0 of 24 times 't' and "timer" 1 of one 'u'. */
void made_sample(const char *path, sluice_format_t format);

/* What its region "ram" has in the end. */
void made_memory(unsigned char out[MADE_PAGES * MADE_PAGE]);

/* The same sample, ended by an ABORT after the first pages. */
void made_aborted(const char *path);

/* QEMU's stream with a page that is sent, then changed by XBZRLE, by hand; with
 * a PING in front. The changed bytes are "xy" at 5 of page 0 of 'a'. */
void made_delta(const char *path);

/* QEMU's stream, as of its machines up to 2.3: no configuration, no footers. */
void made_old(const char *path);

/* A region of `bytes`, of which every 64 MiB one page is data; all others are
 * zeros, said page by page. */
void made_large(const char *path, sluice_format_t format, uint64_t bytes);

/* A native image with a device whose name would clear the screen. */
void made_rude(const char *path);

#endif
