/* The command line and the XEMU_* variables, as the rows of options.def say. */
#include <xemu/options.h>
#include "option_rows.h"

#include <xemu/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

struct options options = {.inherited = -1};

const struct option_row option_rows[] = {
#define OPTION(letter, name, environment, argument, set, member, help) \
    {letter, name, environment, argument, option_##set, offsetof(struct options, member), true, help},
#define ACTION(letter, name, environment, argument, set, help) \
    {letter, name, environment, argument, option_##set, 0, false, help},
#include "options.def"
#undef OPTION
#undef ACTION
};
enum { ROWS = sizeof option_rows / sizeof *option_rows };
const size_t option_row_count = ROWS;

/* The settings in force, for options_reexec_argv(). */
static struct {
    bool given;
    const char *value;
} settings[ROWS];

/* Usage errors end with 2, as getopt programs do. */
enum { STATUS_USAGE = 2 };

static void apply(const struct option_row *row, const char *shown, const char *value)
{
    const char *wrong = row->set((char *)&options + row->offset, value);
    if (wrong && value)
        die(STATUS_USAGE, "%.*s %s: %s (see xemu --help)", (int)strcspn(shown, "="), shown, value, wrong);
    if (wrong)
        die(STATUS_USAGE, "%s: %s (see xemu --help)", shown, wrong);
    settings[row - option_rows].given = row->stores;
    settings[row - option_rows].value = value;
    if (row->set == option_set_path || row->set == option_set_flame || row->set == option_set_strace ||
        row->set == option_set_cache_dir) /* which made it absolute */
        settings[row - option_rows].value = *(const char **)((char *)&options + row->offset);
}

/* Parsing. */

static const struct option_row *row_by_letter(char letter)
{
    for (size_t i = 0; i < ROWS; i++)
        if (option_rows[i].letter && option_rows[i].letter == letter)
            return &option_rows[i];
    return NULL;
}

static const struct option_row *row_by_name(const char *name, size_t length)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strlen(option_rows[i].name) == length && strncmp(option_rows[i].name, name, length) == 0)
            return &option_rows[i];
    return NULL;
}

/* The variables are the user's, who must not be able to steer a program that has more rights than the user.
 */
static void parse_environment(void)
{
    if (getauxval(AT_SECURE))
        return;
    for (size_t i = 0; i < ROWS; i++) {
        const char *value = option_rows[i].environment ? getenv(option_rows[i].environment) : NULL;
        if (value)
            apply(&option_rows[i], option_rows[i].environment, value);
    }
}

/* Parses argv[at], an option, and its argument; returns the index after them. */
static int parse_option(char **argv, int at)
{
    const char *text = argv[at++];
    const char *name = text + (text[1] == '-' ? 2 : 1);
    size_t length = strcspn(name, "=");
    const char *value = name[length] ? name + length + 1 : NULL;
    const struct option_row *row = row_by_name(name, length); /* -name is taken like --name */
    if (!row && text[1] != '-') {
        row = row_by_letter(text[1]);
        value = text[2] ? text + 2 : NULL;
    }
    if (!row)
        die(STATUS_USAGE, "unknown option %s (see xemu --help)", text);
    if (value && !row->argument)
        die(STATUS_USAGE, "option %s takes no argument (see xemu --help)", text);
    if (!value && row->argument && !option_argument_optional(row)) {
        value = argv[at];
        if (!value)
            die(STATUS_USAGE, "option %s needs an argument: %s (see xemu --help)", text, row->argument);
        at++;
    }
    apply(row, text, value);
    return at;
}

void options_from_environment(void)
{
    options.started = getpid();
    option_guest_env_init();
    parse_environment();
    options.strace = log_on(LOG_STRACE);
}

int options_parse(int argc, char **argv)
{
    options_from_environment();
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1]) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        at = parse_option(argv, at);
    }
    if (at >= argc)
        die(STATUS_USAGE, "no program given: xemu [options] program [arguments] (see xemu --help)");
    options.strace = log_on(LOG_STRACE);
    return at;
}

/* Whether a program that this process executes gets the option, too: what is about one program it doesn't,
 * and what is about one process only in that process. */
static bool is_passed_on(const struct option_row *row)
{
    bool of_process =
        row->offset == offsetof(struct options, explain) || row->offset == offsetof(struct options, flame);
    return row->letter != '0' && !(of_process && options.started != getpid());
}

/* What is said on a command line must survive a guest that clears its environment, hence arguments. -0 is
 * about one program only. */
char **options_reexec_argv(size_t extra)
{
    char **argv = calloc(1 + ROWS + extra + 1, sizeof *argv);
    if (!argv)
        return NULL;
    size_t n = 0;
    argv[n++] = "xemu";
    for (size_t i = 0; i < ROWS; i++) {
        if (!settings[i].given || !is_passed_on(&option_rows[i]))
            continue;
        const char *value = settings[i].value;
        if (asprintf(&argv[n], "--%s%s%s", option_rows[i].name, value ? "=" : "", value ? value : "") < 0)
            return NULL;
        n++;
    }
    return argv;
}
