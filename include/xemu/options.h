/* The command line: one table (core/options.def) makes the parser, the environment variables and --help. */
#ifndef XEMU_OPTIONS_H
#define XEMU_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum engine { ENGINE_AUTO, ENGINE_INTERP, ENGINE_IR, ENGINE_JIT }; /* ENGINE_IR: lifts and evaluates IR, for tests */

enum stats_format { STATS_NONE, STATS_TEXT, STATS_JSON };

enum perf_output { PERF_NONE, PERF_MAP, PERF_JITDUMP };

struct options {
    const char *sysroot;      /* -L, XEMU_LD_PREFIX; null: none */
    const char *argv0;        /* -0 */
    uint64_t stack_size;      /* -s, bytes; 0: RLIMIT_STACK */
    enum engine engine;       /* --engine */
    unsigned host;            /* --host, level of x86-64; 0: all that the machine has */
    bool wx;                  /* --wx */
    uint64_t cache_size;      /* --cache-size, bytes; 0: the default */
    const char *cache_dir;    /* --cache-dir; "none": no store; null: the default */
    enum stats_format stats;  /* --stats */
    enum stats_format report; /* --report */
    bool counts_calls;        /* --stats=calls */
    bool report_counts;       /* --report=counts */
    const char *explain;      /* --explain; null: nothing */
    const char *flame;        /* --flame, absolute; null: none */
    int started;              /* the process that xemu was started as */
    enum perf_output perf;    /* --perf */
    const char *cpu;          /* --cpu */
    bool report_crash;        /* --report-crash */
    bool strace;              /* --strace */
    const char *strace_file;  /* --strace=FILE; null: the log */
    const char *log_items;    /* -d */
    const char *log_file;     /* -D */
    const char *uname_release; /* -r */
    int inherited;            /* --inherited; -1: nothing */
    char **guest_env;         /* environment for the guest after -E and -U; XEMU_* passes on unchanged */
};

extern struct options options;

/* Parses argv and XEMU_*; returns the index of the guest program in argv. Prints and exits for --help,
 * --version and errors. */
int options_parse(int argc, char **argv);

/* XEMU_* alone, for a program that the kernel hands over; nothing in a program with raised privileges (AT_SECURE),
 * whose user must not steer it. Exits for wrong values. */
void options_from_environment(void);

/* argv to run another guest program under this xemu with the same options (for execve): null-terminated array in
 * malloc'd memory, [0] is "xemu"; the caller appends `-0 argv0 path args...` itself through extra slots. */
char **options_reexec_argv(size_t extra);

#endif
