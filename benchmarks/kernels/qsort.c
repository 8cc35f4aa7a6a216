/* Sorting by a function pointer: the C library calls back for each comparison. */
#include "kernel.h"

#include <string.h>

enum { COUNT = 20000 };

struct record {
    char name[16];
    uint32_t number;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct record *)a)->name, ((const struct record *)b)->name);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = ((const struct record *)a)->number, y = ((const struct record *)b)->number;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static struct record records[COUNT];
    uint64_t seed = 9, sum = 0;
    for (int i = 0; i < COUNT; i++) {
        uint64_t value = kernel_random(&seed);
        snprintf(records[i].name, sizeof records[i].name, "%c%08x", 'a' + i % 26, (uint32_t)value);
        records[i].number = (uint32_t)(value >> 32);
    }
    for (long round = kernel_count(argc, argv, 50); round > 0; round--) {
        qsort(records, COUNT, sizeof *records, round & 1 ? by_name : by_number);
        for (int i = 0; i < COUNT; i += 100)
            sum = kernel_mix(sum, records[i].number);
    }
    return kernel_done(sum);
}
