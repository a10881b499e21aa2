/* main.c - a host that never heard of jemalloc loads the core as a plug-in.
 *
 * Links neither sluice nor jemalloc; the library comes by dlopen(), which fails
 * for anything that drags jemalloc in (static TLS). */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ISO C has no cast from an object pointer to a function's; POSIX says that the
 * bytes are the same. */
typedef const char *(*text_fn)(void);

static text_fn find_text(void *library, const char *name) {
  void *symbol = dlsym(library, name);
  text_fn f = NULL;

  if (symbol != NULL) {
    memcpy(&f, &symbol, sizeof(f));
  }
  return f;
}

static int check(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  text_fn version;

  if (library == NULL) {
    (void)fprintf(stderr, "dlopen: %s\n", dlerror());
    return EXIT_FAILURE;
  }
  version = find_text(library, "sluice_version");
  if (version == NULL || version()[0] == '\0') {
    (void)fprintf(stderr, "sluice_version() is not there\n");
    return EXIT_FAILURE;
  }
  if (find_text(RTLD_DEFAULT, "mallocx") != NULL ||
      find_text(library, "mallocx") != NULL) {
    (void)fprintf(stderr, "jemalloc came with it\n");
    return EXIT_FAILURE;
  }
  (void)printf("sluice %s\n", version());
  return dlclose(library) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
  return argc == 2 ? check(argv[1]) : 2;
}
