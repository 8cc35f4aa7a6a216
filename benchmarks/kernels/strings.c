/* The C library's string routines on strings of usual lengths. */
#include "kernel.h"

#include <string.h>

enum { STRINGS = 1000, LONGEST = 200 };

int main(int argc, char **argv)
{
    static char strings[STRINGS][LONGEST + 1], copy[LONGEST + 64];
    uint64_t seed = 7, sum = 0;
    for (int i = 0; i < STRINGS; i++) {
        size_t length = kernel_random(&seed) % LONGEST;
        for (size_t j = 0; j < length; j++)
            strings[i][j] = (char)('a' + kernel_random(&seed) % 26);
    }
    for (long round = kernel_count(argc, argv, 7000); round > 0; round--) {
        for (int i = 0; i < STRINGS; i++) {
            char *s = strings[i], *t = copy + (i & 31);
            size_t length = strlen(s);
            strcpy(t, s);
            if (length)
                t[length - 1] ^= (char)(round & 1);
            const char *z = strchr(s, 'z'), *q = memchr(s, 'q', length);
            sum += length + (strcmp(s, t) > 0) + (size_t)(z ? z - s : 0) + (size_t)(q ? q - s : 0);
            memmove(t + 7, t, length);
            sum += (uint8_t)t[length / 2] + (memcmp(t + 7, s, length) < 0);
        }
    }
    return kernel_done(sum);
}
