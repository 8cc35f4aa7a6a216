/* The exact floating point in software against the host's unit, where both have the same rules. */
#include <xemu/fp.h>

#include <criterion/criterion.h>
#include <inttypes.h>

static uint64_t random64(void)
{
    static uint64_t x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    return x ^= x << 17;
}

/* Any bits, or a number whose exponent is near another's, so that sums cancel and products neither over- nor
 * underflow; low bits are often 0 for exact results. */
static uint64_t random_number(unsigned esz)
{
    unsigned fraction = esz == 3 ? 52 : 23, exponents = esz == 3 ? 2047 : 255;
    uint64_t any = random64() >> (64 - (8u << esz)), exponent = exponents / 2 + random64() % 60 - 30;
    uint64_t rest = any & (fp_sign_bit(esz) | ((1ull << fraction) - 1));
    switch (random64() % 4) {
    case 0:
        return any;
    case 1:
        return rest | (random64() % 3) << fraction;
    case 2:
        rest &= ~0ull << random64() % fraction;
    }
    return rest | exponent << fraction;
}

/* FPSR's bits for MXCSR's, without those that have other rules: underflow and denormal operands. */
static uint32_t flags_of_host(void)
{
    unsigned csr = _mm_getcsr();
    return (csr & 1 ? FPSR_IOC : 0) | (csr & 4 ? FPSR_DZC : 0) | (csr & 8 ? FPSR_OFC : 0) |
           (csr & 32 ? FPSR_IXC : 0);
}

static bool is_nan(unsigned esz, uint64_t x)
{
    return (x & ~fp_sign_bit(esz)) > (esz == 3 ? 0x7ffull << 52 : 0xffull << 23);
}

static void set_host_rounding(unsigned rmode)
{
    static const unsigned rc[] = {0, 2, 1, 3};
    _mm_setcsr(FP_MXCSR_DEFAULT | rc[rmode] << 13);
}

/* Keeps the compiler from moving what makes or uses x over a change of MXCSR. */
static uint64_t fixed(uint64_t x)
{
    __asm__ volatile("" : "+r"(x) : : "memory");
    return x;
}

enum { COUNT = 200000 };

