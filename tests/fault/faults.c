/* faults.c - see faults.h. */
#include "faults.h"

#include <errno.h>

const fault_t all_faults[] = {
    /* name, kind, style, what the operation says, what the session must say */
    {"the allocator refuses", FAULT_MEMORY, STYLE_FAIL, 0, UV_ENOMEM, false},
    {"the cap is low", FAULT_CAP, STYLE_FAIL, 0, SLUICE_ELIMIT, true},
    {"malloc() refuses", FAULT_HEAP, STYLE_FAIL, ENOMEM, UV_ENOMEM, false},
    {"no mapping", FAULT_MAP, STYLE_FAIL, ENOMEM, UV_ENOMEM, false},
    {"a mapping stays", FAULT_UNMAP, STYLE_FAIL, ENOMEM, 0, true},
    {"the kernel does not track", FAULT_TRACK, STYLE_FAIL, ENOMEM, UV_ENOMEM,
     false},
    {"the kernel forbids to track", FAULT_TRACK, STYLE_FAIL, EPERM, UV_EPERM,
     false},
    {"the kernel does not let go", FAULT_LETGO, STYLE_FAIL, EFAULT, 0, true},
    {"the sink fails at once", FAULT_SINK, STYLE_FAIL, UV_ENOSPC, UV_ENOSPC,
     false},
    {"the sink fails later", FAULT_SINK, STYLE_LATE, UV_EPIPE, UV_EPIPE, false},
    {"the sink hangs", FAULT_SINK, STYLE_HANG, UV_ETIMEDOUT, UV_ETIMEDOUT,
     false},
    {"the source fails at once", FAULT_SOURCE, STYLE_FAIL, UV_EIO, UV_EIO,
     false},
    {"the source fails later", FAULT_SOURCE, STYLE_LATE, UV_ECONNRESET,
     UV_ECONNRESET, false},
    {"the source hangs", FAULT_SOURCE, STYLE_HANG, UV_ECANCELED, UV_ETIMEDOUT,
     false},
    {"the source gives a byte", FAULT_SOURCE, STYLE_SHORT, 0, 0, false},
    {"the source ends", FAULT_SOURCE, STYLE_END, 0, SLUICE_ETRUNCATED, false},
    {"a handler fails", FAULT_HANDLER, STYLE_FAIL, UV_EIO, UV_EIO, false},
    {"a handler says nonsense", FAULT_HANDLER, STYLE_NONSENSE, 0,
     SLUICE_EHANDLER, false},
    {"a handler boasts", FAULT_HANDLER, STYLE_BOAST, 0, 0, true},
    {"a handler floods", FAULT_HANDLER, STYLE_FLOOD, 0, 0, true},
    {"a handler falls asleep", FAULT_HANDLER, STYLE_ASLEEP, 0, SLUICE_ELOSTWAKE,
     false},
    {"a handler is woken twice", FAULT_HANDLER, STYLE_TWICE, 0, 0, false},
    {"the clock jumps", FAULT_CLOCK, STYLE_JUMP, 0, UV_ETIMEDOUT, true},
    {"the clock goes back", FAULT_CLOCK, STYLE_BACK, 0, UV_ETIMEDOUT, true},
    {"the executor refuses", FAULT_EXECUTOR, STYLE_FAIL, UV_EAGAIN, 0, false},
    {"a job comes late", FAULT_EXECUTOR, STYLE_LATE, 0, 0, false},
    {"a job comes at the end", FAULT_EXECUTOR, STYLE_HANG, 0, 0, false},
    {"open fails", FAULT_OPEN, STYLE_FAIL, EMFILE, UV_EMFILE, false},
    {"no space", FAULT_WRITE, STYLE_FAIL, ENOSPC, UV_ENOSPC, false},
    {"a write fails", FAULT_WRITE, STYLE_FAIL, EIO, UV_EIO, false},
    {"the reader is gone", FAULT_WRITE, STYLE_FAIL, EPIPE, UV_EPIPE, false},
    {"writes are short", FAULT_WRITE, STYLE_SHORT, 0, 0, false},
    {"a write is interrupted", FAULT_WRITE, STYLE_FAIL, EINTR, 0, true},
    {"a write would block", FAULT_WRITE, STYLE_FAIL, EAGAIN, UV_EAGAIN, true},
    {"a read fails", FAULT_READ, STYLE_FAIL, EIO, UV_EIO, false},
    {"reads are short", FAULT_READ, STYLE_SHORT, 0, 0, false},
    {"a read is interrupted", FAULT_READ, STYLE_FAIL, EINTR, 0, true},
    {"a read would block", FAULT_READ, STYLE_FAIL, EAGAIN, UV_EAGAIN, true},
    {"the input ends", FAULT_READ, STYLE_END, 0, SLUICE_ETRUNCATED, true},
    {"a sync fails", FAULT_SYNC, STYLE_FAIL, EIO, UV_EIO, false},
    {"the rename fails", FAULT_RENAME, STYLE_FAIL, EACCES, UV_EACCES, false},
    {"a close fails", FAULT_CLOSE, STYLE_FAIL, EIO, UV_EIO, false},
    {"fcntl or statx fails", FAULT_CONTROL, STYLE_FAIL, EMFILE, UV_EMFILE,
     false},
    {"no descriptors are left", FAULT_DESCRIPTORS, STYLE_FAIL, EMFILE,
     UV_EMFILE, true},
    {"the host cancels", FAULT_HOST, STYLE_CANCEL, 0, UV_ECANCELED, false},
    {"the host closes the engine", FAULT_HOST, STYLE_CLOSE, 0, UV_ECANCELED,
     false},
    {"the host cancels twice and closes", FAULT_HOST, STYLE_TWICE, 0,
     UV_ECANCELED, false},
    {"the host begins another", FAULT_HOST, STYLE_BEGIN, 0, 0, false},
    {"the pool is full", FAULT_HOST, STYLE_FILL, 0, UV_ETIMEDOUT, true},
    {"the file is cut short", FAULT_HOST, STYLE_TRUNCATE, 0, SLUICE_ECORRUPT,
     true},
    {"the file grows", FAULT_HOST, STYLE_GROW, 0, SLUICE_ECORRUPT, true},
    {"the host has no patience", FAULT_HOST, STYLE_SWITCH, 0, 0, false},
};

