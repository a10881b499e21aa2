/* fault.h - what can be made to fail, and when.
 *
 * tests/fault is a user of the public API that lets everything around the
 * library fail, one operation at a time:
 *
 *   fault.{h,c}      the counters: which operation is it, does it fail?
 *   rig_*.c          what fails: memory, system calls, the kernel's tracking,
 *                    time, threads, sinks, sources, handlers
 *   world.{h,c}      a host with state of every kind, and a second one to
 *                    restore into
 *   ends.{h,c}       where streams go and come from, and the other end of them
 *   scenario.{h,c}   one save, restore or conversion from begin to end
 *   sweep.{h,c}      moves a fault through a scenario until it runs clean, and
 *                    checks after every single one that nothing is lost
 *   test_fault_*.c   the suites: tables of scenarios and faults
 *
 * A rig asks fault_hits() at each of its operations. At most two faults are
 * armed at a time. Counting is done from any thread; arming while nothing runs.
 */
#ifndef SLUICE_FAULT_FAULT_H
#define SLUICE_FAULT_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/* What is counted: operations of one kind. */
typedef enum fault_kind_e {
  FAULT_NONE,
  FAULT_MEMORY,      /* the allocator that the engine was given */
  FAULT_HEAP,        /* malloc() and its like, called by the library */
  FAULT_MAP,         /* mmap, mremap, mprotect, madvise */
  FAULT_UNMAP,       /* munmap */
  FAULT_TRACK,       /* what write-protect needs: userfaultfd, its ioctls, those
                        of the pagemap, eventfd, a thread */
  FAULT_LETGO,       /* ... but for ioctls that let memory go */
  FAULT_SINK,        /* operations of a sink of the host's own */
  FAULT_SOURCE,      /* ... of a source */
  FAULT_HANDLER,     /* hooks of a handler of the host's own */
  FAULT_CLOCK,       /* readings of the engine's clock */
  FAULT_EXECUTOR,    /* jobs that an executor of the host's is asked for */
  FAULT_OPEN,        /* open, openat */
  FAULT_WRITE,       /* pwritev, writev, sendmsg */
  FAULT_READ,        /* read, pread, recv */
  FAULT_SYNC,        /* fsync */
  FAULT_RENAME,      /* renameat */
  FAULT_CLOSE,       /* close: it is closed all the same */
  FAULT_CONTROL,     /* fcntl, statx */
  FAULT_DESCRIPTORS, /* so many are left in the process */
  FAULT_CAP,         /* the session may hold so many times 8 KiB */
  FAULT_HOST,        /* chances of the host to do something */
  FAULT_KINDS
} fault_kind_t;

typedef enum fault_style_e {
  STYLE_FAIL,     /* says `code` at once */
  STYLE_LATE,     /* accepts, then says `code` */
  STYLE_HANG,     /* accepts, and answers only when it is aborted */
  STYLE_SHORT,    /* does a part of it */
  STYLE_END,      /* a source: there is no more */
  STYLE_NONSENSE, /* a handler: a number that means nothing */
  STYLE_ASLEEP,   /* a handler: waits, and nobody wakes it */
  STYLE_TWICE,    /* a handler: is woken twice, by another thread's way too */
  STYLE_BOAST,    /* a handler: says that it has far more than it has */
  STYLE_FLOOD,    /* a handler: writes far more than it was asked for */
  STYLE_JUMP,     /* the clock: an hour later */
  STYLE_BACK,     /* the clock: an hour earlier */
  STYLE_CANCEL,   /* the host: cancels */
  STYLE_CLOSE,    /* the host: closes the engine */
  STYLE_BEGIN,    /* the host: begins another operation */
  STYLE_SWITCH,   /* the host: has no patience */
  STYLE_TRUNCATE, /* the host: cuts the image's file short, as it must not */
  STYLE_GROW,     /* the host: adds a byte to it */
  STYLE_FILL      /* the host: keeps all threads of libuv's pool busy */
} fault_style_t;

typedef enum fault_mode_e { FAULT_ONCE, FAULT_FOR_EVER } fault_mode_t;

/* One way of failing: a line in a table. */
typedef struct fault_s {
  const char *name;
  fault_kind_t kind;
  fault_style_t style;
  int code;   /* what the operation says: an errno for system calls */
  int expect; /* what the session must say then; 0: it is to succeed */
  bool is_once_only;
} fault_t;

/* `nth`: operations of the kind that go well first. */
void fault_arm(const fault_t *fault, unsigned nth, fault_mode_t mode);
/* A second one. */
void fault_arm_too(const fault_t *fault, unsigned nth, fault_mode_t mode);
/* What a session may hold; 0: no cap is armed. */
size_t fault_cap(void);
/* The operation begins now: what is not counted takes effect. */
void fault_begin(void);
void fault_disarm(void);
/* How often the first one has struck since it was armed; and the second. */
unsigned fault_fired(void);
unsigned fault_fired_too(void);
/* Operations of the kind since it was armed. */
unsigned fault_operations(fault_kind_t kind);

/* An operation takes place: what befalls it, or NULL. */
const fault_t *fault_hits(fault_kind_t kind);
/* The same for STYLE_FAIL only: sets errno. */
bool fault_breaks(fault_kind_t kind);

/* The host's own work between the two is left alone, on this thread. */
void fault_hold(void);
void fault_release(void);

/* For what went wrong so badly that nothing can be checked any more. */
void fault_die(const char *what);
/* What is going on, for messages. */
void fault_describe(const char *text);
const char *fault_description(void);

#endif
