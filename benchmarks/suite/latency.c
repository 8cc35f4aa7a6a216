/* Like lmbench's: what memory answers how fast, what a switch of processes costs, and elementary arithmetic. */
#include "suite.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE = 64 };

/* Loads that depend on each other, one a cache line, in random order, within `bytes`. */
static void chase(const char *name, size_t bytes, long loads)
{
    size_t n = bytes / LINE;
    char *memory = malloc(bytes);
    size_t *order = malloc(n * sizeof *order);
    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n - 1; i > 0; i--) { /* one cycle through all lines */
        size_t other = kernel_random(&random) % i, kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (size_t i = 0; i < n; i++)
        *(char **)(memory + order[i] * LINE) = memory + order[(i + 1) % n] * LINE;
    char **at = (char **)memory;
    for (size_t i = 0; i < n; i++)
        at = (char **)*at;
    double before = suite_cpu_ns();
    for (long i = 0; i < loads; i++)
        at = (char **)*at;
    double after = suite_cpu_ns();
    suite_metric(name, (after - before) / (double)loads);
    if (!at)
        puts("never");
    free(order);
    free(memory);
}

static void ping_pong(long rounds)
{
    int there[2], back[2];
    char token = 0;
    if (pipe(there) || pipe(back))
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        close(there[1]);
        while (read(there[0], &token, 1) == 1 && write(back[1], &token, 1) == 1)
            continue;
        _exit(0);
    }
    close(there[0]);
    double before = suite_cpu_ns();
    for (long i = 0; i < rounds; i++)
        if (write(there[1], &token, 1) != 1 || read(back[0], &token, 1) != 1)
            exit(1);
    close(there[1]);
    waitpid(child, NULL, 0);
    suite_metric("switch", (suite_cpu_ns() - before) / (double)rounds / 2);
}

#define ARITHMETIC(name, type, start, expression)                 \
    static void do_##name(long n)                                 \
    {                                                             \
        volatile type source = (type)(start);                     \
        type x = source, y = source;                              \
        double before = suite_cpu_ns();                           \
        for (long i = 0; i < n; i++) {                            \
            x = (expression);                                     \
            __asm__ volatile("" : "+r"(y));                       \
        }                                                         \
        suite_metric(#name, (suite_cpu_ns() - before) / (double)n); \
        source = x;                                               \
    }
ARITHMETIC(integer_add, uint64_t, 3, x + (x >> 1) + y)
ARITHMETIC(integer_multiply, uint64_t, 3, x * x + y)
ARITHMETIC(integer_divide, uint64_t, 3, (x | ~(uint64_t)0 << 32) / (y | 1) + y)

static void do_double_multiply(long n)
{
    volatile double source = 1.0000001;
    double x = source, y = source, before = suite_cpu_ns();
    for (long i = 0; i < n; i++)
        x = x * y;
    suite_metric("double_multiply", (suite_cpu_ns() - before) / (double)n);
    source = x;
}

int main(int argc, char **argv)
{
    chase("load-16k", 16 << 10, kernel_count(argc, argv, 4000000));
    chase("load-512k", 512 << 10, kernel_count(argc, argv, 2000000));
    chase("load-16m", 16 << 20, kernel_count(argc, argv, 400000));
    do_integer_add(kernel_count(argc, argv, 10000000));
    do_integer_multiply(kernel_count(argc, argv, 10000000));
    do_integer_divide(kernel_count(argc, argv, 4000000));
    do_double_multiply(kernel_count(argc, argv, 10000000));
    ping_pong(kernel_count(argc, argv, 10000));
    return kernel_done(2);
}
