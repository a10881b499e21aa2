/* proof.c - see proof.h. */
#include "soundness/proof.h"

#include <sluice/item.h>

#include "queue.h"
#include "stream/bytes.h"
#include "stream/native/record.h"

enum {
  HASH_BYTES = 8,
  BUFFER =
      SLUICE__PROOF_BYTES + SLUICE__PROOF_BYTES / SLUICE_PAGE_MIN * HASH_BYTES
};

static uint64_t lesser(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* ---- on the pool ---- */

static int read_all(int fd, void *buf, size_t len, uint64_t at) {
  ptrdiff_t got = sluice__file_read(fd, buf, len, at);

  return got < 0 ? (int)got : got != (ptrdiff_t)len ? SLUICE_ETRUNCATED : 0;
}

/* The page at hand is not what was written. */
static bool is_bad(const sluice__proof_t *p, const sluice__sound_run_t *run,
                   uint32_t i) {
  const sluice__sound_region_t *region = &p->of->regions[run->region];
  const uint8_t *hashes = p->buf + SLUICE__PROOF_BYTES;
  uint64_t offset = run->offset + (uint64_t)p->at.page * region->page_size;

  return sluice__page_hash(p->buf + (size_t)i * region->page_size,
                           region->page_size, region->number, offset) !=
         sluice__get_le64(hashes + (size_t)i * HASH_BYTES);
}

static void compare_pages(sluice__proof_t *p, const sluice__sound_run_t *run,
                          uint32_t count) {
  for (uint32_t i = 0; i < count && p->bad_count < SLUICE__PROOF_BAD; i++) {
    if (is_bad(p, run, i)) {
      p->bad[p->bad_count++] = p->at;
    }
    p->at.page++;
  }
}

static int prove_pages(sluice__proof_t *p, const sluice__sound_run_t *run,
                       uint32_t count) {
  uint32_t size = sluice__sound_page_size(p->of, run);
  int fd = p->of->file.fd;
  int r = read_all(fd, p->buf + SLUICE__PROOF_BYTES, (size_t)count * HASH_BYTES,
                   run->hashes + (uint64_t)p->at.page * HASH_BYTES);

  if (r == 0) {
    r = read_all(fd, p->buf, (size_t)count * size,
                 run->data + (uint64_t)p->at.page * size);
  }
  if (r == 0) {
    compare_pages(p, run, count);
  }
  return r;
}

/* A scrub has seen so many of the run's first pages. */
static uint32_t count_scrubbed(const sluice__proof_t *p,
                               const sluice__sound_run_t *run) {
  uint64_t bytes = p->scrubbed <= run->data ? 0 : p->scrubbed - run->data;

  return (uint32_t)lesser(bytes / sluice__sound_page_size(p->of, run),
                          run->count);
}

/* As much of it as there is room for; returns the bytes. */
static uint64_t take_run(sluice__proof_t *p, const sluice__sound_run_t *run,
                         uint64_t room) {
  uint32_t scrubbed = count_scrubbed(p, run);
  uint32_t size = sluice__sound_page_size(p->of, run);
  uint32_t count;

  if (p->at.page < scrubbed) {
    p->at.page = scrubbed;
  }
  count = (uint32_t)lesser(run->count - p->at.page, room / size);
  if (count > 0) {
    p->code = prove_pages(p, run, count);
  }
  return (uint64_t)count * size;
}

static void read_piece(void *self) {
  sluice__proof_t *p = self;
  uint64_t room = SLUICE__PROOF_BYTES;

  while (p->at.run < p->of->run_count) {
    const sluice__sound_run_t *run = &p->of->runs[p->at.run];

    room -= take_run(p, run, room);
    if (p->code < 0 || p->at.page < run->count) {
      return; /* there is no room for its next page, or for its name */
    }
    p->at = (sluice__proof_place_t){.run = p->at.run + 1};
  }
}

/* ---- on the loop ---- */

static void take_piece(sluice__proof_t *p) {
  sluice__soundness_t *s = p->of;

  for (uint32_t i = 0; i < p->bad_count; i++) {
    sluice__soundness_spoil(s, &s->runs[p->bad[i].run], p->bad[i].page);
  }
  p->of = NULL;
  sluice__soundness_proved(s, p->at.run, p->at.page);
  sluice__soundness_return(s);
  sluice__soundness_drop(s);
}

static int check_file(const sluice__soundness_t *s, sluice_error_t *err) {
  return sluice__soundness_file_holds(s)
             ? 0
             : sluice_fail(err, SLUICE_ECORRUPT,
                           "the image that it was restored from was changed "
                           "before its pages were verified");
}

static int start_piece(sluice__proof_t *p, sluice__soundness_t *s,
                       sluice_error_t *err) {
  int r;

  if (p->buf == NULL) {
    p->buf = sluice__mem_alloc(p->mem, BUFFER);
  }
  if (p->buf == NULL) {
    return sluice_fail(err, sluice__mem_error(p->mem),
                       "no memory to verify the image that it was restored "
                       "from");
  }
  p->at = (sluice__proof_place_t){s->proved_run, s->proved_page};
  p->scrubbed = s->scrubbed;
  p->bad_count = 0;
  p->of = s;
  r = sluice__file_job_start(&p->job, read_piece, p);
  if (r < 0) {
    p->of = NULL;
    return sluice_fail(err, r, "no job can be begun on libuv's pool");
  }
  (void)sluice__soundness_keep(s);
  sluice__soundness_lend(s);
  return SLUICE__WAIT;
}

static int explain(const sluice__proof_t *p, sluice_error_t *err) {
  return sluice_fail(err, p->code,
                     "the image that it was restored from cannot be verified: "
                     "%s",
                     sluice_strerror(p->code));
}

/* What the file was is looked at before and behind each piece: what was read
 * of another file proves nothing. */
int sluice__proof_run(sluice__proof_t *p, sluice__soundness_t *s,
                      sluice_error_t *err) {
  int r = 0;

  if (p->job.is_busy) {
    return SLUICE__WAIT;
  }
  if (p->code < 0) {
    return explain(p, err);
  }
  if (p->of != NULL || !sluice__soundness_is_known(s)) {
    r = check_file(s, err);
  }
  if (r == 0 && p->of != NULL) {
    take_piece(p);
  }
  if (r < 0 || sluice__soundness_is_known(s)) {
    return r < 0 ? r : SLUICE__DONE;
  }
  return start_piece(p, s, err);
}

void sluice__proof_close(sluice__proof_t *p) {
  if (p->of != NULL) {
    sluice__soundness_return(p->of);
    sluice__soundness_drop(p->of);
    p->of = NULL;
  }
  if (p->buf != NULL) {
    sluice__mem_free(p->mem, p->buf, BUFFER);
    p->buf = NULL;
  }
}
