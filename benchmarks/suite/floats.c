/* Like Whetstone: floating-point arithmetic on scalars and arrays, conditional jumps, and calls of the mathematical
 * library. Whole numbers of the result are compared: the two libraries may differ in the last bit. */
#include "kernel.h"

#include <math.h>

static double e1[4];

static __attribute__((noinline)) void on_array(double *e, double t)
{
    for (int i = 0; i < 6; i++) {
        e[0] = (e[0] + e[1] + e[2] - e[3]) * t;
        e[1] = (e[0] + e[1] - e[2] + e[3]) * t;
        e[2] = (e[0] - e[1] + e[2] + e[3]) * t;
        e[3] = (-e[0] + e[1] + e[2] + e[3]) / 2;
    }
}

static __attribute__((noinline)) void on_scalars(double x, double y, double *z)
{
    x = 0.499975 * (x + y);
    y = 0.499975 * (x + y);
    *z = (x + y) / 2;
}

int main(int argc, char **argv)
{
    double x = 0.5, y = 0.5, z = 0, sum = 0;
    int j = 1;
    for (long round = kernel_count(argc, argv, 50000); round > 0; round--) {
        e1[0] = 1;
        e1[1] = e1[2] = e1[3] = -1;
        for (int i = 0; i < 12; i++)
            on_array(e1, 0.499975);
        for (int i = 0; i < 35; i++) {
            j = j == 1 ? 2 : 3;
            j = j > 2 ? 0 : 1;
            j = j < 1 ? 1 : 0;
        }
        x = y = 0.5;
        for (int i = 0; i < 3; i++) {
            x = 0.499975 * atan(2 * sin(x) * cos(x) / (cos(x + y) + cos(x - y) - 1));
            y = 0.499975 * atan(2 * sin(y) * cos(y) / (cos(x + y) + cos(x - y) - 1));
        }
        for (int i = 0; i < 90; i++)
            on_scalars(1, 1, &z);
        double r = 0.75;
        for (int i = 0; i < 10; i++)
            r = sqrt(exp(log(r) / 0.50025));
        sum += e1[3] + x + y + z + r + j;
    }
    return kernel_done((uint64_t)(sum * 16));
}
