/* restore.h - what the rooms of a restore share.
 *
 *   restore.c  life: begin, cancel, free, accessors
 *   run.c      the states, from opening the source to the commit
 *   load.c     the stream's frame, and the sections' load steps
 *   place.c    how much is read, and where to
 *   end.c      undoing, settling, telling
 *   mapped/    what a restore by mapping has beside that: mapped/file.h */
#ifndef SLUICE_SESSION_RESTORE_RESTORE_H
#define SLUICE_SESSION_RESTORE_RESTORE_H

#include <sluice/restore.h>

#include "session/restore/mapped/file.h"
#include "session/restore/reader.h"
#include "session/session.h"

/*   OPEN -> OPENING -> [SURVEY -> [VERIFY]] -> LOAD -> [MAP] -> CHECK ->
 * [CHECKED] -> COMMITTED
 *
 * OPENING waits for the source; so does LOAD when nothing can be decoded;
 * CHECKED waits for the host. */
typedef enum sluice__restore_state_e {
  SLUICE__RESTORE_OPEN,
  SLUICE__RESTORE_OPENING,
  SLUICE__RESTORE_SURVEY,
  SLUICE__RESTORE_VERIFY,
  SLUICE__RESTORE_LOAD,
  SLUICE__RESTORE_MAP,
  SLUICE__RESTORE_CHECK,
  SLUICE__RESTORE_CHECKED,
  SLUICE__RESTORE_COMMITTED
} sluice__restore_state_t;

struct sluice_restore_s {
  sluice__session_t session; /* first: the hooks get this */
  sluice_restore_options_t options;
  sluice_restore_cb cb;
  sluice_alloc_t alloc; /* that this struct is from */
  sluice_source_t *source;
  sluice_error_t source_error; /* what its open may still say */
  sluice_decoder_t *decoder;
  sluice_reader_t reader;
  sluice__restore_state_t state;
  bool is_source_busy; /* open or read is under way */
  bool is_placing;     /* it is to say when pages can be read into place */
  bool is_cancelled;   /* the source was asked to end its read */
  bool is_at_end;      /* the source has no more */
  bool is_loaded;      /* the stream was whole */
  bool may_commit;     /* the host said so */
  bool has_skipped;    /* a section that is optional and nobody's */

  sluice__cont_t pull;       /* reads the stream's frame */
  sluice__cont_t *starved;   /* who waits for input: pull or a section */
  sluice_section_t *reading; /* whose payload is current; NULL: pull's turn */
  size_t ahead;              /* bytes to read into the window at most */
  sluice__restore_file_t file;
};

/* run.c */
int sluice__restore_run(sluice__session_t *s, sluice__budget_t *b);
void sluice__restore_on_source(void *ctx, ptrdiff_t got);
void sluice__restore_enter(sluice_restore_t *restore,
                           sluice__restore_state_t state, sluice_phase_t phase);

/* mapped/file.c */
int sluice__restore_survey_turn(sluice_restore_t *restore);
int sluice__restore_verify_turn(sluice_restore_t *restore, sluice__budget_t *b);
/* As sluice__walk_read(), where the decoder stands. */
ptrdiff_t sluice__restore_walk_read(sluice_restore_t *restore, void *buf,
                                    size_t len);
/* The file is what it was; else the restore has failed. */
bool sluice__restore_file_holds(sluice_restore_t *restore);
int sluice__restore_start_job(sluice_restore_t *restore,
                              void (*run)(void *self), void *self);
void sluice__restore_on_job(void *ctx);
void sluice__restore_file_close(sluice_restore_t *restore);

/* mapped/map.c */
int sluice__restore_on_index_run(void *ctx, const sluice__index_run_t *run);
void sluice__restore_begin_map(sluice_restore_t *restore);
/* DONE: all is in place. */
int sluice__restore_map_turn(sluice_restore_t *restore, sluice__budget_t *b);
/* `bytes` of a piece, from byte `from` of it, to its handler: DONE, MORE (not
 * mapped), or the restore has failed. */
int sluice__restore_put_piece(sluice_restore_t *restore,
                              const sluice__piece_t *piece, uint64_t from,
                              uint64_t bytes, const uint8_t *data);

/* mapped/rest.c */
int sluice__restore_rest_turn(sluice_restore_t *restore, sluice__budget_t *b);
void sluice__restore_rest_close(sluice_restore_t *restore);

/* mapped/late_pieces.c */
/* True: the piece may come after the commit. */
bool sluice__restore_may_be_late(sluice_restore_t *restore,
                                 const sluice__piece_t *piece);
/* What may be late is, from here on; else it stays with the rest. */
void sluice__restore_start_late(sluice_restore_t *restore);

/* mapped/late_tell.c */
/* The number of the piece's region, whose byte 0 is at `base`, for
 * sluice__restore_on_lost(); or UV_ENOMEM, SLUICE_ELIMIT. */
int64_t sluice__restore_tag_late(sluice_restore_t *restore,
                                 const sluice__piece_t *piece, uint8_t *base);
void sluice__restore_on_lost(void *ctx, const sluice__late_pages_t *range);
/* As `is_known` of a verification. */
bool sluice__restore_knows_lost(void *ctx, const sluice_damage_t *part);
/* Counts it, and tells the host. */
void sluice__restore_tell_damage(sluice_restore_t *restore,
                                 const sluice_damage_t *range);
void sluice__restore_forget_late(sluice_restore_t *restore);

/* mapped/behind.c; it is opened at the commit and goes on when all pages are
 * there. */
int sluice__restore_open_behind(sluice_restore_t *restore);
void sluice__restore_start_behind(sluice_restore_t *restore);
void sluice__restore_resume_behind(sluice_restore_t *restore);

/* mapped/after.c */
bool sluice__restore_goes_on(const sluice_restore_t *restore);
/* The callback, and what follows it. */
void sluice__restore_go_on(sluice_restore_t *restore);
void sluice__restore_close_source(sluice_restore_t *restore);
void sluice__restore_tell_verified(sluice_restore_t *restore, int status);

/* place.c */
void sluice__restore_open_place(sluice_restore_t *restore);
/* Input for the decoder, of the source. > 0: it has been given so much; 0: the
 * source will call back; or UV_EOF, or an error. */
ptrdiff_t sluice__restore_pull(sluice_restore_t *restore);

/* load.c */
void sluice__restore_prime_load(sluice_restore_t *restore);

/* end.c */
void sluice__restore_fail(sluice__session_t *s);
bool sluice__restore_settle(sluice__session_t *s);
void sluice__restore_deliver(sluice__session_t *s);
void sluice__restore_end_sections(sluice_restore_t *restore, int status);

#endif
