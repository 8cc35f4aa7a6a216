/* Whole-vector operations of Advanced SIMD that the expressions of ir_ops.def call. */
#ifndef XEMU_SIMD_H
#define XEMU_SIMD_H

#include <xemu/eval_support.h>
#include <xemu/fp.h>

/* `lanes` numbers of format `from`, from lane 0 of a, converted to format `to`. */
static inline union vec simd_fcvt(struct cpu *cpu, union vec a, unsigned to, unsigned lanes, unsigned from,
                                  enum fp_rounding rounding)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, to, i, fp_convert(cpu, to, from, eval_lane(a, from, i), rounding));
    return r;
}

static inline __m128i simd_load(union vec v) { return _mm_load_si128((const __m128i *)&v); }

static inline union vec simd_of(__m128i value)
{
    union vec r;
    _mm_store_si128((__m128i *)&r, value);
    return r;
}

/* The common cases of zip, uzp and widen on the host's unit: whole 128-bit vectors. */
static inline union vec simd_zip128(union vec a, union vec b, unsigned esz, unsigned part)
{
    __m128i x = simd_load(a), y = simd_load(b);
    switch (esz) {
    case 0:
        return simd_of(part ? _mm_unpackhi_epi8(x, y) : _mm_unpacklo_epi8(x, y));
    case 1:
        return simd_of(part ? _mm_unpackhi_epi16(x, y) : _mm_unpacklo_epi16(x, y));
    case 2:
        return simd_of(part ? _mm_unpackhi_epi32(x, y) : _mm_unpacklo_epi32(x, y));
    default:
        return simd_of(part ? _mm_unpackhi_epi64(x, y) : _mm_unpacklo_epi64(x, y));
    }
}

static inline union vec simd_uzp128(union vec a, union vec b, unsigned esz, unsigned part)
{
    __m128i x = simd_load(a), y = simd_load(b), low;
    switch (esz) {
    case 0:
        low = _mm_set1_epi16(0xff);
        if (part)
            return simd_of(_mm_packus_epi16(_mm_srli_epi16(x, 8), _mm_srli_epi16(y, 8)));
        return simd_of(_mm_packus_epi16(_mm_and_si128(x, low), _mm_and_si128(y, low)));
    case 1:
        low = _mm_set1_epi32(0xffff);
        if (part)
            return simd_of(_mm_packus_epi32(_mm_srli_epi32(x, 16), _mm_srli_epi32(y, 16)));
        return simd_of(_mm_packus_epi32(_mm_and_si128(x, low), _mm_and_si128(y, low)));
    case 2:
        return simd_of(_mm_castps_si128(part ? _mm_shuffle_ps(_mm_castsi128_ps(x), _mm_castsi128_ps(y), 0xdd)
                                             : _mm_shuffle_ps(_mm_castsi128_ps(x), _mm_castsi128_ps(y), 0x88)));
    default:
        return simd_zip128(a, b, 3, part);
    }
}

static inline union vec simd_widen128(union vec a, unsigned esz, bool high, bool is_signed)
{
    __m128i x = high ? _mm_srli_si128(simd_load(a), 8) : simd_load(a);
    switch (esz) {
    case 1:
        return simd_of(is_signed ? _mm_cvtepi8_epi16(x) : _mm_cvtepu8_epi16(x));
    case 2:
        return simd_of(is_signed ? _mm_cvtepi16_epi32(x) : _mm_cvtepu16_epi32(x));
    default:
        return simd_of(is_signed ? _mm_cvtepi32_epi64(x) : _mm_cvtepu32_epi64(x));
    }
}

/* ZIP: elements of the low (part 0) or high halves of a and b, in turn. */
static inline union vec simd_zip(union vec a, union vec b, unsigned esz, unsigned lanes, unsigned part)
{
    union vec r = {0};
    if (lanes << esz == 16)
        return simd_zip128(a, b, esz, part);
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, esz, i, eval_lane(i & 1 ? b : a, esz, part * lanes / 2 + i / 2));
    return r;
}

/* UZP: the even (part 0) or odd elements of a and then of b. */
static inline union vec simd_uzp(union vec a, union vec b, unsigned esz, unsigned lanes, unsigned part)
{
    union vec r = {0};
    if (lanes << esz == 16)
        return simd_uzp128(a, b, esz, part);
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, esz, i, eval_lane(2 * i < lanes ? a : b, esz, (2 * i + part) % lanes));
    return r;
}

