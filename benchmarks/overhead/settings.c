/* The lab's options: a row each, from which the parser, --help and the manual page follow. */
#include "settings.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings set = {
    .folder = "build/overhead",
    .cpu = CPU_LAST,
    .seed = 1,
    .level_table = "benchmarks/overhead/levels.tbl",
    .program_table = "benchmarks/overhead/programs.tbl",
};

static const struct option_row {
    char letter;                        /* 0: none */
    const char *name, *argument, *help; /* no help: for tests */
    const char **text;                  /* where it is kept: one of the three */
    bool optional;                      /* the argument, which is "" then */
    long *number;
    bool *flag;
    long low, high;
} rows[] = {
    {'o', "output", "DIR", "where results.json, results.csv, report.html and summary.txt go (build/overhead)",
     .text = &set.folder},
    {'q', "quick", NULL, "few levels and programs, three rounds: less than five minutes", .flag = &set.quick},
    {'n', "rounds", "N", "how often each program runs on each level, after a warm-up (10; quick: 3)",
     .number = &set.rounds, .low = 1, .high = 1000},
    {'l', "levels", "NAME,...", "levels, or groups of them; native is always there", .text = &set.levels},
    {'p', "programs", "NAME,...", "programs", .text = &set.programs},
    {'e', "experiments", "NAME,...", "experiments: groups of programs", .text = &set.experiments},
    {'b', "budget", "MINUTES", "no new round begins that would end later (55; quick: 3)",
     .number = &set.budget_min, .low = 1, .high = 100000},
    {0, "boot", "SECONDS",
     "what a level may take to come up; four times that where it gets little of the processor (60; quick: "
     "20)",
     .number = &set.boot_s, .low = 1, .high = 3600},
    {'s', "seed", "N", "of the random order (1)", .number = &set.seed, .low = 0, .high = 1000000000},
    {'c', "cpu", "N", "the processor that all is pinned to (the last one); -1: none", .number = &set.cpu,
     .low = -1, .high = 4095},
    {'f', "fresh", NULL, "do not go on with an interrupted run in DIR", .flag = &set.fresh},
    {0, "list", NULL, "show the levels, programs and experiments", .flag = &set.list},
    {0, "report", NULL, "write the reports of DIR anew", .flag = &set.report},
    {0, "compare", "OTHER",
     "how many entries of DIR agree with those of the folder OTHER; status 1: less than nine in ten",
     .text = &set.compare},
    {'h', "help", "man", "this; =man: as a manual page", .text = &set.help, .optional = true},
    {0, "level-table", "FILE", NULL, .text = &set.level_table},
    {0, "program-table", "FILE", NULL, .text = &set.program_table},
};
enum { ROWS = sizeof rows / sizeof *rows, LONG = 256 /* + the row: what getopt says of a long option */ };

static const char about[] =
    "Measures on this machine what each way of virtualising costs, and writes results.json, results.csv, report.html and "
    "summary.txt.";
static const char going_on[] =
    "An interrupted run (Ctrl-C) goes on where it was, with its settings, when it is started again.";
static const char tables[] = "benchmarks/overhead/levels.tbl and programs.tbl have a row for each level and program.";

static const char *join(const struct option_row *row) { return row->optional ? "[=" : row->argument ? " " : ""; }

/* In lines of WIDTH at most, of which `at` characters are written; further ones begin with `column` blanks. */
static void print_words(const char *text, int at, int column)
{
    enum { WIDTH = 100 };
    for (const char *word = text; *word; word += strspn(word, " ")) {
        int length = (int)strcspn(word, " ");
        if (at + length >= WIDTH)
            at = printf("\n%*s", column, "") - 1;
        at += printf("%s%.*s", at ? " " : "", length, word);
        word += length;
    }
    putchar('\n');
}

static void print_row(const struct option_row *row)
{
    enum { COLUMN = 31 };
    int at = row->letter ? printf("  -%c, ", row->letter) : printf("      ");
    at += printf("--%s%s%s%s", row->name, join(row), row->argument ? row->argument : "", row->optional ? "]" : "");
    at += printf("%*s", at < COLUMN ? COLUMN - at : 0, "");
    print_words(row->help, at, COLUMN);
}

