/* The overhead lab: what its files share.
 *
 *   settings.c the command line
 *   tables.c   levels.tbl and programs.tbl -> struct lab
 *   inputs.c   Debian's programs and what they work on
 *   agents.c   starts a level and asks its agent to run programs
 *   plan.c     which program runs on which level how often, in which order; the loop
 *   store.c    results.json: written as the runs come, read to resume and to report
 *   stats.c    medians, intervals, outliers
 *   analyse.c  runs -> entries: a program on a level, compared with native
 *   report.c   report.html, with the plots of svg.c; summary.c: summary.txt and results.csv */
#ifndef LAB_H
#define LAB_H

#include "stats.h"

#include <signal.h>
#include <stdio.h>
#include <sys/types.h>

enum { LEVELS_MAX = 48, PROGRAMS_MAX = 128, METRICS_MAX = 24, WORDS_MAX = 40, SIZES = 2, NATIVE = 0 };

/* Which time stands for a level: the program's own CPU time; CPU time of everything that makes up the level,
 * as the host counts it; or the time that passed. */
enum clock { CLOCK_CPU, CLOCK_HOST, CLOCK_WALL, CLOCKS };
extern const char *const clock_names[CLOCKS];

/* A row of levels.tbl. All strings live as long as the program. */
struct level {
    const char *name, *group, *arch, *launcher, *prefix, *about;
    enum clock clock;
    int sizes[SIZES]; /* percent of a program's work: small, large */
    bool real;        /* Debian's programs are there */
    bool chosen, not_quick;
    const char *missing; /* why it cannot be measured; null: it can */
    const char *version; /* of the emulator, or the kernel behind it */
    int agent;           /* index; -1: none yet */
};

/* A row of programs.tbl. */
struct program {
    const char *name, *experiment, *command, *about;
    const char *packages; /* of Debian's, with blanks between */
    bool in_quick, any_output, chosen;
    const char *missing;
};

struct metric {
    char name[40];
    double value; /* nanoseconds */
};

/* One run of a program. Times are nanoseconds, memory KiB. */
struct run {
    int level, program, size, round, number;
    int status; /* the program's exit status; -1: time was over, -2: the level broke */
    double wall, cpu, host;
    long rss;
    uint64_t bytes, hash;
    char why[160]; /* its last complaint */
    int metric_count;
    struct metric *metrics;
};

struct lab {
    struct level levels[LEVELS_MAX];
    int level_count;
    struct program programs[PROGRAMS_MAX];
    int program_count;
    struct run *runs; /* malloc'd, in the order in which they ran */
    int run_count, run_room;
    const char *folder;
    uint64_t seed;
    int rounds, rounds_done, cpu, limit_s; /* limit of one run */
    double budget_s, spent_s;
    bool quick, finished;
    const char *level_table, *program_table;
    struct json_t *meta;    /* the machine, as store.c writes it */
    struct json_t *reports; /* xemu --report=json of programs, by name */
};

/* --- tables.c --- */

void tables_read(struct lab *lab, const char *levels, const char *programs);
/* Chooses by comma-separated names or groups (experiments); null: all. A name that is none ends the program. */
void choose_levels(struct lab *lab, const char *names);
void choose_programs(struct lab *lab, const char *names, const char *experiments);
/* Splits a command at blanks; '...' is one word. Returns the count; the words are malloc'd. */
int split_words(const char *text, char **words, int room);
/* "{root}" and the like replaced, malloc'd. */
char *expand_names(const char *text);
/* The words of a program's command for an architecture of Debian's; as split_words(). */
int command_words(const struct program *program, const char *arch, char **words, int room);
bool is_lab_program(const struct program *program);
int find_level(const struct lab *lab, const char *name);
int find_program(const struct lab *lab, const char *name);

/* The first line that the command prints, without its line end; malloc'd; null if there is none. */
char *first_line(const char *command);

/* --- inputs.c --- */

/* Debian's packages of the chosen programs, for both architectures: what is there is not fetched again. A program with a
 * package that cannot be had is missing, and says so. */
void inputs_fetch(struct lab *lab);
/* Notes which of Debian's programs are not there; writes the files that the others work on. */
void inputs_prepare(struct lab *lab);
/* Those files have what they are to have: one that somebody has changed since is made anew. */
void inputs_check(void);

