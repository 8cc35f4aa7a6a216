/* Exact comparison of floating-point numbers, minimum and maximum. */
#include "fp_exact.h"

/* a < b for two numbers. */
static bool less(const struct unpacked *a, const struct unpacked *b)
{
    if (a->class == CLASS_ZERO && b->class == CLASS_ZERO)
        return false;
    if (a->class == CLASS_ZERO)
        return !b->sign;
    if (b->class == CLASS_ZERO || a->sign != b->sign)
        return a->sign;
    if (a->class == CLASS_INF || b->class == CLASS_INF)
        return a->class != b->class && (b->class == CLASS_INF) != a->sign;
    if (a->exponent != b->exponent)
        return (a->exponent < b->exponent) != a->sign;
    return a->mantissa != b->mantissa && (a->mantissa < b->mantissa) != a->sign;
}

/* With FPCR.AH: the second operand if one is a NaN, or both are zeros. */
static bool extreme_alternate(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, uint64_t *r)
{
    struct unpacked u = fpx_unpack(cpu, esz, a), v = fpx_unpack(cpu, esz, b);
    bool nan = fpx_is_nan(&u) || fpx_is_nan(&v);
    if (nan)
        fpx_raise_flags(cpu, FPSR_IOC);
    *r = fpx_repack(esz, &v, b);
    return nan || (u.class == CLASS_ZERO && v.class == CLASS_ZERO);
}

/* [FPMax], [FPMin]; with FPCR.AH a denormal result of FMAXNM and FMINNM may be flushed to zero, of the others not. */
static uint64_t extreme(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, bool max, bool may_flush)
{
    struct unpacked u[2];
    uint64_t r;
    if (fpx_unpack2(cpu, esz, a, b, u, &r))
        return r;
    if (u[0].class == CLASS_ZERO && u[1].class == CLASS_ZERO)
        return fpx_zero(esz, max ? u[0].sign && u[1].sign : u[0].sign || u[1].sign);
    bool first = max ? less(&u[1], &u[0]) : less(&u[0], &u[1]);
    if (may_flush && u[!first].class == CLASS_FINITE)
        return fpx_round_wide(cpu, esz, fpx_widen(&u[!first]));
    return first ? fpx_repack(esz, &u[0], a) : fpx_repack(esz, &u[1], b);
}

static uint64_t either(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, bool max)
{
    uint64_t r;
    if (fpx_alternate(cpu) && extreme_alternate(cpu, esz, a, b, &r))
        return r;
    return extreme(cpu, esz, a, b, max, false);
}

uint64_t fp_max(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b) { return either(cpu, esz, a, b, true); }
uint64_t fp_min(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b) { return either(cpu, esz, a, b, false); }

/* [FPMaxNum], [FPMinNum]: a quiet NaN beside a number counts as the worst number. */
static uint64_t extreme_number(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, bool max)
{
    struct unpacked u[2] = {fpx_unpack_raw(esz, a, false), fpx_unpack_raw(esz, b, false)};
    if (u[0].class == CLASS_QNAN && !fpx_is_nan(&u[1]))
        a = fpx_infinity(esz, max);
    else if (u[1].class == CLASS_QNAN && !fpx_is_nan(&u[0]))
        b = fpx_infinity(esz, max);
    return extreme(cpu, esz, a, b, max, fpx_alternate(cpu));
}

uint64_t fp_maxnm(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    return extreme_number(cpu, esz, a, b, true);
}

uint64_t fp_minnm(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    return extreme_number(cpu, esz, a, b, false);
}

uint32_t fp_soft_compare(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, bool signal_all)
{
    struct unpacked u = fpx_unpack(cpu, esz, a), v = fpx_unpack(cpu, esz, b);
    if (fpx_is_nan(&u) || fpx_is_nan(&v)) {
        if (u.class == CLASS_SNAN || v.class == CLASS_SNAN || signal_all)
            fpx_raise_flags(cpu, FPSR_IOC);
        return NZCV_C | NZCV_V;
    }
    fpx_process_denorms(cpu, (struct unpacked[]){u, v}, 2);
    if (less(&u, &v))
        return NZCV_N;
    return less(&v, &u) ? NZCV_C : NZCV_Z | NZCV_C;
}

uint64_t fp_compare_mask(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, enum fp_relation relation)
{
    uint32_t nzcv = fp_soft_compare(cpu, esz, a, b, relation != FP_EQ);
    bool equal = nzcv & NZCV_Z, greater = nzcv == NZCV_C;
    bool holds = relation == FP_EQ ? equal : relation == FP_GT ? greater : equal || greater;
    return holds ? ~0ull >> (64 - (8u << esz)) : 0;
}

