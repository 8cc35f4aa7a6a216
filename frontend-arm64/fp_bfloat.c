/* BFloat16: a single's upper half. Conversion, dot products, matrix products. */
#include "fp_exact.h"

#include <xemu/simd.h>

enum { SINGLE = 2 };
static const uint32_t ONE_BF = 1u << 16; /* a bfloat's last place, in a single */

/* [FPConvertBF] */
static uint64_t convert(struct cpu *cpu, uint64_t a)
{
    struct unpacked u = fpx_unpack(cpu, SINGLE, a);
    enum fp_rounding rounding = fpx_current_rounding(cpu);
    uint32_t bits = (uint32_t)a, rest = bits & (ONE_BF - 1), kept = bits - rest;

    if (fpx_is_nan(&u))
        return fpx_process_nan(cpu, SINGLE, &u, a) >> 16;
    if (u.class != CLASS_FINITE)
        return fpx_repack(SINGLE, &u, a) >> 16;
    if (rest && !(bits << 1 >> 24)) /* tiny before rounding */
        fpx_raise_flags(cpu, FPSR_UFC);
    if (rest)
        fpx_raise_flags(cpu, FPSR_IXC);
    if (fpx_rounds_up(rounding, u.sign, kept & ONE_BF, (u128)rest << 112))
        kept += ONE_BF;
    if (kept << 1 >> 24 == 0xff)
        fpx_raise_flags(cpu, FPSR_OFC);
    return kept >> 16;
}

uint64_t fp_convert_bfloat(struct cpu *cpu, uint64_t a)
{
    struct fpx_quietly before = fpx_begin_quietly(cpu);
    return fpx_end_quietly(cpu, before, convert(cpu, a));
}

union vec fp_muladd_quietly(struct cpu *cpu, unsigned lanes, union vec sum, union vec a, union vec b)
{
    struct fpx_quietly before = fpx_begin_quietly(cpu);
    for (unsigned i = 0; i < lanes; i++)
        sum.s[i] = (uint32_t)fp_soft_muladd(cpu, SINGLE, sum.s[i], a.s[i], b.s[i]);
    fpx_end_quietly(cpu, before, 0);
    return sum;
}

/* --- standard behaviour: denormals are zero, rounding is to odd, there are no exceptions ([BFRound]) --- */

static struct unpacked unpack_bfloat(uint32_t single)
{
    struct unpacked u = fpx_unpack_raw(SINGLE, single, false);
    if (u.class == CLASS_FINITE && u.exponent < -126)
        u.class = CLASS_ZERO;
    return u;
}

static uint32_t round_to_odd(struct wide sum)
{
    struct cpu scratch = {0};
    uint32_t r = (uint32_t)fpx_round_value(&scratch, SINGLE, sum.sign, sum.exponent, sum.m, FP_ODD, true, false);
    return scratch.fpsr & FPSR_OFC ? (uint32_t)fpx_infinity(SINGLE, sum.sign) : r;
}

/* [BFMulH] */
static uint32_t multiply(const struct cpu *cpu, uint16_t a, uint16_t b)
{
    struct unpacked u = unpack_bfloat((uint32_t)a << 16), v = unpack_bfloat((uint32_t)b << 16);
    bool sign = u.sign ^ v.sign;
    if (fpx_is_nan(&u) || fpx_is_nan(&v) || fpx_inf_times_zero(&u, &v))
        return (uint32_t)fpx_default_nan(cpu, SINGLE);
    if (u.class == CLASS_INF || v.class == CLASS_INF)
        return (uint32_t)fpx_infinity(SINGLE, sign);
    if (u.class == CLASS_ZERO || v.class == CLASS_ZERO)
        return (uint32_t)fpx_zero(SINGLE, sign);
    return round_to_odd(fpx_product(&u, &v));
}

/* [BFAdd] */
static uint32_t add(const struct cpu *cpu, uint32_t a, uint32_t b)
{
    struct unpacked u = unpack_bfloat(a), v = unpack_bfloat(b);
    if (fpx_is_nan(&u) || fpx_is_nan(&v) || (u.class == CLASS_INF && v.class == CLASS_INF && u.sign != v.sign))
        return (uint32_t)fpx_default_nan(cpu, SINGLE);
    if (u.class == CLASS_INF || v.class == CLASS_INF)
        return (uint32_t)fpx_infinity(SINGLE, u.class == CLASS_INF ? u.sign : v.sign);
    if (u.class == CLASS_ZERO && v.class == CLASS_ZERO)
        return (uint32_t)fpx_zero(SINGLE, u.sign && v.sign);
    if (u.class == CLASS_ZERO || v.class == CLASS_ZERO)
        return u.class == CLASS_ZERO ? b : a;
    struct wide sum = fpx_add_wide(fpx_widen(&u), fpx_widen(&v));
    return sum.m ? round_to_odd(sum) : 0;
}

/* --- the same, and faster, where no operand is infinite or a NaN: false if one is ------------------------------ */

enum { FRACTION = 23, EXPONENTS = 0xff };
static const uint32_t SIGN = 1u << 31, WHOLE = 1u << FRACTION;

static int exponent_of(uint32_t a) { return (int)(a >> FRACTION & EXPONENTS); }
static uint64_t fraction_of(uint32_t a) { return (a & (WHOLE - 1)) | WHOLE; }

