// flags: -O3
/* Like STREAM: four loops over arrays that no cache holds. The figures are nanoseconds for a KiB moved. */
#include "suite.h"

enum { N = 1 << 20 };
static double a[N], b[N], c[N];

#define LOOP(name, arrays, statement)                                                        \
    static void do_##name(long rounds)                                                       \
    {                                                                                        \
        double before = suite_cpu_ns();                                                      \
        for (long r = 0; r < rounds; r++) {                                                  \
            for (long i = 0; i < N; i++)                                                     \
                statement;                                                                   \
            __asm__ volatile("" ::: "memory");                                               \
        }                                                                                    \
        suite_metric(#name, (suite_cpu_ns() - before) / (double)rounds / (arrays * N * 8.0 / 1024)); \
    }
LOOP(copy, 2, c[i] = a[i])
LOOP(scale, 2, b[i] = 3 * c[i])
LOOP(add, 3, c[i] = a[i] + b[i])
LOOP(triad, 3, a[i] = b[i] + 3 * c[i])

int main(int argc, char **argv)
{
    long rounds = kernel_count(argc, argv, 16);
    for (long i = 0; i < N; i++) {
        a[i] = (double)(i % 100);
        b[i] = 2;
        c[i] = 0;
    }
    do_copy(rounds);
    do_scale(rounds);
    do_add(rounds);
    do_triad(rounds);
    double sum = 0;
    for (long i = 0; i < N; i++)
        sum += a[i] / (N * 100.0);
    return kernel_done((uint64_t)(sum * 1e6));
}
