/* The cryptographic extension: SHA-512 (FIPS 180-4), two rounds or two words of the schedule at a time. */
#include <xemu/simd.h>

static uint64_t rotr(uint64_t a, int n) { return a >> n | a << (64 - n); }
static uint64_t big_sigma0(uint64_t a) { return rotr(a, 28) ^ rotr(a, 34) ^ rotr(a, 39); }
static uint64_t big_sigma1(uint64_t a) { return rotr(a, 14) ^ rotr(a, 18) ^ rotr(a, 41); }
static uint64_t small_sigma0(uint64_t a) { return rotr(a, 1) ^ rotr(a, 8) ^ a >> 7; }
static uint64_t small_sigma1(uint64_t a) { return rotr(a, 19) ^ rotr(a, 61) ^ a >> 6; }
static uint64_t choose(uint64_t x, uint64_t y, uint64_t z) { return (x & y) ^ (~x & z); }
static uint64_t majority(uint64_t x, uint64_t y, uint64_t z) { return (x & y) ^ (x & z) ^ (y & z); }

/* d: the rounds' sums so far, n and m: parts of the state as the instructions' definitions name them. */
union vec crypto_sha512h(union vec d, union vec n, union vec m)
{
    union vec r;
    r.d[1] = d.d[1] + big_sigma1(m.d[1]) + choose(m.d[1], n.d[0], n.d[1]);
    uint64_t e = r.d[1] + m.d[0];
    r.d[0] = d.d[0] + big_sigma1(e) + choose(e, m.d[1], n.d[0]);
    return r;
}

union vec crypto_sha512h2(union vec d, union vec n, union vec m)
{
    union vec r;
    r.d[1] = d.d[1] + big_sigma0(m.d[0]) + majority(n.d[0], m.d[1], m.d[0]);
    r.d[0] = d.d[0] + big_sigma0(r.d[1]) + majority(r.d[1], m.d[0], m.d[1]);
    return r;
}

union vec crypto_sha512su0(union vec d, union vec n)
{
    return (union vec){.d = {d.d[0] + small_sigma0(d.d[1]), d.d[1] + small_sigma0(n.d[0])}};
}

union vec crypto_sha512su1(union vec d, union vec n, union vec m)
{
    return (union vec){.d = {d.d[0] + small_sigma1(n.d[0]) + m.d[0], d.d[1] + small_sigma1(n.d[1]) + m.d[1]}};
}
