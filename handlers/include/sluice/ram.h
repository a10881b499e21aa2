/* ram.h - a handler for regions of memory, in pages.
 *
 * Which pages have changed is found out by a tracker:
 *
 *   cooperative    the host calls sluice_ram_dirty() before it writes, or
 *                  sluice_ram_mark(), which is a test of one bit where a page
 *                  is marked already. Works everywhere; loop thread only:
 *                  no other thread writes to the memory while a save runs.
 *   write-protect  the kernel tells (userfaultfd and PAGEMAP_SCAN; Linux 6.7):
 *                  the host changes nothing and may write from any thread.
 *                  Armed while a save runs only, and released in slices.
 *
 * What the first write to a page costs while it is being saved; the next ones
 * cost nothing more:
 *
 *                  converge                     cut
 *   cooperative    50 to 150 ns                 the same where the page has
 *                                               been saved, else a copy of it:
 *                                               1 to 3 us
 *   write-protect  1 us, in each round          20 to 50 us: a thread of ours
 *                                               is woken; nothing where the
 *                                               page has been saved
 *
 * A cut (save.h) saves a page that is about to change and has not been saved:
 * its pre-image is copied and written as soon as the sink takes it. Memory for
 * them is bounded; options say what happens when the sink is too slow.
 *
 * Write-protected memory in a cut:
 *  - It is armed in slices before the instant, so that the loop is not held.
 *  - Whoever writes is held until the page has been copied: threads, the loop's
 *    too, and the kernel on the host's behalf (read(2) into the memory). Where
 *    the kernel's settings do not allow that for the last, the save fails with
 *    UV_EPERM: CAP_SYS_PTRACE, /dev/userfaultfd or
 *    vm.unprivileged_userfaultfd=1 is needed.
 *  - The memory may be neither unmapped nor given back (munmap, madvise) while
 *    it is saved, and must not hold the memory that malloc() deals out.
 *  - What the kernel does not see (a device's writes) needs sluice_ram_dirty().
 *
 * Memory whose regions do not change while saving needs SLUICE_RAM_STATIC.
 *
 * Restored by mapping (restore.h): wants SLUICE_RAM_REMAP for all regions, and
 * for regions that are not in place Linux 6.17; else pages are read. A mapped
 * page is read from the file at its first use, and copied, 4 KiB, at its first
 * write. Afterwards the memory is saved as any other, but for a cut of
 * write-protected memory: the kernel holds no writes to a file's pages unless
 * it is tmpfs's. Such a save fails with UV_ENOTSUP; a cooperative tracker, or
 * CONVERGE, can do it.
 *
 * A save verifies what it takes of an image that was not verified: see save.h,
 * and sluice_ram_soundness() for what is known.
 *
 * Restored eagerly into fresh memory: in huge pages, where the kernel has them.
 * They are taken two to four times as fast as small ones, but three times as
 * slowly in a guest that gives its free memory back (a balloon, free page
 * reporting); prctl(PR_SET_THP_DISABLE) before the restore takes small ones.
 *
 * A restore fills a shadow beside each region and puts it in its place at
 * commit. How long that takes is for the region's flags to say. */
#ifndef SLUICE_RAM_H
#define SLUICE_RAM_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/handler.h>
#include <sluice/registry.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_ram_s sluice_ram_t;

typedef enum sluice_ram_tracker_e {
  SLUICE_RAM_COOPERATIVE = 0,
  SLUICE_RAM_WRITE_PROTECT,
  SLUICE_RAM_STATIC
} sluice_ram_tracker_t;

enum {
  /* Restore straight into the region: it holds nothing that matters until the
   * restore commits, and after a failed one its content is undefined. Bytes of
   * the stream stand there before they are verified. Without this flag a shadow
   * of the region is filled and takes its place at commit.
   */
  SLUICE_RAM_IN_PLACE = 1u << 0,
  /* The region is whole pages of a private anonymous mapping: they may be
   * replaced by others, readable and writable. Commit then moves page tables
   * instead of copying: under 1 ms a GiB, and what the kernel takes to free the
   * old pages (measured: 60 to 180 ms a GiB of small ones). What the host had
   * asked for this memory (mlock, madvise, policies) is lost. With
   * SLUICE_RAM_IN_PLACE: old pages are given back in slices while reading. */
  SLUICE_RAM_REMAP = 1u << 1
};

