/* Floating point as the Arm ARM's shared pseudocode defines it (J1.3), on raw bits.
 * esz is log2 of the format's bytes: 1 half, 2 single, 3 double. FPCR is read and FPSR's sticky bits are set in
 * *cpu. Singles and doubles run on the host's SSE unit as long as FPCR allows and the result is a number; every
 * NaN, and every case where the two architectures differ, takes the exact path in fp_*.c. */
#ifndef XEMU_FP_H
#define XEMU_FP_H

#include <xemu/cpu.h>

#include <immintrin.h>
#include <string.h>

enum fp_rounding { FP_NEAREST, FP_PLUS_INF, FP_MINUS_INF, FP_ZERO, FP_TIEAWAY, FP_ODD, FP_CURRENT };
enum fp_relation { FP_EQ, FP_GE, FP_GT };

/* imm of the conversions: rounding mode, signedness, fraction bits; the integer's width may stand above. */
#define FP_CVT(rounding, is_signed, fraction_bits) \
    ((unsigned)(rounding) | (unsigned)(is_signed) << 3 | (unsigned)(fraction_bits) << 4)
static inline enum fp_rounding fp_cvt_rounding(unsigned imm) { return imm & 7; }
static inline bool fp_cvt_signed(unsigned imm) { return imm >> 3 & 1; }
static inline unsigned fp_cvt_fraction(unsigned imm) { return imm >> 4 & 0x7f; }

/* imm of fp_round_int: rounding mode, and whether FRINTX's Inexact is signalled. */
#define FP_RINT(rounding, exact) ((unsigned)(rounding) | (unsigned)(exact) << 3)

/* MXCSR with every exception masked. */
#define FP_MXCSR_DEFAULT 0x1f80u
#define FP_MXCSR_STICKY 0x3fu

/* The guest's FPCR and FPSR, for use while no engine runs (cpu->mxcsr is current). */
uint32_t fp_get_fpsr(const struct cpu *cpu);
void fp_set_fpsr(struct cpu *cpu, uint32_t value);
void fp_set_fpcr(struct cpu *cpu, uint32_t value);

/* Engines call these around guest code: the host's MXCSR is the guest's in between. */
static inline void fp_enter(const struct cpu *cpu) { _mm_setcsr(cpu->mxcsr); }
static inline void fp_leave(struct cpu *cpu)
{
    cpu->mxcsr = _mm_getcsr();
    _mm_setcsr(FP_MXCSR_DEFAULT);
}

static inline uint64_t fp_sign_bit(unsigned esz) { return 1ull << ((8u << esz) - 1); }

uint64_t fp_soft_add(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b);
uint64_t fp_soft_sub(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b);
uint64_t fp_soft_mul(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b);
uint64_t fp_soft_div(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b);
uint64_t fp_soft_sqrt(struct cpu *cpu, unsigned esz, uint64_t a);
/* addend + a * b with one rounding. */
uint64_t fp_soft_muladd(struct cpu *cpu, unsigned esz, uint64_t addend, uint64_t a, uint64_t b);
uint64_t fp_mulx(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b);
uint64_t fp_max(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b);
uint64_t fp_min(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b);
uint64_t fp_maxnm(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b);
uint64_t fp_minnm(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b);
uint64_t fp_recps(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b);
uint64_t fp_rsqrts(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b);
uint64_t fp_recip_estimate(struct cpu *cpu, unsigned esz, uint64_t a);
uint64_t fp_rsqrt_estimate(struct cpu *cpu, unsigned esz, uint64_t a);
uint64_t fp_recpx(struct cpu *cpu, unsigned esz, uint64_t a);
uint32_t fp_urecpe(uint32_t a); /* URECPE, one lane */
uint32_t fp_ursqrte(uint32_t a);
/* FRINTN ... FRINTX; imm is FP_RINT(). */
uint64_t fp_round_int(struct cpu *cpu, unsigned esz, uint64_t a, unsigned imm);
/* Between formats; rounding is FP_CURRENT, or FP_ODD for FCVTXN. */
uint64_t fp_convert(struct cpu *cpu, unsigned to, unsigned from, uint64_t a, enum fp_rounding rounding);
/* To an integer of `width` bits, zero-extended; from an integer already extended to 64 bits. imm is FP_CVT(). */
uint64_t fp_soft_to_int(struct cpu *cpu, unsigned esz, uint64_t a, unsigned width, unsigned imm);
uint64_t fp_from_int(struct cpu *cpu, unsigned esz, uint64_t value, unsigned imm);
/* FRINT32*, FRINT64*: imm is FP_RINT() and the number of bits << 8. */
uint64_t fp_round_int_within(struct cpu *cpu, unsigned esz, uint64_t a, unsigned imm);
/* FJCVTZS: the integer modulo 2^32, and NZCV << 32: Z if the double is exactly that integer. */
uint64_t fp_to_int_javascript(struct cpu *cpu, uint64_t a);
/* addend + a * b: halves a and b, single addend. */
uint64_t fp_muladd_half(struct cpu *cpu, uint64_t addend, uint64_t a, uint64_t b);
/* A single rounded to BFloat16 (BFCVT). */
uint64_t fp_convert_bfloat(struct cpu *cpu, uint64_t a);
/* BFDOT. */
union vec fp_bfloat_dot(const struct cpu *cpu, union vec sum, union vec a, union vec b, unsigned lanes);
/* NZCV in bits 31..28; signal_all: FCMPE, every NaN raises Invalid Operation. */
uint32_t fp_soft_compare(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, bool signal_all);
/* The lanes with the signs changed ([FPNeg]) that `signs` has bits for. */
union vec fp_change_signs(const struct cpu *cpu, unsigned esz, unsigned lanes, union vec v, union vec signs);
/* sum + a * b of singles that were bfloats (BFMLAL) with FPCR.AH. */
union vec fp_muladd_quietly(struct cpu *cpu, unsigned lanes, union vec sum, union vec a, union vec b);
/* All ones or zero. */
uint64_t fp_compare_mask(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, enum fp_relation relation);

