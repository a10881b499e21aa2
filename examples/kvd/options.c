/* options.c - reads the command line, and says what is wrong with it. */
#include "options.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "images.h"

/* Less than one command may change would make a save fail for nothing. */
#define PREIMAGE_MIN ((uint64_t)1 << 20)
#define PREIMAGE_MAX ((uint64_t)1 << 40)

static const char usage[] =
    "usage: kvd [options]\n"
    "  --port N            6379; 0: any that is free, -1: none\n"
    "  --bind ADDRESS      127.0.0.1\n"
    "  --unixsocket PATH   listen there, too\n"
    "  --dir PATH          where images are; .\n"
    "  --dbfilename NAME   kvd.image\n"
    "  --maxmemory BYTES   100mb, 2gb; 0: no limit\n"
    "  --reserve BYTES     address space for the data; 64gb\n"
    "  --save-every SECS   save by itself; 0: never\n"
    "  --keep N            images, 1 to 32; 2\n"
    "  --stop-writes yes|no\n"
    "                      refuse changes while saving by itself fails; yes\n"
    "  --preimages slow|spill|fail\n"
    "                      more changes during a save than the disk takes:\n"
    "                      clients wait, a file takes the rest, or the save\n"
    "                      fails; slow\n"
    "  --preimage-memory BYTES\n"
    "                      from where on; 16mb\n"
    "  --load eager|mapped|mapped-verify\n"
    "                      read the image at the start, or serve at once and\n"
    "                      read pages when they are used, verifying the file\n"
    "                      meanwhile or not; mapped-verify\n"
    "  --handover SOCKET   a successor may take over, there\n"
    "  --takeover SOCKET   take over from the kvd that listens there: its "
    "data,\n"
    "                      its listening sockets, its clients\n"
    "  --memfd             data in a memfd: handed over without being copied;\n"
    "                      images are read eagerly\n";

static bool parse_unsigned(const char *text, uint64_t max, uint64_t *out,
                           char **rest) {
  if (*text < '0' || *text > '9') {
    return false;
  }
  *out = strtoull(text, rest, 10);
  return *out <= max;
}

/* Redis's units: k is 1000, kb is 1024. */
static bool parse_bytes(const char *text, uint64_t *out) {
  static const struct {
    const char *name;
    uint64_t bytes;
  } units[] = {{"", 1},           {"b", 1},          {"k", 1000},
               {"kb", 1024},      {"m", 1000000},    {"mb", 1048576},
               {"g", 1000000000}, {"gb", 1073741824}};
  char *rest;

  if (!parse_unsigned(text, (uint64_t)1 << 62, out, &rest)) {
    return false;
  }
  for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
    if (strcasecmp(rest, units[i].name) == 0) {
      return !__builtin_mul_overflow(*out, units[i].bytes, out);
    }
  }
  return false;
}

static bool parse_count(const char *text, uint64_t max, uint64_t *out) {
  char *rest;

  return parse_unsigned(text, max, out, &rest) && *rest == '\0';
}

static bool parse_port(const char *text, int *out) {
  uint64_t n;

  if (strcmp(text, "-1") == 0) {
    *out = -1;
    return true;
  }
  if (!parse_count(text, 65535, &n)) {
    return false;
  }
  *out = (int)n;
  return true;
}

static bool parse_seconds(const char *text, unsigned *out) {
  uint64_t n;

  if (!parse_count(text, 1000000, &n)) {
    return false;
  }
  *out = (unsigned)n;
  return true;
}

static bool parse_keep(const char *text, unsigned *out) {
  uint64_t n;

  if (!parse_count(text, IMAGES_KEEP_MAX, &n) || n == 0) {
    return false;
  }
  *out = (unsigned)n;
  return true;
}

static bool parse_yes(const char *text, bool *out) {
  *out = strcasecmp(text, "yes") == 0;
  return *out || strcasecmp(text, "no") == 0;
}