static uint32_t number(uint32_t sign, int exponent, uint32_t fraction)
{
    if (exponent < 1)
        return sign;
    return sign | (exponent < EXPONENTS ? (uint32_t)exponent << FRACTION | (fraction & (WHOLE - 1)) : EXPONENTS << FRACTION);
}

static bool multiply_finite(uint16_t a, uint16_t b, uint32_t *r)
{
    int ea = a >> 7 & EXPONENTS, eb = b >> 7 & EXPONENTS;
    uint32_t sign = (uint32_t)((a ^ b) & 0x8000) << 16;
    uint32_t m = (uint32_t)((a & 0x7f) | 0x80) * ((b & 0x7f) | 0x80), carry = m >> 15;
    *r = ea && eb ? number(sign, ea + eb - 127 + (int)carry, m << (carry ? 8 : 9)) : sign;
    return ea != EXPONENTS && eb != EXPONENTS;
}

static bool add_finite(uint32_t a, uint32_t b, uint32_t *r)
{
    enum { BELOW = 38, BELOW_SUM = 40 }; /* bits under the last place: for what is shifted out, and in the end */
    if (a << 1 < b << 1) {
        uint32_t t = a;
        a = b;
        b = t;
    }
    int ea = exponent_of(a), eb = exponent_of(b), distance = ea - eb;
    if (ea == EXPONENTS)
        return false;
    if (!eb) {
        *r = ea ? a : a & b & SIGN;
        return true;
    }
    uint64_t m = fraction_of(a) << BELOW, n = fraction_of(b) << BELOW;
    n = distance > 62 ? 1 : n >> distance | ((n & ((1ull << distance) - 1)) != 0);
    m = (a ^ b) & SIGN ? m - n : m + n;
    if (!m) {
        *r = 0;
        return true;
    }
    int leading = __builtin_clzll(m);
    m <<= leading;
    uint32_t odd = (m & ((1ull << BELOW_SUM) - 1)) != 0;
    *r = number(a & SIGN, ea + 2 - leading, (uint32_t)(m >> BELOW_SUM) | odd);
    return true;
}

/* --- extended behaviour (FPCR.EBF): one rounding for two products, by FPCR; no exceptions, default NaNs ------- */

/* [FPDot] */
static uint64_t dot_extended(struct cpu *cpu, uint32_t a, uint32_t b)
{
    struct unpacked u[2], v[2];
    struct wide products[2];
    bool infinite = false, infinite_sign = false, zero[2], sign[2];

    for (int i = 0; i < 2; i++) {
        u[i] = fpx_unpack(cpu, SINGLE, (uint64_t)(uint16_t)(a >> 16 * i) << 16);
        v[i] = fpx_unpack(cpu, SINGLE, (uint64_t)(uint16_t)(b >> 16 * i) << 16);
        sign[i] = u[i].sign ^ v[i].sign;
        zero[i] = u[i].class == CLASS_ZERO || v[i].class == CLASS_ZERO;
    }
    for (int i = 0; i < 2; i++) {
        bool inf = u[i].class == CLASS_INF || v[i].class == CLASS_INF;
        if (fpx_is_nan(&u[i]) || fpx_is_nan(&v[i]) || fpx_inf_times_zero(&u[i], &v[i]) ||
            (inf && infinite && infinite_sign != sign[i]))
            return fpx_default_nan(cpu, SINGLE);
        if (inf)
            infinite = true, infinite_sign = sign[i];
        else if (!zero[i])
            products[i] = fpx_product(&u[i], &v[i]);
    }
    if (infinite)
        return fpx_infinity(SINGLE, infinite_sign);
    if (zero[0] && zero[1])
        return fpx_sum_of_zeros(cpu, SINGLE, sign[0], sign[1]);
    if (zero[0] || zero[1])
        return fpx_round_wide(cpu, SINGLE, products[zero[0]]);
    return fpx_round_wide(cpu, SINGLE, fpx_add_wide(products[0], products[1]));
}

/* [BFDotAdd]: sum plus the products of the two bfloats in a with those in b. */
static uint32_t dot_add(const struct cpu *cpu, uint32_t sum, uint32_t a, uint32_t b)
{
    uint32_t low, high, r;
    if (!(cpu->fpcr & FPCR_EBF) && multiply_finite((uint16_t)a, (uint16_t)b, &low) &&
        multiply_finite((uint16_t)(a >> 16), (uint16_t)(b >> 16), &high) && add_finite(low, high, &r) &&
        add_finite(sum, r, &r))
        return r;
    if (!(cpu->fpcr & FPCR_EBF))
        return add(cpu, sum,
                   add(cpu, multiply(cpu, (uint16_t)a, (uint16_t)b),
                       multiply(cpu, (uint16_t)(a >> 16), (uint16_t)(b >> 16))));
    struct cpu scratch = {.fpcr = cpu->fpcr | FPCR_DN};
    return (uint32_t)fp_soft_add(&scratch, SINGLE, sum, dot_extended(&scratch, a, b));
}

union vec fp_bfloat_dot(const struct cpu *cpu, union vec sum, union vec a, union vec b, unsigned lanes)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r.s[i] = dot_add(cpu, sum.s[i], a.s[i], b.s[i]);
    return r;
}