/* When the memory for pre-images is full: */
typedef enum sluice_ram_preimage_policy_e {
  /* The save fails with SLUICE_ELIMIT; the host goes on. Mode AUTO does not cut
   * memory that is larger than max_preimage: it could come to that. */
  SLUICE_RAM_FAIL = 0,
  /* A temporary file takes the rest. It is written and read where the page is
   * needed, on the loop's thread too. */
  SLUICE_RAM_SPILL,
  /* Writers wait. Cooperative: sluice_ram_may_write() says when.
   * Write-protect: other threads than the loop's are held by the kernel; the
   * loop must not wait for one of them. What can neither wait nor be put off
   * (sluice_ram_dirty(), the loop's own writes) may use as much memory again;
   * then the save fails with SLUICE_ELIMIT. */
  SLUICE_RAM_SLOW
} sluice_ram_preimage_policy_t;

typedef struct sluice_ram_options_s {
  uint32_t size; /* sizeof(sluice_ram_options_t) */
  sluice_ram_tracker_t tracker;
  uint32_t page_size;    /* bytes; 0: 4096; write-protect: whole kernel pages */
  uint64_t max_shadow;   /* bytes of all regions that are restored beside
                            themselves, at most; 0: no limit */
  uint64_t max_preimage; /* bytes of pre-images in memory; 0: 32 MiB */
  sluice_ram_preimage_policy_t preimage_policy;
  const char *spill_dir; /* SPILL: an existing folder, on a disk; copied */
  /* Optional, SLOW. What sluice_ram_may_write() put off may be tried again.
   * From the loop; the save may be over. */
  void (*writable)(void *data);
  void *data;
} sluice_ram_options_t;

/* Makes a ram section and registers it; `options` may be NULL. QEMU's stream
 * wants it named "ram", instance 0. Errors of sluice_registry_add(), and:
 *   UV_EINVAL   no such tracker, page size or policy; SPILL without a folder
 *   UV_ENOTSUP  the kernel has no asynchronous write-protect, or forbids it */
SLUICE_EXTERN int sluice_ram_new(sluice_ram_t **out,
                                 sluice_registry_t *registry, const char *name,
                                 const sluice_section_options_t *section,
                                 const sluice_ram_options_t *options,
                                 sluice_error_t *err);
/* After the registry, or after taking the section out: UV_EBUSY while the
 * registry holds it (and nothing happened); 0 otherwise, for NULL too. */
SLUICE_EXTERN int sluice_ram_free(sluice_ram_t *ram);

/* Adds a region: `bytes` at `base`, borrowed for the life of the section.
 * `bytes` is a multiple of the page size; `base` one of the page size or of the
 * kernel's, whichever is smaller. `*out_region` (may be NULL) is its number for
 * sluice_ram_dirty(), counted from 0.
 *   UV_EINVAL  misaligned, empty, past the end of memory, over another region
 *              of the section, a bad flag, a bad name (as of sections), or
 *              write-protect or SLUICE_RAM_REMAP and not whole pages of the
 *              kernel's
 *   UV_EBUSY   an operation runs, from its begin on
 *   SLUICE_EEXISTS, UV_ENOMEM */
SLUICE_EXTERN int sluice_ram_add_region(sluice_ram_t *ram, const char *name,
                                        void *base, uint64_t bytes,
                                        uint32_t flags, uint32_t *out_region);

/* From byte `offset` on the region was not written since it was mapped: it is
 * zeros, and no page of it is read before it is marked; it need not be readable
 * until then. For memory that is to grow while it is saved. From 0 on: a
 * restore in place has nothing to clean. Cooperative trackers. UV_EINVAL
 * (another tracker, no such region, not whole pages, past its end), UV_EBUSY.
 */
SLUICE_EXTERN int sluice_ram_blank(sluice_ram_t *ram, uint32_t region,
                                   uint64_t offset);

/* The region is the first `bytes` bytes of a memfd, mapped shared; `fd` is
 * borrowed for the life of the section, -1 takes that back. In a hand-over
 * (handover.h) the descriptor is passed and no page is sent; the host need not
 * do more. Every other save copies. UV_EINVAL (no such region, not whole pages
 * of the kernel's, the file is shorter), UV_EBUSY. */
SLUICE_EXTERN int sluice_ram_region_memfd(sluice_ram_t *ram, uint32_t region,
                                          int fd);

/* After a takeover: the descriptor that the region's memory now is of, mapped
 * shared; the caller's from here on, for the next hand-over. -1: the region was
 * copied. UV_EINVAL (no such region), UV_EBUSY (before the takeover's outcome
 * is told). A region that is to be taken over so needs SLUICE_RAM_REMAP. */
