/* The cryptographic extension: SM3 (GB/T 32905-2016) and SM4 (GB/T 32907-2016). */
#include <xemu/simd.h>

static uint32_t rotl(uint32_t a, int n) { return a << (n & 31) | a >> (-n & 31); }

/* --- SM3: the state's words stand from the highest lane down ---------------------------------------------- */

static uint32_t permute1(uint32_t x) { return x ^ rotl(x, 15) ^ rotl(x, 23); }

union vec crypto_sm3ss1(union vec n, union vec m, union vec a)
{
    return (union vec){.s = {0, 0, 0, rotl(rotl(n.s[3], 12) + m.s[3] + a.s[3], 7)}};
}

union vec crypto_sm3tt(union vec d, union vec n, union vec m, unsigned imm)
{
    bool second = imm & 2, late = imm & 1; /* SM3TT2; rounds 16 to 63 */
    uint32_t w = m.s[imm >> 2], x = d.s[3], y = d.s[2], z = d.s[1], f = x ^ y ^ z;

    if (late)
        f = second ? (x & y) ^ (~x & z) : (x & y) | (x & z) | (y & z);
    if (!second) {
        uint32_t t = f + d.s[0] + (n.s[3] ^ rotl(x, 12)) + w;
        return (union vec){.s = {z, rotl(y, 9), x, t}};
    }
    uint32_t t = f + d.s[0] + n.s[3] + w;
    return (union vec){.s = {z, rotl(y, 19), x, t ^ rotl(t, 9) ^ rotl(t, 17)}};
}

union vec crypto_sm3partw1(union vec d, union vec n, union vec m)
{
    union vec r;
    for (int i = 0; i < 4; i++)
        r.s[i] = permute1(d.s[i] ^ n.s[i] ^ rotl(i < 3 ? m.s[i + 1] : r.s[0], 15));
    return r;
}

union vec crypto_sm3partw2(union vec d, union vec n, union vec m)
{
    union vec r, t;
    for (int i = 0; i < 4; i++) {
        t.s[i] = n.s[i] ^ rotl(m.s[i], 7);
        r.s[i] = d.s[i] ^ t.s[i];
    }
    r.s[3] ^= permute1(rotl(t.s[0], 15));
    return r;
}

/* --- SM4 ---------------------------------------------------------------------------------------------- */

/* The S-box from its definition: A(inverse(A(x))) in GF(2^8) modulo x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1, where A is
 * the rotations of the byte that 0xa7 selects, and 0xd3. */
static uint8_t times(uint8_t a, uint8_t b)
{
    uint8_t r = 0;
    for (; b; b >>= 1, a = (uint8_t)(a << 1 ^ (a & 0x80 ? 0xf5 : 0)))
        r ^= b & 1 ? a : 0;
    return r;
}

static uint8_t affine(uint8_t x)
{
    uint8_t r = 0;
    for (int i = 0; i < 8; i++) {
        uint8_t row = (uint8_t)(0xa7 << i | 0xa7 >> (8 - i));
        r |= (uint8_t)(__builtin_parity(row & x) << i);
    }
    return r ^ 0xd3;
}

static uint8_t inverse(uint8_t x)
{
    uint8_t r = 1;
    for (int i = 0; i < 254; i++) /* x^254 */
        r = times(r, x);
    return r;
}

static uint8_t sbox[256];

static void make_sbox(void)
{
    if (sbox[0])
        return;
    for (int x = 255; x >= 0; x--)
        __atomic_store_n(&sbox[x], affine(inverse(affine((uint8_t)x))), __ATOMIC_RELEASE);
}

static uint32_t substitute(uint32_t x)
{
    return sbox[x & 255] | (uint32_t)sbox[x >> 8 & 255] << 8 | (uint32_t)sbox[x >> 16 & 255] << 16 |
           (uint32_t)sbox[x >> 24] << 24;
}

/* Four rounds; each word of the keys is mixed in by the cipher's transformation or by the key schedule's. */
static union vec sm4_rounds(union vec state, union vec keys, bool schedule)
{
    make_sbox();
    for (int i = 0; i < 4; i++) {
        uint32_t t = substitute(state.s[1] ^ state.s[2] ^ state.s[3] ^ keys.s[i]);
        t ^= schedule ? rotl(t, 13) ^ rotl(t, 23) : rotl(t, 2) ^ rotl(t, 10) ^ rotl(t, 18) ^ rotl(t, 24);
        state = (union vec){.s = {state.s[1], state.s[2], state.s[3], state.s[0] ^ t}};
    }
    return state;
}

union vec crypto_sm4e(union vec state, union vec keys) { return sm4_rounds(state, keys, false); }
union vec crypto_sm4ekey(union vec key, union vec constants) { return sm4_rounds(key, constants, true); }
