/* replay.c - gives every file of the folders named to a fuzz target, without
 * libFuzzer: what a fuzzer has found stays found, with any compiler. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "require.h"

static void replay(const char *path) {
  FILE *f = fopen(path, "rb");
  struct stat st;
  uint8_t *bytes;
  size_t len;

  REQUIRE(f != NULL && fstat(fileno(f), &st) == 0);
  len = (size_t)st.st_size;
  bytes = malloc(len > 0 ? len : 1);
  REQUIRE(bytes != NULL && fread(bytes, 1, len, f) == len);
  (void)fclose(f);
  (void)printf("%s\n", path);
  (void)fflush(stdout); /* the last one named is the one that failed */
  (void)LLVMFuzzerTestOneInput(bytes, len);
  free(bytes);
}

static int replay_folder(const char *folder) {
  DIR *dir = opendir(folder);
  const struct dirent *entry;
  char path[4096];
  int count = 0;

  REQUIRE(dir != NULL);
  for (entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
    if (entry->d_name[0] != '.') {
      (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
      replay(path);
      count++;
    }
  }
  (void)closedir(dir);
  return count;
}

int main(int argc, char **argv) {
  int count = 0;

  for (int i = 1; i < argc; i++) {
    count += replay_folder(argv[i]);
  }
  (void)printf("%d files\n", count);
  return count > 0 ? 0 : 1;
}