SLUICE_EXTERN int sluice_ram_take_memfd(sluice_ram_t *ram, uint32_t region);

/* The host is about to write, in this same callback, `len` bytes from byte
 * `offset` of `region`. Ranges are clipped. Loop thread. Cooperative:
 * needed before every write; where the write came first, a save in mode
 * CONVERGE is still right, a cut is not. Write-protect: allowed, for what the
 * kernel does not see (a device's writes). Static: ignored. */
SLUICE_EXTERN void sluice_ram_dirty(sluice_ram_t *ram, uint32_t region,
                                    uint64_t offset, uint64_t len);

/* The same for hosts that can put a write off. 0: write. UV_EAGAIN: do not; a
 * cut is running, policy SLOW, and there is no memory for what is there now:
 * `writable` is called when it has been saved. Other policies: always 0. */
SLUICE_EXTERN int sluice_ram_may_write(sluice_ram_t *ram, uint32_t region,
                                       uint64_t offset, uint64_t len);

/* The same, inline where nothing is to be done: get the marks of a region once,
 * call sluice_ram_mark() for every write. The members are nobody's business.
 *
 * What is compiled into hosts is that a set bit says: sluice_ram_dirty() would
 * change nothing. A clear bit says nothing. So the library may keep what it
 * likes of a mark beside the bit, clear bits whenever it is called from the
 * loop, and make a bit stand for more or less than a page. */
typedef struct sluice_ram_marks_s {
  sluice_ram_t *ram;
  const uint64_t *words; /* one bit for 1 << shift bytes */
  uint64_t bytes;        /* that have bits */
  uint32_t region;
  uint32_t shift;
  uint64_t reserved[4];
} sluice_ram_marks_t;

/* Fills `*out`, of which the caller knows `size` bytes: sizeof(*out). Valid for
 * the life of `ram`. UV_EINVAL: no such region, NULL, or a size that no version
 * ever had. */
SLUICE_EXTERN int sluice_ram_marks(sluice_ram_t *ram, uint32_t region,
                                   sluice_ram_marks_t *out, size_t size);

/* Of hot paths: `marks` is not NULL, which is not looked for. */
static inline void sluice_ram_mark(const sluice_ram_marks_t *marks,
                                   uint64_t offset, uint64_t len) {
  uint64_t bit = offset >> marks->shift;
  uint64_t room = ((bit + 1) << marks->shift) - offset;

  /* `len` 0 wraps around and goes the long way, where it is nothing. */
  if (offset < marks->bytes && len - 1 < room &&
      ((marks->words[bit / 64] >> (bit % 64)) & 1) != 0) {
    return;
  }
  sluice_ram_dirty(marks->ram, marks->region, offset, len);
}

/* Pages marked since the last save that succeeded; all of them before the first
 * one, after a restore, and always where the tracker is not cooperative. */
SLUICE_EXTERN uint64_t sluice_ram_dirty_pages(const sluice_ram_t *ram);

/* What is known of pages that were restored by mapping: sound, damaged, or not
 * verified yet (handler.h). Zeros once the registry has let go of the section.
 */
SLUICE_EXTERN void sluice_ram_soundness(const sluice_ram_t *ram,
                                        sluice_soundness_t *out, size_t size);

/* This section is over memory that was restored as `from`'s, whose regions had
 * the same names: what is known of its pages, and what is not, is known of this
 * one's from now on (sluice_section_inherit()). A host that makes a section a
 * save needs it, or a save would take for sound what nobody has verified.
 * UV_EINVAL: a NULL, or one that has left its registry; UV_EBUSY. */
SLUICE_EXTERN int sluice_ram_inherit(sluice_ram_t *ram,
                                     const sluice_ram_t *from);

typedef struct sluice_ram_stats_s {
  uint64_t pages_sent;  /* by the running or last save, repeats included */
  uint64_t pages_again; /* those of them that had been sent before */
  uint64_t syncs;       /* times what was written was gathered, whole rounds */
  uint64_t preimages;   /* pages copied before they were written */
  uint64_t preimage_peak; /* bytes of them in memory at most */
  uint64_t bytes_passed;  /* of regions whose descriptor was passed instead */
  uint64_t pages_lent;    /* cut: sent, but not read yet, so not saved yet */
} sluice_ram_stats_t;

SLUICE_EXTERN void sluice_ram_stats(const sluice_ram_t *ram,
                                    sluice_ram_stats_t *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif
