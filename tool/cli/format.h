/* format.h - what formats are called on the command line and in output. */
#ifndef SLUICE_TOOL_CLI_FORMAT_H
#define SLUICE_TOOL_CLI_FORMAT_H

#include <sluice/item.h>

/* "native", "qemu3", "qemu2"; "unknown". */
const char *format_name(sluice_format_t format);

/* SLUICE_FORMAT_UNKNOWN: no format has this name. */
sluice_format_t format_of(const char *name);

#endif