/* --- agents.c --- */

/* Starts what the chosen levels need, waits for it up to boot_s seconds, and notes what is missing and why.
 */
void agents_start(struct lab *lab, int boot_s);
void agents_stop(void);
/* Runs a program; fills all of *run but number and round. False: interrupted. */
bool agents_run(struct lab *lab, int level, int program, int size, struct run *run);

/* --- plan.c --- */

struct job {
    int level, program, size;
};
/* Whether the program can run there; if not, *why says why. */
bool job_possible(const struct lab *lab, int level, int program, const char **why);
/* What a round consists of; malloc'd. */
struct job *plan_jobs(const struct lab *lab, int *count);
/* Does what is left of the plan. False: interrupted. */
bool plan_run(struct lab *lab);
extern volatile sig_atomic_t interrupted;

/* --- store.c --- */

/* The machine, the versions, the settings, into lab->meta. */
void store_describe(struct lab *lab, int argc, char **argv);
/* Writes results.json, as a whole or not at all. */
void store_save(const struct lab *lab);
/* Reads it. False: there is none. A file that is damaged or not ours ends the program with one clear line. */
bool store_load(struct lab *lab, const char *folder);
void add_run(struct lab *lab, const struct run *run);
void add_metric(struct run *run, const char *name, double value);
/* A file of the lab's folder, to write; that it can't be written ends the program. */
FILE *folder_create(const struct lab *lab, const char *name);
void folder_close(const struct lab *lab, const char *name, FILE *file);
/* The text of a key in lab->meta, "" if there is none. */
const char *meta_text(const struct lab *lab, const char *key);

/* --- analyse.c --- */

/* Cold: the first run of all, small: nothing was in any cache. Warm: a whole process, with its start and all
 * its translation. Steady: what the large size costs more than the small one: neither start nor translation.
 */
enum state { COLD, WARM, STEADY, STATES };
extern const char *const state_names[STATES];

struct entry {
    int level, program, metric;    /* metric: index into program_metrics(), or -1 */
    const char *missing;           /* why there is nothing; null: there is */
    struct estimate time;          /* nanoseconds: of the large size, or of a metric's operation */
    struct estimate ratio[STATES]; /* to native; n is 0 where there is none */
    struct samples samples;        /* what `time` was computed from */
    size_t outliers;
    double rss; /* KiB, median */
};

struct analysis {
    const struct lab *lab;
    struct entry *entries;
    int count;
    struct {
        struct estimate ratio[STATES];
        int programs[STATES];
    } mean[LEVELS_MAX]; /* geometric means over programs of experiments other than abi */
};
struct analysis analyse(const struct lab *lab);
const struct entry *find_entry(const struct analysis *a, int level, int program, int metric);
/* The name of a program's metric, or null past the last. */
const char *metric_name(const struct lab *lab, int program, int metric);
/* Geometric mean of ratios of an experiment (null: of all but those with metrics) on a level. */
struct estimate mean_ratio(const struct analysis *a, int level, const char *experiment, enum state state,
                           int *programs);

/* Prints how far two results agree; returns how many of 1000 entries do. */
int compare_results(struct lab *first, struct lab *second);

/* --- report.c, summary.c --- */

void report_write(const struct analysis *a);
void summary_write(const struct analysis *a);
void csv_write(const struct lab *lab);

/* --- svg.c: plots, in units that are pixels on a telephone --- */

struct bar {
    const char *label;
    struct estimate at;
    const struct samples *samples; /* or null; `scale` makes them comparable to `at` */
    double scale;
    const char *note; /* shown instead of a mark where at.n is 0 */
};
/* Points with intervals on a logarithmic axis; `line`: a value to mark, or 0. */
void svg_points(FILE *out, const char *title, const char *axis, const struct bar *bars, int n, double line);
struct stack {
    const char *label;
    double parts[16];
};
/* Bars of 100 %, divided. */
void svg_stacks(FILE *out, const char *title, const struct stack *stacks, int n, const char *const *names,
                int parts);
/* Text in HTML. */
void html_text(FILE *out, const char *text);

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