static inline union vec simd_thirds(union vec a, union vec b, union vec c, unsigned esz, unsigned lanes, unsigned first,
                                    unsigned step)
{
    const union vec v[3] = {a, b, c};
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, esz, i, eval_lane(v[(first + step * i) % 3], esz, i));
    return r;
}

static inline union vec simd_stride(union vec a, unsigned esz, unsigned lanes, unsigned first, unsigned step)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, esz, i, eval_lane(a, esz, (first + step * i) % lanes));
    return r;
}

/* TRN: the even (part 0) or odd elements of a and b, in turn. */
static inline union vec simd_trn(union vec a, union vec b, unsigned esz, unsigned lanes, unsigned part)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, esz, i, eval_lane(i & 1 ? b : a, esz, (i & ~1u) + part));
    return r;
}

static inline union vec simd_ext(union vec a, union vec b, unsigned bytes, unsigned from)
{
    union vec r = {0};
    for (unsigned i = 0; i < bytes; i++)
        r.b[i] = i + from < bytes ? a.b[i + from] : b.b[i + from - bytes];
    return r;
}

static inline union vec simd_table(union vec table, union vec index, union vec otherwise, unsigned bytes, unsigned base)
{
    union vec r = {0};
    for (unsigned i = 0; i < bytes; i++) {
        unsigned at = index.b[i] - base;
        r.b[i] = at < 16 ? table.b[at] : otherwise.b[i];
    }
    return r;
}

static inline union vec simd_rev(union vec a, unsigned esz, unsigned lanes, unsigned group)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, esz, i, eval_lane(a, esz, i ^ ((1u << (group - esz)) - 1)));
    return r;
}

/* A lane's value shifted left, or right where shift is negative (with rounding to nearest, ties up). */
static inline __int128 simd_shift(__int128 value, int shift, bool round)
{
    if (shift >= 64) /* every bit leaves the lane; what saturates must still see that there were some */
        return value == 0 ? 0 : value < 0 ? -((__int128)1 << 126) : (__int128)1 << 126;
    if (shift >= 0)
        return value * ((__int128)1 << shift);
    if (shift < -65)
        return value < 0 && !round ? -1 : 0;
    return (value + (round ? (__int128)1 << (-shift - 1) : 0)) >> -shift;
}

static inline uint64_t simd_saturate(struct cpu *cpu, __int128 value, __int128 least, __int128 most)
{
    if (value >= least && value <= most)
        return (uint64_t)value;
    cpu->fpsr |= FPSR_QC;
    return (uint64_t)(value < least ? least : most);
}

static inline uint64_t simd_saturate_signed(struct cpu *cpu, __int128 value, unsigned bits)
{
    __int128 limit = (__int128)1 << (bits - 1);
    return simd_saturate(cpu, value, -limit, limit - 1);
}

static inline uint64_t simd_saturate_unsigned(struct cpu *cpu, __int128 value, unsigned bits)
{
    return simd_saturate(cpu, value, 0, ((__int128)1 << bits) - 1);
}

/* (addend << bits) + product, rounded, shifted right by bits. */
static inline __int128 simd_round_high(__int128 product, __int128 addend, unsigned bits)
{
    __int128 one = (__int128)1 << (bits - 1);
    return (product + addend * 2 * one + one) >> bits;
}

static inline int64_t simd_signed_lane(union vec a, unsigned esz, unsigned index)
{
    unsigned unused = 64 - (8u << esz);
    return (int64_t)(eval_lane(a, esz, index) << unused) >> unused;
}

static inline union vec simd_widen(union vec a, unsigned esz, unsigned lanes, bool high, bool is_signed)
{
    unsigned from = high ? 8u >> (esz - 1) : 0;
    union vec r = {0};
    if (lanes << esz == 16)
        return simd_widen128(a, esz, high, is_signed);
    for (unsigned i = 0; i < lanes; i++) {
        uint64_t lane = is_signed ? (uint64_t)simd_signed_lane(a, esz - 1, from + i) : eval_lane(a, esz - 1, from + i);
        r = eval_lane_set(r, esz, i, lane);
    }
    return r;
}

enum simd_narrowing { SIMD_TRUNCATE, SIMD_SIGNED, SIMD_UNSIGNED, SIMD_SIGNED_TO_UNSIGNED };

