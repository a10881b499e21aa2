/* test_kvd_resp.c - the parser, cut at every byte, and its limits. */
#include "resp.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvd_support.h"
#include "number.h"
#include "suite.h"

static resp_t p;

static void setup(void) {
  resp_init(&p);
}

static void teardown(void) {
  resp_done(&p);
}

/* Writes a request as "arg|arg|" for easy comparing. */
static void show(const char *buf, char *out, size_t size) {
  size_t n = 0;

  out[0] = '\0';
  for (size_t i = 0; i < p.argc; i++) {
    n += (size_t)snprintf(out + n, size - n, "%.*s|", (int)p.args[i].len,
                          buf + p.args[i].at);
  }
}

static const struct {
  const char *in;
  const char *args;
} good[] = {
    {"*1\r\n$4\r\nPING\r\n", "PING|"},
    {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n", "SET|k||"},
    {"*2\r\n$4\r\nECHO\r\n$4\r\na\r\nb\r\n", "ECHO|a\r\nb|"},
    {"*0\r\n", ""},
    {"*-1\r\n", ""},
    {"\r\n", ""},
    {"\n", ""},
    {"PING\r\n", "PING|"},
    {"  set  a\t b  \n", "set|a|b|"},
    {"set k \"a b\"\r\n", "set|k|a b|"},
    {"set k \"\\x41\\n\\\"\\q\"\r\n", "set|k|A\n\"q|"},
    {"set k 'a \\' \\n'\r\n", "set|k|a ' \\n|"},
    {"set k \"\"\r\n", "set|k||"},
    {"*10\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n"
     "$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n",
     "0|1|2|3|4|5|6|7|8|9|"},
};

/* The buffer moves after each piece, and ends where the piece ends, so that a
 * sanitizer sees every byte read too far. */
static resp_result_t parse_pieces(const char *in, const size_t *cuts, size_t n,
                                  char **buf) {
  resp_result_t r = RESP_MORE;

  *buf = NULL;
  for (size_t i = 0; i < n && r == RESP_MORE; i++) {
    char *next = malloc(cuts[i] + 1);

    memcpy(next, in, cuts[i]);
    free(*buf);
    *buf = next;
    r = resp_parse(&p, *buf, cuts[i]);
  }
  return r;
}

START_TEST(a_request_cut_anywhere_is_the_same) {
  size_t len = strlen(good[_i].in);
  char shown[256];
  char *buf;

  for (size_t cut = 0; cut <= len; cut++) {
    for (size_t second = cut; second <= len; second++) {
      const size_t cuts[] = {cut, second, len};

      ck_assert_int_eq(parse_pieces(good[_i].in, cuts, 3, &buf), RESP_COMMAND);
      show(buf, shown, sizeof(shown));
      ck_assert_str_eq(shown, good[_i].args);
      ck_assert_uint_eq(p.pos, len);
      resp_next(&p);
      free(buf);
    }
  }
}
END_TEST

static const struct {
  const char *in;
  const char *error;
} wrong[] = {
    {"*x\r\n", "Protocol error: invalid multibulk length"},
    {"*01\r\n", "Protocol error: invalid multibulk length"},
    {"*1048577\r\n", "Protocol error: invalid multibulk length"},
    {"*99999999999999999999\r\n", "Protocol error: invalid multibulk length"},
    {"*1\r\nPING\r\n", "Protocol error: expected '$', got 'P'"},
    {"*1\r\n$-1\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$x\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$536870913\r\n", "Protocol error: invalid bulk length"},
    {"*1\r\n$18446744073709551615\r\n", "Protocol error: invalid bulk length"},
    {"set k \"a\r\n", "Protocol error: unbalanced quotes in request"},
    {"set k \"a\"b\r\n", "Protocol error: unbalanced quotes in request"},
    {"set k 'a\r\n", "Protocol error: unbalanced quotes in request"},
};

START_TEST(a_wrong_request_is_named_wherever_it_is_cut) {
  size_t len = strlen(wrong[_i].in);
  char *buf;

  for (size_t cut = 0; cut <= len; cut++) {
    const size_t cuts[] = {cut, len};

    ck_assert_int_eq(parse_pieces(wrong[_i].in, cuts, 2, &buf), RESP_BAD);
    ck_assert_str_eq(p.error, wrong[_i].error);
    resp_next(&p);
    free(buf);
  }
}
END_TEST

START_TEST(lines_without_end_are_refused) {
  static const char *const errors[] = {
      "Protocol error: too big inline request",
      "Protocol error: too big mbulk count string"};
  char *buf = malloc(RESP_LINE_MAX + 1);

  memset(buf, '1', RESP_LINE_MAX + 1);
  buf[0] = _i == 0 ? 'x' : '*';
  ck_assert_int_eq(resp_parse(&p, buf, RESP_LINE_MAX), RESP_MORE);
  ck_assert_int_eq(resp_parse(&p, buf, RESP_LINE_MAX + 1), RESP_BAD);
  ck_assert_str_eq(p.error, errors[_i]);
  free(buf);
}
END_TEST

START_TEST(the_sum_of_arguments_is_bounded) {
  char buf[] = "*4\r\n$536870912\r\n\r\n$536870912\r\n\r\n$1\r\n";

  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(resp_parse(&p, buf, sizeof(buf) - 1), RESP_BIG);
    p.big_left = 0; /* as if it had arrived */
    p.big_place = 1;
  }
  ck_assert_int_eq(resp_parse(&p, buf, sizeof(buf) - 1), RESP_BAD);
}
END_TEST

