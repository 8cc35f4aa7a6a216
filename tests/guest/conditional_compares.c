// arm64-only
// Conditional comparisons and branches on them, singly and chained, with every condition: against what they mean. The
// flags are read again behind the branch, on both sides.
#include <stdint.h>

#include "check.h"

static int holds(unsigned nzcv, unsigned cond)
{
    int n = nzcv >> 3 & 1, z = nzcv >> 2 & 1, c = nzcv >> 1 & 1, v = nzcv & 1;
    int bases[8] = {z, c, n, v, c && !z, n == v, n == v && !z, 1};
    return cond >= 14 ? 1 : bases[cond >> 1] ^ (int)(cond & 1);
}

static unsigned compare(int64_t a, int64_t b)
{
    int64_t difference = (int64_t)((uint64_t)a - (uint64_t)b);
    return (unsigned)(difference < 0) << 3 | (unsigned)(a == b) << 2 | (unsigned)((uint64_t)a >= (uint64_t)b) << 1 |
           (unsigned)(((a ^ b) & (a ^ difference)) < 0);
}

/* The flags behind, and 16 if the branch was taken. */
#define BEHIND                                                                                             \
    "mrs %0, nzcv\nlsr %0, %0, #28\nb 2f\n1: mrs %0, nzcv\nlsr %0, %0, #28\norr %0, %0, #16\n2:\n"
#define ONE(n, x, c)                                                                                       \
    static unsigned one_##n##_##x##_##c(int64_t a, int64_t b, int64_t d)                                    \
    {                                                                                                      \
        uint64_t result;                                                                                   \
        __asm__ volatile("cmp %1, %2\nccmp %1, %3, #" #n ", " #x "\nb." #c " 1f\n" BEHIND                   \
                         : "=&r"(result) : "r"(a), "r"(b), "r"(d) : "cc");                                 \
        return (unsigned)result;                                                                           \
    }
#define CHAIN(n, x, c)                                                                                     \
    static unsigned chain_##n##_##x##_##c(int64_t a, int64_t b, int64_t d)                                  \
    {                                                                                                      \
        uint64_t result;                                                                                   \
        __asm__ volatile("cmp %1, %2\nccmp %1, %3, #" #n ", " #x "\nccmp %2, %3, #" #n ", " #x "\nb." #c " 1f\n" BEHIND \
                         : "=&r"(result) : "r"(a), "r"(b), "r"(d) : "cc");                                 \
        return (unsigned)result;                                                                           \
    }

#define EACH_CONDITION(M, n, x)                                                                            \
    M(n, x, eq) M(n, x, ne) M(n, x, cs) M(n, x, cc) M(n, x, mi) M(n, x, pl) M(n, x, vs) M(n, x, vc)        \
        M(n, x, hi) M(n, x, ls) M(n, x, ge) M(n, x, lt) M(n, x, gt) M(n, x, le) M(n, x, al)
#define EACH(M)                                                                                            \
    EACH_CONDITION(M, 0, eq) EACH_CONDITION(M, 4, eq) EACH_CONDITION(M, 0, ne) EACH_CONDITION(M, 4, ne)    \
        EACH_CONDITION(M, 15, hi) EACH_CONDITION(M, 2, lt) EACH_CONDITION(M, 9, ge) EACH_CONDITION(M, 0, cc) \
            EACH_CONDITION(M, 6, al)
EACH(ONE)
EACH(CHAIN)

enum { eq, ne, cs, cc, mi, pl, vs, vc, hi, ls, ge, lt, gt, le, al };

static const struct variant {
    unsigned (*one)(int64_t, int64_t, int64_t), (*chain)(int64_t, int64_t, int64_t);
    unsigned n, x, c;
} variants[] = {
#define VARIANT(n, x, c) {one_##n##_##x##_##c, chain_##n##_##x##_##c, n, x, c},
    EACH(VARIANT)
};

int main(void)
{
    static const int64_t numbers[] = {0, 1, -1, 5, INT64_MAX, INT64_MIN};
    enum { COUNT = sizeof numbers / sizeof *numbers };
    for (unsigned round = 0; round < 12; round++) /* interpreted at first, compiled later */
        for (unsigned i = 0; i < sizeof variants / sizeof *variants; i++)
            for (unsigned k = 0; k < COUNT * COUNT * COUNT; k++) {
                const struct variant *t = &variants[i];
                int64_t a = numbers[k % COUNT], b = numbers[k / COUNT % COUNT], d = numbers[k / COUNT / COUNT];
                unsigned flags = holds(compare(a, b), t->x) ? compare(a, d) : t->n;
                CHECK(t->one(a, b, d), flags | (unsigned)holds(flags, t->c) << 4);
                flags = holds(flags, t->x) ? compare(b, d) : t->n;
                CHECK(t->chain(a, b, d), flags | (unsigned)holds(flags, t->c) << 4);
            }
    return check_end();
}
