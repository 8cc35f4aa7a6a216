// flags: -ffp-contract=off
/* Single precision: a fast Fourier transform there and back. */
#include "kernel.h"

#include <math.h>
#include <string.h>

enum { BITS = 12, N = 1 << BITS };

static float re[N], im[N], root_re[N / 2], root_im[N / 2];

/* Roots of unity by halving angles, since the libraries' sines need not agree to the last bit. */
static void make_roots(void)
{
    double c = -1, s = 0; /* of half a turn */
    root_re[0] = 1;
    for (int step = N / 4; step >= 1; step /= 2) {
        double half_s = sqrt((1 - c) / 2), half_c = sqrt((1 + c) / 2);
        (void)s;
        c = half_c;
        s = half_s;
        for (int i = step; i < N / 2; i += 2 * step) {
            double before_re = root_re[i - step], before_im = root_im[i - step];
            root_re[i] = (float)(before_re * c + before_im * s);
            root_im[i] = (float)(before_im * c - before_re * s);
        }
    }
}

static void transform(int back)
{
    for (uint32_t i = 0, j = 0; i < N; i++) {
        if (i < j) {
            float r = re[i], m = im[i];
            re[i] = re[j];
            im[i] = im[j];
            re[j] = r;
            im[j] = m;
        }
        uint32_t bit = N / 2;
        for (; j & bit; bit /= 2)
            j ^= bit;
        j |= bit;
    }
    for (int half = 1; half < N; half *= 2) {
        for (int start = 0; start < N; start += 2 * half) {
            for (int k = 0; k < half; k++) {
                float wr = root_re[k * (N / 2 / half)], wi = root_im[k * (N / 2 / half)];
                if (back)
                    wi = -wi;
                float *r0 = &re[start + k], *i0 = &im[start + k], *r1 = r0 + half, *i1 = i0 + half;
                float tr = *r1 * wr - *i1 * wi, ti = *r1 * wi + *i1 * wr;
                *r1 = *r0 - tr;
                *i1 = *i0 - ti;
                *r0 += tr;
                *i0 += ti;
            }
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = 29, sum = 0;
    make_roots();
    for (int i = 0; i < N; i++)
        re[i] = (float)(kernel_random(&seed) >> 40) / (1 << 24);
    for (long round = kernel_count(argc, argv, 4000); round > 0; round--) {
        transform(round & 1);
        uint32_t bits;
        memcpy(&bits, &re[round % N], sizeof bits);
        sum = kernel_mix(sum, bits);
        for (int i = 0; i < N; i++) {
            re[i] *= 1.0f / 64;
            im[i] *= 1.0f / 64;
        }
    }
    return kernel_done(sum);
}
