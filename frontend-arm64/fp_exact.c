/* Exact floating point in integers: unpacking, NaNs and rounding for every format, rounding mode and FPCR setting. */
#include "fp_exact.h"

#include <xemu/eval_support.h>

const struct format fpx_formats[4] = {{0}, {5, 10, 15}, {8, 23, 127}, {11, 52, 1023}};

static struct unpacked finite_value(bool sign, int exponent, uint64_t mantissa)
{
    int shift = __builtin_clzll(mantissa);
    return (struct unpacked){CLASS_FINITE, sign, false, exponent - shift, mantissa << shift};
}

struct unpacked fpx_unpack_raw(unsigned esz, uint64_t bits, bool alternative)
{
    const struct format *f = &fpx_formats[esz];
    bool sign = bits & fp_sign_bit(esz);
    uint64_t exponent = bits >> f->fraction_bits & fpx_exponent_ones(esz), fraction = bits & fpx_fraction_mask(esz);

    if (exponent == fpx_exponent_ones(esz) && !alternative) {
        if (!fraction)
            return (struct unpacked){.class = CLASS_INF, .sign = sign};
        return (struct unpacked){.class = fraction & fpx_quiet_bit(esz) ? CLASS_QNAN : CLASS_SNAN, .sign = sign};
    }
    if (exponent)
        return finite_value(sign, (int)exponent - f->bias + 63 - f->fraction_bits, fraction | fpx_quiet_bit(esz) << 1);
    if (!fraction)
        return (struct unpacked){.class = CLASS_ZERO, .sign = sign};
    return finite_value(sign, 1 - f->bias + 63 - f->fraction_bits, fraction);
}

struct unpacked fpx_unpack(struct cpu *cpu, unsigned esz, uint64_t bits)
{
    struct unpacked u = fpx_unpack_raw(esz, bits, false);
    if (u.class != CLASS_FINITE || u.exponent >= 1 - fpx_formats[esz].bias)
        return u;
    if (esz == 1) {
        if (cpu->fpcr & FPCR_FZ16)
            u.class = CLASS_ZERO;
    } else if (cpu->fpcr & FPCR_FZ && !fpx_alternate(cpu)) {
        fpx_raise_flags(cpu, FPSR_IDC);
        u.class = CLASS_ZERO;
    } else if (cpu->fpcr & FPCR_FIZ) {
        u.class = CLASS_ZERO;
    } else {
        u.denormal = true;
    }
    return u;
}

void fpx_process_denorms(struct cpu *cpu, const struct unpacked *u, int n)
{
    for (int i = 0; i < n; i++)
        if (u[i].denormal && fpx_alternate(cpu))
            fpx_raise_flags(cpu, FPSR_IDC);
}

uint64_t fpx_process_nan(struct cpu *cpu, unsigned esz, const struct unpacked *u, uint64_t bits)
{
    if (u->class == CLASS_SNAN)
        fpx_raise_flags(cpu, FPSR_IOC);
    return cpu->fpcr & FPCR_DN ? fpx_default_nan(cpu, esz) : bits | fpx_quiet_bit(esz);
}

/* With FPCR.AH: the first NaN of any kind; each signalling one is an invalid operation. */
static bool process_nans_alternate(struct cpu *cpu, unsigned esz, const struct unpacked *u, const uint64_t *bits, int n,
                                   uint64_t *result)
{
    bool found = false;
    for (int i = n; i-- > 0;)
        if (fpx_is_nan(&u[i])) {
            *result = fpx_process_nan(cpu, esz, &u[i], bits[i]);
            found = true;
        }
    return found;
}

bool fpx_process_nans(struct cpu *cpu, unsigned esz, const struct unpacked *u, const uint64_t *bits, int n,
                         uint64_t *result)
{
    if (fpx_alternate(cpu) && process_nans_alternate(cpu, esz, u, bits, n, result))
        return true;
    for (enum class class = CLASS_SNAN; class >= CLASS_QNAN; class--)
        for (int i = 0; i < n; i++)
            if (u[i].class == class) {
                *result = fpx_process_nan(cpu, esz, &u[i], bits[i]);
                return true;
            }
    fpx_process_denorms(cpu, u, n);
    return false;
}

