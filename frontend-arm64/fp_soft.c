/* Exact floating point in integers: the Arm ARM's shared pseudocode functions (J1.3) for every format, rounding
 * mode and FPCR setting. The names in brackets are the manual's. */
#include <xemu/fp.h>

typedef unsigned __int128 u128;

struct format {
    int exponent_bits, fraction_bits, bias;
};

static const struct format formats[4] = {{0}, {5, 10, 15}, {8, 23, 127}, {11, 52, 1023}};

enum class { CLASS_ZERO, CLASS_FINITE, CLASS_INF, CLASS_QNAN, CLASS_SNAN };

/* A finite nonzero value is mantissa * 2^(exponent - 63), with bit 63 of the mantissa set. */
struct unpacked {
    enum class class;
    bool sign;
    int exponent;
    uint64_t mantissa;
};

static void raise_flags(struct cpu *cpu, uint32_t flags) { cpu->fpsr |= flags; }

static enum fp_rounding current_rounding(const struct cpu *cpu)
{
    return (enum fp_rounding)((cpu->fpcr & FPCR_RMODE) >> FPCR_RMODE_SHIFT);
}

static bool flush_to_zero(const struct cpu *cpu, unsigned esz)
{
    return cpu->fpcr & (esz == 1 ? FPCR_FZ16 : FPCR_FZ);
}

static uint64_t fraction_mask(unsigned esz) { return (1ull << formats[esz].fraction_bits) - 1; }
static uint64_t exponent_ones(unsigned esz) { return (1ull << formats[esz].exponent_bits) - 1; }
static uint64_t sign_of(unsigned esz, bool sign) { return sign ? fp_sign_bit(esz) : 0; }
static uint64_t zero(unsigned esz, bool sign) { return sign_of(esz, sign); }

static uint64_t infinity(unsigned esz, bool sign)
{
    return sign_of(esz, sign) | exponent_ones(esz) << formats[esz].fraction_bits;
}

static uint64_t max_normal(unsigned esz, bool sign) { return infinity(esz, sign) - 1; }
static uint64_t quiet_bit(unsigned esz) { return 1ull << (formats[esz].fraction_bits - 1); }
static uint64_t default_nan(unsigned esz) { return infinity(esz, false) | quiet_bit(esz); }
static bool is_nan(const struct unpacked *u) { return u->class == CLASS_QNAN || u->class == CLASS_SNAN; }

static struct unpacked finite_value(bool sign, int exponent, uint64_t mantissa)
{
    int shift = __builtin_clzll(mantissa);
    return (struct unpacked){CLASS_FINITE, sign, exponent - shift, mantissa << shift};
}

/* [FPUnpackBase]; alternative: half precision without infinities and NaNs (FPCR.AHP, conversions only). */
static struct unpacked unpack_raw(unsigned esz, uint64_t bits, bool alternative)
{
    const struct format *f = &formats[esz];
    bool sign = bits & fp_sign_bit(esz);
    uint64_t exponent = bits >> f->fraction_bits & exponent_ones(esz), fraction = bits & fraction_mask(esz);

    if (exponent == exponent_ones(esz) && !alternative) {
        if (!fraction)
            return (struct unpacked){.class = CLASS_INF, .sign = sign};
        return (struct unpacked){.class = fraction & quiet_bit(esz) ? CLASS_QNAN : CLASS_SNAN, .sign = sign};
    }
    if (exponent)
        return finite_value(sign, (int)exponent - f->bias + 63 - f->fraction_bits, fraction | quiet_bit(esz) << 1);
    if (!fraction)
        return (struct unpacked){.class = CLASS_ZERO, .sign = sign};
    return finite_value(sign, 1 - f->bias + 63 - f->fraction_bits, fraction);
}

/* [FPUnpack]: denormal inputs are flushed where FPCR says so; half precision does that silently. */
static struct unpacked unpack(struct cpu *cpu, unsigned esz, uint64_t bits)
{
    struct unpacked u = unpack_raw(esz, bits, false);
    if (flush_to_zero(cpu, esz) && u.class == CLASS_FINITE && u.exponent < 1 - formats[esz].bias) {
        if (esz != 1)
            raise_flags(cpu, FPSR_IDC);
        u.class = CLASS_ZERO;
    }
    return u;
}