static void show_help(void)
{
    puts("usage: make lab ARGS=\"OPTION...\"       or, when it is built, benchmarks/lab OPTION...\n");
    print_words(about, 0, 0);
    putchar('\n');
    for (const struct option_row *row = rows; row < rows + ROWS; row++)
        if (row->help)
            print_row(row);
    printf("\n%s\n%s\n", going_on, tables);
}

/* For roff, which takes a dash for a hyphen. */
static void print_roff(const char *text)
{
    for (; *text; text++)
        printf(*text == '-' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void print_manual_row(const struct option_row *row)
{
    printf(".TP\n\\fB");
    if (row->letter)
        printf("\\-%c\\fR, \\fB", row->letter);
    printf("\\-\\-");
    print_roff(row->name);
    printf("\\fR%s%s%s\n", join(row), row->argument ? row->argument : "", row->optional ? "]" : "");
    print_roff(row->help);
    putchar('\n');
}

static void show_manual(void)
{
    puts(".TH XEMU\\-LAB 1 \"\" \"xemu " XEMU_VERSION "\"\n"
         ".SH NAME\nxemu\\-lab \\- the overhead lab: what virtualisation costs\n"
         ".SH SYNOPSIS\nIn xemu's source tree:\n.br\n"
         ".B make lab\n[ARGS=\"\\fIoptions\\fR\"]\n.br\n"
         ".B benchmarks/lab\n[\\fIoptions\\fR]\n.SH DESCRIPTION");
    print_roff(about);
    printf("\n.PP\n");
    print_roff(going_on);
    puts("\n.SH OPTIONS");
    for (const struct option_row *row = rows; row < rows + ROWS; row++)
        if (row->help)
            print_manual_row(row);
    puts(".SH FILES");
    print_roff(tables);
    puts("\n.SH EXIT STATUS\n0; 1: less than nine in ten entries agree; 2: a wrong option, or the run failed; 130: it was\n"
         "interrupted.\n.SH SEE ALSO\nxemu(1), docs/overhead.md");
}

void settings_help(void)
{
    if (!*set.help)
        show_help();
    else if (strcmp(set.help, "man") == 0)
        show_manual();
    else
        fail("--help: should be man or nothing, not %s", set.help);
}

static long number_of(const struct option_row *row, const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (!*text || *end || value < row->low || value > row->high)
        fail("--%s: a number between %ld and %ld, not %s", row->name, row->low, row->high, text);
    return value;
}

static int argument_kind(const struct option_row *row)
{
    return row->optional ? optional_argument : row->argument ? required_argument : no_argument;
}

static void take(const struct option_row *row, const char *argument)
{
    if (row->flag)
        *row->flag = true;
    else if (row->number)
        *row->number = number_of(row, argument);
    else
        *row->text = argument ? argument : "";
}

static const struct option_row *row_of(int letter)
{
    for (int i = 0; i < ROWS; i++)
        if (letter == LONG + i || letter == rows[i].letter)
            return &rows[i];
    return NULL;
}

/* Names of folders are from where the lab was called; benchmarks/lab goes to the project's folder. */
static const char *from_caller(const char *path)
{
    const char *caller = getenv("LAB_CALLER");
    char *made = NULL;
    if (!path || path[0] == '/' || !caller)
        return path;
    if (asprintf(&made, "%s/%s", caller, path) < 0)
        fail("not enough memory");
    return made;
}

void settings_parse(int argc, char **argv)
{
    struct option options[ROWS + 1] = {0};
    char letters[2 * ROWS + 1] = "";
    for (int i = 0; i < ROWS; i++) {
        const struct option_row *row = &rows[i];
        options[i] =
            (struct option){row->name, argument_kind(row), NULL, LONG + i};
        if (row->letter)
            sprintf(letters + strlen(letters), "%c%s", row->letter, row->argument && !row->optional ? ":" : "");
    }
    const char *folder = set.folder;
    opterr = 0;
    for (int letter; (letter = getopt_long(argc, argv, letters, options, NULL)) != -1;) {
        const struct option_row *row = row_of(letter);
        if (!row)
            fail("%s: no such option, or its argument is missing: see --help", argv[optind - 1]);
        take(row, optarg);
    }
    if (optind < argc)
        fail("what is %s? See --help", argv[optind]);
    if (set.folder != folder)
        set.folder = from_caller(set.folder);
    set.compare = from_caller(set.compare);
    if (strchr(set.folder, '\''))
        fail("--output: a folder without ' in its name, please");
}
