/* handler.h - how one kind of state is saved and restored.
 *
 * All calls come from the loop thread, must not block, and must not begin,
 * cancel or free a session. For one operation, in this order:
 *
 *   save     save_begin  [save_start]  save_step...  save_finish...
 *                                      (live only)   (host paused)
 *            [save_release...]  save_end
 *   restore  restore_begin  restore_step...  [restore_map...]
 *            [restore_check...]  [restore_commit]  restore_end
 *
 * In a cut (save.h) the image is the state of one instant, while the host goes
 * on changing it:
 *
 *   live     save_begin  [save_arm...] | save_cut  [save_start]  save_step...
 *                                      |           [save_release...]  save_end
 *   other    save_begin                | [save_start]  save_finish...
 *                                      |           [save_release...]  save_end
 *                                 the instant
 *
 * At the instant save_cut of every live section, and save_start and all of
 * save_finish of every other one, are called in one go; what the others write
 * is kept in memory until its turn. A live section then writes the state as it
 * was at the instant: its owner saves a thing that is not saved yet before its
 * first change. examples/objects shows how a handler of objects does it.
 *
 * `save_end` and `restore_end` run exactly once if the begin hook returned 0,
 * whatever happens, cancel included. Saving must not change the state. No
 * commit runs before every section has passed its check; commit cannot fail:
 * the host sees all of the new state or none of it. What restore_step reads is
 * untrusted.
 *
 * Steps return SLUICE_DONE, SLUICE_MORE, SLUICE_WAIT or a negative error, best
 * made by sluice_fail(err, ...). */
#ifndef SLUICE_HANDLER_H
#define SLUICE_HANDLER_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>
#include <sluice/export.h>
#include <sluice/item.h>
#include <sluice/reader.h>
#include <sluice/writer.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  SLUICE_DONE = 0, /* nothing left, ever */
  SLUICE_MORE = 1, /* call again, next turn */
  SLUICE_WAIT = 2  /* call again when woken (save), when there is input */
};

typedef struct sluice_section_s sluice_section_t;

/* What an image is the state of: the moment when the host was paused at the
 * end, or one instant at the beginning. AUTO is asked for, and becomes one of
 * the two: sections never see it. */
typedef enum sluice_save_mode_e {
  SLUICE_CONVERGE = 0,
  SLUICE_CUT = 1,
  SLUICE_AUTO = 2
} sluice_save_mode_t;

/* Pages that stand in the image's file one behind the other, as in a region. */
typedef struct sluice_extent_s {
  uint32_t region; /* in the stream */
  uint32_t page_size;
  uint64_t offset; /* byte in the region; whole pages */
  uint64_t bytes;
  int fd;      /* of the image, open for reading; borrowed for the call */
  uint64_t at; /* byte in the file; a multiple of `page_size` */
  /* NULL: to be mapped. Else `bytes` bytes, to be copied. */
  const uint8_t *data;
} sluice_extent_t;

typedef struct sluice_handler_s {
  uint32_t size;        /* sizeof(sluice_handler_t): lets the struct grow */
  uint32_t version;     /* written */
  uint32_t min_version; /* the oldest that restore_begin accepts */
  sluice_payload_t payload;
  const char *type; /* kind of handler, 1..31 of [a-z0-9._-]; never renamed */

  /* Bytes that are left, an estimate; 0 when clean. Optional. */
  uint64_t (*save_pending)(void *self);

  /* Prepares. `section` stays valid until save_end: wake it with
   * sluice_section_wake() when a step returned WAIT and there is work again. */
  int (*save_begin)(void *self, sluice_section_t *section, sluice_error_t *err);
  /* Optional. Cut: makes ready for the instant what takes too long for it, a
   * slice a call: DONE or MORE. Called once more when all sections are DONE, to
   * make up for what has changed meanwhile; the instant comes when all say DONE
   * to that, so after some such calls a hook has to. While one section has this
   * hook the instant comes from the loop, else inside sluice_save_begin(). */
  int (*save_arm)(void *self, sluice_error_t *err);
  /* Live sections need it to be saved by a cut. This is the instant: quick, for
   * all sections are cut in one go. */
  int (*save_cut)(void *self, sluice_error_t *err);
  /* Optional. Writes what precedes the payload: regions, sizes. One call. In a
   * cut it comes after the instant and tells of the state at the instant. */
  int (*save_start)(void *self, sluice_writer_t *w, sluice_error_t *err);
  /* Present: the section is live. Writes while the host runs. WAIT: clean for
   * now. DONE: nothing more until save_finish; in a cut: nothing more. */
  int (*save_step)(void *self, sluice_writer_t *w, sluice_error_t *err);
  /* Optional. Of the pages that were lent (sluice_writer_lend_pages) so many,
   * counted from the first, have been returned. Not inside of other hooks, and
   * no more once the save has failed. */
  void (*save_returned)(void *self, uint64_t pages);
  /* Writes what is left; the host is paused. DONE or MORE. Not called in a cut
   * when the section is live. */
  int (*save_finish)(void *self, sluice_writer_t *w, sluice_error_t *err);
  /* Optional. Gives back what takes too long for one call, a slice a call: DONE
   * or MORE. The host runs; from now on nothing is saved any more. */
  int (*save_release)(void *self);
  /* status 0: the image is complete and safe. Else put marks back: nothing of
   * what was sent may be taken for saved. */
  void (*save_end)(void *self, int status);

  /* `version` is in min_version..version. */
  int (*restore_begin)(void *self, sluice_section_t *section, uint32_t version,
                       sluice_error_t *err);
  /* Reads into a shadow. DONE when complete, WAIT for more input. */
  int (*restore_step)(void *self, sluice_reader_t *r, sluice_error_t *err);
  /* Optional. The handler takes pages as private mappings of the image's file.
   * In a restore by mapping its restore_step then sees REGION items but neither
   * PAGES nor ZEROS; when the whole stream has been walked, each page that is
   * not zeros comes once in an extent, in ascending order but for what is
   * copied: that comes last. Pages that never come are zeros.
   *   SLUICE_DONE  taken
   *   SLUICE_MORE  cannot be mapped: comes again with its data
   * Quick, one mapping or one copy. What is mapped was not verified. */
  int (*restore_map)(void *self, const sluice_extent_t *extent,
                     sluice_error_t *err);
  /* Optional, asked after restore_begin: not 0 if this time pages should come
   * through restore_step as always. */
  int (*restore_unmappable)(void *self);
  /* Optional. Where will the pages of this run go (`data` and `len` are not
   * set)? They may be read straight to there: from now on the place may hold
   * anything, whole pages or parts, verified or not. When they were verified
   * they come as PAGES items as ever, with `data` where they stand; if they are
   * not what was written they never come, and the restore fails. Called when
   * all items before have been taken. The answer holds until those pages have
   * come, and the memory until restore_end. NULL: nowhere, they are to come
   * from elsewhere. The run is untrusted. */
  uint8_t *(*restore_place)(void *self, const sluice_run_t *run);
  /* Optional. The last chance to fail; the whole stream has been read. DONE or
   * MORE. */
  int (*restore_check)(void *self, sluice_error_t *err);
  /* Makes the shadow the state. Quick: all sections commit in one go. */
  void (*restore_commit)(void *self);
  void (*restore_end)(void *self, int status);
  /* Optional, asked before restore_map for what will not be mapped: where the
   * extent's pages are, now and after the commit, if they may come later than
   * that; they are fresh anonymous memory, whole pages of the kernel's. NULL:
   * they may not. From then on nobody but the engine puts them there. */
  void *(*restore_late_place)(void *self, const sluice_extent_t *extent);

  /* Optional. The section has been taken out of its registry, or the registry
   * is being freed: no hook is called any more. */
  void (*removed)(void *self);
  /* Optional, asked before the save begins, of a section that has what a cut
   * needs: could it be cut now? 0, or why not; left out: it can. Only a save
   * in mode AUTO asks, and then converges instead. */
  int (*save_can_cut)(void *self, sluice_error_t *err);
} sluice_handler_t;

