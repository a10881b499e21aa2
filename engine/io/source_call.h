/* source_call.h - the operation of a source that is under way, and what a
 * source that is somebody else's code may do wrong with it. The mirror of
 * sink_call.h; there is one operation at a time. Known to source.c alone. Loop
 * thread. */
#ifndef SLUICE_IO_SOURCE_CALL_H
#define SLUICE_IO_SOURCE_CALL_H

#include <stdbool.h>

#include <sluice/source.h>

typedef enum sluice__source_call_state_e {
  SLUICE__READ_IDLE,
  SLUICE__READ_CALLING,
  SLUICE__READ_EARLY, /* it called back inside the call */
  SLUICE__READ_UNDER_WAY
} sluice__source_call_state_t;

/* So many others come before a call is used again: a source that calls back
 * twice has that long to be found out. */
enum { SLUICE__SOURCE_CALLS = 4 };

typedef struct sluice__source_call_s {
  sluice_source_t *source;
  sluice__source_call_state_t state;
  const char *name; /* of the operation; static */
  size_t most;      /* what may be told: bytes that were asked for */
  ptrdiff_t answer; /* what the source returned */
  sluice_source_cb cb;
  void *ctx;
} sluice__source_call_t;

struct sluice_source_s {
  const sluice_source_ops_t *ops; /* borrowed */
  void *self;
  void (*abandon)(void *self); /* of ours; NULL: the host's own */
  bool is_taken;
  int breach;          /* SLUICE_EHANDLER from the first one on */
  sluice_error_t *err; /* of open; NULL: nobody wants to know */
  uint64_t busy_ns;
  sluice__source_call_t calls[SLUICE__SOURCE_CALLS];
  unsigned turn;
};

/* Around the source's function, which is given sluice__source_call_told() and
 * the call. At most `told` bytes may be told later. */
sluice__source_call_t *sluice__source_call_begin(sluice_source_t *source,
                                                 const char *name, size_t told,
                                                 sluice_source_cb cb,
                                                 void *ctx);
/* `r` is what it returned, at most `most`; returns what it should have. */
ptrdiff_t sluice__source_call_end(sluice__source_call_t *call, ptrdiff_t r,
                                  size_t most);
void sluice__source_call_told(void *call, ptrdiff_t got);

#endif