/* [FPProcessNaN] */
static uint64_t process_nan(struct cpu *cpu, unsigned esz, const struct unpacked *u, uint64_t bits)
{
    if (u->class == CLASS_SNAN)
        raise_flags(cpu, FPSR_IOC);
    return cpu->fpcr & FPCR_DN ? default_nan(esz) : bits | quiet_bit(esz);
}

/* [FPProcessNaNs]: the first signalling NaN, else the first quiet one. */
static bool process_nans(struct cpu *cpu, unsigned esz, const struct unpacked *u, const uint64_t *bits, int n,
                         uint64_t *result)
{
    for (enum class class = CLASS_SNAN; class >= CLASS_QNAN; class--)
        for (int i = 0; i < n; i++)
            if (u[i].class == class) {
                *result = process_nan(cpu, esz, &u[i], bits[i]);
                return true;
            }
    return false;
}

static uint64_t invalid(struct cpu *cpu, unsigned esz)
{
    raise_flags(cpu, FPSR_IOC);
    return default_nan(esz);
}

/* Whether a value whose discarded part is `error` (of 1 << 127 being one half) rounds away from zero. */
static bool rounds_up(enum fp_rounding rounding, bool sign, bool odd, u128 error)
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

/* Splits m (value m * 2^-shift, shift >= 1) into its integer part and the discarded part in units of 2^-128. */
static u128 split(u128 m, int shift, u128 *error)
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

static uint64_t overflow(struct cpu *cpu, unsigned esz, bool sign, enum fp_rounding rounding)
{
    bool to_infinity = rounding == FP_NEAREST || rounding == FP_TIEAWAY ||
                       (rounding == FP_PLUS_INF && !sign) || (rounding == FP_MINUS_INF && sign);
    raise_flags(cpu, FPSR_OFC | FPSR_IXC);
    return to_infinity ? infinity(esz, sign) : max_normal(esz, sign);
}

/* [FPRoundBase] of m * 2^exponent, m != 0. `flush` is whether denormal results become zero; alternative: the
 * result is half precision under FPCR.AHP. */
static uint64_t round_value(struct cpu *cpu, unsigned esz, bool sign, int exponent, u128 m,
                            enum fp_rounding rounding, bool flush, bool alternative)
{
    const struct format *f = &formats[esz];
    int lead = m >> 64 ? __builtin_clzll((uint64_t)(m >> 64)) : 64 + __builtin_clzll((uint64_t)m);
    int least = 1 - f->bias;

    m <<= lead;
    exponent += 127 - lead; /* of the leading bit */
    if (flush && exponent < least) {
        raise_flags(cpu, FPSR_UFC);
        return zero(esz, sign);
    }
    int biased = exponent >= least ? exponent - least + 1 : 0;
    int shift = 127 - f->fraction_bits + (biased ? 0 : least - exponent);
    u128 error;
    uint64_t mantissa = (uint64_t)split(m, shift, &error);

    if (!biased && error)
        raise_flags(cpu, FPSR_UFC);
    if (rounds_up(rounding, sign, mantissa & 1, error)) {
        mantissa++;
        if (mantissa == quiet_bit(esz) << 1 && !biased) {
            biased = 1;
        } else if (mantissa == quiet_bit(esz) << 2) {
            mantissa >>= 1;
            biased++;
        }
    }
    if (rounding == FP_ODD && error)
        mantissa |= 1;
    if (alternative && biased > (int)exponent_ones(esz)) {
        raise_flags(cpu, FPSR_IOC);
        return sign_of(esz, sign) | (fp_sign_bit(esz) - 1);
    }
    if (!alternative && biased >= (int)exponent_ones(esz))
        return overflow(cpu, esz, sign, rounding);
    if (error)
        raise_flags(cpu, FPSR_IXC);
    return sign_of(esz, sign) | (uint64_t)biased << f->fraction_bits | (mantissa & fraction_mask(esz));
}

