/* Exact floating-point arithmetic: sums, products, quotients, roots, Newton steps. */
#include "fp_exact.h"

static uint64_t add_unpacked(struct cpu *cpu, unsigned esz, const struct unpacked *a, const struct unpacked *b)
{
    if (a->class == CLASS_INF || b->class == CLASS_INF) {
        if (a->class == b->class && a->sign != b->sign)
            return fpx_invalid(cpu, esz);
        return fpx_infinity(esz, a->class == CLASS_INF ? a->sign : b->sign);
    }
    if (a->class == CLASS_ZERO && b->class == CLASS_ZERO)
        return fpx_sum_of_zeros(cpu, esz, a->sign, b->sign);
    if (a->class == CLASS_ZERO)
        return fpx_round_wide(cpu, esz, fpx_widen(b));
    if (b->class == CLASS_ZERO)
        return fpx_round_wide(cpu, esz, fpx_widen(a));
    return fpx_round_wide(cpu, esz, fpx_add_wide(fpx_widen(a), fpx_widen(b)));
}

uint64_t fp_soft_add(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    struct unpacked u[2];
    uint64_t r;
    return fpx_unpack2(cpu, esz, a, b, u, &r) ? r : add_unpacked(cpu, esz, &u[0], &u[1]);
}

uint64_t fp_soft_sub(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    struct unpacked u[2];
    uint64_t r;
    if (fpx_unpack2(cpu, esz, a, b, u, &r))
        return r;
    u[1].sign = !u[1].sign;
    return add_unpacked(cpu, esz, &u[0], &u[1]);
}

/* [FPMul] and [FPMulX], which differ in infinity times zero. */
static uint64_t multiply(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, bool extended)
{
    struct unpacked u[2];
    uint64_t r;
    if (fpx_unpack2(cpu, esz, a, b, u, &r))
        return r;
    bool sign = u[0].sign ^ u[1].sign;
    if (fpx_inf_times_zero(&u[0], &u[1])) {
        if (!extended)
            return fpx_invalid(cpu, esz);
        return fpx_sign_of(esz, sign) | (uint64_t)(fpx_formats[esz].bias + 1) << fpx_formats[esz].fraction_bits; /* 2.0 */
    }
    if (u[0].class == CLASS_INF || u[1].class == CLASS_INF)
        return fpx_infinity(esz, sign);
    if (u[0].class == CLASS_ZERO || u[1].class == CLASS_ZERO)
        return fpx_zero(esz, sign);
    return fpx_round_wide(cpu, esz, fpx_product(&u[0], &u[1]));
}

uint64_t fp_soft_mul(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    return multiply(cpu, esz, a, b, false);
}

uint64_t fp_mulx(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b) { return multiply(cpu, esz, a, b, true); }

uint64_t fp_soft_div(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    struct unpacked u[2] = {fpx_unpack(cpu, esz, a), fpx_unpack(cpu, esz, b)};
    uint64_t r;
    u[0].denormal &= u[1].class != CLASS_ZERO; /* a division by zero says nothing of the dividend */
    if (fpx_process_nans(cpu, esz, u, (uint64_t[]){a, b}, 2, &r))
        return r;
    bool sign = u[0].sign ^ u[1].sign;
    if (u[0].class == u[1].class && u[0].class != CLASS_FINITE)
        return fpx_invalid(cpu, esz); /* inf/inf, 0/0 */
    if (u[0].class == CLASS_INF)
        return fpx_infinity(esz, sign);
    if (u[1].class == CLASS_ZERO) {
        fpx_raise_flags(cpu, FPSR_DZC);
        return fpx_infinity(esz, sign);
    }
    if (u[0].class == CLASS_ZERO || u[1].class == CLASS_INF)
        return fpx_zero(esz, sign);
    u128 dividend = (u128)u[0].mantissa << 63, quotient = dividend / u[1].mantissa;
    bool rest = dividend % u[1].mantissa != 0;
    return fpx_round_current(cpu, esz, sign, u[0].exponent - u[1].exponent - 64, quotient << 1 | rest);
}

