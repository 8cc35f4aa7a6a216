// flags: -ffp-contract=off
/* Product of matrices of doubles, row by row. */
#include "kernel.h"

#include <string.h>

enum { N = 200 };

static double a[N][N], b[N][N], c[N][N];

int main(int argc, char **argv)
{
    uint64_t seed = 23, sum = 0;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)(kernel_random(&seed) >> 44) / 1024;
            b[i][j] = (double)(kernel_random(&seed) >> 44) / 1024;
        }
    }
    for (long round = kernel_count(argc, argv, 50); round > 0; round--) {
        memset(c, 0, sizeof c);
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++)
                for (int j = 0; j < N; j++)
                    c[i][j] += a[i][k] * b[k][j];
        uint64_t bits;
        memcpy(&bits, &c[round % N][N / 2], sizeof bits);
        sum = kernel_mix(sum, bits);
        a[round % N][3] += 1;
    }
    return kernel_done(sum);
}