/* [FPRound] */
static uint64_t round_current(struct cpu *cpu, unsigned esz, bool sign, int exponent, u128 m)
{
    return round_value(cpu, esz, sign, exponent, m, current_rounding(cpu), flush_to_zero(cpu, esz), false);
}

/* A sum whose bits below the least are only "nonzero": m * 2^exponent, m < 2^127. */
struct wide {
    bool sign;
    int exponent;
    u128 m;
};

static u128 shift_right_sticky(u128 m, int shift)
{
    if (shift >= 128)
        return m != 0;
    return shift ? m >> shift | ((m << (128 - shift)) != 0) : m;
}

/* Adds two values whose leading bit is bit 125 or 126; at most one bit cancels where bits were shifted out. */
static struct wide add_wide(struct wide a, struct wide b)
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

static struct wide widen(const struct unpacked *u)
{
    return (struct wide){u->sign, u->exponent - 125, (u128)u->mantissa << 62};
}

static struct wide product(const struct unpacked *a, const struct unpacked *b)
{
    u128 m = (u128)a->mantissa * b->mantissa; /* leading bit 126 or 127; the low 22 bits are zero */
    return (struct wide){a->sign ^ b->sign, a->exponent + b->exponent - 125, m >> 1};
}

static uint64_t round_wide(struct cpu *cpu, unsigned esz, struct wide w)
{
    if (!w.m) /* exact cancellation */
        return zero(esz, current_rounding(cpu) == FP_MINUS_INF);
    return round_current(cpu, esz, w.sign, w.exponent, w.m);
}

/* Zero plus zero: the common sign, or by rounding mode. */
static uint64_t sum_of_zeros(struct cpu *cpu, unsigned esz, bool a, bool b)
{
    return zero(esz, a == b ? a : current_rounding(cpu) == FP_MINUS_INF);
}

static uint64_t add_unpacked(struct cpu *cpu, unsigned esz, const struct unpacked *a, const struct unpacked *b)
{
    if (a->class == CLASS_INF || b->class == CLASS_INF) {
        if (a->class == b->class && a->sign != b->sign)
            return invalid(cpu, esz);
        return infinity(esz, a->class == CLASS_INF ? a->sign : b->sign);
    }
    if (a->class == CLASS_ZERO && b->class == CLASS_ZERO)
        return sum_of_zeros(cpu, esz, a->sign, b->sign);
    if (a->class == CLASS_ZERO)
        return round_wide(cpu, esz, widen(b));
    if (b->class == CLASS_ZERO)
        return round_wide(cpu, esz, widen(a));
    return round_wide(cpu, esz, add_wide(widen(a), widen(b)));
}

static bool unpack2(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, struct unpacked u[2], uint64_t *r)
{
    u[0] = unpack(cpu, esz, a);
    u[1] = unpack(cpu, esz, b);
    return process_nans(cpu, esz, u, (uint64_t[]){a, b}, 2, r);
}

uint64_t fp_soft_add(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    struct unpacked u[2];
    uint64_t r;
    return unpack2(cpu, esz, a, b, u, &r) ? r : add_unpacked(cpu, esz, &u[0], &u[1]);
}

uint64_t fp_soft_sub(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    struct unpacked u[2];
    uint64_t r;
    if (unpack2(cpu, esz, a, b, u, &r))
        return r;
    u[1].sign = !u[1].sign;
    return add_unpacked(cpu, esz, &u[0], &u[1]);
}

static bool inf_times_zero(const struct unpacked *a, const struct unpacked *b)
{
    return (a->class == CLASS_INF && b->class == CLASS_ZERO) || (a->class == CLASS_ZERO && b->class == CLASS_INF);
}

/* [FPMul] and [FPMulX], which differ in infinity times zero. */
static uint64_t multiply(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, bool extended)
{
    struct unpacked u[2];
    uint64_t r;
    if (unpack2(cpu, esz, a, b, u, &r))
        return r;
    bool sign = u[0].sign ^ u[1].sign;
    if (inf_times_zero(&u[0], &u[1])) {
        if (!extended)
            return invalid(cpu, esz);
        return sign_of(esz, sign) | (uint64_t)(formats[esz].bias + 1) << formats[esz].fraction_bits; /* 2.0 */
    }
    if (u[0].class == CLASS_INF || u[1].class == CLASS_INF)
        return infinity(esz, sign);
    if (u[0].class == CLASS_ZERO || u[1].class == CLASS_ZERO)
        return zero(esz, sign);
    return round_wide(cpu, esz, product(&u[0], &u[1]));
}

