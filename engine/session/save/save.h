/* save.h - what the rooms of a save share.
 *
 *   save.c      life: begin, cancel, free, accessors
 *   run.c       the states, from opening the sink to its finish
 *   sections.c  calling the handlers
 *   mode.c      which mode AUTO is
 *   rounds.c    rounds, policy, when to switch
 *   stuck.c     a save that waits for nobody
 *   prove.c     pages that a restore by mapping has not verified
 *   snapshot.c  mode CUT: arming, the instant, what is kept
 *   end.c       undoing after a failure, settling, telling; the end in a
 *               forked child */
#ifndef SLUICE_SESSION_SAVE_SAVE_H
#define SLUICE_SESSION_SAVE_SAVE_H

#include <sluice/save.h>

#include "session/save/chunks.h"
#include "session/save/copy_jobs.h"
#include "session/save/prove.h"
#include "session/save/writer.h"
#include "session/session.h"

/*   OPEN -> OPENING -> LIVE -> PAUSING -> PAUSED -> INDEX -> FLUSH -> SYNCING
 *             |         ^  \                          ^                   |
 *             +-ARMING--+   +-----------> KEPT -------+     (cut)       over
 *
 * OPENING and SYNCING wait for the sink, PAUSING for the host. */
typedef enum sluice__save_state_e {
  SLUICE__SAVE_OPEN,
  SLUICE__SAVE_OPENING,
  SLUICE__SAVE_ARMING,
  SLUICE__SAVE_LIVE,
  SLUICE__SAVE_PAUSING,
  SLUICE__SAVE_PAUSED,
  SLUICE__SAVE_KEPT, /* writes what was kept at the instant */
  SLUICE__SAVE_INDEX,
  SLUICE__SAVE_FLUSH,
  SLUICE__SAVE_SYNCING
} sluice__save_state_t;

struct sluice_save_s {
  sluice__session_t session;     /* first: the hooks get this */
  sluice_save_options_t options; /* `mode` is what became of AUTO */
  sluice_error_t not_cut;        /* AUTO: why; code 0: it is cut */
  sluice_save_cb cb;
  sluice_alloc_t alloc; /* that this struct is from */
  sluice_sink_t *sink;
  sluice_error_t sink_error; /* what its open may still say */
  sluice_encoder_t *encoder;
  sluice__direct_writer_t direct;
  sluice__chunks_t chunks;
  sluice__copy_jobs_t jobs;
  sluice__prove_t prove;
  sluice__delay_t late; /* looks at jobs that nobody has begun */
  uint64_t seen_offset; /* of `direct` at the end of a turn */
  sluice__save_state_t state;
  bool is_sink_open;   /* open was accepted: abort or finish is owed */
  bool is_sink_busy;   /* open, finish or abort is under way */
  bool is_aborting;    /* abort was asked for */
  bool is_failing;     /* handlers are not told yet: pages are lent */
  bool is_host_paused; /* pause was called and resume not yet */
  bool wants_switch;
  bool is_held;           /* must not pause yet; who changes that wakes it */
  sluice_totals_t totals; /* kept when the encoder goes */
  uint64_t grace_ns;      /* until then the ABORT record may still go out */

  uint32_t begun;              /* sections whose begin hook has been called */
  uint32_t live;               /* ... that are live */
  uint32_t arming;             /* cut: sections that are not armed yet */
  uint32_t ended;              /* cut: live sections whose END is written */
  sluice_section_t *releasing; /* the next that may have to be released */
  size_t kept_out; /* cut: bytes of the section `finishing` that are out */
  uint64_t worked; /* bytes of state dealt with */

  bool is_round_open;
  sluice_round_t round;
  uint64_t round_worked; /* `worked` when it began */
  uint64_t round_doubt;  /* after so much its size is looked at again */
  uint64_t round_ns;

  sluice_section_t *finishing; /* the next whose finish hook is called */
  bool is_finishing_live;      /* first pass: live sections, then the rest */
  bool is_payload_open;        /* `finishing` has been declared */
  uint64_t paused_ns;          /* when the pause began */
  sluice__delay_t pause_end;   /* when it may not go on any longer */
  uint64_t pause_took_ns;
  uint64_t pause_moved; /* bytes dealt with and taken, at the last tick */
  uint32_t pause_ticks; /* since then */
};

