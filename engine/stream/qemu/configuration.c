/* configuration.c - see configuration.h.
 *
 * Every step asks need() first. What is missing makes the whole reading start
 * again later: the block is a few dozen bytes. */
#include "stream/qemu/configuration.h"

#include <string.h>

#include "stream/bytes.h"
#include "stream/qemu/format.h"

enum { PAGE_BITS_MIN = 10, PAGE_BITS_MAX = 16, UUID_BYTES = 16 };

/* A subsection comes once; the bit of each one seen. */
enum { SEEN_PAGE_BITS = 1, SEEN_CAPABILITIES = 2, SEEN_UUID = 4 };

struct cursor {
  const uint8_t *p;
  size_t have;
  size_t at;
  bool is_all;
  unsigned seen;
  sluice__qemu_configuration_t *out;
  sluice_error_t *err;
};

struct subsection {
  const char *name;
  unsigned bit;
  int (*read)(struct cursor *c);
};

bool sluice__qemu_is_name(const uint8_t *p, size_t len) {
  if (len == 0 || len > SLUICE_NAME_MAX) {
    return false;
  }
  for (size_t i = 0; i < len; i++) {
    if (p[i] < 0x20 || p[i] == 0x7f) {
      return false;
    }
  }
  return true;
}

static int refuse(struct cursor *c, int code, const char *what) {
  return sluice_fail(c->err, code, "%s", what);
}

/* 0: `len` bytes are there; else how many must be, from the start. */
static int need(struct cursor *c, size_t len) {
  if (len <= c->have - c->at) {
    return 0;
  }
  if (c->is_all) {
    return refuse(c, SLUICE_ETRUNCATED, "configuration ends too early");
  }
  return (int)(c->at + len);
}

static int read_machine(struct cursor *c) {
  int r = need(c, 4);
  size_t len;

  if (r != 0) {
    return r;
  }
  len = sluice__get_be32(c->p);
  if (len == 0 || len > SLUICE_NAME_MAX) {
    return refuse(c, SLUICE_ECORRUPT,
                  "expected a machine name of 1 to 255 bytes");
  }
  r = need(c, 4 + len);
  if (r != 0) {
    return r;
  }
  if (!sluice__qemu_is_name(c->p + 4, len)) {
    return refuse(c, SLUICE_ECORRUPT, "machine name has control characters");
  }
  memcpy(c->out->machine, c->p + 4, len);
  c->out->machine[len] = '\0';
  c->at = 4 + len;
  return 0;
}

static int read_page_bits(struct cursor *c) {
  uint32_t bits;
  int r = need(c, 4);

  if (r != 0) {
    return r;
  }
  bits = sluice__get_be32(c->p + c->at);
  if (bits < PAGE_BITS_MIN || bits > PAGE_BITS_MAX) {
    return refuse(c, SLUICE_ECORRUPT, "expected 10 to 16 target page bits");
  }
  c->out->page_size = UINT32_C(1) << bits;
  c->at += 4;
  return 0;
}

/* Every capability that QEMU writes down here changes the layout of the ram
 * section, so none can be read over. */
static int read_capabilities(struct cursor *c) {
  int r = need(c, 4);

  if (r == 0 && sluice__get_be32(c->p + c->at) == 0) {
    c->at += 4;
    return 0;
  }
  r = r != 0 ? r : need(c, 5);
  r = r != 0 ? r : need(c, 5 + (size_t)c->p[c->at + 4]);
  if (r != 0) {
    return r;
  }
  if (!sluice__qemu_is_name(c->p + c->at + 5, c->p[c->at + 4])) {
    return refuse(c, SLUICE_ECORRUPT, "a capability's name is malformed");
  }
  return sluice_fail(c->err, SLUICE_EFEATURE,
                     "capability '%.*s' is not supported", (int)c->p[c->at + 4],
                     (const char *)c->p + c->at + 5);
}

static int read_uuid(struct cursor *c) {
  int r = need(c, UUID_BYTES);

  c->at += r == 0 ? UUID_BYTES : 0;
  return r;
}

static const struct subsection subsections[] = {
    {"configuration/target-page-bits", SEEN_PAGE_BITS, read_page_bits},
    {"configuration/capabilities", SEEN_CAPABILITIES, read_capabilities},
    {"configuration/uuid", SEEN_UUID, read_uuid},
};

static const struct subsection *find_subsection(const uint8_t *name,
                                                size_t len) {
  for (size_t i = 0; i < sizeof(subsections) / sizeof(*subsections); i++) {
    if (strlen(subsections[i].name) == len &&
        memcmp(subsections[i].name, name, len) == 0) {
      return &subsections[i];
    }
  }
  return NULL;
}

static int refuse_subsection(struct cursor *c, const uint8_t *name,
                             size_t len) {
  if (!sluice__qemu_is_name(name, len)) {
    return refuse(c, SLUICE_ECORRUPT, "a subsection's name is malformed");
  }
  return sluice_fail(c->err, SLUICE_EFEATURE,
                     "subsection '%.*s' is not supported", (int)len,
                     (const char *)name);
}

/* At the byte 0x05. */
static int read_subsection(struct cursor *c) {
  const struct subsection *s;
  size_t len;
  int r = need(c, 2);

  r = r != 0 ? r : need(c, 2 + (size_t)c->p[c->at + 1] + 4);
  if (r != 0) {
    return r;
  }
  len = c->p[c->at + 1];
  s = find_subsection(c->p + c->at + 2, len);
  if (s == NULL) {
    return refuse_subsection(c, c->p + c->at + 2, len);
  }
  if (sluice__get_be32(c->p + c->at + 2 + len) != 1) {
    return refuse(c, SLUICE_EFEATURE, "expected subsections of version 1");
  }
  if ((c->seen & s->bit) != 0) {
    return refuse(c, SLUICE_ECORRUPT, "a subsection comes twice");
  }
  c->seen |= s->bit;
  c->at += 2 + len + 4;
  return s->read(c);
}

int sluice__qemu_configuration_read(const uint8_t *p, size_t have, bool is_all,
                                    sluice__qemu_configuration_t *out,
                                    sluice_error_t *err) {
  struct cursor c = {p, have, 0, is_all, 0, out, err};
  int r;

  memset(out, 0, sizeof(*out));
  r = read_machine(&c);
  while (r == 0) {
    if (c.at == have) {
      if (!is_all) {
        return (int)(have + 1); /* a subsection might follow */
      }
      break;
    }
    if (p[c.at] != SLUICE__QEMU_SUBSECTION) {
      break;
    }
    r = read_subsection(&c);
  }
  out->len = c.at;
  if (r < 0) {
    err->offset = c.at;
  }
  return r;
}
