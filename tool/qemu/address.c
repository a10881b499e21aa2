/* address.c - see address.h. */
#include "qemu/address.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int copy_part(char *out, size_t size, const char *from, size_t len) {
  if (len >= size) {
    return -1;
  }
  memcpy(out, from, len);
  out[len] = '\0';
  return 0;
}

/* The host of version 6 stands in brackets: it has colons, too. */
static int parse_tcp(address_t *a, const char *text) {
  const char *colon = strrchr(text, ':');
  const char *host = text;
  size_t len;

  a->kind = ADDRESS_TCP;
  if (colon == NULL || colon[1] == '\0') {
    return -1;
  }
  len = (size_t)(colon - text);
  if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
    host++;
    len -= 2;
  } else if (memchr(host, ':', len) != NULL) {
    return -1;
  }
  return copy_part(a->host, sizeof(a->host), host, len) < 0
             ? -1
             : copy_part(a->port, sizeof(a->port), colon + 1,
                         strlen(colon + 1));
}

static int parse_fd(address_t *a, const char *text) {
  char *end;
  long n;

  errno = 0;
  n = strtol(text, &end, 10);
  a->kind = ADDRESS_FD;
  a->fd = (int)n;
  return text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
                 n > INT_MAX
             ? -1
             : 0;
}

static int parse_unix(address_t *a, const char *text) {
  a->kind = ADDRESS_UNIX;
  a->path = text;
  return text[0] == '\0' ? -1 : 0;
}

int address_parse(address_t *a, const char *text) {
  *a = (address_t){.text = text, .kind = ADDRESS_STDIO, .fd = -1};
  if (strcmp(text, "-") == 0) {
    return 0;
  }
  if (strncmp(text, "tcp:", 4) == 0) {
    return parse_tcp(a, text + 4);
  }
  if (strncmp(text, "unix:", 5) == 0) {
    return parse_unix(a, text + 5);
  }
  return strncmp(text, "fd:", 3) == 0 ? parse_fd(a, text + 3) : -1;
}
