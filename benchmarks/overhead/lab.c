/* The overhead lab: measures what each way of virtualising costs on this machine. benchmarks/lab --help. */
#include "lab.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: make lab ARGS=\"OPTION...\"       or, when it is built, benchmarks/lab OPTION...\n"
    "\n"
    "  -o, --output DIR        where results.json, results.csv, report.html and summary.txt go "
    "(build/overhead)\n"
    "  -q, --quick             few levels and programs, three rounds: less than five minutes\n"
    "  -n, --rounds N          how often each program runs on each level, after a warm-up (10; quick: 3)\n"
    "  -l, --levels NAME,...   levels, or groups of them; native is always there\n"
    "  -p, --programs NAME,... programs\n"
    "  -e, --experiments NAME,...  experiments: groups of programs\n"
    "  -b, --budget MINUTES    no new round begins that would end later (55; quick: 3)\n"
    "  -s, --seed N            of the random order\n"
    "  -c, --cpu N             the processor that all is pinned to (the last one); -1: none\n"
    "  -f, --fresh             do not go on with an interrupted run in DIR\n"
    "      --list              show the levels, programs and experiments\n"
    "      --report            write the reports of DIR anew\n"
    "      --compare OTHER     how many entries of DIR agree with those of the folder OTHER\n"
    "\n"
    "An interrupted run (Ctrl-C) goes on where it was when it is started again. "
    "benchmarks/overhead/levels.tbl and\n"
    "programs.tbl have a row for each level and program.\n";

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

static struct settings {
    const char *folder, *levels, *programs, *experiments, *compare, *level_table, *program_table;
    int rounds, cpu;
    double budget_min;
    uint64_t seed;
    bool quick, fresh, list, report;
} set = {.folder = "build/overhead",
         .cpu = -2,
         .seed = 1,
         .level_table = "benchmarks/overhead/levels.tbl",
         .program_table = "benchmarks/overhead/programs.tbl"};

static long number(const char *option, const char *text, long low, long high)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (!*text || *end || value < low || value > high)
        fail("%s: a number between %ld and %ld, not %s", option, low, high, text);
    return value;
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {{"output", 1, 0, 'o'},
                                            {"quick", 0, 0, 'q'},
                                            {"rounds", 1, 0, 'n'},
                                            {"levels", 1, 0, 'l'},
                                            {"programs", 1, 0, 'p'},
                                            {"experiments", 1, 0, 'e'},
                                            {"budget", 1, 0, 'b'},
                                            {"seed", 1, 0, 's'},
                                            {"cpu", 1, 0, 'c'},
                                            {"fresh", 0, 0, 'f'},
                                            {"list", 0, 0, 'L'},
                                            {"report", 0, 0, 'R'},
                                            {"compare", 1, 0, 'C'},
                                            {"level-table", 1, 0, 'T'},
                                            {"program-table", 1, 0, 'P'},
                                            {"help", 0, 0, 'h'},
                                            {0}};
    for (int option; (option = getopt_long(argc, argv, "o:qn:l:p:e:b:s:c:fh", options, NULL)) != -1;) {
        switch (option) {
        case 'o':
            set.folder = optarg;
            break;
        case 'q':
            set.quick = true;
            break;
        case 'n':
            set.rounds = (int)number("--rounds", optarg, 1, 1000);
            break;
        case 'l':
            set.levels = optarg;
            break;
        case 'p':
            set.programs = optarg;
            break;
        case 'e':
            set.experiments = optarg;
            break;
        case 'b':
            set.budget_min = (double)number("--budget", optarg, 1, 100000);
            break;
        case 's':
            set.seed = (uint64_t)number("--seed", optarg, 0, 1000000000);
            break;
        case 'c':
            set.cpu = (int)number("--cpu", optarg, -1, 4095);
            break;
        case 'f':
            set.fresh = true;
            break;
        case 'L':
            set.list = true;
            break;
        case 'R':
            set.report = true;
            break;
        case 'C':
            set.compare = optarg;
            break;
        case 'T':
            set.level_table = optarg;
            break;
        case 'P':
            set.program_table = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs("lab: see --help\n", stderr);
            exit(2);
        }
    }
    if (optind < argc)
        fail("what is %s? See --help", argv[optind]);
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

/* --- inputs of real programs ---------------------------------------------------------------------------- */

static FILE *create_input(const char *tree, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/lab-data/%s", tree, name);
    FILE *out = fopen(path, "w");
    if (!out)
        fail("cannot write %s: %s", path, strerror(errno));
    return out;
}

static void write_text(FILE *out)
{
    static const char *const nouns[] = {"measure", "translate", "native", "guest"};
    static const char *const ends[] = {"", "s", "d", " again", " with care"};
    uint64_t state = 1;
    for (int i = 0; i < 20000; i++) {
        struct random random = {state = (state * 6364136223846793005u + 1442695040888963407u) | 1};
        const char *noun = nouns[random_below(&random, 4)];
        fprintf(out, "%d %s%s\n", i, noun, ends[random_below(&random, 5)]);
    }
}

