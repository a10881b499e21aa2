/* handlers.c - links a kind of state. */
#include <stddef.h>

#include <sluice/ram.h>

int main(void) {
  (void)sluice_ram_free(NULL);
  return 0;
}