/* run.c */
int sluice__save_run(sluice__session_t *s, sluice__budget_t *b);
void sluice__save_on_sink(void *ctx, int status);

/* sections.c: both latch the first error. */
void sluice__save_prime(sluice_save_t *save);
/* SLUICE_DONE when every section is complete, or SLUICE_MORE. */
int sluice__save_finish_sections(sluice_save_t *save, sluice__budget_t *b);
uint64_t sluice__save_pending(const sluice_save_t *save);
/* Binds a section to the save; its continuation, which does `step`, is not
 * woken. */
void sluice__save_bind(sluice_save_t *save, sluice_section_t *section,
                       uint32_t number,
                       int (*step)(sluice__cont_t *, sluice__budget_t *));
/* The step of a section's continuation, whatever it is due to do. */
int sluice__save_step_section(sluice__cont_t *c, sluice__budget_t *b);
/* Calls the begin hook. */
int sluice__save_begin_section(sluice_save_t *save, sluice_section_t *section);
/* Lets a section that is not live write all it has into its stash. */
int sluice__save_keep_section(sluice_save_t *save, sluice_section_t *section);
/* Calls every end hook that is owed, but for sections to be released first. */
void sluice__save_end_sections(sluice_save_t *save, int status);
/* Releases a slice of what is left; true when every end hook has been called.
 */
bool sluice__save_release_sections(sluice_save_t *save);

static inline uint64_t sluice__save_now(const sluice_save_t *save) {
  return sluice__pump_now(&save->session.engine->pump);
}

/* rounds.c: what to do after a drain that answered `drained`. */
sluice_verdict_t sluice__save_judge(sluice_save_t *save, int drained);
/* As the verdict was: latches SLUICE_ENOCONVERGE. */
void sluice__save_fail_rounds(sluice_save_t *save);

/* stuck.c: both latch SLUICE_ELOSTWAKE when they answer true. */
/* A section waits although it says that it has work. */
bool sluice__save_has_lost_wake(sluice_save_t *save);
/* The turn is about to wait: is there nobody who will end that? */
bool sluice__save_is_stuck(sluice_save_t *save);

/* mode.c: what AUTO is for these sections; `out_why` says why not CUT. */
void sluice__save_choose_mode(sluice_save_options_t *o,
                              const sluice_registry_t *registry,
                              sluice_error_t *out_why);

/* snapshot.c: 0, or UV_ENOTSUP: a section, which `err` names, cannot be cut. */
int sluice__save_check_snapshot(const sluice_registry_t *registry,
                                sluice_error_t *err);
/* Instead of _prime. Begins the sections and, unless one is to be armed first,
 * cuts them. Errors are latched. */
void sluice__save_prime_snapshot(sluice_save_t *save);
/* All are armed, but some for a while already: asks each once more. */
void sluice__save_rearm(sluice_save_t *save);
/* All is armed: this is the instant. */
void sluice__save_take_snapshot(sluice_save_t *save);
/* As _finish_sections. */
int sluice__save_write_kept(sluice_save_t *save, sluice__budget_t *b);

/* end.c */
void sluice__save_fail(sluice__session_t *s);
bool sluice__save_settle(sluice__session_t *s);
void sluice__save_deliver(sluice__session_t *s);
void sluice__save_abandon(sluice__session_t *s);
void sluice__save_free_struct(sluice_save_t *save);

/* pause.c */
/* The pause begins: notes the time, and sees to it that a turn looks again when
 * it may not go on. */
void sluice__save_pause_begins(sluice_save_t *save);
/* Is the pause under way, and longer than it may be? Latches
 * SLUICE_ENOCONVERGE. */
bool sluice__save_pause_is_too_long(sluice_save_t *save);
/* Is a pause of so many microseconds expected that would be? */
bool sluice__save_would_be_too_long(const sluice_save_t *save, uint64_t us);
void sluice__save_resume_host(sluice_save_t *save);
/* Latches SLUICE_ESTUCK when the pause has no end. */
void sluice__save_tick(sluice__session_t *s);

/* Latches the encoder's error. */
void sluice__save_fail_encoder(sluice_save_t *save,
                               const sluice_section_t *section);

#endif
