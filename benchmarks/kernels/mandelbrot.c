// flags: -ffp-contract=off
/* Double precision with a data-dependent loop end: the Mandelbrot set. */
#include "kernel.h"

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    long size = kernel_count(argc, argv, 1000);
    for (long y = 0; y < size; y++) {
        for (long x = 0; x < 400; x++) {
            double cr = (double)x / 200 - 1.5, ci = (double)y / 500 - 1.0, r = 0, i = 0;
            int n = 0;
            for (; n < 500 && r * r + i * i < 4; n++) {
                double next = r * r - i * i + cr;
                i = 2 * r * i + ci;
                r = next;
            }
            sum = kernel_mix(sum, (uint64_t)n);
        }
    }
    return kernel_done(sum);
}
