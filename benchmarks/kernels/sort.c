/* Integers: heap sort and shell sort of 32-bit numbers. */
#include "kernel.h"

enum { COUNT = 100000 };

static void sift(uint32_t *a, size_t root, size_t end)
{
    uint32_t moved = a[root];
    for (size_t child; (child = 2 * root + 1) < end; root = child) {
        if (child + 1 < end && a[child] < a[child + 1])
            child++;
        if (moved >= a[child])
            break;
        a[root] = a[child];
    }
    a[root] = moved;
}

static void heap_sort(uint32_t *a, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(a, i, n);
    for (size_t end = n; end-- > 1;) {
        uint32_t last = a[end];
        a[end] = a[0];
        a[0] = last;
        sift(a, 0, end);
    }
}

static void shell_sort(uint32_t *a, size_t n)
{
    for (size_t gap = 88573; gap > 0; gap /= 3) {
        for (size_t i = gap; i < n; i++) {
            uint32_t moved = a[i];
            size_t at = i;
            for (; at >= gap && a[at - gap] > moved; at -= gap)
                a[at] = a[at - gap];
            a[at] = moved;
        }
    }
}

int main(int argc, char **argv)
{
    static uint32_t a[COUNT];
    uint64_t seed = 1, sum = 0;
    for (long round = kernel_count(argc, argv, 24); round > 0; round--) {
        for (size_t i = 0; i < COUNT; i++)
            a[i] = (uint32_t)kernel_random(&seed);
        if (round & 1)
            heap_sort(a, COUNT);
        else
            shell_sort(a, COUNT);
        for (size_t i = 0; i < COUNT; i += 97)
            sum = kernel_mix(sum, a[i]);
    }
    return kernel_done(sum);
}
