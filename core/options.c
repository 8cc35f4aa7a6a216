/* The command line and the XEMU_* variables, as the rows of options.def say. */
#include <xemu/options.h>
#include "completion.h"

#include <xemu/commands.h>
#include <xemu/features.h>
#include <xemu/jit.h>
#include <xemu/log.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

struct options options = {.inherited = -1};

/* A setter stores `value` (null when a bracketed argument was left out) and returns null, or returns what is
 * wrong with it. */
typedef const char *setter(void *member, const char *value);

static setter set_string, set_path, set_size, set_flag, set_stats, set_report, set_explain, set_flame, set_perf, set_engine, set_host,
    set_cpu, set_strace, set_log, set_guest_env,
    unset_guest_env, show_version, show_help;
static setter set_inherited, set_cache_dir;

struct option_row {
    char letter;
    const char *name;
    const char *environment;
    const char *argument;
    setter *set;
    size_t offset; /* of the member in struct options */
    bool stores;   /* false: an action, not a setting */
    const char *help;
};

static const struct option_row rows[] = {
#define OPTION(letter, name, environment, argument, set, member, help) \
    {letter, name, environment, argument, set, offsetof(struct options, member), true, help},
#define ACTION(letter, name, environment, argument, set, help) \
    {letter, name, environment, argument, set, 0, false, help},
#include "options.def"
#undef OPTION
#undef ACTION
};
enum { ROWS = sizeof rows / sizeof *rows };

/* The settings in force, for options_reexec_argv(). */
static struct {
    bool given;
    const char *value;
} settings[ROWS];

/* Usage errors end with 2, as getopt programs do. */
enum { STATUS_USAGE = 2 };

static bool argument_optional(const struct option_row *row)
{
    return row->argument && row->argument[0] == '[';
}

static void apply(const struct option_row *row, const char *shown, const char *value)
{
    const char *wrong = row->set((char *)&options + row->offset, value);
    if (wrong && value)
        die(STATUS_USAGE, "%.*s %s: %s (see xemu --help)", (int)strcspn(shown, "="), shown, value, wrong);
    if (wrong)
        die(STATUS_USAGE, "%s: %s (see xemu --help)", shown, wrong);
    settings[row - rows].given = row->stores;
    settings[row - rows].value = value;
    if (row->set == set_path || row->set == set_flame || row->set == set_strace || row->set == set_cache_dir) /* which made it absolute */
        settings[row - rows].value = *(const char **)((char *)&options + row->offset);
}

/* Environment of the guest. */

static size_t env_count(void)
{
    size_t n = 0;
    while (options.guest_env[n])
        n++;
    return n;
}

/* The slot whose variable is named by the first `length` bytes of `name`, or the terminating slot. */
static char **env_slot(const char *name, size_t length)
{
    char **slot = options.guest_env;
    while (*slot && (strncmp(*slot, name, length) != 0 || (*slot)[length] != '='))
        slot++;
    return slot;
}

static void *checked(void *memory)
{
    if (!memory)
        die(1, "out of memory");
    return memory;
}

static void env_put(char *assignment)
{
    size_t length = strchrnul(assignment, '=') - assignment;
    char **slot = env_slot(assignment, length);
    if (!*slot) {
        size_t n = env_count();
        options.guest_env = checked(realloc(options.guest_env, (n + 2) * sizeof(char *)));
        slot = options.guest_env + n;
        slot[1] = NULL;
    }
    *slot = assignment;
}

static void env_remove(const char *name)
{
    char **slot = env_slot(name, strlen(name));
    for (; *slot; slot++)
        slot[0] = slot[1];
}

static void env_init(void)
{
    size_t n = 0;
    while (environ[n])
        n++;
    options.guest_env = checked(malloc((n + 1) * sizeof(char *)));
    memcpy(options.guest_env, environ, (n + 1) * sizeof(char *));
}

/* Setters and actions. The guest's variables keep pieces of the copies they make for ever. */

static const char *set_guest_env(void *, const char *value)
{
    char *rest = checked(strdup(value));
    for (char *item; (item = strsep(&rest, ",")) != NULL;) {
        if (!strchr(item, '=') || *item == '=')
            return "should be VAR=VALUE";
        env_put(item);
    }
    return NULL;
}

static const char *unset_guest_env(void *, const char *value)
{
    char *copy = checked(strdup(value)), *rest = copy;
    for (char *item; (item = strsep(&rest, ",")) != NULL;)
        env_remove(item);
    free(copy);
    return NULL;
}

static const char *set_string(void *member, const char *value)
{
    *(const char **)member = value;
    return NULL;
}

/* A program may change its directory before it starts another one, which gets the same options. */
static const char *set_path(void *member, const char *value)
{
    char *absolute, directory[PATH_MAX];
    if (*value == '/')
        return set_string(member, value);
    if (!getcwd(directory, sizeof directory))
        return "is relative, but there is no current directory";
    if (asprintf(&absolute, "%s/%s", directory, value) < 0)
        return "has no memory";
    return set_string(member, absolute);
}

