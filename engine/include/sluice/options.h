/* options.h - structs that begin with their size.
 *
 * Every struct of options begins with `uint32_t size`, which is sizeof of it as
 * the host was compiled. It may grow at its end: an older host's is shorter,
 * and what it lacks counts as zero; a newer host's is longer, and is taken if
 * what this library does not know is zero. So a host zeroes the struct, best by
 * an initialiser, sets `size`, and sets what it wants.
 *
 * Structs that a call fills are filled up to the size that comes with the call.
 * Who writes a kind of section may use these calls for its own. Any thread. */
#ifndef SLUICE_OPTIONS_H
#define SLUICE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>
#include <sluice/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Copies the struct at `given` to `out`, which is of `known` bytes and gets
 * that for its size; `given` NULL: zeros. `first` is the size of the first
 * version. `name` and `type` are for the message: "save options",
 * "sluice_save_options_t".
 *   UV_EINVAL  `out` or one of the names is NULL, the size is less than
 * `first`, or what is beyond `known` is not zero; `out` is zeros then */
SLUICE_EXTERN int sluice_options_copy(void *out, size_t known, size_t first,
                                      const void *given, const char *name,
                                      const char *type, sluice_error_t *err);

/* `last` is the last member that the first version had. */
#define SLUICE_OPTIONS_COPY(out, given, name, type, last, err)                 \
  sluice_options_copy((out), sizeof(type),                                     \
                      offsetof(type, last) + sizeof(((type *)0)->last),        \
                      (given), (name), #type, (err))

/* Copies `known` bytes at `from` to the `size` bytes at `out`, truncated or
 * with zeros behind them; `from` NULL: zeros only. */
SLUICE_EXTERN void sluice_result_copy(void *out, size_t size, const void *from,
                                      size_t known);

#ifdef __cplusplus
}
#endif

#endif
