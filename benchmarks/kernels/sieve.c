/* The sieve of Eratosthenes: byte stores with a stride. */
#include "kernel.h"

#include <string.h>

enum { LIMIT = 4000000 };

int main(int argc, char **argv)
{
    static uint8_t composite[LIMIT];
    uint64_t sum = 0;
    for (long round = kernel_count(argc, argv, 20); round > 0; round--) {
        memset(composite, 0, sizeof composite);
        for (uint32_t i = 2; i < LIMIT; i++) {
            if (composite[i])
                continue;
            sum = kernel_mix(sum, i);
            for (uint64_t j = (uint64_t)i * i; j < LIMIT; j += i)
                composite[j] = 1;
        }
    }
    return kernel_done(sum);
}
