/* main.c - picks the subcommand.
 *
 * Must know nothing of what subcommands do. The order of the table is the order
 * in which the help shows them. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <sluice/sluice.h>

#include "cli/command.h"

static const command_t *const commands[] = {
    &command_inspect,    &command_verify,  &command_convert, &command_extract,
    &command_diff,       &command_compat,  &command_receive, &command_send,
    &command_checkpoint, &command_restore,
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void print_usage(FILE *to) {
  (void)fputs("usage: sluice COMMAND [ARGUMENT...]\n"
              "       sluice COMMAND --help\n"
              "       sluice --help | --version\n",
              to);
}

static int print_help(void) {
  (void)puts("sluice keeps, shows, checks and converts machines of QEMU: its "
             "migration streams\nand sluice's own images.\n");
  print_usage(stdout);
  (void)puts("\ncommands:");
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    (void)printf("  %-11s %s\n", commands[i]->name, commands[i]->summary);
  }
  (void)puts("\nA FILE of `-` is standard input, an OUT of `-` standard output."
             "\n\nexit status: 0 it worked; 1 it did not, and standard error "
             "says why;\n             2 the arguments make no sense");
  return fflush(stdout) == 0 ? TOOL_OK : TOOL_FAILED;
}

static int print_version(void) {
  (void)printf("sluice %s\n", sluice_version());
  return fflush(stdout) == 0 ? TOOL_OK : TOOL_FAILED;
}

static int refuse(const char *word) {
  if (word == NULL) {
    (void)fputs("sluice: expected a command\n", stderr);
  } else {
    (void)fprintf(stderr, "sluice: there is no %s '%s'\n",
                  word[0] == '-' ? "option" : "command", word);
  }
  print_usage(stderr);
  return TOOL_USAGE;
}

static bool is_one_of(const char *word, const char *a, const char *b) {
  return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    return refuse(NULL);
  }
  if (is_one_of(argv[1], "--help", "-h")) {
    return print_help();
  }
  if (is_one_of(argv[1], "--version", "-V")) {
    return print_version();
  }
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    if (strcmp(argv[1], commands[i]->name) == 0) {
      return commands[i]->run(argc - 1, argv + 1);
    }
  }
  return refuse(argv[1]);
}