#define COMPARE(name, host_d, host_s)                                                                      \
    static void compare_##name(unsigned esz)                                                               \
    {                                                                                                      \
        for (int i = 0; i < COUNT; i++) {                                                                  \
            unsigned rmode = (unsigned)i & 3;                                                              \
            struct cpu cpu = {.fpcr = rmode << FPCR_RMODE_SHIFT, .mxcsr = FP_MXCSR_DEFAULT};               \
            uint64_t a = random_number(esz), b = random_number(esz);                                       \
            set_host_rounding(rmode);                                                                      \
            a = fixed(a), b = fixed(b);                                                                    \
            uint64_t expected = fixed(esz == 3 ? fp_of_d(host_d) : fp_of_s(host_s));                       \
            uint32_t flags = flags_of_host();                                                              \
            _mm_setcsr(FP_MXCSR_DEFAULT);                                                                  \
            uint64_t got = fp_soft_##name(&cpu, esz, a, b);                                                \
            cr_assert(is_nan(esz, expected) ? is_nan(esz, got) : got == expected,                          \
                      #name " %" PRIx64 ", %" PRIx64 " rmode %u: %" PRIx64 ", host %" PRIx64, a, b, rmode, \
                      got, expected);                                                                      \
            uint32_t ours = cpu.fpsr & (FPSR_IOC | FPSR_DZC | FPSR_OFC | FPSR_IXC);                        \
            cr_assert_eq(ours, flags, #name " %" PRIx64 ", %" PRIx64 " rmode %u: FPSR %x, host %x", a, b,  \
                         rmode, ours, flags);                                                              \
        }                                                                                                  \
    }                                                                                                      \
    Test(fp_soft, name##_agrees_with_the_host)                                                             \
    {                                                                                                      \
        compare_##name(3);                                                                                 \
        compare_##name(2);                                                                                 \
    }

static uint64_t fp_soft_root(struct cpu *cpu, unsigned esz, uint64_t a, uint64_t b)
{
    (void)b;
    return fp_soft_sqrt(cpu, esz, a);
}

COMPARE(add, _mm_add_sd(fp_as_d(a), fp_as_d(b)), _mm_add_ss(fp_as_s(a), fp_as_s(b)))
COMPARE(sub, _mm_sub_sd(fp_as_d(a), fp_as_d(b)), _mm_sub_ss(fp_as_s(a), fp_as_s(b)))
COMPARE(mul, _mm_mul_sd(fp_as_d(a), fp_as_d(b)), _mm_mul_ss(fp_as_s(a), fp_as_s(b)))
COMPARE(div, _mm_div_sd(fp_as_d(a), fp_as_d(b)), _mm_div_ss(fp_as_s(a), fp_as_s(b)))
COMPARE(root, _mm_sqrt_sd(fp_as_d(a), fp_as_d(a)), _mm_sqrt_ss(fp_as_s(a)))

Test(fp_soft, muladd_agrees_with_the_host)
{
    for (int i = 0; i < 2 * COUNT; i++) {
        unsigned rmode = (unsigned)i & 3, esz = 2 + (i & 4) / 4;
        struct cpu cpu = {.fpcr = rmode << FPCR_RMODE_SHIFT, .mxcsr = FP_MXCSR_DEFAULT};
        uint64_t c = random_number(esz), a = random_number(esz), b = random_number(esz), expected;
        set_host_rounding(rmode);
        a = fixed(a), b = fixed(b), c = fixed(c);
        bool stands = fp_host_muladd(esz, c, a, b, &expected);
        expected = fixed(expected);
        _mm_setcsr(FP_MXCSR_DEFAULT);
        if (!stands)
            continue;
        uint64_t got = fp_soft_muladd(&cpu, esz, c, a, b);
        cr_assert_eq(got, expected,
                     "%" PRIx64 " + %" PRIx64 " * %" PRIx64 " rmode %u: %" PRIx64 ", host %" PRIx64, c, a, b,
                     rmode, got, expected);
    }
}

Test(fp_soft, conversions_agree_with_the_host)
{
    for (int i = 0; i < COUNT; i++) {
        unsigned rmode = (unsigned)i & 3;
        struct cpu cpu = {.fpcr = rmode << FPCR_RMODE_SHIFT, .mxcsr = FP_MXCSR_DEFAULT};
        uint64_t integer = random64() >> random64() % 64, a = random_number(3);
        set_host_rounding(rmode);
        integer = fixed(integer), a = fixed(a);
        uint64_t to_d = fixed(fp_of_d(_mm_cvtsi64_sd(_mm_setzero_pd(), (int64_t)integer)));
        uint64_t to_s = fixed(fp_of_s(_mm_cvtsi64_ss(_mm_setzero_ps(), (int64_t)integer)));
        int64_t from_d = (int64_t)fixed((uint64_t)_mm_cvtsd_si64(fp_as_d(a)));
        uint64_t narrow = fixed(fp_of_s(_mm_cvtsd_ss(_mm_setzero_ps(), fp_as_d(a))));
        _mm_setcsr(FP_MXCSR_DEFAULT);
        cr_assert_eq(fp_from_int(&cpu, 3, integer, FP_CVT(FP_CURRENT, true, 0)), to_d, "%" PRIx64, integer);
        cr_assert_eq(fp_from_int(&cpu, 2, integer, FP_CVT(FP_CURRENT, true, 0)), to_s, "%" PRIx64, integer);
        if (from_d != INT64_MIN)
            cr_assert_eq(fp_soft_to_int(&cpu, 3, a, 64, FP_CVT(FP_CURRENT, true, 0)), (uint64_t)from_d,
                         "%" PRIx64, a);
        if (!is_nan(3, a))
            cr_assert_eq(fp_convert(&cpu, 2, 3, a, FP_CURRENT), narrow, "%" PRIx64, a);
    }
}