uint64_t fpx_negate(const struct cpu *cpu, unsigned esz, uint64_t a)
{
    struct unpacked u = fpx_unpack_raw(esz, a, false);
    return fpx_alternate(cpu) && fpx_is_nan(&u) ? a : a ^ fp_sign_bit(esz);
}

union vec fp_change_signs(const struct cpu *cpu, unsigned esz, unsigned lanes, union vec v, union vec signs)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++) {
        uint64_t lane = eval_lane(v, esz, i);
        struct unpacked u = fpx_unpack_raw(esz, lane, false);
        bool stays = fpx_alternate(cpu) && fpx_is_nan(&u);
        r = eval_lane_set(r, esz, i, stays ? lane : lane ^ eval_lane(signs, esz, i));
    }
    return r;
}

struct fpx_quietly fpx_begin_quietly(struct cpu *cpu)
{
    struct fpx_quietly before = {cpu->fpcr, cpu->fpsr};
    if (fpx_alternate(cpu))
        cpu->fpcr = (cpu->fpcr & ~FPCR_RMODE) | FPCR_FZ | FPCR_FIZ;
    return before;
}

uint64_t fpx_end_quietly(struct cpu *cpu, struct fpx_quietly before, uint64_t result)
{
    if (fpx_alternate(cpu))
        cpu->fpsr = before.fpsr;
    cpu->fpcr = before.fpcr;
    return result;
}

uint64_t fpx_invalid(struct cpu *cpu, unsigned esz)
{
    fpx_raise_flags(cpu, FPSR_IOC);
    return fpx_default_nan(cpu, esz);
}

bool fpx_rounds_up(enum fp_rounding rounding, bool sign, bool odd, u128 error)
{
    const u128 half = (u128)1 << 127;
    switch (rounding) {
    case FP_NEAREST:
        return error > half || (error == half && odd);
    case FP_TIEAWAY:
        return error >= half;
    case FP_PLUS_INF:
        return error && !sign;
    case FP_MINUS_INF:
        return error && sign;
    default:
        return false;
    }
}

u128 fpx_split(u128 m, int shift, u128 *error)
{
    if (shift > 128) {
        *error = m != 0;
        return 0;
    }
    if (shift == 128) {
        *error = m;
        return 0;
    }
    *error = m << (128 - shift);
    return m >> shift;
}

uint64_t fpx_overflow(struct cpu *cpu, unsigned esz, bool sign, enum fp_rounding rounding)
{
    bool to_infinity = rounding == FP_NEAREST || rounding == FP_TIEAWAY ||
                       (rounding == FP_PLUS_INF && !sign) || (rounding == FP_MINUS_INF && sign);
    fpx_raise_flags(cpu, FPSR_OFC | FPSR_IXC);
    return to_infinity ? fpx_infinity(esz, sign) : fpx_max_normal(esz, sign);
}

/* Whether m * 2^(exponent - 127), just below the least normal number, becomes that one if its fraction has the usual
 * number of bits. */
static bool rounds_to_normal(const struct format *f, bool sign, u128 m, enum fp_rounding rounding)
{
    u128 error;
    uint64_t mantissa = (uint64_t)fpx_split(m, 127 - f->fraction_bits, &error);
    return mantissa + 1 == 2ull << f->fraction_bits && fpx_rounds_up(rounding, sign, mantissa & 1, error);
}

uint64_t fpx_round_value(struct cpu *cpu, unsigned esz, bool sign, int exponent, u128 m,
                            enum fp_rounding rounding, bool flush, bool alternative)
{
    const struct format *f = &fpx_formats[esz];
    int lead = m >> 64 ? __builtin_clzll((uint64_t)(m >> 64)) : 64 + __builtin_clzll((uint64_t)m);
    int least = 1 - f->bias;

