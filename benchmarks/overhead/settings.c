/* The lab's options: a row each, from which the parser and --help follow. */
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
    {'h', "help", NULL, "this", .flag = &set.help},
    {0, "level-table", "FILE", NULL, .text = &set.level_table},
    {0, "program-table", "FILE", NULL, .text = &set.program_table},
};
enum { ROWS = sizeof rows / sizeof *rows, LONG = 256 /* + the row: what getopt says of a long option */ };

static void print_row(const struct option_row *row)
{
    enum { WIDTH = 100, COLUMN = 31 };
    int at = row->letter ? printf("  -%c, ", row->letter) : printf("      ");
    at += printf("--%s %s", row->name, row->argument ? row->argument : "");
    at += printf("%*s", at < COLUMN ? COLUMN - at : 0, "");
    for (const char *word = row->help; *word; word += strspn(word, " ")) {
        int length = (int)strcspn(word, " ");
        if (at + length >= WIDTH)
            at = printf("\n%*s", COLUMN, "") - 1;
        at += printf(" %.*s", length, word);
        word += length;
    }
    putchar('\n');
}

void settings_help(void)
{
    puts("usage: make lab ARGS=\"OPTION...\"       or, when it is built, benchmarks/lab OPTION...\n");
    for (const struct option_row *row = rows; row < rows + ROWS; row++)
        if (row->help)
            print_row(row);
    puts("\nAn interrupted run (Ctrl-C) goes on where it was, with its settings, when it is started again.\n"
         "benchmarks/overhead/levels.tbl and programs.tbl have a row for each level and program.");
}

static long number_of(const struct option_row *row, const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (!*text || *end || value < row->low || value > row->high)
        fail("--%s: a number between %ld and %ld, not %s", row->name, row->low, row->high, text);
    return value;
}

static void take(const struct option_row *row, const char *argument)
{
    if (row->flag)
        *row->flag = true;
    else if (row->number)
        *row->number = number_of(row, argument);
    else
        *row->text = argument;
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
            (struct option){row->name, row->argument ? required_argument : no_argument, NULL, LONG + i};
        if (row->letter)
            sprintf(letters + strlen(letters), "%c%s", row->letter, row->argument ? ":" : "");
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
