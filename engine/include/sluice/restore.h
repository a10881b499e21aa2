/* restore.h - restoring the sections of a registry from a stream.
 *
 *   LOAD --> CHECK --> COMMIT --> over
 *      \        |                  ^
 *       +-------+------------------+  first error or cancel
 *
 * Nothing of the host changes before the whole stream, trailer included, has
 * been read and every section has passed its check; then all commit in one go.
 * The callback runs exactly once, from the loop.
 *
 * By mapping, the file of an image becomes the memory: a private mapping, read
 * when it is touched and copied when it is written. The restore then takes as
 * long as it takes to walk the records' headers, not to read the pages. Needs a
 * native image with an index in a file; anything else is restored eagerly, and
 * so are sections whose handler takes no mappings: sluice_restore_stats() tells
 * which way was taken, and why.
 *
 * A mapped image must never be truncated or written to, while a host uses it:
 * memory would change or raise SIGBUS. Saves do not: a file sink makes a new
 * file and renames it. The mapped file's space is not freed before its last
 * mapping is gone. The file's size and time of change are looked at before the
 * commit; that it is not changed later is for the host to see to.
 *
 * Structure, sequence and chain of the records, and all sections that are not
 * mapped, are verified in every way before the commit. Mapped pages are not,
 * when they are first used, but
 *   VERIFY_MAPPED  the whole image is verified first: takes as long as reading
 *                  it, but for the page faults;
 *   MAPPED_VERIFY  behind: after the commit the engine goes through the file in
 *                  slices beside the host, and tells it what is damaged. It is
 *                  the file that is verified: pages that the host has written
 *                  meanwhile do not matter. Pages that come after the commit
 *                  (`filled`) come first.
 *
 * Until they are verified such pages are unsound: the next save verifies what
 * is left, and fails where the file is damaged (save.h). For that each section
 * keeps a descriptor of the image, and some memory, past the restore; both go
 * when all is sound, when the section is restored anew, or with it. */
#ifndef SLUICE_RESTORE_H
#define SLUICE_RESTORE_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/alloc.h>
#include <sluice/damage.h>
#include <sluice/engine.h>
#include <sluice/error.h>
#include <sluice/export.h>
#include <sluice/item.h>
#include <sluice/progress.h>
#include <sluice/registry.h>
#include <sluice/source.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_restore_s sluice_restore_t;
typedef void (*sluice_restore_cb)(sluice_restore_t *restore, int status);

typedef enum sluice_restore_way_e {
  SLUICE_RESTORE_EAGER = 0,     /* all pages are read, verified and copied */
  SLUICE_RESTORE_MAPPED,        /* pages are mapped and not verified */
  SLUICE_RESTORE_MAPPED_VERIFY, /* mapped, and verified behind */
  SLUICE_RESTORE_VERIFY_MAPPED  /* verified, then mapped */
} sluice_restore_way_t;

typedef struct sluice_restore_options_s {
  uint32_t size;          /* sizeof(sluice_restore_options_t) */
  sluice_format_t format; /* UNKNOWN: whatever it is */
  const char *host;       /* refuse another host or machine; NULL: any */
  uint32_t page_size;     /* of QEMU streams; 0: 4096 */
  void *data;
  const sluice_alloc_t *alloc; /* NULL: the engine's; copied */
  size_t max_memory;           /* held by the session; 0: 256 MiB */
  uint64_t bandwidth;          /* bytes a second at most; 0: no limit */
  uint32_t weight;             /* share among sessions, 1..1000; 0: 100 */
  uint32_t stall_ms;           /* no byte for so long: UV_ETIMEDOUT; 0: never */
  uint32_t max_idle_steps;     /* as a save's */
  void (*progress)(sluice_restore_t *restore,
                   const sluice_progress_t *progress);
  /* Optional. Every section has passed its check; nothing is committed before
   * sluice_restore_commit(), in here or later. */
  void (*checked)(sluice_restore_t *restore);
  sluice_restore_way_t way;
  /* Not 0: fail with UV_ENOTSUP rather than read the pages eagerly; a
   * scattered image is mapped as far as it goes, even if that takes longer. */
  int must_map;
  /* Mappings that may be made, each of one run of pages. 0: half of what the
   * kernel leaves the process (vm.max_map_count). Where there are more runs the
   * largest are mapped, the rest is read before the commit. Where most would be
   * read, counting what is in runs of less than 24 KiB (reading these is
   * quicker), all is restored eagerly; with `filled`, only if there are no more
   * runs than mappings, or no page can be late. An image with less than 8 MiB
   * of such is mapped. */
  uint32_t max_mappings;
  /* Optional. Once for each range that is damaged, from the loop, after `cb`
   * with status 0. MAPPED_VERIFY: what the verification finds. With `filled`:
   * pages that were late and are lost; what was told as lost the verification
   * does not tell again. */
  void (*damaged)(sluice_restore_t *restore, const sluice_damage_t *damage);
  /* MAPPED_VERIFY: required there. Once, from the loop, after `cb` with status
   * 0, and after `filled`: the verification is over. 0: the image is good;
   * SLUICE_ECORRUPT: pages are damaged; UV_ECANCELED, or another error: it is
   * not known. The restore may be freed from here on, not before. */
  void (*verified)(sluice_restore_t *restore, int status);
  /* Optional: where there are more runs than mappings, small ones come after
   * the commit, by userfaultfd, so that the host serves at once: a page that is
   * touched is read first, what follows it next. For regions that are restored
   * in place; others, and kernels or hosts without (late_reason), have theirs
   * read before the commit, as without `filled`.
   *
   * Called once, from the loop, after `cb` with status 0: all is there, or some
   * is lost: it could not be read (SLUICE_ETRUNCATED, another error) or there
   * was no memory for it. Lost pages were told to `damaged` by then and raise
   * SIGBUS, as mapped ones do that cannot be read. Their checksums are not
   * looked at: MAPPED_VERIFY does it afterwards, with all of the file. The
   * restore may be freed from here on, not before; with MAPPED_VERIFY from
   * `verified` on. It cannot be cancelled any more, only the verification can:
   * an engine that closes waits for it. Until then the host must not unmap or
   * move such regions, or give their pages back (madvise()); a child that is
   * forked does not get them; and the kernel does not track what is written
   * there (ram.h, WRITE_PROTECT): a save that asks for that fails. */
  void (*filled)(sluice_restore_t *restore, int status);
} sluice_restore_options_t;

