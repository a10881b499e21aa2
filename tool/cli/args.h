/* args.h - one subcommand's options and operands, and its help.
 *
 *   args_begin(&args, &spec, argc, argv);
 *   while ((letter = args_next(&args)) > 0) { ... args.value ... }
 *   if (letter < 0) return args.exit_code;
 *   ... args.operands[0 .. args.operand_count - 1] ...
 *
 * --help comes by itself. Mistakes are told on standard error, with the usage
 * line, here: whoever calls only returns the exit code. */
#ifndef SLUICE_TOOL_CLI_ARGS_H
#define SLUICE_TOOL_CLI_ARGS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARGS_OPTIONS_MAX = 12 };

typedef struct args_option_s {
  int letter;        /* over 255: has a long name only */
  const char *name;  /* without the dashes */
  const char *value; /* what the help calls its value; NULL: takes none */
  const char *help;
} args_option_t;

typedef struct args_spec_s {
  const char *command;
  const char *usage;    /* behind the command's name */
  const char *about;    /* lines, each with its newline */
  const char *examples; /* likewise */
  const args_option_t *options;
  size_t option_count; /* at most ARGS_OPTIONS_MAX */
  int min_operands;
  int max_operands;
} args_spec_t;

typedef struct args_s {
  const args_spec_t *spec;
  int argc;
  char **argv;
  struct option longs[ARGS_OPTIONS_MAX + 2]; /* + help, end */
  char shorts[2 * ARGS_OPTIONS_MAX + 3];
  const char *value; /* of the option returned last */
  char **operands;
  int operand_count;
  int exit_code;
} args_t;

void args_begin(args_t *a, const args_spec_t *spec, int argc, char **argv);

/* The next option's letter; 0: no more, operands are there and as many as they
 * should be; -1: it is over, `exit_code` says how. */
int args_next(args_t *a);

/* Tells a mistake of the user's, with the usage line. Returns TOOL_USAGE. */
int args_refuse(const args_t *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The option's value as a page size, such as 4096 or 64K. TOOL_OK or, told,
 * TOOL_USAGE. */
int args_page_size(const args_t *a, uint32_t *out);

/* Takes one option: TOOL_OK, or the exit code it all ends with. */
typedef int (*args_take_cb)(void *ctx, const args_t *a, int letter);

/* Gives all options to `take`. False: it is over, `exit_code` says how. */
bool args_take(args_t *a, args_take_cb take, void *ctx);

#endif
