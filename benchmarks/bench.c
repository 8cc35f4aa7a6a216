/* Times the benchmark kernels natively, under xemu and under other emulators, interleaved, and prints medians of
 * CPU time, ratios and their geometric means, in which kernel xemu is not the fastest, and the memory of a small one.
 *
 *   bench [-x XEMU] [-q NAME=EMULATOR]... [-n RUNS] [-p PERCENT] [-k DIRECTORY] [KERNEL...] */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KERNELS_MAX = 100, RUNS_MAX = 101, OUTPUT_MAX = 4096 };

enum { NATIVE, XEMU, PEER, WAYS_MAX = 10 }; /* from PEER on: other emulators */

static const char *emulators[WAYS_MAX] = {NULL, "build/rel/xemu"};
static const char *names[WAYS_MAX] = {"native", "xemu"};
static int ways = PEER;
static const char *directory = "build/bench", *percent = "100";
static int runs = 3;

struct run {
    bool ok;
    double seconds; /* user and system time of the process and its children */
    long memory;    /* KiB, at its peak */
    char output[OUTPUT_MAX];
};

static void fail(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void start(int way, const char *path)
{
    const char *argv[] = {emulators[way], path, percent, NULL};
    const char **command = argv + (emulators[way] == NULL);
    execvp(command[0], (char *const *)command);
    _exit(127);
}

static double seconds(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

static size_t read_all(int fd, char *out)
{
    size_t used = 0;
    for (;;) {
        ssize_t got = read(fd, out + used, OUTPUT_MAX - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    out[used] = 0;
    return used;
}

static struct run run_once(int way, const char *path)
{
    struct run run = {0};
    struct rusage usage;
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC) < 0)
        fail("pipe");
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        start(way, path);
    }
    close(ends[1]);
    read_all(ends[0], run.output);
    close(ends[0]);
    wait4(child, &status, 0, &usage);
    run.ok = status == 0;
    run.seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    run.memory = usage.ru_maxrss;
    return run;
}

/* A kernel that takes nearly no time is started many times: "// repeat: N" in its source. */
static int repetitions(const char *kernel)
{
    char path[4096], line[200];
    int count = 1;
    snprintf(path, sizeof path, "benchmarks/kernels/%s.c", kernel);
    FILE *file = fopen(path, "r");
    if (!file)
        fail(path);
    for (int i = 0; i < 5 && fgets(line, sizeof line, file); i++)
        sscanf(line, "// repeat: %d", &count);
    fclose(file);
    return count;
}

static struct run run_repeated(int way, const char *path, int count)
{
    struct run run = run_once(way, path);
    for (int i = 1; i < count && run.ok; i++) {
        struct run next = run_once(way, path);
        run.seconds += next.seconds;
        run.ok = next.ok;
    }
    return run;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_size);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

struct result {
    double seconds[WAYS_MAX];
    long memory[WAYS_MAX];
    const char *wrong[WAYS_MAX]; /* why there is no time; null: there is one */
};

static struct result measure(const char *kernel)
{
    struct result result = {0};
    double times[WAYS_MAX][RUNS_MAX];
    char expected[OUTPUT_MAX] = "", path[4096];
    int count = repetitions(kernel);
    for (int i = 0; i < runs; i++) {
        for (int way = 0; way < ways; way++) {
            if (result.wrong[way])
                continue;
            snprintf(path, sizeof path, "%s/%s/%s", directory, way == NATIVE ? "amd64" : "arm64", kernel);
            struct run run = run_repeated(way, path, count);
            times[way][i] = run.seconds;
            result.memory[way] = run.memory;
            if (way == NATIVE)
                memcpy(expected, run.output, sizeof expected);
            if (!run.ok)
                result.wrong[way] = "failed";
            else if (strcmp(run.output, expected) != 0)
                result.wrong[way] = "differs";
        }
    }
    for (int way = 0; way < ways; way++)
        if (!result.wrong[way])
            result.seconds[way] = median(times[way], runs);
    return result;
}

static int width_of(const char *title) { return strlen(title) > 9 ? (int)strlen(title) : 9; }

static const char *ratio_title(int upper, int lower)
{
    static char title[100];
    snprintf(title, sizeof title, "%s/%s", names[upper], lower == NATIVE ? "nat" : names[lower]);
    return title;
}

static void print_title(const char *title) { printf(" %*s", width_of(title), title); }

static void print_cell(const struct result *result, int way)
{
    if (result->wrong[way])
        printf(" %*s", width_of(names[way]), result->wrong[way]);
    else
        printf(" %*.3f", width_of(names[way]), result->seconds[way]);
}

static bool timed(const struct result *result, int way)
{
    return !result->wrong[way] && result->seconds[way] > 0;
}

static double ratio(const struct result *result, int upper, int lower)
{
    return timed(result, upper) && timed(result, lower) ? result->seconds[upper] / result->seconds[lower] : 0;
}

static void print_ratio(double ratio, int upper, int lower)
{
    int width = width_of(ratio_title(upper, lower));
    if (ratio > 0)
        printf(" %*.2f", width, ratio);
    else
        printf(" %*s", width, "-");
}

/* Geometric mean of upper/lower over the kernels that have both times. */
static double mean_ratio(const struct result *results, int n, int upper, int lower)
{
    double logs = 0;
    int count = 0;
    for (int i = 0; i < n; i++) {
        double of_kernel = ratio(&results[i], upper, lower);
        logs += of_kernel > 0 ? log(of_kernel) : 0;
        count += of_kernel > 0;
    }
    return count ? exp(logs / count) : 0;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int list_kernels(char **kernels)
{
    int n = 0;
    char path[4096];
    snprintf(path, sizeof path, "%s/amd64", directory);
    DIR *entries = opendir(path);
    if (!entries)
        fail(path);
    for (struct dirent *entry; n < KERNELS_MAX && (entry = readdir(entries));)
        if (entry->d_name[0] != '.')
            kernels[n++] = strdup(entry->d_name);
    closedir(entries);
    qsort(kernels, (size_t)n, sizeof *kernels, by_name);
    return n;
}

/* NAME=EMULATOR. */
static void add_peer(char *text)
{
    char *equals = strchr(text, '=');
    if (!equals || ways == WAYS_MAX) {
        fprintf(stderr, "bench: -q %s: %s\n", text, equals ? "too many of them" : "should be NAME=EMULATOR");
        exit(2);
    }
    *equals = 0;
    names[ways] = text;
    emulators[ways++] = equals + 1;
}

static void parse(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "x:q:n:p:k:")) != -1;) {
        switch (option) {
        case 'x':
            emulators[XEMU] = optarg;
            break;
        case 'q':
            add_peer(optarg);
            break;
        case 'n':
            runs = atoi(optarg);
            break;
        case 'p':
            percent = optarg;
            break;
        case 'k':
            directory = optarg;
            break;
        default:
            fputs("usage: bench [-x XEMU] [-q NAME=EMULATOR]... [-n RUNS] [-p PERCENT] [-k DIRECTORY] [KERNEL...]\n",
                  stderr);
            exit(2);
        }
    }
    if (runs < 1 || runs > RUNS_MAX) {
        fprintf(stderr, "bench: -n: between 1 and %d\n", RUNS_MAX);
        exit(2);
    }
}