const size_t all_faults_count = sizeof(all_faults) / sizeof(all_faults[0]);

static bool is_of_saves(const fault_t *f) {
  return f->kind == FAULT_SINK || f->kind == FAULT_WRITE ||
         f->kind == FAULT_SYNC || f->kind == FAULT_RENAME ||
         f->style == STYLE_BOAST || f->style == STYLE_FLOOD ||
         f->style == STYLE_SWITCH;
}

static bool is_of_restores(const fault_t *f) {
  return f->kind == FAULT_SOURCE || f->kind == FAULT_READ;
}

static bool meets_calls(const scenario_t *s) {
  return s->end != END_CUSTOM && s->end != END_MEMORY;
}

static bool has_both(const scenario_t *s) {
  return (s->parts & WORLD_BESIDE) != 0;
}

bool fault_concerns(const fault_t *f, const scenario_t *s) {
  if (s->kind == SCENARIO_SAVE ? is_of_restores(f) && !has_both(s)
                               : is_of_saves(f)) {
    return false;
  }
  switch (f->kind) {
  case FAULT_SINK: return s->end == END_CUSTOM;
  case FAULT_SOURCE: return s->end == END_CUSTOM || has_both(s);
  case FAULT_OPEN:
  case FAULT_RENAME: return s->end == END_FILE;
  case FAULT_SYNC: return s->end == END_FILE || s->end == END_FD_FILE;
  case FAULT_WRITE:
  case FAULT_READ:
  case FAULT_CLOSE:
  case FAULT_CONTROL: return meets_calls(s);
  case FAULT_HOST:
    if (f->style == STYLE_TRUNCATE || f->style == STYLE_GROW) {
      return s->kind == SCENARIO_RESTORE && s->end == END_FILE;
    }
    return f->style != STYLE_BEGIN ||
           (s->parts & (WORLD_DESTROYS | WORLD_BESIDE)) == 0;
  case FAULT_HANDLER: return (s->parts & WORLD_RIGGED) != 0;
  case FAULT_TRACK:
  case FAULT_LETGO: return (s->parts & WORLD_WP) != 0;
  case FAULT_EXECUTOR: return (s->parts & WORLD_CREW) != 0;
  case FAULT_UNMAP: /* what ram has mapped is not the arena's */
    return (s->parts & (WORLD_JEMALLOC | WORLD_RAM)) == WORLD_JEMALLOC;
  case FAULT_NONE:
  case FAULT_MEMORY:
  case FAULT_HEAP:
  case FAULT_MAP:
  case FAULT_CLOCK:
  case FAULT_DESCRIPTORS:
  case FAULT_CAP:
  case FAULT_KINDS: break;
  }
  return true;
}
