/* rigs.h - what the rigs offer beside failing: counts and stand-ins. */
#ifndef SLUICE_FAULT_RIGS_H
#define SLUICE_FAULT_RIGS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <uv.h>

#include <sluice/sluice.h>

/* rig_memory.c: an allocator for engines and sessions, and the C library's
 * behind --wrap. Both count the blocks that are live. */
const sluice_alloc_t *rig_allocator(void);
long rig_blocks(void);       /* of the allocator */
size_t rig_block_peak(void); /* bytes, since the last call */
long rig_heap_blocks(void);  /* of malloc(): library, tests and libuv */
/* libuv's allocations are counted, too. Before its first use. */
void rig_count_libuv(void);

/* rig_calls.c: system calls as the library makes them. `rig_on_file_call` is
 * called before each that changes a file or a folder, from any thread; it
 * returns bytes that the call may write at most, 0 for all. NULL: nobody. */
typedef enum rig_call_e {
  RIG_CREATE,
  RIG_WRITE,
  RIG_SYNC,
  RIG_LINK,
  RIG_RENAME,
  RIG_UNLINK,
  RIG_CLOSE
} rig_call_t;

typedef struct rig_file_call_s {
  rig_call_t call;
  int fd;           /* or that of the folder */
  const char *from; /* a name, if any */
  const char *to;
  off_t offset;
  const struct iovec *iov; /* of a write */
  int count;
} rig_file_call_t;
extern size_t (*rig_on_file_call)(const rig_file_call_t *call);

/* rig_kernel.c: mappings of no file, and the tracking of writes. */
long rig_mapped_bytes(void);

/* rig_executor.c: who copies pages for a save; of one engine at a time. */
const sluice_executor_t *rig_executor(void);
/* Each turn of the loop; `is_over`: no operation is under way. */
void rig_executor_turn(int is_over);

/* rig_time.c: time passes when the loop would sleep, and a microsecond with
 * each look at the clock; so nothing ever waits, and what hangs is found at
 * once. The clock is also the engine's, with the faults of its kind. */
uint64_t rig_clock(void *ctx);
/* From before the loop's init; NULL: time is real again. */
void rig_time_watch(uv_loop_t *loop);
void rig_time_pass(uint64_t ns);
/* The pool does something that will end soon. */
int rig_time_is_pool_busy(void);
/* Threads beside the pool's are at work, so a quiet loop may still be woken. */
extern int rig_has_threads;
/* Called instead of dying when the loop would sleep for ever; once. */
extern void (*rig_on_quiet)(void);

/* rig_pool.c: all threads of libuv's pool are busy with the host's own, until
 * the loop has nothing else to do, or it is said. */
void rig_pool_fill(uv_loop_t *loop);
void rig_pool_empty(void);
int rig_pool_is_full(void);

/* rig_sink.c, rig_source.c: of the host's own. The sink answers every other
 * write late; what it got is in `data`, which the caller frees. */
typedef struct rig_sink_s {
  uint8_t *data;
  size_t len;
  unsigned opened, finished, aborted, closed;
} rig_sink_t;
int rig_sink_new(sluice_sink_t **out, rig_sink_t *result);
int rig_source_new(sluice_source_t **out, const void *data, size_t len);

/* rig_handler.c: a section whose every hook is an operation. */
enum { RIGGED_BYTES = 1500 };
typedef struct rigged_s {
  sluice_handler_t handler;
  const char *name;
  sluice_section_t *section;
  uint8_t bytes[RIGGED_BYTES];
  uint8_t cut[RIGGED_BYTES];
  uint8_t shadow[RIGGED_BYTES];
  uint8_t head[4];
  const uint8_t *from; /* what is saved: bytes, or cut */
  size_t sent;
  size_t arms;
  int has_head;
  int is_over; /* of its payload: the end was written or read */
  int is_saving, is_restoring;
  unsigned begins, ends, commits;
  int ended_with;
  int is_broken; /* the contract was, by the engine */
  int is_asleep; /* nobody wakes it */
} rigged_t;
enum { RIGGED_LIVE = 1, RIGGED_ARMS = 2, RIGGED_RELEASES = 4 };
void rigged_init(rigged_t *r, const char *name, unsigned kind, unsigned seed);
void rigged_touch(rigged_t *r, size_t at);
/* The section that was struck last; "" for none. */
extern const char *rigged_struck;

#endif
