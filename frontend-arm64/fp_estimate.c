/* Estimates of reciprocals and of reciprocal square roots, as the manual prescribes them bit by bit. */
#include "fp_exact.h"

#include <xemu/features.h>

/* [RecipEstimate]: 9 bits of 1/x, x = a / 512 in [0.5, 1). */
static uint32_t recip_estimate(uint32_t a)
{
    uint32_t b = (1u << 19) / (a * 2 + 1);
    return (b + 1) / 2;
}

/* The greatest b with a * b * b < limit, which is at least `least`, a power of two, and less than twice as great. */
static uint32_t root_below(uint64_t a, uint64_t limit, uint64_t least)
{
    uint64_t b = least;
    for (uint64_t step = least / 2; step; step /= 2)
        if (a * (b + step) * (b + step) < limit)
            b += step;
    return (uint32_t)b;
}

/* [RecipSqrtEstimate]: 9 bits of 1/sqrt(x), x = a / 512 in [0.25, 1). */
static uint32_t rsqrt_estimate(uint32_t a)
{
    a = a < 256 ? a * 2 + 1 : ((a >> 1 << 1) + 1) * 2;
    return (root_below(a, 1u << 28, 512) + 1) / 2;
}

/* The same with 12 bits, for singles with FPCR.AH (FEAT_RPRES): a / 4096 in [0.5, 1), or in [0.25, 1). */
static uint32_t recip_estimate12(uint32_t a)
{
    a = 2 * a + 1;
    uint32_t b = (1u << 25) / a, rest = (1u << 25) % a;
    return b + (2 * rest > a);
}

static uint32_t rsqrt_estimate12(uint32_t a)
{
    a = a < 2048 ? a * 2 + 1 : ((a >> 1 << 1) + 1) * 2;
    return (root_below(a, 1ull << 39, 8192) + 1) / 2;
}

static bool is_precise(const struct cpu *cpu, unsigned esz)
{
    return esz == 2 && fpx_alternate(cpu) && feature_on[FEAT_RPRES];
}

/* The exponent field and the fraction aligned to 52 bits of a finite number that isn't zero. */
static uint64_t estimate_fraction(unsigned esz, uint64_t a, int *exponent)
{
    *exponent = (int)(a >> fpx_formats[esz].fraction_bits & fpx_exponent_ones(esz));
    return (a & fpx_fraction_mask(esz)) << (52 - fpx_formats[esz].fraction_bits);
}

/* [FPRecipEstimate] */
static uint64_t recip(struct cpu *cpu, unsigned esz, uint64_t a)
{
    const struct format *f = &fpx_formats[esz];
    const uint64_t mask52 = (1ull << 52) - 1;
    struct unpacked u = fpx_unpack(cpu, esz, a);
    int exponent;

    if (fpx_is_nan(&u))
        return fpx_process_nan(cpu, esz, &u, a);
    if (u.class == CLASS_INF)
        return fpx_zero(esz, u.sign);
    if (u.class == CLASS_ZERO) {
        fpx_raise_flags(cpu, FPSR_DZC);
        return fpx_infinity(esz, u.sign);
    }
    if (u.exponent < -f->bias - 1)
        return fpx_overflow(cpu, esz, u.sign, fpx_current_rounding(cpu));
    if (fpx_flush_to_zero(cpu, esz) && u.exponent >= f->bias - 1) {
        fpx_raise_flags(cpu, FPSR_UFC);
        return fpx_zero(esz, u.sign);
    }
    uint64_t fraction = estimate_fraction(esz, a, &exponent);
    if (!exponent) {
        exponent = fraction >> 51 ? 0 : -1;
        fraction = fraction << (1 - exponent) & mask52;
    }
    uint64_t estimate = is_precise(cpu, esz) ? (uint64_t)recip_estimate12((uint32_t)(2048 | fraction >> 41)) << 40
                                             : (uint64_t)recip_estimate((uint32_t)(256 | fraction >> 44)) << 44;
    estimate &= mask52;
    exponent = 2 * f->bias - 1 - exponent;
    if (exponent <= 0) {
        estimate = (estimate | 1ull << 52) >> (1 - exponent);
        exponent = 0;
    }
    return fpx_sign_of(esz, u.sign) | (uint64_t)exponent << f->fraction_bits | estimate >> (52 - f->fraction_bits);
}

/* [FPRSqrtEstimate] */
static uint64_t rsqrt(struct cpu *cpu, unsigned esz, uint64_t a)
{
    const struct format *f = &fpx_formats[esz];
    struct unpacked u = fpx_unpack(cpu, esz, a);
    int exponent;

    if (fpx_is_nan(&u))
        return fpx_process_nan(cpu, esz, &u, a);
    if (u.class == CLASS_ZERO) {
        fpx_raise_flags(cpu, FPSR_DZC);
        return fpx_infinity(esz, u.sign);
    }
    if (u.sign)
        return fpx_invalid(cpu, esz);
    if (u.class == CLASS_INF)
        return fpx_zero(esz, false);
    uint64_t fraction = estimate_fraction(esz, a, &exponent);
    if (!exponent) {
        while (!(fraction >> 51 & 1)) {
            fraction <<= 1;
            exponent--;
        }
        fraction = fraction << 1 & ((1ull << 52) - 1);
    }
    uint64_t result = (uint64_t)((3 * f->bias - 1 - exponent) >> 1) << f->fraction_bits;
    unsigned odd = exponent & 1;
    if (is_precise(cpu, esz)) {
        uint32_t scaled = (uint32_t)((2048 | fraction >> 41) >> odd);
        return result | (uint64_t)(rsqrt_estimate12(scaled) & 0xfff) << (f->fraction_bits - 12);
    }
    uint32_t scaled = (uint32_t)((256 | fraction >> 44) >> odd);
    return result | (uint64_t)(rsqrt_estimate(scaled) & 0xff) << (f->fraction_bits - 8);
}

/* [FPRecpX] */
static uint64_t recpx(struct cpu *cpu, unsigned esz, uint64_t a)
{
    struct unpacked u = fpx_unpack(cpu, esz, a);
    uint64_t exponent = a >> fpx_formats[esz].fraction_bits & fpx_exponent_ones(esz);
    if (fpx_is_nan(&u))
        return fpx_process_nan(cpu, esz, &u, a);
    exponent = exponent ? ~exponent & fpx_exponent_ones(esz) : fpx_exponent_ones(esz) - 1;
    return fpx_sign_of(esz, u.sign) | exponent << fpx_formats[esz].fraction_bits;
}

uint64_t fp_recip_estimate(struct cpu *cpu, unsigned esz, uint64_t a)
{
    struct fpx_quietly before = fpx_begin_quietly(cpu);
    return fpx_end_quietly(cpu, before, recip(cpu, esz, a));
}

uint64_t fp_rsqrt_estimate(struct cpu *cpu, unsigned esz, uint64_t a)
{
    struct fpx_quietly before = fpx_begin_quietly(cpu);
    return fpx_end_quietly(cpu, before, rsqrt(cpu, esz, a));
}

uint64_t fp_recpx(struct cpu *cpu, unsigned esz, uint64_t a)
{
    struct fpx_quietly before = fpx_begin_quietly(cpu);
    return fpx_end_quietly(cpu, before, recpx(cpu, esz, a));
}

uint32_t fp_urecpe(uint32_t a) { return a >> 31 ? recip_estimate(a >> 23) << 23 : UINT32_MAX; }
uint32_t fp_ursqrte(uint32_t a) { return a >> 30 ? rsqrt_estimate(a >> 23) << 23 : UINT32_MAX; }
