/* The command line of xemu's own commands, as the rows of commands.def say. */
#include "commands.h"

#include <xemu/commands.h>
#include <xemu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const struct command_row command_rows[] = {
#define COMMAND(id, name, words, help)            {name, NULL, words, help},
#define CHOICE(command, id, name, argument, help) {NULL, name, argument, help},
#include "commands.def"
#undef COMMAND
#undef CHOICE
};
const size_t command_row_count = sizeof command_rows / sizeof *command_rows;

enum { STATUS_USAGE = 2, REPEATS = 64 };

enum command {
#define COMMAND(id, name, words, help) COMMAND_##id,
#define CHOICE(command, id, name, argument, help)
#include "commands.def"
#undef COMMAND
#undef CHOICE
};

static const struct {
    const char *name, *words;
    int (*run)(int argc, char **argv);
} commands[] = {
#define COMMAND(id, name, words, help) {name, words, command_##id},
#define CHOICE(command, id, name, argument, help)
#include "commands.def"
#undef COMMAND
#undef CHOICE
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const struct {
    enum command command;
    const char *name, *argument;
} choices[CHOICES] = {
#define COMMAND(id, name, words, help)
#define CHOICE(command, id, name, argument, help) {COMMAND_##command, name, argument},
#include "commands.def"
#undef COMMAND
#undef CHOICE
};

static struct {
    size_t count;
    const char *value[REPEATS];
} values[CHOICES];

const char *choice_value(enum choice choice)
{
    return values[choice].count ? values[choice].value[values[choice].count - 1] : NULL;
}

const char *choice_nth(enum choice choice, size_t n)
{
    return n < values[choice].count ? values[choice].value[n] : NULL;
}

static void keep_value(enum choice choice, const char *value)
{
    if (values[choice].count == REPEATS)
        die(STATUS_USAGE, "--%s is given more than %d times", choices[choice].name, REPEATS);
    values[choice].value[values[choice].count++] = value;
}

static int find_choice(enum command command, const char *name, size_t length)
{
    for (int i = 0; i < CHOICES; i++)
        if (choices[i].command == command && strlen(choices[i].name) == length &&
            strncmp(choices[i].name, name, length) == 0)
            return i;
    return -1;
}

static void show_command_help(enum command command)
{
    printf("Usage: xemu %s [options] %s\n", commands[command].name, commands[command].words);
    for (size_t i = 0, choice = 0, at = 0; i < command_row_count; i++) {
        const struct command_row *row = &command_rows[i];
        if (row->command && at++ == command)
            printf("%s.\n\n", row->help);
        if (row->option && choices[choice++].command == command)
            printf("  --%s%s%s\n        %s\n", row->option, row->argument ? " " : "",
                   row->argument ? row->argument : "", row->help);
    }
}

/* Parses argv[at], an option; returns the index after it and its argument. */
static int parse_choice(enum command command, char **argv, int at)
{
    const char *text = argv[at++], *name = text + 2;
    size_t length = strcspn(name, "=");
    if (strcmp(text, "-h") == 0 || strcmp(text, "--help") == 0) {
        show_command_help(command);
        exit(0);
    }
    int choice = text[1] == '-' ? find_choice(command, name, length) : -1;
    const char *value = name[length] ? name + length + 1 : NULL;
    const char *command_name = commands[command].name;
    if (choice < 0)
        die(STATUS_USAGE, "%s: unknown option %s (see xemu %s --help)", command_name, text, command_name);
    if (value && !choices[choice].argument)
        die(STATUS_USAGE, "%s: option %s takes no argument", command_name, text);
    if (!value && choices[choice].argument) {
        value = argv[at];
        if (!value)
            die(STATUS_USAGE, "%s: option %s needs an argument: %s", command_name, text,
                choices[choice].argument);
        at++;
    }
    keep_value((enum choice)choice, value ? value : "");
    return at;
}

void commands_run(int argc, char **argv)
{
    size_t command = 0;
    while (command < COMMANDS && strcmp(argv[0], commands[command].name) != 0)
        command++;
    if (command == COMMANDS)
        return;
    int at = 1;
    while (at < argc && argv[at][0] == '-') {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        at = parse_choice((enum command)command, argv, at);
    }
    if (at < argc && !commands[command].words[0])
        die(STATUS_USAGE, "%s takes no word such as %s (a program of this name runs as ./%s)", argv[0],
            argv[at], argv[0]);
    exit(commands[command].run(argc - at, argv + at));
}

/* ---- for the commands ---- */

char *text_of(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        die(STATUS_FAILED, "out of memory");
    return text;
}

static void collect(int fd, char *output, size_t size)
{
    char rest[256];
    size_t used = 0;
    for (;;) {
        bool room = used < size - 1;
        ssize_t got = room ? read(fd, output + used, size - 1 - used) : read(fd, rest, sizeof rest);
        if (got <= 0)
            break;
        used += room ? (size_t)got : 0;
    }
    output[used] = '\0';
}

int run_collecting(char *const argv[], int collected, char *output, size_t size)
{
    int link[2] = {-1, -1}, status;
    if (output && pipe2(link, O_CLOEXEC))
        return -errno;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (output) {
            dup2(open("/dev/null", O_WRONLY), collected == STDOUT_FILENO ? STDERR_FILENO : STDOUT_FILENO);
            dup2(link[1], collected);
        }
        execvp(argv[0], argv);
        _exit(errno == ENOENT ? 127 : 126);
    }
    close(link[1]);
    if (output && child > 0)
        collect(link[0], output, size);
    close(link[0]);
    if (child < 0)
        return -errno;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run_program(char *const argv[], char *output, size_t size)
{
    return run_collecting(argv, STDOUT_FILENO, output, size);
}
