/* Multiplication of long numbers by 128-bit products: a Fibonacci number by doubling, many times. */
#include "kernel.h"

#include <string.h>

enum { LIMBS = 160 };

struct big {
    size_t n;
    uint64_t limb[2 * LIMBS];
};

static void multiply(struct big *out, const struct big *a, const struct big *b)
{
    out->n = a->n + b->n;
    memset(out->limb, 0, out->n * sizeof(uint64_t));
    for (size_t i = 0; i < a->n; i++) {
        unsigned __int128 carry = 0;
        for (size_t j = 0; j < b->n; j++) {
            carry += (unsigned __int128)a->limb[i] * b->limb[j] + out->limb[i + j];
            out->limb[i + j] = (uint64_t)carry;
            carry >>= 64;
        }
        out->limb[i + b->n] = (uint64_t)carry;
    }
    while (out->n && !out->limb[out->n - 1])
        out->n--;
}

/* out = a + b, or a - b where a >= b. */
static void add(struct big *out, const struct big *a, const struct big *b, int subtract)
{
    size_t n = a->n > b->n ? a->n : b->n;
    uint64_t carry = (uint64_t)subtract, flip = subtract ? ~0ull : 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t x = i < a->n ? a->limb[i] : 0, y = (i < b->n ? b->limb[i] : 0) ^ flip;
        unsigned __int128 sum = (unsigned __int128)x + y + carry;
        out->limb[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
    if (carry && !subtract)
        out->limb[n++] = carry;
    out->n = n;
    while (out->n && !out->limb[out->n - 1])
        out->n--;
}

/* f(2k) = f(k) (2 f(k+1) - f(k)), f(2k+1) = f(k)^2 + f(k+1)^2 */
static uint64_t fibonacci(unsigned n)
{
    static struct big f, g, twice, square, sum;
    f.n = 0;
    g.n = 1;
    g.limb[0] = 1;
    for (int bit = 13; bit >= 0; bit--) {
        add(&twice, &g, &g, 0);
        add(&twice, &twice, &f, 1);
        multiply(&sum, &f, &twice);
        multiply(&twice, &f, &f);
        multiply(&square, &g, &g);
        add(&g, &twice, &square, 0);
        f = sum;
        if (n >> bit & 1) {
            add(&sum, &f, &g, 0);
            f = g;
            g = sum;
        }
    }
    uint64_t digest = 0;
    for (size_t i = 0; i < f.n; i++)
        digest = kernel_mix(digest, f.limb[i]);
    return digest;
}

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    for (long round = kernel_count(argc, argv, 9000); round > 0; round--)
        sum = kernel_mix(sum, fibonacci(12000 + (unsigned)round % 2000));
    return kernel_done(sum);
}