    m <<= lead;
    exponent += 127 - lead; /* of the leading bit */
    /* Tininess is detected before rounding; with FPCR.AH after it. */
    bool tiny = exponent < least &&
                !(fpx_alternate(cpu) && exponent == least - 1 && rounds_to_normal(f, sign, m, rounding));
    if (flush && tiny) {
        fpx_raise_flags(cpu, fpx_alternate(cpu) ? FPSR_UFC | FPSR_IXC : FPSR_UFC);
        return fpx_zero(esz, sign);
    }
    int biased = exponent >= least ? exponent - least + 1 : 0;
    int shift = 127 - f->fraction_bits + (biased ? 0 : least - exponent);
    u128 error;
    uint64_t mantissa = (uint64_t)fpx_split(m, shift, &error);

    if (tiny && error)
        fpx_raise_flags(cpu, FPSR_UFC);
    if (fpx_rounds_up(rounding, sign, mantissa & 1, error)) {
        mantissa++;
        if (mantissa == fpx_quiet_bit(esz) << 1 && !biased) {
            biased = 1;
        } else if (mantissa == fpx_quiet_bit(esz) << 2) {
            mantissa >>= 1;
            biased++;
        }
    }
    if (rounding == FP_ODD && error)
        mantissa |= 1;
    if (alternative && biased > (int)fpx_exponent_ones(esz)) {
        fpx_raise_flags(cpu, FPSR_IOC);
        return fpx_sign_of(esz, sign) | (fp_sign_bit(esz) - 1);
    }
    if (!alternative && biased >= (int)fpx_exponent_ones(esz))
        return fpx_overflow(cpu, esz, sign, rounding);
    if (error)
        fpx_raise_flags(cpu, FPSR_IXC);
    return fpx_sign_of(esz, sign) | (uint64_t)biased << f->fraction_bits | (mantissa & fpx_fraction_mask(esz));
}

uint64_t fpx_round_current(struct cpu *cpu, unsigned esz, bool sign, int exponent, u128 m)
{
    return fpx_round_value(cpu, esz, sign, exponent, m, fpx_current_rounding(cpu), fpx_flush_to_zero(cpu, esz), false);
}

static u128 shift_right_sticky(u128 m, int shift)
{
    if (shift >= 128)
        return m != 0;
    return shift ? m >> shift | ((m << (128 - shift)) != 0) : m;
}

struct wide fpx_add_wide(struct wide a, struct wide b)
{
    if (a.exponent < b.exponent) {
        struct wide t = a;
        a = b;
        b = t;
    }
    b.m = shift_right_sticky(b.m, a.exponent - b.exponent);
    if (a.sign == b.sign)
        a.m += b.m;
    else if (a.m >= b.m)
        a.m -= b.m;
    else
        a = (struct wide){b.sign, a.exponent, b.m - a.m};
    return a;
}

struct wide fpx_widen(const struct unpacked *u)
{
    return (struct wide){u->sign, u->exponent - 125, (u128)u->mantissa << 62};
}

struct wide fpx_product(const struct unpacked *a, const struct unpacked *b)
{
    u128 m = (u128)a->mantissa * b->mantissa; /* leading bit 126 or 127; the low 22 bits are zero */
    return (struct wide){a->sign ^ b->sign, a->exponent + b->exponent - 125, m >> 1};
}

uint64_t fpx_round_wide(struct cpu *cpu, unsigned esz, struct wide w)
{
    if (!w.m) /* exact cancellation */
        return fpx_zero(esz, fpx_current_rounding(cpu) == FP_MINUS_INF);
    return fpx_round_current(cpu, esz, w.sign, w.exponent, w.m);
}

uint64_t fpx_sum_of_zeros(struct cpu *cpu, unsigned esz, bool a, bool b)
{
    return fpx_zero(esz, a == b ? a : fpx_current_rounding(cpu) == FP_MINUS_INF);
}

bool fpx_unpack2(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, struct unpacked u[2], uint64_t *r)
{
    u[0] = fpx_unpack(cpu, esz, a);
    u[1] = fpx_unpack(cpu, esz, b);
    return fpx_process_nans(cpu, esz, u, (uint64_t[]){a, b}, 2, r);
}

uint64_t fpx_repack(unsigned esz, const struct unpacked *u, uint64_t bits)
{
    return u->class == CLASS_ZERO ? fpx_zero(esz, u->sign) : bits;
}

