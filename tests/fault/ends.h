/* ends.h - where a stream goes to or comes from, and who is at the other end.
 *
 * A peer on the same loop takes what is sent through a pipe or socket, or sends
 * it; it does not keep the loop alive. Files are in a folder of their own. */
#ifndef SLUICE_FAULT_ENDS_H
#define SLUICE_FAULT_ENDS_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include <sluice/sluice.h>

#include "rigs.h"

typedef enum end_kind_e {
  END_CUSTOM, /* of the host's own */
  END_MEMORY,
  END_FILE,
  END_FD_FILE,
  END_PIPE,   /* a descriptor */
  END_STREAM, /* of libuv: a unix socket */
  END_KINDS
} end_kind_t;

typedef struct end_s {
  end_kind_t kind;
  uv_loop_t *loop;
  rig_sink_t custom;
  void *memory; /* of a sink in memory */
  size_t memory_len;
  int ours, theirs; /* descriptors; -1: none */
  uv_pipe_t stream;
  int has_stream;
  uv_poll_t peer;
  int has_peer;
  uint8_t *data; /* what the peer got, or has to send; else the file's */
  size_t len, sent, room;
} end_t;

/* The folder for files: made when first needed. */
const char *ends_folder(void);
const char *ends_path(void); /* of END_FILE */
/* What is wrong with the folder: more in it than one file. NULL: nothing. */
const char *ends_folder_complaint(void);
void ends_folder_remove(void);
void ends_write_file(const void *data, size_t len);
/* By a byte; to a third. */
void ends_grow_file(void);
void ends_cut_file(void);

/* 0, or the code that making the sink failed with; end_close() in any case. */
int end_sink(end_t *e, end_kind_t kind, uv_loop_t *loop, sluice_sink_t **out);
/* All that was sent: borrowed until end_close(). */
void end_collect(end_t *e, const void **out, size_t *out_len);
/* Gives `data`, borrowed. */
int end_source(end_t *e, end_kind_t kind, uv_loop_t *loop, const void *data,
               size_t len, sluice_source_t **out);
void end_close(end_t *e);

#endif