uint64_t fp_soft_mul(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    return multiply(cpu, esz, a, b, false);
}

uint64_t fp_mulx(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b) { return multiply(cpu, esz, a, b, true); }

uint64_t fp_soft_div(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    struct unpacked u[2];
    uint64_t r;
    if (unpack2(cpu, esz, a, b, u, &r))
        return r;
    bool sign = u[0].sign ^ u[1].sign;
    if (u[0].class == u[1].class && u[0].class != CLASS_FINITE)
        return invalid(cpu, esz); /* inf/inf, 0/0 */
    if (u[0].class == CLASS_INF)
        return infinity(esz, sign);
    if (u[1].class == CLASS_ZERO) {
        raise_flags(cpu, FPSR_DZC);
        return infinity(esz, sign);
    }
    if (u[0].class == CLASS_ZERO || u[1].class == CLASS_INF)
        return zero(esz, sign);
    u128 dividend = (u128)u[0].mantissa << 63, quotient = dividend / u[1].mantissa;
    bool rest = dividend % u[1].mantissa != 0;
    return round_current(cpu, esz, sign, u[0].exponent - u[1].exponent - 64, quotient << 1 | rest);
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
    struct unpacked u = unpack(cpu, esz, a);
    if (is_nan(&u))
        return process_nan(cpu, esz, &u, a);
    if (u.class == CLASS_ZERO)
        return zero(esz, u.sign);
    if (u.sign)
        return invalid(cpu, esz);
    if (u.class == CLASS_INF)
        return infinity(esz, false);
    /* An even exponent below the radix point: value = m * 2^(2k), root = sqrt(m) * 2^k. */
    int exponent = u.exponent - 63 - 62, odd = exponent & 1;
    bool rest;
    uint64_t root = square_root((u128)u.mantissa << (62 + odd), &rest);
    return round_current(cpu, esz, false, (exponent - odd) / 2 - 1, (u128)root << 1 | rest);
}

/* [FPMulAdd] after NaNs: addend + a * b. */
static uint64_t muladd_unpacked(struct cpu *cpu, unsigned esz, const struct unpacked *addend,
                                const struct unpacked *a, const struct unpacked *b)
{
    bool sign = a->sign ^ b->sign;
    bool inf = a->class == CLASS_INF || b->class == CLASS_INF;
    bool product_zero = a->class == CLASS_ZERO || b->class == CLASS_ZERO;

    if (inf_times_zero(a, b) || (addend->class == CLASS_INF && inf && addend->sign != sign))
        return invalid(cpu, esz);
    if (addend->class == CLASS_INF || inf)
        return infinity(esz, inf ? sign : addend->sign);
    if (addend->class == CLASS_ZERO && product_zero)
        return sum_of_zeros(cpu, esz, addend->sign, sign);
    if (product_zero)
        return round_wide(cpu, esz, widen(addend));
    if (addend->class == CLASS_ZERO)
        return round_wide(cpu, esz, product(a, b));
    return round_wide(cpu, esz, add_wide(widen(addend), product(a, b)));
}

uint64_t fp_soft_muladd(struct cpu *cpu, unsigned esz, uint64_t addend, uint64_t a, uint64_t b)
{
    uint64_t bits[3] = {addend, a, b}, r;
    struct unpacked u[3];
    for (int i = 0; i < 3; i++)
        u[i] = unpack(cpu, esz, bits[i]);
    bool nan = process_nans(cpu, esz, u, bits, 3, &r);
    if (u[0].class == CLASS_QNAN && inf_times_zero(&u[1], &u[2]))
        return invalid(cpu, esz);
    return nan ? r : muladd_unpacked(cpu, esz, &u[0], &u[1], &u[2]);
}

