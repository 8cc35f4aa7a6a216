// flags: -O3
/* Loops over bytes and halfwords that compilers turn into vector instructions. */
#include "kernel.h"

enum { SIZE = 65536 };

static uint8_t a[SIZE], b[SIZE], c[SIZE];
static int16_t d[SIZE], e[SIZE];

static uint32_t __attribute__((noinline)) difference(const uint8_t *x, const uint8_t *y)
{
    uint32_t sum = 0;
    for (int i = 0; i < SIZE; i++)
        sum += (uint32_t)abs(x[i] - y[i]);
    return sum;
}

static void __attribute__((noinline)) blend(uint8_t *restrict out, const uint8_t *x, const uint8_t *y)
{
    for (int i = 0; i < SIZE; i++)
        out[i] = (uint8_t)((x[i] * 3 + y[i] + 2) >> 2);
}

static int32_t __attribute__((noinline)) dot(const int16_t *x, const int16_t *y)
{
    int32_t sum = 0;
    for (int i = 0; i < SIZE; i++)
        sum += x[i] * y[i];
    return sum;
}

static void __attribute__((noinline)) clamp(int16_t *restrict out, const uint8_t *x, const int16_t *y)
{
    for (int i = 0; i < SIZE; i++) {
        int value = x[i] * 4 - y[i];
        out[i] = (int16_t)(value < -255 ? -255 : value > 255 ? 255 : value);
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = 31, sum = 0;
    for (int i = 0; i < SIZE; i++) {
        a[i] = (uint8_t)kernel_random(&seed);
        b[i] = (uint8_t)kernel_random(&seed);
        d[i] = (int16_t)(kernel_random(&seed) & 255);
    }
    for (long round = kernel_count(argc, argv, 6000); round > 0; round--) {
        sum = kernel_mix(sum, difference(a, b));
        blend(c, a, b);
        clamp(e, c, d);
        sum = kernel_mix(sum, (uint32_t)dot(d, e));
        a[round % SIZE] ^= c[round % 1000];
    }
    return kernel_done(sum);
}
