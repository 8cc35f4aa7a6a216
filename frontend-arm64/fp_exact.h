/* What the files of exact floating point share: numbers taken apart, NaNs, rounding. The names in brackets are those
 * of the Arm ARM's shared pseudocode (J1.3). */
#ifndef FP_EXACT_H
#define FP_EXACT_H

#include <xemu/fp.h>

typedef unsigned __int128 u128;

struct format {
    int exponent_bits, fraction_bits, bias;
};

extern const struct format fpx_formats[4];

enum class { CLASS_ZERO, CLASS_FINITE, CLASS_INF, CLASS_QNAN, CLASS_SNAN };

/* A finite nonzero value is mantissa * 2^(exponent - 63), with bit 63 of the mantissa set. */
struct unpacked {
    enum class class;
    bool sign;
    bool denormal; /* read as such: FPCR.AH raises an exception then ([FPProcessDenorms]) */
    int exponent;
    uint64_t mantissa;
};

static inline void fpx_raise_flags(struct cpu *cpu, uint32_t flags) { cpu->fpsr |= flags; }

static inline enum fp_rounding fpx_current_rounding(const struct cpu *cpu)
{
    return (enum fp_rounding)((cpu->fpcr & FPCR_RMODE) >> FPCR_RMODE_SHIFT);
}

/* FPCR.AH, alternate handling: NaNs, denormals and tiny results as x86 has them (FEAT_AFP). */
static inline bool fpx_alternate(const struct cpu *cpu) { return cpu->fpcr & FPCR_AH; }

/* Of results. */
static inline bool fpx_flush_to_zero(const struct cpu *cpu, unsigned esz)
{
    return cpu->fpcr & (esz == 1 ? FPCR_FZ16 : FPCR_FZ);
}

static inline uint64_t fpx_fraction_mask(unsigned esz) { return (1ull << fpx_formats[esz].fraction_bits) - 1; }
static inline uint64_t fpx_exponent_ones(unsigned esz) { return (1ull << fpx_formats[esz].exponent_bits) - 1; }
static inline uint64_t fpx_sign_of(unsigned esz, bool sign) { return sign ? fp_sign_bit(esz) : 0; }
static inline uint64_t fpx_zero(unsigned esz, bool sign) { return fpx_sign_of(esz, sign); }

static inline uint64_t fpx_infinity(unsigned esz, bool sign)
{
    return fpx_sign_of(esz, sign) | fpx_exponent_ones(esz) << fpx_formats[esz].fraction_bits;
}

static inline uint64_t fpx_max_normal(unsigned esz, bool sign) { return fpx_infinity(esz, sign) - 1; }
static inline uint64_t fpx_quiet_bit(unsigned esz) { return 1ull << (fpx_formats[esz].fraction_bits - 1); }
static inline uint64_t fpx_quiet_nan(unsigned esz, bool sign) { return fpx_infinity(esz, sign) | fpx_quiet_bit(esz); }

/* [FPDefaultNaN] */
static inline uint64_t fpx_default_nan(const struct cpu *cpu, unsigned esz)
{
    return fpx_quiet_nan(esz, fpx_alternate(cpu));
}

static inline bool fpx_is_nan(const struct unpacked *u) { return u->class == CLASS_QNAN || u->class == CLASS_SNAN; }

/* [FPUnpackBase]; alternative: half precision without infinities and NaNs (FPCR.AHP, conversions only). */
struct unpacked fpx_unpack_raw(unsigned esz, uint64_t bits, bool alternative);

/* [FPUnpack]: denormal inputs are flushed where FPCR says so; half precision does that silently. */
struct unpacked fpx_unpack(struct cpu *cpu, unsigned esz, uint64_t bits);

/* [FPProcessDenorms] */
void fpx_process_denorms(struct cpu *cpu, const struct unpacked *u, int n);

/* [FPProcessNaN] */
uint64_t fpx_process_nan(struct cpu *cpu, unsigned esz, const struct unpacked *u, uint64_t bits);

/* [FPProcessNaNs]: the first signalling NaN, else the first quiet one; with FPCR.AH the first. Without any,
 * [FPProcessDenorms]. */
bool fpx_process_nans(struct cpu *cpu, unsigned esz, const struct unpacked *u, const uint64_t *bits, int n,
                      uint64_t *result);
uint64_t fpx_invalid(struct cpu *cpu, unsigned esz);

/* Whether a value whose discarded part is `error` (of 1 << 127 being one half) rounds away from zero. */
bool fpx_rounds_up(enum fp_rounding rounding, bool sign, bool odd, u128 error);

/* Splits m (value m * 2^-shift, shift >= 1) into its integer part and the discarded part in units of 2^-128. */
u128 fpx_split(u128 m, int shift, u128 *error);
uint64_t fpx_overflow(struct cpu *cpu, unsigned esz, bool sign, enum fp_rounding rounding);

/* [FPRoundBase] of m * 2^exponent, m != 0. `flush` is whether denormal results become zero; alternative: the
 * result is half precision under FPCR.AHP. */
uint64_t fpx_round_value(struct cpu *cpu, unsigned esz, bool sign, int exponent, u128 m,
                         enum fp_rounding rounding, bool flush, bool alternative);

/* [FPRound] */
uint64_t fpx_round_current(struct cpu *cpu, unsigned esz, bool sign, int exponent, u128 m);

/* A sum whose bits below the least are only "nonzero": m * 2^exponent, m < 2^127. */
struct wide {
    bool sign;
    int exponent;
    u128 m;
};

/* Adds two values whose leading bit is bit 125 or 126; at most one bit cancels where bits were shifted out. */
struct wide fpx_add_wide(struct wide a, struct wide b);
struct wide fpx_widen(const struct unpacked *u);
struct wide fpx_product(const struct unpacked *a, const struct unpacked *b);
uint64_t fpx_round_wide(struct cpu *cpu, unsigned esz, struct wide w);

/* Zero plus zero: the common sign, or by rounding mode. */
uint64_t fpx_sum_of_zeros(struct cpu *cpu, unsigned esz, bool a, bool b);
bool fpx_unpack2(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, struct unpacked u[2], uint64_t *r);

/* A number back as it was read: flushed denormals are zero, everything else is exact. */
uint64_t fpx_repack(unsigned esz, const struct unpacked *u, uint64_t bits);

/* [FPConvertNaN] */
uint64_t fpx_convert_nan(unsigned to, unsigned from, uint64_t bits);

/* [FPNeg], which leaves NaNs alone with FPCR.AH. */
uint64_t fpx_negate(const struct cpu *cpu, unsigned esz, uint64_t a);

/* Around estimates, their Newton steps and conversions to BFloat16: with FPCR.AH they flush denormals to zero, round to
 * nearest and raise no exceptions. */
struct fpx_quietly {
    uint32_t fpcr, fpsr;
};
struct fpx_quietly fpx_begin_quietly(struct cpu *cpu);
uint64_t fpx_end_quietly(struct cpu *cpu, struct fpx_quietly before, uint64_t result);

/* Infinity times zero, in either order. */
static inline bool fpx_inf_times_zero(const struct unpacked *a, const struct unpacked *b)
{
    return (a->class == CLASS_INF && b->class == CLASS_ZERO) || (a->class == CLASS_ZERO && b->class == CLASS_INF);
}

#endif
