/* Exact conversions of floating-point numbers: to and from integers, to integral values, between formats. */
#include "fp_exact.h"

/* --- integers ----------------------------------------------------------------------------------------- */

/* The magnitude of u * 2^fraction_bits rounded to an integer; saturates above 2^64. */
static u128 to_magnitude(const struct unpacked *u, int fraction_bits, enum fp_rounding rounding, bool *inexact)
{
    int exponent = u->exponent - 63 + fraction_bits;
    *inexact = false;
    if (exponent >= 2)
        return (u128)1 << 66;
    if (exponent >= 0)
        return (u128)u->mantissa << exponent;
    u128 error, whole = fpx_split(u->mantissa, -exponent, &error);
    *inexact = error != 0;
    return whole + fpx_rounds_up(rounding, u->sign, whole & 1, error);
}

/* [FPToFixed] */
uint64_t fp_soft_to_int(struct cpu *cpu, unsigned esz, uint64_t a, unsigned width, unsigned imm)
{
    struct unpacked u = fpx_unpack(cpu, esz, a);
    uint64_t all = ~0ull >> (64 - width), top = 1ull << (width - 1);
    bool is_signed = fp_cvt_signed(imm), inexact = false;
    enum fp_rounding rounding = fp_cvt_rounding(imm);

    if (fpx_is_nan(&u)) {
        fpx_raise_flags(cpu, FPSR_IOC);
        return 0;
    }
    if (u.class == CLASS_ZERO)
        return 0;
    if (rounding == FP_CURRENT)
        rounding = fpx_current_rounding(cpu);
    u128 magnitude = u.class == CLASS_INF ? (u128)1 << 66
                                          : to_magnitude(&u, (int)fp_cvt_fraction(imm), rounding, &inexact);
    u128 limit = u.sign ? (is_signed ? top : 0) : (is_signed ? top - 1 : all);
    if (magnitude > limit) {
        fpx_raise_flags(cpu, FPSR_IOC);
        magnitude = limit;
    } else if (inexact) {
        fpx_raise_flags(cpu, FPSR_IXC);
    }
    return (u.sign ? -(uint64_t)magnitude : (uint64_t)magnitude) & all;
}

/* [FixedToFP] */
uint64_t fp_from_int(struct cpu *cpu, unsigned esz, uint64_t value, unsigned imm)
{
    if (cpu->fp_host && imm == FP_CVT(FP_CURRENT, true, 0) && esz == 3)
        return fp_of_d(_mm_cvtsi64_sd(_mm_setzero_pd(), (int64_t)value));
    bool sign = fp_cvt_signed(imm) && (int64_t)value < 0;
    uint64_t magnitude = sign ? -value : value;
    if (!magnitude)
        return 0;
    enum fp_rounding rounding = fp_cvt_rounding(imm);
    if (rounding == FP_CURRENT)
        rounding = fpx_current_rounding(cpu);
    return fpx_round_value(cpu, esz, sign, -(int)fp_cvt_fraction(imm), magnitude, rounding,
                           fpx_flush_to_zero(cpu, esz), false);
}

/* [FPRoundInt] */
uint64_t fp_round_int(struct cpu *cpu, unsigned esz, uint64_t a, unsigned imm)
{
    struct unpacked u = fpx_unpack(cpu, esz, a);
    enum fp_rounding rounding = imm & 7;
    bool inexact;

    if (fpx_is_nan(&u))
        return fpx_process_nan(cpu, esz, &u, a);
    if (u.class != CLASS_FINITE)
        return fpx_repack(esz, &u, a);
    if (u.exponent >= fpx_formats[esz].fraction_bits)
        return a; /* an integer already */
    if (rounding == FP_CURRENT)
        rounding = fpx_current_rounding(cpu);
    u128 magnitude = to_magnitude(&u, 0, rounding, &inexact);
    if (inexact && imm >> 3 & 1)
        fpx_raise_flags(cpu, FPSR_IXC);
    if (!magnitude)
        return fpx_zero(esz, u.sign);
    return fpx_round_value(cpu, esz, u.sign, 0, magnitude, FP_ZERO, false, false);
}