/* [FPRecipStepFused] 2 - a*b and [FPRSqrtStepFused] (3 - a*b) / 2. */
static uint64_t newton_step(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, uint64_t addend, int halve)
{
    struct unpacked u[2];
    uint64_t r;
    const struct format *f = &formats[esz];

    if (unpack2(cpu, esz, a ^ fp_sign_bit(esz), b, u, &r))
        return r;
    if (inf_times_zero(&u[0], &u[1])) /* 2.0 or 1.5 */
        return halve ? (uint64_t)f->bias << f->fraction_bits | quiet_bit(esz)
                     : (uint64_t)(f->bias + 1) << f->fraction_bits;
    if (u[0].class == CLASS_INF || u[1].class == CLASS_INF)
        return infinity(esz, u[0].sign ^ u[1].sign);
    struct wide sum = {false, -124, (u128)addend << 124};
    if (u[0].class != CLASS_ZERO && u[1].class != CLASS_ZERO)
        sum = add_wide(sum, product(&u[0], &u[1]));
    sum.exponent -= halve;
    return round_wide(cpu, esz, sum);
}

uint64_t fp_recps(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    return newton_step(cpu, esz, a, b, 2, 0);
}

uint64_t fp_rsqrts(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    return newton_step(cpu, esz, a, b, 3, 1);
}

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

/* A number back as it was read: flushed denormals are zero, everything else is exact. */
static uint64_t repack(unsigned esz, const struct unpacked *u, uint64_t bits)
{
    return u->class == CLASS_ZERO ? zero(esz, u->sign) : bits;
}

/* [FPMax], [FPMin] */
static uint64_t extreme(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, bool max)
{
    struct unpacked u[2];
    uint64_t r;
    if (unpack2(cpu, esz, a, b, u, &r))
        return r;
    if (u[0].class == CLASS_ZERO && u[1].class == CLASS_ZERO)
        return zero(esz, max ? u[0].sign && u[1].sign : u[0].sign || u[1].sign);
    bool first = max ? less(&u[1], &u[0]) : less(&u[0], &u[1]);
    return first ? repack(esz, &u[0], a) : repack(esz, &u[1], b);
}

uint64_t fp_max(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b) { return extreme(cpu, esz, a, b, true); }
uint64_t fp_min(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b) { return extreme(cpu, esz, a, b, false); }

/* [FPMaxNum], [FPMinNum]: a quiet NaN beside a number counts as the worst number. */
static uint64_t extreme_number(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, bool max)
{
    struct unpacked u[2] = {unpack_raw(esz, a, false), unpack_raw(esz, b, false)};
    if (u[0].class == CLASS_QNAN && !is_nan(&u[1]))
        a = infinity(esz, max);
    else if (u[1].class == CLASS_QNAN && !is_nan(&u[0]))
        b = infinity(esz, max);
    return extreme(cpu, esz, a, b, max);
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
    struct unpacked u = unpack(cpu, esz, a), v = unpack(cpu, esz, b);
    if (is_nan(&u) || is_nan(&v)) {
        if (u.class == CLASS_SNAN || v.class == CLASS_SNAN || signal_all)
            raise_flags(cpu, FPSR_IOC);
        return NZCV_C | NZCV_V;
    }
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
    u128 error, whole = split(u->mantissa, -exponent, &error);
    *inexact = error != 0;
    return whole + rounds_up(rounding, u->sign, whole & 1, error);
}

