/* handlers.c - links a kind of state, and the core as any host does. */
#include <stddef.h>

#include <sluice/ram.h>
#include <sluice/sluice.h>

int main(void) {
  (void)sluice_ram_free(NULL);
  return sluice_version_number() == SLUICE_VERSION_NUMBER ? 0 : 1;
}