static const char *set_inherited(void *, const char *value)
{
    char *end;
    long fd = strtol(value, &end, 10);
    if (end == value || *end || fd < 0 || fd > INT_MAX)
        return "should be a descriptor";
    options.inherited = (int)fd;
    return NULL;
}

static const char *set_size(void *member, const char *value)
{
    static const char units[] = "KMG";
    char *end;
    errno = 0;
    uint64_t size = strtoull(value, &end, 0);
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    unsigned shift = 0;
    if (unit && *unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (*value < '0' || *value > '9' || *end || errno || size == 0)
        return "should be a number of bytes, or a number with K, M or G";
    if (size > (uint64_t)1 << 40 >> shift)
        return "is more than 1024G";
    *(uint64_t *)member = size << shift;
    return NULL;
}

static const char *set_flag(void *member, const char *value)
{
    if (value && strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return "should be 0 or 1";
    *(bool *)member = !value || *value == '1';
    return NULL;
}

/* NULL, 1 or text, json, `extra`, or json and `extra` with a comma between. */
static bool read_format(const char *value, const char *extra, enum stats_format *format, bool *with_extra)
{
    const char *behind = value && strncmp(value, "json,", 5) == 0 ? value + 5 : value;
    *with_extra = behind && strcmp(behind, extra) == 0;
    bool json = behind != value || (value && strcmp(value, "json") == 0);
    *format = json ? STATS_JSON : STATS_TEXT;
    return behind == value ? !value || *with_extra || json || strcmp(value, "text") == 0 || strcmp(value, "1") == 0
                           : *with_extra;
}

static const char *set_stats(void *member, const char *value)
{
    return read_format(value, "calls", member, &options.counts_calls) ? NULL : "should be text, json, calls or json,calls";
}

static const char *set_report(void *member, const char *value)
{
    return read_format(value, "counts", member, &options.report_counts)
               ? NULL
               : "should be text, json, counts or json,counts";
}

static const char *set_explain(void *member, const char *value)
{
    char *end = NULL;
    bool address = strncmp(value, "0x", 2) == 0;
    if (address)
        strtoull(value, &end, 16);
    if (!*value || (address && (*end || !value[2])))
        return "should be a function's name or a hexadecimal address with 0x";
    return set_string(member, value);
}

static const char *set_flame(void *member, const char *value)
{
    const char *dot = strrchr(value, '.');
    if (!dot || (strcmp(dot, ".svg") != 0 && strcmp(dot, ".folded") != 0))
        return "should end in .svg or .folded";
    return set_path(member, value);
}

static const char *set_perf(void *member, const char *value)
{
    bool map = strcmp(value, "map") == 0;
    if (!map && strcmp(value, "jitdump") != 0)
        return "should be map or jitdump";
    *(enum perf_output *)member = map ? PERF_MAP : PERF_JITDUMP;
    return NULL;
}

static const char *set_engine(void *member, const char *value)
{
    static const struct {
        const char *name;
        enum engine engine;
    } engines[] = {{"auto", ENGINE_AUTO}, {"interp", ENGINE_INTERP}, {"ir", ENGINE_IR}, {"jit", ENGINE_JIT}};
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        if (strcmp(value, engines[i].name) == 0) {
            *(enum engine *)member = engines[i].engine;
            return NULL;
        }
    }
    return "should be interp, ir, jit or auto";
}

static const char *set_host(void *member, const char *value)
{
    unsigned level = value[0] == 'v' && value[1] >= '2' && value[1] <= '4' && !value[2] ? (unsigned)value[1] - '0' : 0;
    if (!level)
        return "should be v2, v3 or v4";
    if (level > backend_best_level())
        return "is more than this machine has";
    *(unsigned *)member = level;
    return NULL;
}

static const char *set_cpu(void *member, const char *value)
{
    if (strcmp(value, "help") == 0) {
        cpu_help();
        exit(0);
    }
    *(const char **)member = value;
    return cpu_select(value);
}

static const char *set_cache_dir(void *member, const char *value)
{
    bool none = !*value || strcmp(value, "none") == 0;
    return none ? set_string(member, "none") : set_path(member, value);
}

static const char *set_strace(void *member, const char *value)
{
    /* XEMU_STRACE=1 is how people switch it on; nobody wants a file named 1. */
    bool named = value && *value && strcmp(value, "1") != 0;
    log_mask |= LOG_STRACE;
    return named ? set_path(member, value) : NULL;
}

static const char *set_log(void *member, const char *value)
{
    *(const char **)member = value;
    return log_select(value);
}

static const char *show_version(void *, const char *)
{
    puts("xemu " XEMU_VERSION " (ARM64 Linux programs on x86-64)");
    exit(0);
}

/* Help and manual page. */

static void show_row(const struct option_row *row)
{
    char left[64];
    const char *argument = row->argument ? row->argument : "";
    const char *join = !row->argument ? "" : argument_optional(row) ? "[=" : " ";
    char letter[] = {'-', row->letter, ',', ' ', 0};
    snprintf(left, sizeof left, "%s--%s%s%s", row->letter ? letter : "    ", row->name, join,
             argument + argument_optional(row));
    if (row->environment)
        printf("  %-36s %s\n        %s\n", left, row->environment, row->help);
    else
        printf("  %s\n        %s\n", left, row->help);
}

static void show_usage(void)
{
    puts("Usage: xemu [options] program [arguments]\n"
         "Runs a Linux program for ARM64 (AArch64) on x86-64.\n"
         "\n"
         "  option                               variable");
    for (size_t i = 0; i < ROWS; i++)
        show_row(&rows[i]);
    puts("\n  command, as the first word: xemu COMMAND --help says more");
    for (size_t i = 0; i < command_row_count; i++)
        if (command_rows[i].command)
            printf("  %s %s\n        %s\n", command_rows[i].command, command_rows[i].argument, command_rows[i].help);
    puts("\n"
         "An option on the command line wins over its variable.\n"
         "A program in this directory that is called like a command runs as ./install.\n"
         "Programs that need shared libraries find them below -L, for example\n"
         "  xemu -L /usr/aarch64-linux-gnu ./program");
}

/* roff takes a dash for a hyphen and a dot or quote at the start of a line for a request. */
static void show_roff(const char *text)
{
    for (; *text; text++)
        printf(*text == '-' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void show_manual_commands(void)
{
    puts(".SH COMMANDS\n"
         "A command is the first word, before any option. A program in this directory that is called like a command\n"
         "runs as \\fB./install\\fR.");
    for (size_t i = 0; i < command_row_count; i++) {
        const struct command_row *row = &command_rows[i];
        if (row->command && i)
            puts(".RE");
        printf(".TP\n\\fB%s", row->command ? "" : "\\-\\-");
        show_roff(row->command ? row->command : row->option);
        printf("\\fR %s\n", row->argument ? row->argument : "");
        show_roff(row->help);
        puts(row->command ? "\n.RS" : "");
    }
    puts(".RE");
}

static void show_manual(void)
{
    puts(".TH XEMU 1 \"\" \"xemu " XEMU_VERSION "\"\n"
         ".SH NAME\nxemu \\- run ARM64 Linux programs on x86\\-64\n"
         ".SH SYNOPSIS\n.B xemu\n[\\fIoptions\\fR] \\fIprogram\\fR [\\fIarguments\\fR]\n.br\n"
         ".B xemu\n\\fIcommand\\fR [\\fIoptions\\fR]\n"
         ".SH DESCRIPTION\n"
         "Runs a Linux program for ARM64 (AArch64): instructions are translated, system calls go to the\n"
         "running kernel. Programs that the guest starts run under xemu too.\n"
         "Each option has an environment variable; an option on the command line wins over it.\n"
         "In a program that was started with raised privileges the variables are ignored.\n"
         ".SH OPTIONS");
    for (size_t i = 0; i < ROWS; i++) {
        const struct option_row *row = &rows[i];
        printf(".TP\n\\fB");
        if (row->letter)
            printf("\\-%c\\fR, \\fB", row->letter);
        printf("\\-\\-");
        show_roff(row->name);
        printf("\\fR%s%s\n", argument_optional(row) ? "[=" : " ",
               row->argument ? row->argument + argument_optional(row) : "");
        show_roff(row->help);
        if (row->environment)
            printf("\n(\\fB%s\\fR)", row->environment);
        putchar('\n');
    }
    show_manual_commands();
    puts(".SH EXIT STATUS\n"
         "The guest program's. 127: it was not found; 126: it cannot be run; 2: a wrong option.\n"
         "A program that a signal killed is reported as such.");
}

static const char *show_help(void *, const char *value)
{
    if (!value)
        show_usage();
    else if (strcmp(value, "man") == 0)
        show_manual();
    else if (!completion_show(value))
        return "should be man, bash, zsh, fish or nothing";
    exit(0);
}

/* Parsing. */

static const struct option_row *row_by_letter(char letter)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].letter && rows[i].letter == letter)
            return &rows[i];
    return NULL;
}

static const struct option_row *row_by_name(const char *name, size_t length)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strlen(rows[i].name) == length && strncmp(rows[i].name, name, length) == 0)
            return &rows[i];
    return NULL;
}

/* The variables are the user's, who must not be able to steer a program that has more rights than the user.
 */
static void parse_environment(void)
{
    if (getauxval(AT_SECURE))
        return;
    for (size_t i = 0; i < ROWS; i++) {
        const char *value = rows[i].environment ? getenv(rows[i].environment) : NULL;
        if (value)
            apply(&rows[i], rows[i].environment, value);
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
    if (!value && row->argument && !argument_optional(row)) {
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
    env_init();
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

/* Whether a program that this process executes gets the option, too: what is about one program it doesn't, and what is
 * about one process only in that process. */
static bool is_passed_on(const struct option_row *row)
{
    bool of_process = row->offset == offsetof(struct options, explain) || row->offset == offsetof(struct options, flame);
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
        if (!settings[i].given || !is_passed_on(&rows[i]))
            continue;
        const char *value = settings[i].value;
        if (asprintf(&argv[n], "--%s%s%s", rows[i].name, value ? "=" : "", value ? value : "") < 0)
            return NULL;
        n++;
    }
    return argv;
}
