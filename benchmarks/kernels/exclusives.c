// flags-arm64: -march=armv8-a -mno-outline-atomics
/* Atomic operations as ARMv8.0 programs do them: loops of load-exclusive and store-exclusive. */
#include "kernel.h"

int main(int argc, char **argv)
{
    static uint64_t counters[8];
    static uint32_t word;
    static uint8_t byte;
    uint64_t seed = 43, sum = 0;
    for (long step = kernel_count(argc, argv, 30000000); step > 0; step--) {
        uint64_t r = kernel_random(&seed);
        sum += __atomic_fetch_add(&counters[r & 7], r, __ATOMIC_SEQ_CST);
        uint32_t expected = word;
        __atomic_compare_exchange_n(&word, &expected, (uint32_t)r, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
        sum ^= __atomic_exchange_n(&byte, (uint8_t)r, __ATOMIC_RELAXED);
    }
    return kernel_done(kernel_mix(sum, word));
}