static inline union vec simd_narrow(struct cpu *cpu, union vec a, unsigned esz, unsigned lanes, unsigned shift,
                                    enum simd_narrowing how)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++) {
        bool is_signed = how == SIMD_SIGNED || how == SIMD_SIGNED_TO_UNSIGNED;
        __int128 wide = is_signed ? (__int128)simd_signed_lane(a, esz + 1, i) : (__int128)eval_lane(a, esz + 1, i);
        if (shift & 0xff)
            wide = simd_shift(wide, -(int)(shift & 0xff), shift >> 8);
        uint64_t lane = how == SIMD_TRUNCATE ? (uint64_t)wide
                        : how == SIMD_SIGNED ? simd_saturate_signed(cpu, wide, 8u << esz)
                                             : simd_saturate_unsigned(cpu, wide, 8u << esz);
        r = eval_lane_set(r, esz, i, lane);
    }
    return r;
}

/* The low 64 bits of the carry-less product. */
static inline uint64_t simd_clmul(uint64_t a, uint64_t b)
{
    uint64_t r = 0;
    for (; b; b &= b - 1)
        r ^= a << __builtin_ctzll(b);
    return r;
}

/* Sums of the products of the four bytes in each word of a and b, added to the word of sum. */
static inline union vec simd_dot(union vec sum, union vec a, union vec b, unsigned lanes, bool a_signed, bool b_signed)
{
    for (unsigned i = 0; i < 4 * lanes; i++)
        sum.s[i / 4] += (uint32_t)((a_signed ? a.sb[i] : a.b[i]) * (b_signed ? b.sb[i] : b.b[i]));
    for (unsigned i = lanes; i < 4; i++)
        sum.s[i] = 0;
    return sum;
}

/* Halves from element `from` upwards, multiplied and added to singles. */
static inline union vec simd_muladd_half(struct cpu *cpu, union vec sum, union vec a, union vec b, unsigned lanes,
                                         unsigned from)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r.s[i] = (uint32_t)fp_muladd_half(cpu, sum.s[i], a.h[from + i], b.h[from + i]);
    return r;
}

static inline union vec simd_convert_bfloat(struct cpu *cpu, union vec a, unsigned lanes)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r.h[i] = (uint16_t)fp_convert_bfloat(cpu, a.s[i]);
    return r;
}

/* --- crypto.c, crypto_sha512.c, crypto_sm.c ----------------------------------------------------------------------------------------- */

union vec crypto_pmull(uint64_t a, uint64_t b);
union vec crypto_aese(union vec state, union vec key);
union vec crypto_aesd(union vec state, union vec key);
union vec crypto_aesmc(union vec state);
union vec crypto_aesimc(union vec state);
union vec crypto_sha1h(union vec a);
/* Four rounds of SHA1C (function 0), SHA1P (1) or SHA1M (2): hash ABCD, hash E, schedule plus constant. */
union vec crypto_sha1_rounds(union vec abcd, union vec e, union vec w, unsigned function);
union vec crypto_sha1su0(union vec w0, union vec w1, union vec w2);
union vec crypto_sha1su1(union vec t, union vec w3);
/* Four rounds of SHA-256; returns ABCD, or EFGH for SHA256H2. */
union vec crypto_sha256_rounds(union vec abcd, union vec efgh, union vec w, bool second);
union vec crypto_sha256su0(union vec w0, union vec w1);
union vec crypto_sha256su1(union vec t, union vec w2, union vec w3);

union vec crypto_sha512h(union vec d, union vec n, union vec m);
union vec crypto_sha512h2(union vec d, union vec n, union vec m);
union vec crypto_sha512su0(union vec d, union vec n);
union vec crypto_sha512su1(union vec d, union vec n, union vec m);
union vec crypto_sm3ss1(union vec n, union vec m, union vec a);
/* SM3TT1A, 1B, 2A, 2B are 0 to 3; the element of m << 2. */
union vec crypto_sm3tt(union vec d, union vec n, union vec m, unsigned imm);
union vec crypto_sm3partw1(union vec d, union vec n, union vec m);
union vec crypto_sm3partw2(union vec d, union vec n, union vec m);
union vec crypto_sm4e(union vec state, union vec keys);
union vec crypto_sm4ekey(union vec key, union vec constants);

#endif