static void print_head(void)
{
    printf("CPU time in seconds, median of %d run%s, size %s %%\n%-14s", runs, runs == 1 ? "" : "s", percent, "kernel");
    for (int way = 0; way < ways; way++)
        print_title(names[way]);
    for (int way = XEMU; way < ways; way++)
        print_title(ratio_title(way, NATIVE));
    for (int way = PEER; way < ways; way++)
        print_title(ratio_title(XEMU, way));
    putchar('\n');
}

static void print_result(const char *kernel, const struct result *result)
{
    printf("%-14s", kernel);
    for (int way = 0; way < ways; way++)
        print_cell(result, way);
    for (int way = XEMU; way < ways; way++)
        print_ratio(ratio(result, way, NATIVE), way, NATIVE);
    for (int way = PEER; way < ways; way++)
        print_ratio(ratio(result, XEMU, way), XEMU, way);
    putchar('\n');
    fflush(stdout);
}

static void print_means(const struct result *results, int n)
{
    printf("%-14s", "geometric mean");
    for (int way = 0; way < ways; way++)
        print_title("");
    for (int way = XEMU; way < ways; way++)
        print_ratio(mean_ratio(results, n, way, NATIVE), way, NATIVE);
    for (int way = PEER; way < ways; way++)
        print_ratio(mean_ratio(results, n, XEMU, way), XEMU, way);
    putchar('\n');
}

/* Where xemu is not the fastest emulator. */
static void print_slower(char **kernels, const struct result *results, int n)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        for (int way = PEER; way < ways; way++)
            if (ratio(&results[i], XEMU, way) >= 1)
                printf("%s %s than %s, %.2f times\n", count++ ? "     and" : "slower:", kernels[i], names[way],
                       ratio(&results[i], XEMU, way));
    if (!count && ways > PEER)
        puts("no kernel is slower under xemu than under another emulator");
}

/* Of the kernel that does nothing; memory that only this program had before it executed it is in it, too. */
static void print_memory(char **kernels, const struct result *results, int n)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(kernels[i], "startup") != 0)
            continue;
        printf("%-14s", "memory, MiB");
        for (int way = 0; way < ways; way++)
            printf(" %*.1f", width_of(names[way]), (double)results[i].memory[way] / 1024);
        puts("  at the peak of startup");
    }
}

int main(int argc, char **argv)
{
    static char *all[KERNELS_MAX];
    static struct result results[KERNELS_MAX];
    parse(argc, argv);
    char **kernels = argv + optind;
    int n = argc - optind, failed = 0;
    if (n == 0) {
        n = list_kernels(all);
        kernels = all;
    }
    n = n < KERNELS_MAX ? n : KERNELS_MAX;
    print_head();
    for (int i = 0; i < n; i++) {
        results[i] = measure(kernels[i]);
        failed += results[i].wrong[XEMU] != NULL;
        print_result(kernels[i], &results[i]);
    }
    print_means(results, n);
    print_memory(kernels, results, n);
    print_slower(kernels, results, n);
    return failed > 0;
}
