/* summary.txt, for a terminal, and results.csv, a line for each run, for other programs. */
#include "lab.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void print_estimate(FILE *out, struct estimate e)
{
    if (e.n && !stats_has_interval(e))
        fprintf(out, " %8.2f %17s ", e.value, "");
    else if (e.n)
        fprintf(out, " %8.2f [%6.2f,%7.2f]%s", e.value, e.low, e.high, stats_includes(e, 1) ? "=" : " ");
    else
        fprintf(out, " %8s %17s ", "-", "");
}

static void print_levels(FILE *out, const struct analysis *a)
{
    const struct lab *lab = a->lab;
    fprintf(out,
            "\nTimes of native, geometric means over programs with 95 %% confidence intervals where there is "
            "more than one "
            "sample; = not distinguishable from native\n%-22s%-27s%-27s%-27s%s\n",
            "level", "    warm: whole process", "    steady state", "    cold: first, small", "programs");
    for (int l = 0; l < lab->level_count; l++) {
        if (!lab->levels[l].chosen || l == NATIVE)
            continue;
        fprintf(out, "%-20s", lab->levels[l].name);
        if (lab->levels[l].missing && !a->mean[l].programs[WARM]) {
            fprintf(out, "  missing: %s\n", lab->levels[l].missing);
            continue;
        }
        print_estimate(out, a->mean[l].ratio[WARM]);
        print_estimate(out, a->mean[l].ratio[STEADY]);
        print_estimate(out, a->mean[l].ratio[COLD]);
        fprintf(out, " %3d\n", a->mean[l].programs[WARM]);
    }
}

static void print_memory(FILE *out, const struct analysis *a)
{
    const struct lab *lab = a->lab;
    int program = find_program(lab, "hello");
    const struct entry *native = program < 0 ? NULL : find_entry(a, NATIVE, program, -1);
    if (!native || native->rss <= 0)
        return;
    fprintf(out, "\nMemory of hello at its peak: native %.1f MiB, above that:\n", native->rss / 1024);
    for (int l = NATIVE + 1; l < lab->level_count; l++) {
        const struct entry *e = find_entry(a, l, program, -1);
        if (e && !e->missing && e->rss > 0)
            fprintf(out, "%-20s %8.1f MiB\n", lab->levels[l].name, (e->rss - native->rss) / 1024);
    }
}

/* What is true of a whole program is said of its first metric only. */
static void print_missing(FILE *out, const struct analysis *a)
{
    const struct lab *lab = a->lab;
    int count = 0;
    for (int i = 0; i < a->count; i++) {
        const struct entry *e = &a->entries[i];
        bool again = e->metric > 0 && e[-1].missing && e->missing && strcmp(e->missing, e[-1].missing) == 0;
        if (!e->missing || again || lab->levels[e->level].missing == e->missing)
            continue;
        fprintf(out, "%s%s %s%son %s: %s\n", count++ ? "" : "\nWithout a figure:\n", lab->programs[e->program].name,
                e->metric > 0 ? metric_name(lab, e->program, e->metric) : "", e->metric > 0 ? " " : "",
                lab->levels[e->level].name, e->missing);
    }
}

void summary_write(const struct analysis *a)
{
    const struct lab *lab = a->lab;
    FILE *out = folder_create(lab, "summary.txt");
    fprintf(out, "The overhead lab, %s\n%s, kernel %s, %s\n", meta_text(lab, "started"),
            meta_text(lab, "cpu"), meta_text(lab, "kernel"), meta_text(lab, "xemu"));
    fprintf(out, "%d runs, %d of %d rounds after the one that warms up, seed %" PRIu64 ", %.0f minutes%s\n",
            lab->run_count, lab->rounds_done > 1 ? lab->rounds_done - 1 : 0, lab->rounds, lab->seed,
            lab->spent_s / 60, lab->finished ? "" : "; interrupted: what follows is what was done until then");
    print_levels(out, a);
    print_memory(out, a);
    print_missing(out, a);
    folder_close(lab, "summary.txt", out);
}

static void csv_text(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text; text++)
        fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
    putc('"', out);
}

void csv_write(const struct lab *lab)
{
    FILE *out = folder_create(lab, "results.csv");
    fputs("number,round,level,program,experiment,size_percent,metric,status,wall_ns,cpu_ns,host_ns,metric_ns,"
          "rss_kib,"
          "output,said\n",
          out);
    for (int i = 0; i < lab->run_count; i++) {
        const struct run *run = &lab->runs[i];
        for (int m = -1; m < run->metric_count; m++) {
            const struct metric *metric = m < 0 ? NULL : &run->metrics[m];
            fprintf(out, "%d,%d,%s,%s,%s,%d,%s,%d,%.0f,%.0f,%.0f,", run->number, run->round,
                    lab->levels[run->level].name, lab->programs[run->program].name,
                    lab->programs[run->program].experiment, run->size, metric ? metric->name : "",
                    run->status, run->wall, run->cpu, run->host);
            if (metric)
                fprintf(out, "%.3f", metric->value);
            fprintf(out, ",%ld,%016" PRIx64 ",", run->rss, run->hash);
            csv_text(out, run->why);
            putc('\n', out);
        }
    }
    folder_close(lab, "results.csv", out);
}