static bool parse_policy(const char *text, sluice_ram_preimage_policy_t *out) {
  if (strcasecmp(text, "slow") == 0) {
    *out = SLUICE_RAM_SLOW;
  } else if (strcasecmp(text, "spill") == 0) {
    *out = SLUICE_RAM_SPILL;
  } else if (strcasecmp(text, "fail") == 0) {
    *out = SLUICE_RAM_FAIL;
  } else {
    return false;
  }
  return true;
}

static bool parse_load(const char *text, sluice_restore_way_t *out) {
  if (strcasecmp(text, "eager") == 0) {
    *out = SLUICE_RESTORE_EAGER;
  } else if (strcasecmp(text, "mapped") == 0) {
    *out = SLUICE_RESTORE_MAPPED;
  } else if (strcasecmp(text, "mapped-verify") == 0) {
    *out = SLUICE_RESTORE_MAPPED_VERIFY;
  } else {
    return false;
  }
  return true;
}

static bool parse_preimage_bytes(const char *text, uint64_t *out) {
  return parse_bytes(text, out) && *out >= PREIMAGE_MIN && *out <= PREIMAGE_MAX;
}

static const struct option names[] = {
    {"port", required_argument, NULL, 'p'},
    {"bind", required_argument, NULL, 'b'},
    {"unixsocket", required_argument, NULL, 'u'},
    {"dir", required_argument, NULL, 'd'},
    {"dbfilename", required_argument, NULL, 'f'},
    {"maxmemory", required_argument, NULL, 'm'},
    {"reserve", required_argument, NULL, 'r'},
    {"save-every", required_argument, NULL, 's'},
    {"keep", required_argument, NULL, 'k'},
    {"stop-writes", required_argument, NULL, 'w'},
    {"preimages", required_argument, NULL, 'i'},
    {"preimage-memory", required_argument, NULL, 'y'},
    {"load", required_argument, NULL, 'l'},
    {"handover", required_argument, NULL, 'o'},
    {"takeover", required_argument, NULL, 't'},
    {"memfd", no_argument, NULL, 'e'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0}};

static bool take_option(options_t *o, int name, const char *value) {
  switch (name) {
  case 'p': return parse_port(value, &o->port);
  case 'b': o->bind = value; return true;
  case 'u': o->unix_socket = value; return true;
  case 'd': o->dir = value; return true;
  case 'f': o->file_name = value; return strchr(value, '/') == NULL;
  case 'm': return parse_bytes(value, &o->max_memory);
  case 'r': return parse_bytes(value, &o->reserve);
  case 's': return parse_seconds(value, &o->save_every);
  case 'k': return parse_keep(value, &o->keep);
  case 'w': return parse_yes(value, &o->stop_writes);
  case 'i': return parse_policy(value, &o->preimage_policy);
  case 'y': return parse_preimage_bytes(value, &o->preimage_bytes);
  case 'l': return parse_load(value, &o->load);
  case 'o': o->handover = value; return *value != '\0';
  case 't': o->takeover = value; return *value != '\0';
  case 'e': o->memfd = true; return true;
  default: return false;
  }
}

int options_parse(options_t *o, int argc, char **argv) {
  int name;

  *o = (options_t){.bind = "127.0.0.1",
                   .port = 6379,
                   .dir = ".",
                   .file_name = "kvd.image",
                   .reserve = (uint64_t)64 << 30,
                   .keep = 2,
                   .stop_writes = true,
                   .preimage_policy = SLUICE_RAM_SLOW,
                   .preimage_bytes = (uint64_t)16 << 20,
                   .load = SLUICE_RESTORE_MAPPED_VERIFY};
  while ((name = getopt_long(argc, argv, "h", names, NULL)) != -1) {
    if (name == 'h') {
      fputs(usage, stdout);
      return 1;
    }
    if (!take_option(o, name, optarg)) {
      if (name != '?') {
        fprintf(stderr, "kvd: cannot use '%s'\n", optarg);
      }
      fputs(usage, stderr);
      return 2;
    }
  }
  if (optind < argc) {
    fprintf(stderr, "kvd: what is '%s'?\n%s", argv[optind], usage);
    return 2;
  }
  return 0;
}
