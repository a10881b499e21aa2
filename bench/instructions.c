/* instructions.c - a save and nothing else, to be counted by callgrind.
 *
 *   instructions native|qemu3|restore|zeros PAGES
 *
 * Everything but the operation is left out of the count by the script beside
 * this file, which runs it twice, with few and with many pages: the difference
 * is what a page costs. */
#include <stdlib.h>
#include <string.h>

#include <valgrind/callgrind.h>

#include "host.h"
#include "memory.h"

enum { PAGE = 4096 };

static const char *count_save(host_t *host, sluice_format_t format) {
  const sluice_save_options_t options = {.format = format, .host = "pc"};
  const char *error;

  CALLGRIND_TOGGLE_COLLECT;
  error = host_save(host, host_null_sink(), &options);
  CALLGRIND_TOGGLE_COLLECT;
  return error;
}

static const char *count_restore(host_t *host) {
  void *data = NULL;
  size_t len = 0;
  sluice_source_t *source;
  sluice_sink_t *sink;
  const char *error;

  if (sluice_sink_memory(&sink, (size_t)1 << 30, &data, &len) < 0) {
    return "no memory";
  }
  error = host_save(host, sink, NULL);
  if (error != NULL || sluice_source_memory(&source, data, len) < 0) {
    return error != NULL ? error : "no source";
  }
  CALLGRIND_TOGGLE_COLLECT;
  error = host_restore(host, source);
  CALLGRIND_TOGGLE_COLLECT;
  free(data);
  return error;
}

static const char *run(host_t *host, const char *what) {
  if (strcmp(what, "restore") == 0) {
    return count_restore(host);
  }
  return count_save(host, strcmp(what, "qemu3") == 0 ? SLUICE_FORMAT_QEMU3
                                                     : SLUICE_FORMAT_NATIVE);
}

int main(int argc, char **argv) {
  uint64_t pages = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
  host_config_t config = {.bytes = pages * PAGE,
                          .region_flags = SLUICE_RAM_IN_PLACE,
                          .tracker = SLUICE_RAM_STATIC};
  const char *error;
  host_t host;

  if (pages == 0 || pages > 1 << 16) {
    (void)fprintf(stderr, "usage: instructions KIND PAGES\n");
    return 2;
  }
  config.base = memory_new(config.bytes);
  if (strcmp(argv[1], "zeros") != 0) {
    memory_fill(config.base, config.bytes, 1);
  }
  host_open(&host, &config);
  error = run(&host, argv[1]);
  host_close(&host);
  if (error != NULL) {
    (void)fprintf(stderr, "%s\n", error);
  }
  return error != NULL;
}
