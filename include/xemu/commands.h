/* Commands of xemu's own (xemu install, xemu run-root ...): the rows of containers/commands.def. */
#ifndef XEMU_COMMANDS_H
#define XEMU_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

/* Runs the command that argv[0] names and exits; returns if it names none. Only the bare word is one:
 * ./install and a program after options are programs. */
void commands_run(int argc, char **argv);

/* One row for every command and each of its options, for help, manual page and completion. */
struct command_row {
    const char *command;  /* "install"; null: an option of the command above */
    const char *option;   /* "flags"; null: the row of the command itself */
    const char *argument; /* of the option, or the words that follow the command; null: none */
    const char *help;
};
extern const struct command_row command_rows[];
extern const size_t command_row_count;

#endif
