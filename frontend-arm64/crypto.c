/* The cryptographic extension: AES (FIPS 197), SHA-1 and SHA-256 (FIPS 180-4), polynomial multiplication. */
#include <xemu/simd.h>

union vec crypto_pmull(uint64_t a, uint64_t b)
{
    union vec r = {0};
    for (unsigned i = 0; i < 64; i++)
        if (b >> i & 1)
            r.q ^= (unsigned __int128)a << i;
    return r;
}

/* --- AES ---------------------------------------------------------------------------------------------- */

static uint8_t times2(uint8_t a) { return (uint8_t)(a << 1 ^ (a & 0x80 ? 0x1b : 0)); }

static uint8_t times(uint8_t a, unsigned factor)
{
    uint8_t r = 0;
    for (; factor; factor >>= 1, a = times2(a))
        r ^= factor & 1 ? a : 0;
    return r;
}

static uint8_t rotate8(uint8_t a, int n) { return (uint8_t)(a << n | a >> (8 - n)); }

/* The S-box and its inverse, made once from their definition: 3 generates the field's multiplicative group, so
 * walking p through its powers and q through their inverses meets every pair. */
static uint8_t sbox[256], inverse_sbox[256];

__attribute__((constructor)) static void make_sboxes(void)
{
    uint8_t p = 1, q = 1;
    do {
        p ^= times2(p);
        q ^= (uint8_t)(q << 1); /* divide by 3 */
        q ^= (uint8_t)(q << 2);
        q ^= (uint8_t)(q << 4);
        q ^= q & 0x80 ? 0x09 : 0;
        uint8_t s = (uint8_t)(q ^ rotate8(q, 1) ^ rotate8(q, 2) ^ rotate8(q, 3) ^ rotate8(q, 4) ^ 0x63);
        sbox[p] = s;
        inverse_sbox[s] = p;
    } while (p != 1);
    sbox[0] = 0x63;
    inverse_sbox[0x63] = 0;
}

/* SubBytes(ShiftRows(state ^ key)): byte 4c + r is row r of column c; row r moves left by r columns. */
union vec crypto_aese(union vec state, union vec key)
{
    union vec r;
    state.q ^= key.q;
    for (int i = 0; i < 16; i++)
        r.b[i] = sbox[state.b[(i + 4 * (i & 3)) & 15]];
    return r;
}

union vec crypto_aesd(union vec state, union vec key)
{
    union vec r;
    state.q ^= key.q;
    for (int i = 0; i < 16; i++)
        r.b[i] = inverse_sbox[state.b[(i - 4 * (i & 3)) & 15]];
    return r;
}

/* Each column times the polynomial whose coefficients are in factor[], from the lowest. */
static union vec mix_columns(union vec state, const uint8_t factor[4])
{
    union vec r = {0};
    for (int i = 0; i < 16; i++)
        for (int k = 0; k < 4; k++)
            r.b[i] ^= times(state.b[(i & ~3) + k], factor[(i - k) & 3]);
    return r;
}

union vec crypto_aesmc(union vec state) { return mix_columns(state, (const uint8_t[4]){2, 1, 1, 3}); }
union vec crypto_aesimc(union vec state) { return mix_columns(state, (const uint8_t[4]){14, 9, 13, 11}); }

/* --- SHA ---------------------------------------------------------------------------------------------- */

static uint32_t rotl(uint32_t a, int n) { return a << n | a >> (32 - n); }
static uint32_t rotr(uint32_t a, int n) { return a >> n | a << (32 - n); }
static uint32_t choose(uint32_t x, uint32_t y, uint32_t z) { return (x & y) ^ (~x & z); }
static uint32_t parity(uint32_t x, uint32_t y, uint32_t z) { return x ^ y ^ z; }
static uint32_t majority(uint32_t x, uint32_t y, uint32_t z) { return (x & y) ^ (x & z) ^ (y & z); }

union vec crypto_sha1h(union vec a) { return (union vec){.s = {rotl(a.s[0], 30)}}; }

union vec crypto_sha1_rounds(union vec abcd, union vec e, union vec w, unsigned function)
{
    static uint32_t (*const functions[3])(uint32_t, uint32_t, uint32_t) = {choose, parity, majority};
    uint32_t y = e.s[0];
    for (int i = 0; i < 4; i++) {
        y += rotl(abcd.s[0], 5) + functions[function](abcd.s[1], abcd.s[2], abcd.s[3]) + w.s[i];
        uint32_t last = abcd.s[3];
        abcd = (union vec){.s = {y, abcd.s[0], rotl(abcd.s[1], 30), abcd.s[2]}};
        y = last;
    }
    return abcd;
}

union vec crypto_sha1su0(union vec w0, union vec w1, union vec w2)
{
    union vec r = {.d = {w0.d[1], w1.d[0]}};
    r.q ^= w0.q ^ w2.q;
    return r;
}

union vec crypto_sha1su1(union vec t, union vec w3)
{
    union vec r;
    t.q ^= w3.q >> 32;
    for (int i = 0; i < 4; i++)
        r.s[i] = rotl(t.s[i], 1);
    r.s[3] ^= rotl(t.s[0], 2);
    return r;
}

union vec crypto_sha256_rounds(union vec abcd, union vec efgh, union vec w, bool second)
{
    for (int i = 0; i < 4; i++) {
        uint32_t e = efgh.s[0], a = abcd.s[0];
        uint32_t t = efgh.s[3] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + choose(e, efgh.s[1], efgh.s[2]) + w.s[i];
        uint32_t next_e = t + abcd.s[3];
        uint32_t next_a = t + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + majority(a, abcd.s[1], abcd.s[2]);
        efgh = (union vec){.s = {next_e, e, efgh.s[1], efgh.s[2]}};
        abcd = (union vec){.s = {next_a, a, abcd.s[1], abcd.s[2]}};
    }
    return second ? efgh : abcd;
}

union vec crypto_sha256su0(union vec w0, union vec w1)
{
    union vec r;
    for (int i = 0; i < 4; i++) {
        uint32_t x = i < 3 ? w0.s[i + 1] : w1.s[0];
        r.s[i] = w0.s[i] + (rotr(x, 7) ^ rotr(x, 18) ^ x >> 3);
    }
    return r;
}

union vec crypto_sha256su1(union vec t, union vec w2, union vec w3)
{
    union vec r;
    for (int i = 0; i < 4; i++) {
        uint32_t x = i < 2 ? w3.s[i + 2] : r.s[i - 2];
        r.s[i] = t.s[i] + (i < 3 ? w2.s[i + 1] : w3.s[0]) + (rotr(x, 17) ^ rotr(x, 19) ^ x >> 10);
    }
    return r;
}
