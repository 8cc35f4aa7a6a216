/* Integer arithmetic at its edges; what C leaves undefined is left out. */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

static const int64_t edges[] = {0, 1, -1, 2, -2, 7, 63, 64, 255, 256, -256, 65535, INT32_MAX, INT32_MIN,
                                4294967295, 4294967296, INT64_MAX, INT64_MIN, 0x123456789abcdef0, -0x123456789abcdef};
enum { EDGES = sizeof edges / sizeof *edges };

int main(void)
{
    for (int i = 0; i < EDGES; i++) {
        volatile int64_t a = edges[i];
        uint64_t u = (uint64_t)a;
        uint32_t w = (uint32_t)u;
        printf("%016lx: %d %d %d %lx %x %d\n", u, u ? __builtin_clzl(u) : -1, u ? __builtin_ctzl(u) : -1,
               __builtin_popcountl(u), __builtin_bswap64(u), __builtin_bswap32(w), __builtin_parityl(u));
        printf("  %d %u %d %u %ld\n", (int8_t)a, (uint8_t)a, (int16_t)a, (uint16_t)a, (int64_t)(int32_t)a);
        for (int s = 0; s < 64; s += 13)
            printf("  %lx %lx %x %x", u << s, (uint64_t)(a >> s), w >> s % 32, (uint32_t)((int32_t)w >> s % 32));
        putchar('\n');
        for (int j = 0; j < EDGES; j++) {
            volatile int64_t b = edges[j];
            uint64_t v = (uint64_t)b;
            unsigned __int128 product = (unsigned __int128)u * v;
            int64_t sum;
            int overflow = __builtin_add_overflow(a, b, &sum);
            printf("  %lx %lx %lx %lx %lx %d %d %d%d", u + v, u - v, u * v, (uint64_t)(product >> 64),
                   (uint64_t)(((__int128)a * b) >> 64), overflow, __builtin_mul_overflow(a, b, &sum), a < b, u < v);
            if (b && !(a == INT64_MIN && b == -1))
                printf(" %lx %lx", (uint64_t)(a / b), (uint64_t)(a % b));
            if (v)
                printf(" %lx %lx", u / v, u % v);
            if ((uint32_t)v)
                printf(" %x %x", w / (uint32_t)v, w % (uint32_t)v);
            putchar('\n');
        }
    }
}
