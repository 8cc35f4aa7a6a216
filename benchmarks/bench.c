/* Times the benchmark kernels natively, under xemu and under qemu-aarch64, interleaved, and prints medians of
 * CPU time, ratios and their geometric means.
 *
 *   bench [-x XEMU] [-q QEMU] [-n RUNS] [-p PERCENT] [-k DIRECTORY] [KERNEL...] */
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

enum way { NATIVE, XEMU, QEMU, WAYS };

static const char *emulators[WAYS] = {NULL, "build/rel/xemu", "qemu-aarch64"};
static const char *const architectures[WAYS] = {"amd64", "arm64", "arm64"};
static const char *directory = "build/bench", *percent = "100";
static int runs = 3;

struct run {
    bool ok;
    double seconds; /* user and system time of the process and its children */
    char output[OUTPUT_MAX];
};

static void fail(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void start(enum way way, const char *path)
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

static struct run run_once(enum way way, const char *path)
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

static struct run run_repeated(enum way way, const char *path, int count)
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
    double seconds[WAYS];
    const char *wrong[WAYS]; /* why there is no time; null: there is one */
};

static struct result measure(const char *kernel)
{
    struct result result = {{0}, {0}};
    double times[WAYS][RUNS_MAX];
    char expected[OUTPUT_MAX] = "", path[4096];
    int count = repetitions(kernel);
    for (int i = 0; i < runs; i++) {
        for (enum way way = 0; way < WAYS; way++) {
            if (result.wrong[way])
                continue;
            snprintf(path, sizeof path, "%s/%s/%s", directory, architectures[way], kernel);
            struct run run = run_repeated(way, path, count);
            times[way][i] = run.seconds;
            if (way == NATIVE)
                memcpy(expected, run.output, sizeof expected);
            if (!run.ok)
                result.wrong[way] = "failed";
            else if (strcmp(run.output, expected) != 0)
                result.wrong[way] = "differs";
        }
    }
    for (enum way way = 0; way < WAYS; way++)
        if (!result.wrong[way])
            result.seconds[way] = median(times[way], runs);
    return result;
}

static void print_cell(const struct result *result, enum way way)
{
    if (result->wrong[way])
        printf(" %9s", result->wrong[way]);
    else
        printf(" %9.3f", result->seconds[way]);
}

static bool timed(const struct result *result, enum way way)
{
    return !result->wrong[way] && result->seconds[way] > 0;
}

static void print_ratio(const struct result *result, enum way upper, enum way lower)
{
    if (timed(result, upper) && timed(result, lower))
        printf(" %9.2f", result->seconds[upper] / result->seconds[lower]);
    else
        printf(" %9s", "-");
}

/* Geometric mean of upper/lower over the kernels that have both times. */
static double mean_ratio(const struct result *results, int n, enum way upper, enum way lower)
{
    double logs = 0;
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (timed(&results[i], upper) && timed(&results[i], lower)) {
            logs += log(results[i].seconds[upper] / results[i].seconds[lower]);
            count++;
        }
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

static void parse(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "x:q:n:p:k:")) != -1;) {
        switch (option) {
        case 'x':
            emulators[XEMU] = optarg;
            break;
        case 'q':
            emulators[QEMU] = optarg;
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
            fputs("usage: bench [-x XEMU] [-q QEMU] [-n RUNS] [-p PERCENT] [-k DIRECTORY] [KERNEL...]\n",
                  stderr);
            exit(2);
        }
    }
    if (runs < 1 || runs > RUNS_MAX) {
        fprintf(stderr, "bench: -n: between 1 and %d\n", RUNS_MAX);
        exit(2);
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
    printf("CPU time in seconds, median of %d run%s, size %s %%\n", runs, runs == 1 ? "" : "s", percent);
    printf("%-14s %9s %9s %9s %9s %9s %9s\n", "kernel", "native", "xemu", "qemu", "xemu/nat", "qemu/nat",
           "xemu/qemu");
    for (int i = 0; i < n && i < KERNELS_MAX; i++) {
        results[i] = measure(kernels[i]);
        failed += results[i].wrong[XEMU] != NULL;
        printf("%-14s", kernels[i]);
        for (enum way way = 0; way < WAYS; way++)
            print_cell(&results[i], way);
        print_ratio(&results[i], XEMU, NATIVE);
        print_ratio(&results[i], QEMU, NATIVE);
        print_ratio(&results[i], XEMU, QEMU);
        putchar('\n');
        fflush(stdout);
    }
    printf("%-14s %29s %9.2f %9.2f %9.2f\n", "geometric mean", "", mean_ratio(results, n, XEMU, NATIVE),
           mean_ratio(results, n, QEMU, NATIVE), mean_ratio(results, n, XEMU, QEMU));
    return failed > 0;
}
