/* format.c - see format.h. */
#include "cli/format.h"

#include <stddef.h>
#include <string.h>

static const sluice_format_t formats[] = {
    SLUICE_FORMAT_NATIVE, SLUICE_FORMAT_QEMU3, SLUICE_FORMAT_QEMU2};

const char *format_name(sluice_format_t format) {
  switch (format) {
  case SLUICE_FORMAT_NATIVE: return "native";
  case SLUICE_FORMAT_QEMU3: return "qemu3";
  case SLUICE_FORMAT_QEMU2: return "qemu2";
  case SLUICE_FORMAT_UNKNOWN: return "unknown";
  }
  return "unknown";
}

sluice_format_t format_of(const char *name) {
  for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
    if (strcmp(name, format_name(formats[i])) == 0) {
      return formats[i];
    }
  }
  return SLUICE_FORMAT_UNKNOWN;
}
