/* sink_call.h - one operation of a sink under way, and what a sink that is
 * somebody else's code may do wrong with it.
 *
 *          begin            end(0)               told
 *   IDLE --------> CALLING ---------> UNDER_WAY ------> IDLE
 *     ^             |    \ told: EARLY                  told: a breach
 *     +-------------+     end: a breach
 *        end(1, < 0)
 *
 * Whoever drives the sink learns of each operation once, whatever the sink
 * does, and of the first breach as SLUICE_EHANDLER, which then is the answer to
 * every operation. Calls are kept until the sink is closed, so that one that is
 * told too often is known; they are used again in turn, so that a save in full
 * flow allocates nothing. Known to sink.c alone. Loop thread. */
#ifndef SLUICE_IO_SINK_CALL_H
#define SLUICE_IO_SINK_CALL_H

#include <stdbool.h>

#include <sluice/sink.h>

typedef enum sluice__sink_call_state_e {
  SLUICE__CALL_IDLE,
  SLUICE__CALL_CALLING,
  SLUICE__CALL_EARLY, /* it called back inside the call */
  SLUICE__CALL_UNDER_WAY
} sluice__sink_call_state_t;

typedef struct sluice__sink_call_s {
  sluice_sink_t *sink;
  sluice__sink_call_state_t state;
  const char *name; /* of the operation; static */
  int answer;       /* what the sink returned: 1, 0, or a failure */
  sluice_sink_cb cb;
  void *ctx;
  struct sluice__sink_call_s *next;  /* of the idle writes */
  struct sluice__sink_call_s *older; /* of all writes that there are */
} sluice__sink_call_t;

struct sluice_sink_s {
  const sluice_sink_ops_t *ops; /* borrowed */
  void *self;
  void (*abandon)(void *self); /* of ours; NULL: the host's own */
  bool is_taken;
  int breach;          /* SLUICE_EHANDLER from the first one on */
  sluice_error_t *err; /* of open; NULL: nobody wants to know */
  uint64_t busy_ns;
  sluice__sink_call_t life; /* open, and later finish or abort */
  sluice__sink_call_t *first_idle;
  sluice__sink_call_t *last_idle;
  unsigned idle_count;
  sluice__sink_call_t *all;
};

/* NULL: there is no memory for it. */
sluice__sink_call_t *sluice__sink_call_of_write(sluice_sink_t *sink);

/* Around the sink's function, which is given sluice__sink_call_told() and the
 * call. */
void sluice__sink_call_begin(sluice__sink_call_t *call, sluice_sink_t *sink,
                             const char *name, sluice_sink_cb cb, void *ctx);
/* `r` is what it returned; returns what it should have: 1, 0 or a failure. */
int sluice__sink_call_end(sluice__sink_call_t *call, int r);
void sluice__sink_call_told(void *call, int status);

/* Remembers and describes a breach: SLUICE_EHANDLER. */
int sluice__sink_breach(sluice_sink_t *sink, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* Those under way, too. */
void sluice__sink_calls_free(sluice_sink_t *sink);

#endif