/* --- the host's unit ---------------------------------------------------------------------------------- */

static inline __m128d fp_as_d(uint64_t bits) { return _mm_castsi128_pd(_mm_cvtsi64_si128((int64_t)bits)); }
static inline __m128 fp_as_s(uint64_t bits) { return _mm_castsi128_ps(_mm_cvtsi32_si128((int32_t)bits)); }
static inline uint64_t fp_of_d(__m128d value) { return (uint64_t)_mm_cvtsi128_si64(_mm_castpd_si128(value)); }
static inline uint64_t fp_of_s(__m128 value) { return (uint32_t)_mm_cvtsi128_si32(_mm_castps_si128(value)); }

/* The host's result stands unless it is a NaN (other NaN rules) or the smallest normal number (ARM detects
 * tininess before rounding, SSE after it). */
static inline bool fp_stands(unsigned esz, uint64_t r)
{
    uint64_t inf = esz == 3 ? 0x7ffull << 52 : 0xffull << 23, low = esz == 3 ? 1ull << 52 : 1ull << 23;
    uint64_t magnitude = r & ~fp_sign_bit(esz);
    return __builtin_expect(magnitude <= inf && magnitude != low, 1);
}

#define FP_ARITHMETIC(name)                                                                                \
    static inline uint64_t fp_##name(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)                \
    {                                                                                                      \
        if (__builtin_expect(cpu->fp_host && esz >= 2, 1)) {                                               \
            uint64_t r = esz == 3 ? fp_of_d(_mm_##name##_sd(fp_as_d(a), fp_as_d(b)))                       \
                                  : fp_of_s(_mm_##name##_ss(fp_as_s(a), fp_as_s(b)));                      \
            if (fp_stands(esz, r))                                                                         \
                return r;                                                                                  \
        }                                                                                                  \
        return fp_soft_##name(cpu, esz, a, b);                                                             \
    }
FP_ARITHMETIC(add)
FP_ARITHMETIC(sub)
FP_ARITHMETIC(mul)
FP_ARITHMETIC(div)

static inline uint64_t fp_sqrt(struct cpu *cpu, unsigned esz, uint64_t a)
{
    if (__builtin_expect(cpu->fp_host && esz >= 2, 1)) {
        uint64_t r = esz == 3 ? fp_of_d(_mm_sqrt_sd(fp_as_d(a), fp_as_d(a))) : fp_of_s(_mm_sqrt_ss(fp_as_s(a)));
        if (fp_stands(esz, r))
            return r;
    }
    return fp_soft_sqrt(cpu, esz, a);
}

/* FMA3 where the build's host level has it; the exact path otherwise. */
#ifdef __FMA__
static inline bool fp_host_muladd(unsigned esz, uint64_t addend, uint64_t a, uint64_t b, uint64_t *r)
{
    *r = esz == 3 ? fp_of_d(_mm_fmadd_sd(fp_as_d(a), fp_as_d(b), fp_as_d(addend)))
                  : fp_of_s(_mm_fmadd_ss(fp_as_s(a), fp_as_s(b), fp_as_s(addend)));
    return fp_stands(esz, *r);
}
#else
bool fp_host_muladd(unsigned esz, uint64_t addend, uint64_t a, uint64_t b, uint64_t *r);
#endif

static inline uint64_t fp_muladd(struct cpu *cpu, unsigned esz, uint64_t addend, uint64_t a, uint64_t b)
{
    uint64_t r;
    if (__builtin_expect(cpu->fp_host && esz >= 2, 1) && fp_host_muladd(esz, addend, a, b, &r))
        return r;
    return fp_soft_muladd(cpu, esz, addend, a, b);
}

static inline uint32_t fp_compare_nzcv(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b, bool signal_all)
{
    if (__builtin_expect(cpu->fp_host && esz == 3, 1)) {
        if (_mm_ucomigt_sd(fp_as_d(a), fp_as_d(b)))
            return NZCV_C;
        if (_mm_ucomigt_sd(fp_as_d(b), fp_as_d(a))) /* GCC's _mm_ucomilt_sd is true for NaNs */
            return NZCV_N;
    }
    return fp_soft_compare(cpu, esz, a, b, signal_all);
}

static inline uint64_t fp_to_int(struct cpu *cpu, unsigned esz, uint64_t a, unsigned width, unsigned imm)
{
    /* Truncation of doubles to signed integers is what C casts compile to. */
    if (esz == 3 && cpu->fp_host && imm == FP_CVT(FP_ZERO, true, 0)) {
        int64_t r = width == 64 ? _mm_cvttsd_si64(fp_as_d(a)) : _mm_cvttsd_si32(fp_as_d(a));
        if (r != (width == 64 ? INT64_MIN : INT32_MIN))
            return width == 64 ? (uint64_t)r : (uint32_t)r;
    }
    return fp_soft_to_int(cpu, esz, a, width, imm);
}

/* A lane's integer, extended to 64 bits as imm (FP_CVT) says. */
static inline uint64_t fp_lane_int(uint64_t a, unsigned esz, unsigned imm)
{
    unsigned unused = 64 - (8u << esz);
    return fp_cvt_signed(imm) ? (uint64_t)((int64_t)(a << unused) >> unused) : a << unused >> unused;
}

#endif
