/* test_hostile_work.c - streams made to keep a decoder busy: its work grows
 * with the bytes that were read and not faster, and its memory stays under the
 * cap.
 *
 * Work is counted, not timed: the engine is built here so that every basic
 * block calls __sanitizer_cov_trace_pc(), and what memmove and its like walk
 * over is added, 16 bytes a step. */
#include <sluice/decoder.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/handler.h>

#include "counting_alloc.h"
#include "hostile_streams.h"
#include "suite.h"

enum {
  CAP = 32 * 1024 * 1024,
  SMALL_CAP = 1024 * 1024,
  SLACK = 8192,
  FEW = 1000, /* units of each kind */
  MANY = 8000,
  STEPS_A_BYTE = 100, /* at most; most take under 20 */
  STEPS_AT_ALL = 20000,
  ANY_ERROR = 1 /* it depends on how the input is split */
};

void __sanitizer_cov_trace_pc(void);
void *__real_memmove(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);
void *__real_memcpy(void *to, const void *from, size_t n);
void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__real_memchr(const void *s, int c, size_t n);
void *__wrap_memchr(const void *s, int c, size_t n);

static uint64_t work;

void __sanitizer_cov_trace_pc(void) {
  work++;
}

void *__wrap_memmove(void *to, const void *from, size_t n) {
  work += n / 16;
  return __real_memmove(to, from, n);
}

void *__wrap_memcpy(void *to, const void *from, size_t n) {
  work += n / 16;
  return __real_memcpy(to, from, n);
}

void *__wrap_memchr(const void *s, int c, size_t n) {
  void *p = __real_memchr(s, c, n);

  work += (p == NULL ? n : (size_t)((uint8_t *)p - (const uint8_t *)s)) / 16;
  return p;
}

/* ---- decoding, counted ---- */

typedef struct run_s {
  size_t step; /* bytes a feed; 0: all at once */
  sluice_decoder_options_t options;
  int result;
  sluice_error_t error;
  size_t peak;
  uint64_t work;
} run_t;

static void take(sluice_decoder_t *d, const sluice_item_t *item) {
  if (item->kind == SLUICE_ITEM_BYTES && item->u.bytes.is_open) {
    bool is_whole = item->u.bytes.len >= 4;

    sluice_decoder_consume(d, is_whole ? 4 : 0);
    if (is_whole) {
      sluice_decoder_end_payload(d);
    }
  }
}

static void feed(run_t *r, sluice_decoder_t *d, const build_t *in, size_t *at) {
  size_t n = in->len - *at;
  size_t room;
  void *space;

  if (n == 0) {
    sluice_decoder_eof(d);
    return;
  }
  sluice_decoder_space(d, &space, &room);
  n = n < room ? n : room;
  n = r->step > 0 && r->step < n ? r->step : n;
  __real_memcpy(space, in->data + *at, n);
  sluice_decoder_fill(d, n);
  *at += n;
}

static void run(run_t *r, const build_t *in) {
  counting_alloc_t count;
  sluice_alloc_t alloc;
  sluice_decoder_t *d;
  size_t at = 0;

  counting_alloc_init(&count);
  alloc = counting_alloc_of(&count);
  memset(&r->error, 0, sizeof(r->error));
  work = 0;
  ck_assert_int_eq(sluice_decoder_new(&d, &r->options, &alloc), 0);
  for (;;) {
    sluice_item_t item;

    r->result = sluice_decoder_next(d, &item, &r->error);
    if (r->result == SLUICE_MORE) {
      take(d, &item);
    } else if (r->result == SLUICE_WAIT) {
      feed(r, d, in, &at);
    } else {
      break;
    }
  }
  sluice_decoder_free(d);
  r->work = work;
  r->peak = count.peak;
  ck_assert_uint_eq(count.live, 0);
}

typedef struct busy_s {
  const char *what;
  void (*make)(build_t *b, uint32_t n);
  int code; /* of the large one */
  sluice_payload_ends_t ends;
  int may_stay_open;
  unsigned times; /* what it may take more, for a reason that is bounded */
} busy_t;

