/* What the benchmark kernels share: a size, random numbers that are the same everywhere, a checksum line. */
#ifndef KERNEL_H
#define KERNEL_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* How often to do something that is done `count` times by default: the first argument is a percentage. */
static inline long kernel_count(int argc, char **argv, long count)
{
    long percent = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
    long scaled = (long)((double)count * (double)percent / 100);
    return scaled > 0 ? scaled : 1;
}

/* xorshift64*, seeded with anything but 0. */
static inline uint64_t kernel_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

static inline uint64_t kernel_mix(uint64_t sum, uint64_t value) { return (sum ^ value) * 1099511628211u; }

static inline int kernel_done(uint64_t checksum)
{
    printf("%016" PRIx64 "\n", checksum);
    return 0;
}

#endif
