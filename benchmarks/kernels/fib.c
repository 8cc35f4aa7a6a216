/* Recursion: calls and returns. */
#include "kernel.h"

static uint64_t __attribute__((noinline)) fib(unsigned n);
static uint64_t (*volatile itself)(unsigned) = fib;

/* Every eighth level calls through a pointer, so that a compiler cannot unroll the recursion away. */
static uint64_t fib(unsigned n)
{
    if (n < 2)
        return n;
    return n % 8 == 0 ? itself(n - 1) + itself(n - 2) : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    for (long round = kernel_count(argc, argv, 40); round > 0; round--)
        sum = kernel_mix(sum, fib(30 + (unsigned)round % 2));
    return kernel_done(sum);
}
