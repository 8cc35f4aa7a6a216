/* What the command line asks for. */
#ifndef OVERHEAD_SETTINGS_H
#define OVERHEAD_SETTINGS_H

#include "lab.h"

enum { CPU_LAST = -2 };

extern struct settings {
    const char *folder, *levels, *programs, *experiments, *compare, *level_table, *program_table;
    const char *help; /* its argument, "" without; null: not asked for */
    long rounds, cpu, budget_min, boot_s, seed; /* 0: the default, but for cpu and seed */
    bool quick, fresh, list, report;
} set;

/* What is wrong ends the program with one line. */
void settings_parse(int argc, char **argv);
void settings_help(void);

#endif
