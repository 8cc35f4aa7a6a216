/* The overhead lab: measures what each way of virtualising costs on this machine. benchmarks/lab --help. */
#include "settings.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("lab: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    agents_stop();
    exit(2);
}

static void make_folder(const char *folder)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", folder);
    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        mkdir(path, 0777);
        *at = '/';
    }
    if (mkdir(path, 0777) && errno != EEXIST)
        fail("cannot make the folder %s: %s", path, strerror(errno));
}

static void list(const struct lab *lab)
{
    puts("levels (group):");
    for (int i = 0; i < lab->level_count; i++)
        printf("  %-20s %-12s %s\n", lab->levels[i].name, lab->levels[i].group, lab->levels[i].about);
    puts("programs (experiment):");
    for (int i = 0; i < lab->program_count; i++)
        printf("  %-20s %-12s %s%s\n", lab->programs[i].name, lab->programs[i].experiment,
               lab->programs[i].about, lab->programs[i].in_quick ? " (quick)" : "");
}

/* --- where the time goes -------------------------------------------------------------------------------- */

/* What xemu says of a program with this --report; null: nothing. */
static json_t *run_report(const struct lab *lab, const struct program *program, const char *format)
{
    enum { PERCENT = 30 };
    char path[PATH_MAX], command[2 * PATH_MAX];
    json_error_t error;
    snprintf(path, sizeof path, "%s/logs/report", lab->folder);
    unlink(path);
    snprintf(command, sizeof command,
             "timeout 60 build/rel/xemu -D '%s' --report=%s build/lab/arm64/%s %d >/dev/null 2>&1", path,
             format, program->name, PERCENT);
    return system(command) ? NULL : json_load_file(path, JSON_DISABLE_EOF_CHECK, &error);
}

/* Runs each program of the lab twice: where the time goes, and how many instructions, which slows it down. */
static void collect_reports(struct lab *lab)
{
    lab->reports = json_object();
    for (int i = 0; i < lab->program_count && !interrupted; i++) {
        const struct program *program = &lab->programs[i];
        if (!program->chosen || !is_lab_program(program))
            continue;
        json_t *report = run_report(lab, program, "json");
        json_t *counted = report ? run_report(lab, program, "json,counts") : NULL;
        static const char *const keys[] = {"guest_instructions", "host_instructions",
                                           "instruction_expansion"};
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            json_t *value = json_object_get(json_object_get(counted, "counts"), keys[k]);
            if (value)
                json_object_set(json_object_get(report, "counts"), keys[k], value);
        }
        json_decref(counted);
        if (!report)
            report = json_pack("{s:s}", "failed", "xemu --report failed, or said nothing");
        json_object_set_new(lab->reports, program->name, report);
    }
}

/* --- runs ----------------------------------------------------------------------------------------------- */

/* What an interrupted run was about, and its runs, into a lab whose tables have been read. */
static void resume(struct lab *lab, const struct lab *old)
{
    lab->seed = old->seed;
    lab->rounds = old->rounds;
    lab->rounds_done = old->rounds_done;
    lab->cpu = old->cpu;
    lab->limit_s = old->limit_s;
    lab->budget_s = old->budget_s;
    lab->spent_s = old->spent_s;
    lab->quick = old->quick;
    lab->meta = old->meta;
    for (int i = 0; i < lab->level_count; i++) {
        int at = find_level(old, lab->levels[i].name);
        lab->levels[i].chosen = at >= 0 && old->levels[at].chosen;
        if (at >= 0)
            memcpy(lab->levels[i].sizes, old->levels[at].sizes, sizeof old->levels[at].sizes);
    }
    for (int i = 0; i < lab->program_count; i++) {
        int at = find_program(old, lab->programs[i].name);
        lab->programs[i].chosen = at >= 0 && old->programs[at].chosen;
    }
    for (int i = 0; i < old->run_count; i++) {
        struct run run = old->runs[i];
        run.level = find_level(lab, old->levels[run.level].name);
        run.program = find_program(lab, old->programs[run.program].name);
        if (run.level < 0 || run.program < 0)
            fail("the tables have changed since %s was begun: start anew with --fresh", lab->folder);
        add_run(lab, &run);
    }
    fprintf(stderr, "lab: going on with %s: %d runs are done\n", lab->folder, lab->run_count);
}

