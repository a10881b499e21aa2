/* address.h - where a stream comes from or goes to, as QEMU writes it.
 *
 *   tcp:HOST:PORT   unix:PATH   fd:N   -
 *
 * Must know no socket. */
#ifndef SLUICE_TOOL_QEMU_ADDRESS_H
#define SLUICE_TOOL_QEMU_ADDRESS_H

typedef enum address_kind_e {
  ADDRESS_TCP,
  ADDRESS_UNIX,
  ADDRESS_FD,
  ADDRESS_STDIO
} address_kind_t;

typedef struct address_s {
  address_kind_t kind;
  const char *text; /* all of it, borrowed */
  char host[256];   /* "": any */
  char port[32];
  const char *path; /* borrowed */
  int fd;
} address_t;

/* 0, or -1: `text`, which must stay, is none. */
int address_parse(address_t *a, const char *text);

#endif
