/* options.h - the command line. */
#ifndef KVD_OPTIONS_H
#define KVD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/ram.h>
#include <sluice/restore.h>

typedef struct options_s {
  const char *bind;
  int port;                /* 0: any; -1: none, only the unix socket */
  const char *unix_socket; /* NULL: none */
  const char *dir;
  const char *file_name;
  uint64_t max_memory; /* bytes; 0: no limit but the reservation */
  uint64_t reserve;    /* bytes of address space for the data */
  unsigned save_every; /* seconds; 0: never by itself */
  unsigned keep;       /* images, the newest of them included */
  bool stop_writes;    /* when saving by itself has failed */
  sluice_ram_preimage_policy_t preimage_policy;
  uint64_t preimage_bytes;
  sluice_restore_way_t load; /* the image at the start */
  const char *handover;      /* where a successor may connect; NULL: nowhere */
  const char *takeover;      /* whose successor this one is; NULL: nobody's */
  bool memfd;                /* the data is in one */
} options_t;

/* 0; or 1 when --help was answered, or 2: what is wrong was said. */
int options_parse(options_t *o, int argc, char **argv);

#endif
