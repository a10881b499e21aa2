/* machine.c - see machine.h. What cannot be found out is said to be unknown. */
#include "machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <uv.h>
#include <xxhash.h>

#include <sluice/sluice.h>

static void read_processor(char *out, size_t len) {
  uv_cpu_info_t *cpus;
  int count;

  (void)snprintf(out, len, "unknown processor");
  if (uv_cpu_info(&cpus, &count) == 0) {
    if (count > 0 && cpus[0].model != NULL) {
      (void)snprintf(out, len, "%s", cpus[0].model);
    }
    uv_free_cpu_info(cpus, count);
  }
}

void machine_describe(char *out, size_t len) {
  struct utsname kernel = {0};
  double load[3] = {0, 0, 0};
  char processor[128];

  read_processor(processor, sizeof(processor));
  (void)uname(&kernel);
  uv_loadavg(load);
  (void)snprintf(out, len,
                 "%s, %ld cores, %.1f GiB, %s %s, libuv %s, xxhash %u, "
                 "sluice %s, load %.2f",
                 processor, sysconf(_SC_NPROCESSORS_ONLN),
                 (double)uv_get_total_memory() / (1 << 30), kernel.sysname,
                 kernel.release, uv_version_string(), XXH_versionNumber(),
                 sluice_version(), load[0]);
}

bool machine_pin(void) {
  cpu_set_t allowed;
  cpu_set_t one;

  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
    return false;
  }
  CPU_ZERO(&one);
  for (size_t i = 0; i < CPU_SETSIZE; i++) {
    if (CPU_ISSET(i, &allowed)) {
      CPU_ZERO(&one);
      CPU_SET(i, &one);
    }
  }
  return sched_setaffinity(0, sizeof(one), &one) == 0;
}
