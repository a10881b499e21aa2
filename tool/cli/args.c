/* args.c - see args.h. Must know no subcommand. */
#include "cli/args.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <sluice/item.h>

#include "cli/command.h"

enum { HELP_LETTER = 'h', IS_LONG_ONLY = 256 };

static void add_option(args_t *a, size_t at, int letter, const char *name,
                       int has_value, char **shorts) {
  a->longs[at].name = name;
  a->longs[at].has_arg = has_value ? required_argument : no_argument;
  a->longs[at].flag = NULL;
  a->longs[at].val = letter;
  if (letter < IS_LONG_ONLY) {
    *(*shorts)++ = (char)letter;
    if (has_value) {
      *(*shorts)++ = ':';
    }
  }
}

void args_begin(args_t *a, const args_spec_t *spec, int argc, char **argv) {
  char *shorts = a->shorts;

  assert(spec->option_count <= ARGS_OPTIONS_MAX);
  *a = (args_t){.spec = spec, .argc = argc, .argv = argv};
  for (size_t i = 0; i < spec->option_count; i++) {
    const args_option_t *o = &spec->options[i];

    add_option(a, i, o->letter, o->name, o->value != NULL, &shorts);
  }
  add_option(a, spec->option_count, HELP_LETTER, "help", 0, &shorts);
  *shorts = '\0';
  optind = 1;
}

static void print_option(int letter, const char *name, const char *value,
                         const char *help) {
  char left[64];

  (void)snprintf(
      left, sizeof(left), "%c%c%s --%s%s%s", letter < IS_LONG_ONLY ? '-' : ' ',
      letter < IS_LONG_ONLY ? letter : ' ', letter < IS_LONG_ONLY ? "," : " ",
      name, value != NULL ? "=" : "", value != NULL ? value : "");
  (void)printf("  %-22s %s\n", left, help);
}

static int print_help(const args_spec_t *s) {
  (void)printf("usage: sluice %s %s\n\n%s\noptions:\n", s->command, s->usage,
               s->about);
  for (size_t i = 0; i < s->option_count; i++) {
    const args_option_t *o = &s->options[i];

    print_option(o->letter, o->name, o->value, o->help);
  }
  print_option(HELP_LETTER, "help", NULL, "show this");
  (void)printf("\nexamples:\n%s", s->examples);
  return fflush(stdout) == 0 ? TOOL_OK : TOOL_FAILED;
}

static void print_usage(const args_t *a) {
  (void)fprintf(stderr, "usage: sluice %s %s\n       sluice %s --help\n",
                a->spec->command, a->spec->usage, a->spec->command);
}

int args_refuse(const args_t *a, const char *format, ...) {
  va_list ap;

  (void)fprintf(stderr, "sluice %s: ", a->spec->command);
  va_start(ap, format);
  (void)vfprintf(stderr, format, ap);
  va_end(ap);
  (void)fputc('\n', stderr);
  print_usage(a);
  return TOOL_USAGE;
}

static int stop(args_t *a, int exit_code) {
  a->exit_code = exit_code;
  return -1;
}

static int take_operands(args_t *a) {
  const args_spec_t *s = a->spec;

  a->operands = a->argv + optind;
  a->operand_count = a->argc - optind;
  if (a->operand_count < s->min_operands) {
    return stop(
        a, args_refuse(a, "expected %s%d operand%s, found %d",
                       s->max_operands > s->min_operands ? "at least " : "",
                       s->min_operands, s->min_operands == 1 ? "" : "s",
                       a->operand_count));
  }
  if (a->operand_count > s->max_operands) {
    return stop(a, args_refuse(a, "'%s' is one operand too many",
                               a->operands[s->max_operands]));
  }
  return 0;
}

int args_next(args_t *a) {
  int letter = getopt_long(a->argc, a->argv, a->shorts, a->longs, NULL);

  a->value = optarg;
  switch (letter) {
  case -1: return take_operands(a);
  case HELP_LETTER: return stop(a, print_help(a->spec));
  case '?': print_usage(a); return stop(a, TOOL_USAGE); /* getopt said why */
  default: return letter;
  }
}

static int read_page_size(const char *text, uint32_t *out) {
  char *end;
  unsigned long n;

  errno = 0;
  n = strtoul(text, &end, 10);
  if (*end == 'K' || *end == 'k') {
    n = n <= SLUICE_PAGE_MAX ? n * 1024 : n;
    end++;
  }
  if (text[0] < '0' || text[0] > '9' || errno != 0 || *end != '\0' ||
      n < SLUICE_PAGE_MIN || n > SLUICE_PAGE_MAX || (n & (n - 1)) != 0) {
    return -1;
  }
  *out = (uint32_t)n;
  return 0;
}

int args_page_size(const args_t *a, uint32_t *out) {
  return read_page_size(a->value, out) < 0
             ? args_refuse(a, "'%s' is no page size", a->value)
             : TOOL_OK;
}

bool args_take(args_t *a, args_take_cb take, void *ctx) {
  int letter;

  while ((letter = args_next(a)) > 0) {
    int r = take(ctx, a, letter);

    if (r != TOOL_OK) {
      a->exit_code = r;
      return false;
    }
  }
  return letter == 0;
}