#define ROW(make, code, ends)                                                  \
  { #make, make, code, ends, 0, 1 }

static const busy_t busy[] = {
    ROW(hostile_pads, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    ROW(hostile_news, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    ROW(hostile_notes, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    ROW(hostile_note_in_pieces, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    ROW(hostile_data_of_nothing, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    ROW(hostile_parts_of_nothing, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    ROW(hostile_sections, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    ROW(hostile_zeros_one_by_one, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    ROW(hostile_devices, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    ROW(hostile_devices, SLUICE_DONE, SLUICE_ENDS_BY_DESCRIPTION),
    ROW(hostile_empty_parts, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    ROW(hostile_zero_pages, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    ROW(hostile_commands, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    /* Names are compared with each other: up to the limit of 4096. */
    {"regions", hostile_regions, SLUICE_ELIMIT, SLUICE_ENDS_BY_READER, 0, 3},
    ROW(hostile_false_footers, SLUICE_ETRUNCATED, SLUICE_ENDS_BY_DESCRIPTION),
    ROW(hostile_false_descriptions, SLUICE_ETRUNCATED,
        SLUICE_ENDS_BY_DESCRIPTION),
    {"false descriptions on an input that stays open",
     hostile_false_descriptions, ANY_ERROR, SLUICE_ENDS_BY_DESCRIPTION, 1,
     3 /* 64 looks */},
    {"braces on an input that stays open", hostile_braces, SLUICE_ETRUNCATED,
     SLUICE_ENDS_BY_DESCRIPTION, 1, 1},
    ROW(hostile_many_described, SLUICE_DONE, SLUICE_ENDS_BY_DESCRIPTION),
    ROW(hostile_deep_lists, SLUICE_DONE, SLUICE_ENDS_BY_DESCRIPTION),
    ROW(hostile_deep_subsections, SLUICE_DONE, SLUICE_ENDS_BY_DESCRIPTION),
    ROW(hostile_empty_records, SLUICE_DONE, SLUICE_ENDS_BY_READER),
    ROW(hostile_empty_chunks, SLUICE_ECORRUPT, SLUICE_ENDS_BY_READER),
    ROW(hostile_fills, SLUICE_DONE, SLUICE_ENDS_BY_READER),
};

static const size_t steps[] = {0, 4096, 61};
enum { STEPS = 3 };

static run_t run_busy(const busy_t *row, uint32_t n, size_t step,
                      size_t *out_len) {
  run_t r = {.step = step,
             .options = {.size = sizeof(sluice_decoder_options_t),
                         .payload_ends = row->ends,
                         .max_memory = CAP,
                         .may_stay_open = row->may_stay_open}};
  build_t in = {0};

  row->make(&in, n);
  run(&r, &in);
  *out_len = in.len;
  ck_assert_msg(r.peak <= CAP + SLACK, "%s: %zu bytes", row->what, r.peak);
  build_done(&in);
  return r;
}

START_TEST(work_grows_no_faster_than_the_stream) {
  const busy_t *row = &busy[_i / STEPS];
  size_t step = steps[_i % STEPS];
  size_t few_len, many_len;
  run_t few = run_busy(row, FEW, step, &few_len);
  run_t many = run_busy(row, MANY, step, &many_len);
  double growth = (double)many.work / (double)few.work;

  printf("%s in pieces of %zu: %zu bytes %llu steps, %zu bytes %llu: %d %s\n",
         row->what, step, few_len, (unsigned long long)few.work, many_len,
         (unsigned long long)many.work, many.result, many.error.message);
  fflush(stdout);
  ck_assert_msg(many.result == row->code ||
                    (row->code == ANY_ERROR && many.result < 0),
                "%s: %d %s", row->what, many.result, many.error.message);
  ck_assert_msg(many.result >= 0 || many.error.message[0] != '\0', "no word");
  ck_assert_msg(growth < 1.3 * row->times * (double)many_len / (double)few_len,
                "%s: %.1f times the work", row->what, growth);
  ck_assert_uint_lt(many.work, (uint64_t)row->times * STEPS_A_BYTE * many_len +
                                   STEPS_AT_ALL);
  printf("FAULTS hostile: %s 2 0\n", row->what);
  fflush(stdout);
}
END_TEST

/* ---- sizes ---- */

/* Ends in a size that is put in, of `width` bytes. */
typedef struct claim_s {
  const char *what;
  void (*make)(build_t *b);
  unsigned width;
} claim_t;

static const claim_t claims[] = {
    {"configuration", hostile_configuration_of, 4},
    {"memory", hostile_memory_of, 8},
    {"region", hostile_region_of, 8},
    {"page", hostile_page_at, 8},
    {"description", hostile_description_of, 4},
    {"command", hostile_command_of, 2},
    {"stream", hostile_stream_of, 8},
    {"record", hostile_record_of, 4},
    {"plain memory", hostile_plain_memory_of, 4},
    {"packed memory", hostile_packed_memory_of, 4},
    {"memory of items", hostile_memory_of_items_of, 8},
};

static void build_size(build_t *b, uint64_t v, unsigned width) {
  for (unsigned i = width; i-- > 0;) {
    build_u8(b, (uint8_t)(v >> (8 * i)));
  }
}

/* All powers of two, and one less: cut off behind, or followed by zeros. */
START_TEST(any_size_is_bounded_before_it_is_used) {
  const claim_t *claim = &claims[_i];
  unsigned injected = 0;

  for (unsigned bit = 0; bit <= 8 * claim->width; bit++) {
    uint64_t power = bit < 64 ? UINT64_C(1) << bit : 0;

    for (int variant = 0; variant < 4; variant++) {
      run_t r = {.options = {.size = sizeof(sluice_decoder_options_t),
                             .max_memory = SMALL_CAP}};
      build_t in = {0};

      claim->make(&in);
      build_size(&in, power - (unsigned)(variant & 1), claim->width);
      build_fill(&in, 0, variant < 2 ? 0 : 64);
      run(&r, &in);
      ck_assert_msg(r.peak <= SMALL_CAP + SLACK, "%s: %zu bytes", claim->what,
                    r.peak);
      ck_assert_msg(r.result >= 0 || r.error.message[0] != '\0', "no word");
      ck_assert_msg(r.work < STEPS_AT_ALL + SMALL_CAP / 16, "%s: %llu steps",
                    claim->what, (unsigned long long)r.work);
      build_done(&in);
      injected++;
    }
  }
  printf("FAULTS hostile sizes: %s %u 0\n", claim->what, injected);
  fflush(stdout);
}
END_TEST

Suite *hostile_work_suite(void) {
  Suite *s = suite_create("hostile_work");
  TCase *tc = tcase_create("limits");

  tcase_set_timeout(tc, 300);
  tcase_add_loop_test(tc, work_grows_no_faster_than_the_stream, 0,
                      STEPS * (int)(sizeof(busy) / sizeof(busy[0])));
  tcase_add_loop_test(tc, any_size_is_bounded_before_it_is_used, 0,
                      (int)(sizeof(claims) / sizeof(claims[0])));
  suite_add_tcase(s, tc);
  return s;
}