/* The integer square root of m, and whether it is inexact. */
static uint64_t square_root(u128 m, bool *rest)
{
    u128 root = 0, bit = (u128)1 << 126;
    for (; bit; bit >>= 2) {
        if (m >= root + bit) {
            m -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    *rest = m != 0;
    return (uint64_t)root;
}

uint64_t fp_soft_sqrt(struct cpu *cpu, unsigned esz, uint64_t a)
{
    struct unpacked u = fpx_unpack(cpu, esz, a);
    if (fpx_is_nan(&u))
        return fpx_process_nan(cpu, esz, &u, a);
    if (u.class == CLASS_ZERO)
        return fpx_zero(esz, u.sign);
    if (u.sign)
        return fpx_invalid(cpu, esz);
    fpx_process_denorms(cpu, &u, 1);
    if (u.class == CLASS_INF)
        return fpx_infinity(esz, false);
    /* An even exponent below the radix point: value = m * 2^(2k), root = sqrt(m) * 2^k. */
    int exponent = u.exponent - 63 - 62, odd = exponent & 1;
    bool rest;
    uint64_t root = square_root((u128)u.mantissa << (62 + odd), &rest);
    return fpx_round_current(cpu, esz, false, (exponent - odd) / 2 - 1, (u128)root << 1 | rest);
}

static bool muladd_is_invalid(const struct unpacked *addend, const struct unpacked *a, const struct unpacked *b)
{
    bool inf = a->class == CLASS_INF || b->class == CLASS_INF;
    return fpx_inf_times_zero(a, b) || (addend->class == CLASS_INF && inf && addend->sign != (a->sign ^ b->sign));
}

/* [FPMulAdd] after NaNs: addend + a * b. */
static uint64_t muladd_unpacked(struct cpu *cpu, unsigned esz, const struct unpacked *addend,
                                const struct unpacked *a, const struct unpacked *b)
{
    bool sign = a->sign ^ b->sign;
    bool inf = a->class == CLASS_INF || b->class == CLASS_INF;
    bool product_zero = a->class == CLASS_ZERO || b->class == CLASS_ZERO;

    if (muladd_is_invalid(addend, a, b))
        return fpx_invalid(cpu, esz);
    if (addend->class == CLASS_INF || inf)
        return fpx_infinity(esz, inf ? sign : addend->sign);
    if (addend->class == CLASS_ZERO && product_zero)
        return fpx_sum_of_zeros(cpu, esz, addend->sign, sign);
    if (product_zero)
        return fpx_round_wide(cpu, esz, fpx_widen(addend));
    if (addend->class == CLASS_ZERO)
        return fpx_round_wide(cpu, esz, fpx_product(a, b));
    return fpx_round_wide(cpu, esz, fpx_add_wide(fpx_widen(addend), fpx_product(a, b)));
}

uint64_t fp_soft_muladd(struct cpu *cpu, unsigned esz, uint64_t addend, uint64_t a, uint64_t b)
{
    /* The order in which NaNs are looked for. */
    bool alternate = fpx_alternate(cpu);
    uint64_t bits[3] = {alternate ? a : addend, alternate ? b : a, alternate ? addend : b}, r;
    struct unpacked u[3];
    for (int i = 0; i < 3; i++)
        u[i] = fpx_unpack(cpu, esz, bits[i]);
    if (alternate && muladd_is_invalid(&u[2], &u[0], &u[1])) /* which says nothing of denormals */
        u[0].denormal = u[1].denormal = u[2].denormal = false;
    bool nan = fpx_process_nans(cpu, esz, u, bits, 3, &r);
    if (alternate)
        return nan ? r : muladd_unpacked(cpu, esz, &u[2], &u[0], &u[1]);
    if (u[0].class == CLASS_QNAN && fpx_inf_times_zero(&u[1], &u[2]))
        return fpx_invalid(cpu, esz);
    return nan ? r : muladd_unpacked(cpu, esz, &u[0], &u[1], &u[2]);
}

/* A half's NaN as a single, after it was processed. */
static uint64_t process_half_nan(struct cpu *cpu, bool half, const struct unpacked *u, uint64_t bits)
{
    uint64_t nan = fpx_process_nan(cpu, half ? 1 : 2, u, bits);
    return half ? fpx_convert_nan(2, 1, nan) : nan;
}

/* With FPCR.AH the first NaN of a, b and the addend; the addend's denormal counts. */
static uint64_t muladd_half_alternate(struct cpu *cpu, const uint64_t bits[3], const struct unpacked u[3])
{
    uint64_t r = 0;
    bool nan = false;
    for (int i = 0; i < 3; i++) {
        int from = (3 - i) % 3; /* addend, b, a */
        if (fpx_is_nan(&u[from])) {
            r = process_half_nan(cpu, from, &u[from], bits[from]);
            nan = true;
        }
    }
    if (!nan && u[0].denormal && !muladd_is_invalid(&u[0], &u[1], &u[2]))
        fpx_raise_flags(cpu, FPSR_IDC);
    return nan ? r : muladd_unpacked(cpu, 2, &u[0], &u[1], &u[2]);
}

/* [FPMulAddH]: as above, with halves for factors. A half's NaN is made single after it was processed. */
uint64_t fp_muladd_half(struct cpu *cpu, uint64_t addend, uint64_t a, uint64_t b)
{
    const uint64_t bits[3] = {addend, a, b};
    const struct unpacked u[3] = {fpx_unpack(cpu, 2, addend), fpx_unpack(cpu, 1, a), fpx_unpack(cpu, 1, b)};

    if (fpx_alternate(cpu))
        return muladd_half_alternate(cpu, bits, u);
    if (u[0].class == CLASS_QNAN && fpx_inf_times_zero(&u[1], &u[2]))
        return fpx_invalid(cpu, 2);
    for (enum class class = CLASS_SNAN; class >= CLASS_QNAN; class--)
        for (int i = 0; i < 3; i++)
            if (u[i].class == class)
                return process_half_nan(cpu, i, &u[i], bits[i]);
    return muladd_unpacked(cpu, 2, &u[0], &u[1], &u[2]);
}

/* [FPRecipStepFused] 2 - a*b and [FPRSqrtStepFused] (3 - a*b) / 2. */
static uint64_t newton_step(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, uint64_t addend, int halve)
{
    struct unpacked u[2];
    uint64_t r;
    const struct format *f = &fpx_formats[esz];

    if (fpx_unpack2(cpu, esz, fpx_negate(cpu, esz, a), b, u, &r))
        return r;
    if (fpx_inf_times_zero(&u[0], &u[1])) /* 2.0 or 1.5 */
        return halve ? (uint64_t)f->bias << f->fraction_bits | fpx_quiet_bit(esz)
                     : (uint64_t)(f->bias + 1) << f->fraction_bits;
    if (u[0].class == CLASS_INF || u[1].class == CLASS_INF)
        return fpx_infinity(esz, u[0].sign ^ u[1].sign);
    struct wide sum = {false, -124, (u128)addend << 124};
    if (u[0].class != CLASS_ZERO && u[1].class != CLASS_ZERO)
        sum = fpx_add_wide(sum, fpx_product(&u[0], &u[1]));
    sum.exponent -= halve;
    return fpx_round_wide(cpu, esz, sum);
}

uint64_t fp_recps(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    struct fpx_quietly before = fpx_begin_quietly(cpu);
    return fpx_end_quietly(cpu, before, newton_step(cpu, esz, a, b, 2, 0));
}

uint64_t fp_rsqrts(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    struct fpx_quietly before = fpx_begin_quietly(cpu);
    return fpx_end_quietly(cpu, before, newton_step(cpu, esz, a, b, 3, 1));
}