static void write_program(FILE *out)
{
    for (int i = 0; i < 30; i++)
        fprintf(out,
                "int f%d(int x, int *a) { int s = 0; for (int i = 0; i < x; i++) { s += a[i] * %d; if (s & "
                "1) s ^= x; "
                "else a[i] = s >> %d; } return s; }\n",
                i, i + 3, i % 7 + 1);
}

static void write_java(FILE *out)
{
    fputs("import java.util.*;\n"
          "public class Job {\n"
          "    public static void main(String[] args) {\n"
          "        Map<Integer, String> map = new HashMap<>();\n"
          "        long sum = 0;\n"
          "        for (int i = 0; i < 30000; i++) {\n"
          "            map.merge(i * 7919 % 1009, \"x\", String::concat);\n"
          "            sum += map.get(i * 7919 % 1009).length() % 7;\n"
          "        }\n"
          "        System.out.println(sum + \" \" + map.size());\n"
          "    }\n"
          "}\n",
          out);
}

/* A disc that moves over stripes: planes of brightness, and of colours at half the resolution (I420). */
static void write_film(FILE *out)
{
    enum { WIDTH = 176, HEIGHT = 144, FRAMES = 60 };
    for (int t = 0; t < FRAMES; t++) {
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) {
                int dx = x - WIDTH / 2 - t / 2, dy = y - HEIGHT / 2;
                bool disc = dx * dx + dy * dy < 1600;
                putc(disc ? 200 + (x * 7 ^ y * 5 ^ t) % 40 : (x * 3 + y * 2 + t * 5) ^ x * y >> 4, out);
            }
        for (int i = 0; i < WIDTH * HEIGHT / 2; i++)
            putc(120 + ((i + t) & 15), out);
    }
}

static void write_inputs(const char *tree)
{
    static const struct {
        const char *name;
        void (*write)(FILE *);
    } inputs[] = {
        {"text", write_text}, {"program.c", write_program}, {"Job.java", write_java}, {"film", write_film}};
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/lab-data", tree);
    if (mkdir(path, 0777) && errno != EEXIST) /* no tree: what needs it is missing */
        return;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        FILE *out = create_input(tree, inputs[i].name);
        inputs[i].write(out);
        if (fclose(out))
            fail("cannot write %s/lab-data/%s: %s", tree, inputs[i].name, strerror(errno));
    }
}

/* Debian's packages of the chosen programs, for both architectures: what is there is not fetched again.
 * Without the network the programs are missing, and say so. */
static void fetch_trees(const struct lab *lab)
{
    char *packages = NULL, *command = NULL;
    size_t size;
    FILE *out = open_memstream(&packages, &size);
    if (!out)
        fail("not enough memory");
    for (int i = 0; i < lab->program_count; i++)
        if (lab->programs[i].chosen)
            fprintf(out, " %s", lab->programs[i].packages);
    fclose(out);
    for (int arm = 0; arm < 2 && packages[strspn(packages, " ")]; arm++) {
        if (asprintf(&command, "tools/sysroot.sh %s%s >&2", arm ? "arm64" : "amd64", packages) < 0)
            fail("not enough memory");
        if (system(command))
            fprintf(stderr, "lab: not all of Debian's programs could be fetched\n");
        free(command);
    }
    free(packages);
}

/* Real programs need their trees. */
static void check_real_programs(struct lab *lab)
{
    char *words[WORDS_MAX], path[PATH_MAX];
    for (int i = 0; i < lab->program_count; i++) {
        struct program *program = &lab->programs[i];
        if (is_lab_program(program) || !program->chosen)
            continue;
        for (int arm = 0; arm < 2 && !program->missing; arm++) {
            const char *arch = arm ? "arm64" : "amd64";
            if (!command_words(program, arch, words, WORDS_MAX))
                fail("%s has no command", program->name);
            snprintf(path, sizeof path, "build/sysroot-%s%s", arch, words[0]);
            char *why = NULL;
            if (access(path, F_OK) &&
                asprintf(&why, "%s is not there: tools/sysroot.sh fetches it", path) > 0)
                program->missing = why;
        }
    }
    write_inputs("build/sysroot-amd64");
    write_inputs("build/sysroot-arm64");
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
        if (report)
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
    lab->seed = set.seed;
    lab->rounds = set.rounds ? set.rounds : set.quick ? 3 : 10;
    lab->budget_s = 60 * (set.budget_min > 0 ? set.budget_min : set.quick ? 3 : 55);
    lab->limit_s = set.quick ? 20 : 60;
    lab->cpu = set.cpu == -2 ? (int)sysconf(_SC_NPROCESSORS_ONLN) - 1 : set.cpu;
    if (!choose_levels(lab, set.levels) || !choose_programs(lab, set.programs, set.experiments))
        fail("one of the names is none of a level, program or experiment: see --list");
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
    fetch_trees(lab);
    check_real_programs(lab);
    agents_start(lab, lab->quick ? 20 : 60);
    if (lab->levels[NATIVE].missing)
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
    parse(argc, argv);
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