static void configure(struct lab *lab, int argc, char **argv)
{
    lab->quick = set.quick;
    lab->seed = (uint64_t)set.seed;
    lab->rounds = set.rounds ? (int)set.rounds : set.quick ? 3 : 10;
    lab->budget_s = 60 * (double)(set.budget_min ? set.budget_min : set.quick ? 3 : 55);
    lab->limit_s = set.quick ? 20 : 60;
    lab->cpu = (int)(set.cpu == CPU_LAST ? sysconf(_SC_NPROCESSORS_ONLN) - 1 : set.cpu);
    choose_levels(lab, set.levels);
    choose_programs(lab, set.programs, set.experiments);
    store_describe(lab, argc, argv);
}

static void write_reports(const struct lab *lab)
{
    struct analysis a = analyse(lab);
    report_write(&a);
    summary_write(&a);
    csv_write(lab);
}

static void show_summary(const struct lab *lab)
{
    char path[PATH_MAX], line[1000];
    snprintf(path, sizeof path, "%s/summary.txt", lab->folder);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        fputs(line, stdout);
    if (file)
        fclose(file);
    printf("\n%s/report.html has it all.\n", lab->folder);
}

static void keep_previous(const char *folder)
{
    char kept[PATH_MAX], command[3 * PATH_MAX];
    snprintf(kept, sizeof kept, "%s.previous", folder);
    snprintf(command, sizeof command, "rm -rf '%s' && mv '%s' '%s'", kept, folder, kept);
    if (system(command))
        fail("cannot move %s to %s", folder, kept);
    make_folder(folder);
}

static void on_interrupt(int signo)
{
    (void)signo;
    interrupted = 1;
}

static int measure(struct lab *lab, int argc, char **argv)
{
    static struct lab old;
    struct sigaction action = {.sa_handler = on_interrupt};
    make_folder(set.folder);
    bool there = store_load(&old, set.folder);
    tables_read(lab, set.level_table, set.program_table);
    if (there && (set.fresh || old.finished))
        keep_previous(set.folder);
    if (there && !set.fresh && !old.finished)
        resume(lab, &old);
    else
        configure(lab, argc, argv);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    inputs_fetch(lab);
    inputs_prepare(lab);
    if (!interrupted)
        agents_start(lab, set.boot_s ? (int)set.boot_s : lab->quick ? 20 : 60);
    if (!interrupted && lab->levels[NATIVE].missing)
        fail("native cannot be measured: %s", lab->levels[NATIVE].missing);
    bool done = !interrupted && plan_run(lab);
    agents_stop();
    if (done)
        collect_reports(lab);
    store_save(lab);
    write_reports(lab);
    show_summary(lab);
    if (!done)
        printf("Interrupted; the same command goes on from here.\n");
    return done ? 0 : 130;
}

int main(int argc, char **argv)
{
    static struct lab lab, other;
    settings_parse(argc, argv);
    if (set.help) {
        settings_help();
        return 0;
    }
    lab.folder = set.folder;
    if (set.list) {
        tables_read(&lab, set.level_table, set.program_table);
        list(&lab);
        return 0;
    }
    if (!set.report && !set.compare)
        return measure(&lab, argc, argv);
    if (!store_load(&lab, set.folder))
        fail("%s has no results.json", set.folder);
    if (set.report)
        write_reports(&lab);
    if (set.compare && !store_load(&other, set.compare))
        fail("%s has no results.json", set.compare);
    return set.compare && compare_results(&lab, &other) < 900;
}