/* [FPRoundIntN]: what doesn't fit into `bits` bits becomes the least integer that does. */
uint64_t fp_round_int_within(struct cpu *cpu, unsigned esz, uint64_t a, unsigned imm)
{
    struct unpacked u = fpx_unpack(cpu, esz, a);
    enum fp_rounding rounding = imm & 7;
    unsigned bits = imm >> 8;
    u128 limit = (u128)1 << (bits - 1);
    bool inexact = false;

    if (u.class == CLASS_ZERO)
        return fpx_zero(esz, u.sign);
    if (rounding == FP_CURRENT)
        rounding = fpx_current_rounding(cpu);
    u128 magnitude = u.class == CLASS_FINITE ? to_magnitude(&u, 0, rounding, &inexact) : (u128)1 << 66;
    if (magnitude > limit || (magnitude == limit && !u.sign)) {
        fpx_raise_flags(cpu, FPSR_IOC);
        uint64_t exponent = (uint64_t)fpx_formats[esz].bias + bits - 1;
        return fpx_sign_of(esz, true) | exponent << fpx_formats[esz].fraction_bits;
    }
    if (inexact)
        fpx_raise_flags(cpu, FPSR_IXC);
    if (!magnitude)
        return fpx_zero(esz, u.sign);
    return fpx_round_value(cpu, esz, u.sign, 0, magnitude, FP_ZERO, false, false);
}

/* The integer part of a finite double, modulo 2^32 ([FPToFixedJS]). */
static uint32_t low_word(const struct unpacked *u, bool *inexact)
{
    int exponent = u->exponent - 63;
    *inexact = false;
    if (exponent >= 32)
        return 0;
    if (exponent >= 0)
        return (uint32_t)(u->mantissa << exponent);
    u128 error, whole = fpx_split(u->mantissa, -exponent, &error);
    *inexact = error != 0;
    return (uint32_t)whole;
}

uint64_t fp_to_int_javascript(struct cpu *cpu, uint64_t a)
{
    const uint64_t exact = (uint64_t)NZCV_Z << 32;
    struct unpacked u = fpx_unpack(cpu, 3, a);
    bool inexact;

    if (u.class == CLASS_ZERO) /* minus zero, and what was flushed, is not exact */
        return a ? 0 : exact;
    if (u.class != CLASS_FINITE) {
        fpx_raise_flags(cpu, FPSR_IOC);
        return 0;
    }
    uint32_t magnitude = low_word(&u, &inexact), result = u.sign ? -magnitude : magnitude;
    if (u.exponent > 31 || (u.exponent == 31 && (!u.sign || magnitude != 1u << 31))) {
        fpx_raise_flags(cpu, FPSR_IOC);
        return result;
    }
    if (inexact)
        fpx_raise_flags(cpu, FPSR_IXC);
    return inexact ? result : result | exact;
}

/* --- formats ------------------------------------------------------------------------------------------ */

uint64_t fpx_convert_nan(unsigned to, unsigned from, uint64_t bits)
{
    uint64_t fraction = bits & fpx_fraction_mask(from);
    int up = fpx_formats[to].fraction_bits - fpx_formats[from].fraction_bits;
    fraction = up >= 0 ? fraction << up : fraction >> -up;
    return fpx_quiet_nan(to, bits & fp_sign_bit(from)) | (fraction & fpx_fraction_mask(to));
}

/* [FPConvert] */
uint64_t fp_convert(struct cpu *cpu, unsigned to, unsigned from, uint64_t a, enum fp_rounding rounding)
{
    bool alternative = cpu->fpcr & FPCR_AHP;
    struct unpacked u = from == 1 ? fpx_unpack_raw(1, a, alternative) : fpx_unpack(cpu, from, a);
    bool to_alternative = to == 1 && alternative;

    if (fpx_is_nan(&u)) {
        if (u.class == CLASS_SNAN || to_alternative)
            fpx_raise_flags(cpu, FPSR_IOC);
        if (to_alternative)
            return fpx_zero(to, u.sign);
        return cpu->fpcr & FPCR_DN ? fpx_default_nan(cpu, to) : fpx_convert_nan(to, from, a);
    }
    fpx_process_denorms(cpu, &u, 1);
    if (u.class == CLASS_INF && to_alternative) {
        fpx_raise_flags(cpu, FPSR_IOC);
        return fpx_sign_of(to, u.sign) | (fp_sign_bit(to) - 1);
    }
    if (u.class == CLASS_INF)
        return fpx_infinity(to, u.sign);
    if (u.class == CLASS_ZERO)
        return fpx_zero(to, u.sign);
    if (rounding == FP_CURRENT)
        rounding = fpx_current_rounding(cpu);
    bool flush = to != 1 && fpx_flush_to_zero(cpu, to);
    return fpx_round_value(cpu, to, u.sign, u.exponent - 63, u.mantissa, rounding, flush, to_alternative);
}

