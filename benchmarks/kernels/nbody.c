// flags: -ffp-contract=off
/* Double precision: five bodies that attract each other. */
#include "kernel.h"

#include <math.h>
#include <string.h>

enum { BODIES = 5 };

struct body {
    double at[3], speed[3], mass;
};

static void advance(struct body *bodies, double step)
{
    for (int i = 0; i < BODIES; i++) {
        for (int j = i + 1; j < BODIES; j++) {
            double d[3], square = 0;
            for (int k = 0; k < 3; k++) {
                d[k] = bodies[i].at[k] - bodies[j].at[k];
                square += d[k] * d[k];
            }
            double pull = step / (square * sqrt(square));
            for (int k = 0; k < 3; k++) {
                bodies[i].speed[k] -= d[k] * bodies[j].mass * pull;
                bodies[j].speed[k] += d[k] * bodies[i].mass * pull;
            }
        }
    }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++)
            bodies[i].at[k] += step * bodies[i].speed[k];
}

int main(int argc, char **argv)
{
    struct body bodies[BODIES];
    uint64_t seed = 19, bits;
    for (int i = 0; i < BODIES; i++) {
        for (int k = 0; k < 3; k++) {
            bodies[i].at[k] = (double)(kernel_random(&seed) >> 40) / (1 << 20) * (i + 1);
            bodies[i].speed[k] = (double)(kernel_random(&seed) >> 40) / (1 << 24) - 0.5;
        }
        bodies[i].mass = i ? 0.001 * i : 40;
    }
    for (long step = kernel_count(argc, argv, 2500000); step > 0; step--)
        advance(bodies, 0.001);
    memcpy(&bits, &bodies[0].at[0], sizeof bits);
    return kernel_done(bits);
}