/* [FPToFixed] */
uint64_t fp_soft_to_int(struct cpu *cpu, unsigned esz, uint64_t a, unsigned width, unsigned imm)
{
    struct unpacked u = unpack(cpu, esz, a);
    uint64_t all = ~0ull >> (64 - width), top = 1ull << (width - 1);
    bool is_signed = fp_cvt_signed(imm), inexact = false;
    enum fp_rounding rounding = fp_cvt_rounding(imm);

    if (is_nan(&u)) {
        raise_flags(cpu, FPSR_IOC);
        return 0;
    }
    if (u.class == CLASS_ZERO)
        return 0;
    if (rounding == FP_CURRENT)
        rounding = current_rounding(cpu);
    u128 magnitude = u.class == CLASS_INF ? (u128)1 << 66
                                          : to_magnitude(&u, (int)fp_cvt_fraction(imm), rounding, &inexact);
    u128 limit = u.sign ? (is_signed ? top : 0) : (is_signed ? top - 1 : all);
    if (magnitude > limit) {
        raise_flags(cpu, FPSR_IOC);
        magnitude = limit;
    } else if (inexact) {
        raise_flags(cpu, FPSR_IXC);
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
        rounding = current_rounding(cpu);
    return round_value(cpu, esz, sign, -(int)fp_cvt_fraction(imm), magnitude, rounding, false, false);
}

/* [FPRoundInt] */
uint64_t fp_round_int(struct cpu *cpu, unsigned esz, uint64_t a, unsigned imm)
{
    struct unpacked u = unpack(cpu, esz, a);
    enum fp_rounding rounding = imm & 7;
    bool inexact;

    if (is_nan(&u))
        return process_nan(cpu, esz, &u, a);
    if (u.class != CLASS_FINITE)
        return repack(esz, &u, a);
    if (u.exponent >= formats[esz].fraction_bits)
        return a; /* an integer already */
    if (rounding == FP_CURRENT)
        rounding = current_rounding(cpu);
    u128 magnitude = to_magnitude(&u, 0, rounding, &inexact);
    if (inexact && imm >> 3 & 1)
        raise_flags(cpu, FPSR_IXC);
    if (!magnitude)
        return zero(esz, u.sign);
    return round_value(cpu, esz, u.sign, 0, magnitude, FP_ZERO, false, false);
}

/* --- formats ------------------------------------------------------------------------------------------ */

/* [FPConvertNaN] */
static uint64_t convert_nan(unsigned to, unsigned from, uint64_t bits)
{
    uint64_t fraction = bits & fraction_mask(from);
    int up = formats[to].fraction_bits - formats[from].fraction_bits;
    fraction = up >= 0 ? fraction << up : fraction >> -up;
    return sign_of(to, bits & fp_sign_bit(from)) | default_nan(to) | (fraction & fraction_mask(to));
}

/* [FPConvert] */
uint64_t fp_convert(struct cpu *cpu, unsigned to, unsigned from, uint64_t a, enum fp_rounding rounding)
{
    bool alternative = cpu->fpcr & FPCR_AHP;
    struct unpacked u = from == 1 ? unpack_raw(1, a, alternative) : unpack(cpu, from, a);
    bool to_alternative = to == 1 && alternative;

    if (is_nan(&u)) {
        if (u.class == CLASS_SNAN || to_alternative)
            raise_flags(cpu, FPSR_IOC);
        if (to_alternative)
            return zero(to, u.sign);
        return cpu->fpcr & FPCR_DN ? default_nan(to) : convert_nan(to, from, a);
    }
    if (u.class == CLASS_INF && to_alternative) {
        raise_flags(cpu, FPSR_IOC);
        return sign_of(to, u.sign) | (fp_sign_bit(to) - 1);
    }
    if (u.class == CLASS_INF)
        return infinity(to, u.sign);
    if (u.class == CLASS_ZERO)
        return zero(to, u.sign);
    if (rounding == FP_CURRENT)
        rounding = current_rounding(cpu);
    bool flush = to != 1 && flush_to_zero(cpu, to);
    return round_value(cpu, to, u.sign, u.exponent - 63, u.mantissa, rounding, flush, to_alternative);
}

/* --- estimates ---------------------------------------------------------------------------------------- */

/* [RecipEstimate]: 9 bits of 1/x, x = a / 512 in [0.5, 1). */
static uint32_t recip_estimate(uint32_t a)
{
    uint32_t b = (1u << 19) / (a * 2 + 1);
    return (b + 1) / 2;
}

/* [RecipSqrtEstimate]: 9 bits of 1/sqrt(x), x = a / 512 in [0.25, 1). */
static uint32_t rsqrt_estimate(uint32_t a)
{
    uint64_t b = 512;
    a = a < 256 ? a * 2 + 1 : ((a >> 1 << 1) + 1) * 2;
    while (a * (b + 1) * (b + 1) < 1u << 28)
        b++;
    return (uint32_t)((b + 1) / 2);
}

/* The exponent field and the fraction aligned to 52 bits of a finite number that isn't zero. */
static uint64_t estimate_fraction(unsigned esz, uint64_t a, int *exponent)
{
    *exponent = (int)(a >> formats[esz].fraction_bits & exponent_ones(esz));
    return (a & fraction_mask(esz)) << (52 - formats[esz].fraction_bits);
}

/* [FPRecipEstimate] */
uint64_t fp_recip_estimate(struct cpu *cpu, unsigned esz, uint64_t a)
{
    const struct format *f = &formats[esz];
    const uint64_t mask52 = (1ull << 52) - 1;
    struct unpacked u = unpack(cpu, esz, a);
    int exponent;

    if (is_nan(&u))
        return process_nan(cpu, esz, &u, a);
    if (u.class == CLASS_INF)
        return zero(esz, u.sign);
    if (u.class == CLASS_ZERO) {
        raise_flags(cpu, FPSR_DZC);
        return infinity(esz, u.sign);
    }
    if (u.exponent < -f->bias - 1)
        return overflow(cpu, esz, u.sign, current_rounding(cpu));
    if (flush_to_zero(cpu, esz) && u.exponent >= f->bias - 1) {
        raise_flags(cpu, FPSR_UFC);
        return zero(esz, u.sign);
    }
    uint64_t fraction = estimate_fraction(esz, a, &exponent);
    if (!exponent) {
        exponent = fraction >> 51 ? 0 : -1;
        fraction = fraction << (1 - exponent) & mask52;
    }
    uint64_t estimate = (uint64_t)recip_estimate((uint32_t)(256 | fraction >> 44)) << 44 & mask52;
    exponent = 2 * f->bias - 1 - exponent;
    if (exponent <= 0) {
        estimate = (estimate | 1ull << 52) >> (1 - exponent);
        exponent = 0;
    }
    return sign_of(esz, u.sign) | (uint64_t)exponent << f->fraction_bits | estimate >> (52 - f->fraction_bits);
}

/* [FPRSqrtEstimate] */
uint64_t fp_rsqrt_estimate(struct cpu *cpu, unsigned esz, uint64_t a)
{
    const struct format *f = &formats[esz];
    struct unpacked u = unpack(cpu, esz, a);
    int exponent;

    if (is_nan(&u))
        return process_nan(cpu, esz, &u, a);
    if (u.class == CLASS_ZERO) {
        raise_flags(cpu, FPSR_DZC);
        return infinity(esz, u.sign);
    }
    if (u.sign)
        return invalid(cpu, esz);
    if (u.class == CLASS_INF)
        return zero(esz, false);
    uint64_t fraction = estimate_fraction(esz, a, &exponent);
    if (!exponent) {
        while (!(fraction >> 51 & 1)) {
            fraction <<= 1;
            exponent--;
        }
        fraction = fraction << 1 & ((1ull << 52) - 1);
    }
    uint32_t scaled = exponent & 1 ? (uint32_t)(128 | fraction >> 45) : (uint32_t)(256 | fraction >> 44);
    int result = (3 * f->bias - 1 - exponent) >> 1;
    uint64_t estimate = rsqrt_estimate(scaled) & 0xff;
    return (uint64_t)result << f->fraction_bits | estimate << (f->fraction_bits - 8);
}

/* [FPRecpX] */
uint64_t fp_recpx(struct cpu *cpu, unsigned esz, uint64_t a)
{
    struct unpacked u = unpack(cpu, esz, a);
    uint64_t exponent = a >> formats[esz].fraction_bits & exponent_ones(esz);
    if (is_nan(&u))
        return process_nan(cpu, esz, &u, a);
    exponent = exponent ? ~exponent & exponent_ones(esz) : exponent_ones(esz) - 1;
    return sign_of(esz, u.sign) | exponent << formats[esz].fraction_bits;
}

uint32_t fp_urecpe(uint32_t a) { return a >> 31 ? recip_estimate(a >> 23) << 23 : UINT32_MAX; }
uint32_t fp_ursqrte(uint32_t a) { return a >> 30 ? rsqrt_estimate(a >> 23) << 23 : UINT32_MAX; }