/* There is work again: the step will be called. Loop thread, from anywhere but
 * inside `section`'s own save_end. No-op when nothing waits. */
SLUICE_EXTERN void sluice_section_wake(sluice_section_t *section);

/* The same from any thread, between save_begin and save_end. */
SLUICE_EXTERN void sluice_section_wake_async(sluice_section_t *section);

/* The schema that the stream's declaration of `section` carries: NULL when
 * there is none, as in QEMU's streams. Untrusted. Only inside restore_begin,
 * which copies what it needs later. */
SLUICE_EXTERN const void *
sluice_section_stream_schema(const sluice_section_t *section, size_t *out_len);

/* As wake, and the next step comes before those of sections that are not
 * urgent; then it is one of them again. For what somebody or some memory waits
 * for: pre-images. Loop thread, in a save. */
SLUICE_EXTERN void sluice_section_urgent(sluice_section_t *section);

/* In a hand-over (handover.h): passes an open descriptor to the section of the
 * same name in the successor, beside the stream and ahead of what is written
 * from now on. Those of one tag (1..SLUICE_NAME_MAX bytes) keep their order.
 * `fd` is borrowed until save_end. Between save_begin and save_end.
 *   UV_EINVAL      no section, no descriptor, or no such tag
 *   UV_ENOTSUP     this save is no hand-over
 *   SLUICE_ELIMIT  too many */
SLUICE_EXTERN int sluice_section_pass(sluice_section_t *section,
                                      const char *tag, int fd);

/* As _pass, for memory: UV_ENOTSUP also where one side wants it copied. */
SLUICE_EXTERN int sluice_section_pass_memory(sluice_section_t *section,
                                             const char *tag, int fd);

/* In a takeover: the next descriptor that was passed with that tag; the
 * caller's now. -1: there is none. Between restore_begin and restore_end. */
SLUICE_EXTERN int sluice_section_passed(sluice_section_t *section,
                                        const char *tag);

/* What is known of pages that a restore by mapping made memory before they were
 * verified (restore.h). All zero: there are none, or all have been found sound.
 */
typedef struct sluice_soundness_s {
  uint64_t sound_bytes;
  uint64_t unverified_bytes;
  uint64_t unsound_bytes; /* damaged in the image's file, or lost */
} sluice_soundness_t;

/* Of a registered section; `size` as for sluice_save_progress(). Takes a look
 * at each run of the image's pages, and changes nothing. Loop thread. */
SLUICE_EXTERN void sluice_section_soundness(const sluice_section_t *section,
                                            sluice_soundness_t *out,
                                            size_t size);

/* `section` is over memory that was restored as `from`'s: what is known of its
 * pages, and what is not, is from now on known of `section`, in place of what
 * was. Regions are the same by name. For hosts that make a section a save; what
 * is removed from its registry knows nothing any more.
 *   UV_EINVAL  a NULL
 *   UV_EBUSY   an operation has one of them; nothing happened */
SLUICE_EXTERN int sluice_section_inherit(sluice_section_t *section,
                                         const sluice_section_t *from);

/* Of the save that runs, from save_begin to its last step. */
SLUICE_EXTERN sluice_save_mode_t
sluice_section_mode(const sluice_section_t *section);

#ifdef __cplusplus
}
#endif

#endif