START_TEST(many_arguments_cost_what_has_arrived) {
  static char in[] = "*1048576\r\n$1\r\nx\r\n";

  ck_assert_int_eq(resp_parse(&p, in, strlen(in)), RESP_MORE);
  ck_assert_uint_eq(p.argc, 1);
  ck_assert_uint_le(p.args_cap, RESP_FEW);
}
END_TEST

START_TEST(large_arguments_go_elsewhere) {
  char buf[] = "*2\r\n$3\r\nGET\r\n$32768\r\n\r\n";
  size_t len = sizeof(buf) - 3; /* without the last "\r\n" */

  ck_assert_int_eq(resp_parse(&p, buf, len), RESP_BIG);
  ck_assert_uint_eq(p.pos, len);
  ck_assert_uint_eq(p.big_left, 32768);
  p.big_place = 77;
  p.big_left = 0;
  ck_assert_int_eq(resp_parse(&p, buf, len), RESP_MORE);
  ck_assert_int_eq(resp_parse(&p, buf, len + 2), RESP_COMMAND);
  ck_assert_uint_eq(p.argc, 2);
  ck_assert_uint_eq(p.args[1].place, 77);
  ck_assert_uint_eq(p.args[1].len, 32768);
}
END_TEST

/* Random bytes from an alphabet that often makes sense. */
START_TEST(no_bytes_crash_the_parser) {
  static const char alphabet[] = "*$0123456789-\r\n\r\n\"'\\x ab";
  uint64_t rng = kvd_seed((uint64_t)_i);

  for (int round = 0; round < 20000; round++) {
    size_t len = kvd_random(&rng) % 60;
    char *buf = malloc(len + 1);
    resp_result_t r = RESP_COMMAND;

    for (size_t i = 0; i < len; i++) {
      buf[i] = alphabet[kvd_random(&rng) % (sizeof(alphabet) - 1)];
    }
    for (size_t end = 0; end <= len; end++) {
      r = resp_parse(&p, buf, end);
      ck_assert_uint_le(p.pos, end);
      if (r != RESP_MORE) {
        break;
      }
    }
    resp_next(&p);
    free(buf);
  }
}
END_TEST

static const struct {
  const char *text;
  bool good;
  int64_t value;
} numbers[] = {
    {"0", true, 0},
    {"-1", true, -1},
    {"9223372036854775807", true, INT64_MAX},
    {"-9223372036854775808", true, INT64_MIN},
    {"9223372036854775808", false, 0},
    {"-9223372036854775809", false, 0},
    {"", false, 0},
    {"-", false, 0},
    {"-0", false, 0},
    {"+1", false, 0},
    {" 1", false, 0},
    {"1 ", false, 0},
    {"007", false, 0},
    {"1.0", false, 0},
    {"99999999999999999999", false, 0},
};

START_TEST(numbers_are_read_strictly) {
  char out[NUMBER_MAX];
  int64_t value = 0;
  size_t n = strlen(numbers[_i].text);

  ck_assert_msg(number_parse(numbers[_i].text, n, &value) == numbers[_i].good,
                "'%s'", numbers[_i].text);
  if (numbers[_i].good) {
    ck_assert(value == numbers[_i].value);
    ck_assert_uint_eq(number_format(value, out), n);
    ck_assert(memcmp(out, numbers[_i].text, n) == 0);
  }
}
END_TEST

#define ROWS_OF(a) ((int)(sizeof(a) / sizeof((a)[0])))

Suite *kvd_resp_suite(void) {
  Suite *s = suite_create("kvd_resp");
  TCase *core = tcase_create("core");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_loop_test(core, a_request_cut_anywhere_is_the_same, 0,
                      ROWS_OF(good));
  tcase_add_loop_test(core, a_wrong_request_is_named_wherever_it_is_cut, 0,
                      ROWS_OF(wrong));
  tcase_add_loop_test(core, lines_without_end_are_refused, 0, 2);
  tcase_add_test(core, the_sum_of_arguments_is_bounded);
  tcase_add_test(core, many_arguments_cost_what_has_arrived);
  tcase_add_test(core, large_arguments_go_elsewhere);
  tcase_add_loop_test(core, no_bytes_crash_the_parser, 0, 4);
  tcase_add_loop_test(core, numbers_are_read_strictly, 0, ROWS_OF(numbers));
  suite_add_tcase(s, core);
  return s;
}
