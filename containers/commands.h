/* What the files of this folder share. */
#ifndef CONTAINERS_COMMANDS_H
#define CONTAINERS_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

enum choice {
#define COMMAND(id, name, words, help)
#define CHOICE(command, id, name, argument, help) CHOICE_##command##_##id,
#include "commands.def"
#undef COMMAND
#undef CHOICE
    CHOICES
};

/* The last value that the command line gave for the option; "" for one without argument; null: not given. */
const char *choice_value(enum choice choice);

/* Value number n of an option that was given several times, or null. */
const char *choice_nth(enum choice choice, size_t n);

/* Each command gets the words behind its options, null-terminated, and returns the exit status. */
#define COMMAND(id, name, words, help) int command_##id(int argc, char **argv);
#define CHOICE(command, id, name, argument, help)
#include "commands.def"
#undef COMMAND
#undef CHOICE

/* Status of a command that could not do its work. */
enum { STATUS_FAILED = 1 };

/* printf into malloc'd memory; dies without memory. */
char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Starts argv[0], looked up in PATH, and waits. Its exit status, 128 and the signal's number, or -errno. With
 * `output` its standard output is collected there (cut to size - 1 bytes, NUL behind) and errors are dropped.
 */
int run_program(char *const argv[], char *output, size_t size);

/* The same with what it writes to `collected`, standard output or standard error; the other one is dropped.
 */
int run_collecting(char *const argv[], int collected, char *output, size_t size);

/* Prints the platforms of this kernel and the handlers of `place` as JSON; returns the exit status. */
int show_platforms(const char *place);

#endif
