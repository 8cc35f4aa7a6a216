// flags-arm64: -march=armv8.1-a
/* Two threads that share counters by single atomic instructions (LSE on ARM64). */
#include "kernel.h"

#include <pthread.h>

static long steps;
static uint64_t counters[8], turns;

static void *work(void *argument)
{
    uint64_t seed = (uint64_t)argument;
    for (long step = steps; step > 0; step--) {
        uint64_t r = kernel_random(&seed);
        __atomic_fetch_add(&counters[r & 7], r & 0xff, __ATOMIC_SEQ_CST);
        __atomic_fetch_xor(&turns, r >> 8, __ATOMIC_ACQ_REL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[2];
    steps = kernel_count(argc, argv, 3000000);
    for (uint64_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, work, (void *)(41 + i));
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    uint64_t sum = turns;
    for (int i = 0; i < 8; i++)
        sum = kernel_mix(sum, counters[i]);
    return kernel_done(sum);
}
