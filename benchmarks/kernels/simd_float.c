// flags: -O3 -ffp-contract=off
/* Loops over floats that compilers turn into vector instructions. */
#include "kernel.h"

#include <math.h>
#include <string.h>

enum { SIZE = 16384 };

static float x[SIZE], y[SIZE], z[SIZE], length[SIZE];

static void __attribute__((noinline)) normalise(void)
{
    for (int i = 0; i < SIZE; i++)
        length[i] = sqrtf(x[i] * x[i] + y[i] * y[i] + z[i] * z[i] + 0.125f);
    for (int i = 0; i < SIZE; i++) {
        x[i] /= length[i];
        y[i] /= length[i];
        z[i] /= length[i];
    }
}

static void __attribute__((noinline)) turn(float c, float s)
{
    for (int i = 0; i < SIZE; i++) {
        float nx = c * x[i] - s * y[i], ny = s * x[i] + c * y[i];
        x[i] = nx;
        y[i] = ny;
        z[i] = z[i] > 0.5f ? z[i] - 0.5f : z[i] + 0.25f;
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = 37, sum = 0;
    for (int i = 0; i < SIZE; i++) {
        x[i] = (float)(kernel_random(&seed) >> 40) / (1 << 24);
        y[i] = (float)(kernel_random(&seed) >> 40) / (1 << 24);
        z[i] = (float)(kernel_random(&seed) >> 40) / (1 << 24);
    }
    for (long round = kernel_count(argc, argv, 2000); round > 0; round--) {
        normalise();
        turn(0.8f, 0.6f);
        uint32_t bits;
        memcpy(&bits, &x[round % SIZE], sizeof bits);
        sum = kernel_mix(sum, bits);
    }
    return kernel_done(sum);
}