typedef struct sluice_restore_stats_s {
  sluice_restore_way_t way;   /* taken */
  const char *reason;         /* why eagerly, if asked otherwise; or NULL */
  uint64_t commit_us;         /* from begin to commit; 0: not yet */
  uint64_t mapped_bytes;      /* pages that are the file's */
  uint64_t mappings;          /* in so many pieces */
  uint64_t read_bytes;        /* pages read because they could not be mapped */
  uint64_t verified_bytes;    /* of the file, behind or before */
  uint64_t file_bytes;        /* of these; 0: not mapped */
  uint64_t damaged_bytes;     /* told to `damaged`, or would have been */
  uint32_t sections_unmapped; /* of pages, whose handlers took no mappings */
  uint64_t late_bytes;        /* pages that come after the commit */
  uint64_t late_left;         /* of these, not there yet */
  uint64_t late_faults;       /* times that somebody waited for one */
  uint64_t late_lost;         /* of late_bytes; among damaged_bytes once told */
  const char *late_reason;    /* why they were read before; or NULL */
  /* Of pages that became memory unverified, what is known by now, by whoever
   * found it: the verification, pages that came late, a save. Until the restore
   * is freed; sluice_section_soundness() also afterwards. */
  uint64_t sound_bytes;
  uint64_t unverified_bytes;
  uint64_t unsound_bytes; /* damaged in the file, or lost */
} sluice_restore_stats_t;

/* As sluice_save_begin(). `source` is taken on success. UV_EINVAL also:
 * MAPPED_VERIFY without `verified`. */
SLUICE_EXTERN int
sluice_restore_begin(sluice_restore_t **out, sluice_engine_t *engine,
                     sluice_registry_t *registry, sluice_source_t *source,
                     const sluice_restore_options_t *options,
                     sluice_restore_cb cb, sluice_error_t *err);

/* After `checked`: all sections commit, from the loop. */
SLUICE_EXTERN void sluice_restore_commit(sluice_restore_t *restore);

/* Ends it with UV_ECANCELED; once it has committed, a verification behind, even
 * one that waits for late pages; else no-op. */
SLUICE_EXTERN void sluice_restore_cancel(sluice_restore_t *restore);

/* Frees a restore that is over; allowed inside its callback, or inside
 * `verified` or `filled` where that follows. UV_EBUSY before. */
SLUICE_EXTERN int sluice_restore_free(sluice_restore_t *restore);

SLUICE_EXTERN void *sluice_restore_data(const sluice_restore_t *restore);
/* While it verifies behind: of that. `size` as for sluice_save_progress(). */
SLUICE_EXTERN void sluice_restore_progress(const sluice_restore_t *restore,
                                           sluice_progress_t *out, size_t size);
SLUICE_EXTERN void sluice_restore_stats(const sluice_restore_t *restore,
                                        sluice_restore_stats_t *out,
                                        size_t size);
/* In `filled`: of late pages. After `verified`: of the verification. */
SLUICE_EXTERN const sluice_error_t *
sluice_restore_error(const sluice_restore_t *restore);

#ifdef __cplusplus
}
#endif

#endif
