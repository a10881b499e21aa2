/* options.c - see sluice/options.h. */
#include <sluice/options.h>

#include <string.h>

#include <uv.h>

static int is_zero(const uint8_t *at, const uint8_t *end) {
  while (at < end && *at == 0) {
    at++;
  }
  return at == end;
}

static int check_size(uint32_t size, size_t first, const char *name,
                      const char *type, sluice_error_t *err) {
  if (size >= first) {
    return 0;
  }
  if (size == 0) {
    return sluice_fail(err, UV_EINVAL, "%s: size is 0: set it to sizeof(%s)",
                       name, type);
  }
  return sluice_fail(err, UV_EINVAL, "%s: size is %u, but %s has at least %zu",
                     name, (unsigned)size, type, first);
}

int sluice_options_copy(void *out, size_t known, size_t first,
                        const void *given, const char *name, const char *type,
                        sluice_error_t *err) {
  uint32_t size = (uint32_t)known;
  uint32_t given_size;
  int r;

  if (out == NULL || name == NULL || type == NULL) {
    return sluice_fail(err, UV_EINVAL,
                       "there is no place for options, or no "
                       "name of theirs");
  }
  memset(out, 0, known);
  if (given != NULL) {
    memcpy(&given_size, given, sizeof(given_size));
    r = check_size(given_size, first, name, type, err);
    if (r < 0) {
      return r;
    }
    if (given_size > known && !is_zero((const uint8_t *)given + known,
                                       (const uint8_t *)given + given_size)) {
      return sluice_fail(err, UV_EINVAL,
                         "%s: something is set beyond the %zu bytes of %s "
                         "that this library knows",
                         name, known, type);
    }
    memcpy(out, given, given_size < known ? given_size : known);
  }
  memcpy(out, &size, sizeof(size));
  return 0;
}

void sluice_result_copy(void *out, size_t size, const void *from,
                        size_t known) {
  size_t len = from == NULL ? 0 : size < known ? size : known;

  if (out == NULL) {
    return;
  }
  if (len > 0) {
    memcpy(out, from, len);
  }
  memset((uint8_t *)out + len, 0, size - len);
}
