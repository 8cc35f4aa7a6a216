/* The C library's memory allocator with blocks of mixed sizes and lives. */
#include "kernel.h"

#include <string.h>

enum { SLOTS = 4096 };

int main(int argc, char **argv)
{
    static unsigned char *slots[SLOTS];
    uint64_t seed = 13, sum = 0;
    for (long step = kernel_count(argc, argv, 7000000); step > 0; step--) {
        uint64_t r = kernel_random(&seed);
        size_t slot = r % SLOTS, size = 16 + (r >> 20 & 127);
        if (r >> 40 % 64 == 0)
            size *= 50;
        if (slots[slot]) {
            sum += slots[slot][0];
            free(slots[slot]);
            slots[slot] = NULL;
        }
        if (r >> 63 || step % 3) {
            slots[slot] = malloc(size);
            slots[slot][0] = (unsigned char)r;
        }
    }
    return kernel_done(sum);
}
