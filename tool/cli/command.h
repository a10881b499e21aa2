/* command.h - what main.c knows of a subcommand.
 *
 * A subcommand is one file, cmd_<name>.c, that defines one of these and does
 * everything else on its own; a new one is that file and a line in main.c. */
#ifndef SLUICE_TOOL_CLI_COMMAND_H
#define SLUICE_TOOL_CLI_COMMAND_H

/* What the process exits with. */
enum { TOOL_OK = 0, TOOL_FAILED = 1, TOOL_USAGE = 2 };

typedef struct command_s {
  const char *name;
  const char *summary; /* one line, no full stop */
  /* `argv[0]` is the subcommand. Returns TOOL_*. */
  int (*run)(int argc, char **argv);
} command_t;

extern const command_t command_inspect;
extern const command_t command_verify;
extern const command_t command_convert;
extern const command_t command_extract;
extern const command_t command_receive;
extern const command_t command_send;
extern const command_t command_checkpoint;
extern const command_t command_restore;
extern const command_t command_diff;
extern const command_t command_compat;

#endif
