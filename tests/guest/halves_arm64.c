// arm64-only
/* Halves, fixed-point numbers and rounding without a look at FPSR, so that compiled code need not be exact about
 * Underflow and computes with the host's unit: results of random operands in every rounding mode, as hashes that
 * qemu-aarch64 10 computed. */
#include <stdint.h>
#include <stdio.h>

struct v {
    uint16_t h[8];
};

static uint64_t seed;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

/* kind 1: any exponent, 3: small ones; each with few bits now and then, or all. 0: any bits. */
static struct v operand(unsigned kind)
{
    struct v v;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t r = next();
        unsigned x = (uint16_t)r;
        if (kind & 1) {
            x = (x & 0x83ff) | (unsigned)((r >> 20) % (kind & 2 ? 6 : 31)) << 10;
            if ((r >> 32 & 7) == 0)
                x = (x & 0xfc00) | 1u << (r >> 40) % 10;
            if ((r >> 36 & 15) == 0)
                x |= 0x3ff;
        }
        v.h[i] = (uint16_t)x;
    }
    return v;
}

#define OPERATION(name, text)                                                                                     \
    static void do_##name(const struct v *a, const struct v *b, const struct v *c, struct v *result)              \
    {                                                                                                             \
        __asm__ volatile(".arch armv8.2-a+fp16+fp16fml\n ldr q0, %1\n ldr q1, %2\n ldr q2, %3\n" text "\n str q0, %0" \
                         : "=m"(*result)                                                                          \
                         : "m"(*a), "m"(*b), "m"(*c)                                                              \
                         : "x9", "v0", "v1", "v2");                                                               \
    }
#define EACH(X)                                              \
    X(fadd, "fadd v0.8h, v1.8h, v2.8h")                      \
    X(fsub, "fsub v0.8h, v1.8h, v2.8h")                      \
    X(fmul, "fmul v0.8h, v1.8h, v2.8h")                      \
    X(fdiv, "fdiv v0.8h, v1.8h, v2.8h")                      \
    X(fmla, "fmla v0.8h, v1.8h, v2.8h")                      \
    X(fmls, "fmls v0.8h, v1.8h, v2.h[3]")                    \
    X(fmax, "fmax v0.8h, v1.8h, v2.8h")                      \
    X(fminnm, "fminnm v0.8h, v1.8h, v2.8h")                  \
    X(fsqrt, "fsqrt v0.8h, v1.8h")                           \
    X(fadd4, "fadd v0.4h, v1.4h, v2.4h")                     \
    X(fmadd, "fmadd h0, h1, h2, h0")                         \
    X(fdiv1, "fdiv h0, h1, h2")                              \
    X(frinta, "frinta v0.8h, v1.8h")                         \
    X(fcmge, "fcmge v0.8h, v1.8h, v2.8h")                    \
    X(fmlal, "fmlal v0.4s, v1.4h, v2.4h")                    \
    X(fmlal2, "fmlal2 v0.2s, v1.2h, v2.2h")                  \
    X(scvtf, "scvtf v0.8h, v1.8h, #3")                       \
    X(fcvtn, "fcvtn v0.4h, v1.4s")                           \
    X(fcvtl, "fcvtl2 v0.4s, v1.8h")                          \
    X(fcvt, "fcvt h0, d1")                                   \
    X(fcvtas, "fcvtas x9, d1\n fmov d0, x9")                 \
    X(fcvtzs, "fcvtzs x9, d1, #20\n fmov d0, x9")            \
    X(fcvtau, "fcvtau v0.4s, v1.4s")                         \
    X(ucvtf, "ucvtf v0.4s, v1.4s, #5")                       \
    X(fixed, "fcvtzs v0.4s, v1.4s, #12")                     \
    X(frecps, "frecps v0.4s, v1.4s, v2.4s")                  \
    X(frinta4, "frinta v0.4s, v1.4s")
EACH(OPERATION)

static uint64_t hash_of(void (*operation)(const struct v *, const struct v *, const struct v *, struct v *))
{
    enum { TIMES = 3000 };
    uint64_t hash = 14695981039346656037u;
    seed = 88172645463325252;
    for (uint64_t mode = 0; mode < 4; mode++) {
        __asm__ volatile("msr fpcr, %0" : : "r"(mode << 22));
        for (unsigned i = 0; i < TIMES; i++) {
            struct v a = operand(i), b = operand(i >> 1), c = operand(i >> 2), r;
            operation(&a, &b, &c, &r);
            for (unsigned k = 0; k < 8; k++)
                hash = (hash ^ r.h[k]) * 1099511628211u;
        }
    }
    __asm__ volatile("msr fpcr, xzr");
    return hash;
}

int main(int argc, char **argv)
{
    static const uint64_t expected[] = {
        0x7fa437111a4a5f9a, /* fadd */
        0x92c2f602c9dd87cd, /* fsub */
        0xa31456f5590c3de3, /* fmul */
        0x2555892a0bb05e80, /* fdiv */
        0x22082cf282c3097e, /* fmla */
        0x739c1cfadb3b7284, /* fmls */
        0x9fdd3ebea8241d58, /* fmax */
        0x4c1c1e77a5ee74b5, /* fminnm */
        0xf049f49a0f5a9fba, /* fsqrt */
        0x36c1a3ee958e8f33, /* fadd4 */
        0x4426757d9e687263, /* fmadd */
        0x0050cb307d2cb059, /* fdiv1 */
        0x19f23f2c28e28f45, /* frinta */
        0x3a37165daf75635a, /* fcmge */
        0x3088dadc32a7260b, /* fmlal */
        0x8030e2bbd8647ee6, /* fmlal2 */
        0x4c072591deaab462, /* scvtf */
        0x17f8f4f8ad14b2f5, /* fcvtn */
        0x60d733f570d93e04, /* fcvtl */
        0x05f355f5e8c4bffa, /* fcvt */
        0xfc2d125bb6338848, /* fcvtas */
        0x0ec98f67230d65ff, /* fcvtzs */
        0x9fd2a0bf5bc5524e, /* fcvtau */
        0x66f2f9cf2c19111a, /* ucvtf */
        0xba839850c2f760bf, /* fixed */
        0xfdf55644348fa9a2, /* frecps */
        0xbb21b4fd71580fee, /* frinta4 */
    };
    unsigned n = 0, wrong = 0;
    (void)argv;
#define CHECK(name, text)                                                                    \
    {                                                                                        \
        uint64_t hash = hash_of(do_##name);                                                  \
        if (argc > 1)                                                                        \
            printf("        0x%016llx, /* %s */\n", (unsigned long long)hash, #name);        \
        else if (hash != expected[n])                                                        \
            printf("%s: %llx\n", #name, (unsigned long long)hash), wrong++;                  \
        n++;                                                                                 \
    }
    EACH(CHECK)
    if (!wrong && argc == 1)
        puts("ok");
    return wrong != 0;
}
