// arm64-only
/* Floating point where an operation is invalid or a mode isn't the usual one: results, FPSR, and everything else as
 * before. All is done often enough to be compiled. Expected values: Arm ARM, shared/functions/float. */
#include "check.h"

#include <stdint.h>

enum { IOC = 1, DZC = 2, OFC = 4, UFC = 8, IXC = 16, IDC = 128 };
enum { ROUND_UP = 1 << 22, ROUND_DOWN = 2 << 22, ROUND_TO_ZERO = 3 << 22, FZ = 1 << 24, DN = 1 << 25 };

#define INFINITE 0x7ff0000000000000
#define DEFAULT_NAN 0x7ff8000000000000
#define QUIET 0x7ff8000000000123
#define SIGNALLING 0x7ff0000000000456
#define SIGNALLING_QUIETED 0x7ff8000000000456
#define ONE 0x3ff0000000000000
#define THREE 0x4008000000000000
#define HUGE 0x7fe0000000000000
#define SMALLEST_NORMAL 0x0010000000000000
#define SUBNORMAL 0x0000000000000400
#define MINUS 0x8000000000000000

static uint64_t set_modes(uint64_t fpcr)
{
    asm volatile("msr fpcr, %0\n\tmsr fpsr, xzr" : : "r"(fpcr));
    return fpcr;
}

static uint64_t flags(void)
{
    uint64_t fpsr;
    asm volatile("mrs %0, fpsr" : "=r"(fpsr));
    return fpsr;
}

/* An operation on doubles with a result that is one; the integers around it show that the block goes on rightly. */
#define OPERATION(name, text)                                                                                \
    static uint64_t name(uint64_t a, uint64_t b, uint64_t c)                                                 \
    {                                                                                                        \
        uint64_t result, before, after, nzcv;                                                                \
        asm volatile("fmov d0, %4\n\tfmov d1, %5\n\tfmov d2, %6\n\tmov %1, 7\n\tadd %1, %1, 1\n\t"             \
                     "cmp %1, 9\n\t" text "\n\tmrs %3, nzcv\n\tadd %2, %1, 1\n\tfmov %0, d3"                  \
                     : "=&r"(result), "=&r"(before), "=&r"(after), "=&r"(nzcv)                                \
                     : "r"(a), "r"(b), "r"(c)                                                                \
                     : "d0", "d1", "d2", "d3", "cc");                                                        \
        CHECK(before, 8);                                                                                    \
        CHECK(after, 9);                                                                                     \
        CHECK(nzcv, 0x80000000);                                                                             \
        return result;                                                                                       \
    }
OPERATION(add, "fadd d3, d0, d1")
OPERATION(subtract, "fsub d3, d0, d1")
OPERATION(multiply, "fmul d3, d0, d1")
OPERATION(divide, "fdiv d3, d0, d1")
OPERATION(square_root, "fsqrt d3, d0")
OPERATION(multiply_add, "fmadd d3, d0, d1, d2")
OPERATION(larger, "fmax d3, d0, d1")
OPERATION(smaller, "fmin d3, d0, d1")
OPERATION(larger_number, "fmaxnm d3, d0, d1")
OPERATION(smaller_number, "fminnm d3, d0, d1")
OPERATION(round_exact, "frintx d3, d0")
OPERATION(round_by_mode, "frinti d3, d0")
OPERATION(to_single_and_back, "fcvt s3, d0\n\tfcvt d3, s3")
OPERATION(to_signed, "fcvtzs d3, d0")
OPERATION(to_unsigned, "fcvtzu d3, d0")

/* Conversions to general registers, and comparisons. */
#define TO_INTEGER(name, text)                                                        \
    static uint64_t name(uint64_t a, uint64_t, uint64_t)                              \
    {                                                                                 \
        uint64_t result;                                                              \
        asm volatile("fmov d0, %1\n\t" text : "=r"(result) : "r"(a) : "d0");          \
        return result;                                                                \
    }
TO_INTEGER(to_int64, "fcvtzs %x0, d0")
TO_INTEGER(to_int32, "fcvtzs %w0, d0")
TO_INTEGER(to_uint64, "fcvtzu %x0, d0")
TO_INTEGER(to_uint32, "fcvtzu %w0, d0")
TO_INTEGER(to_nearest_int64, "fcvtns %x0, d0")
#define COMPARISON(name, instruction)                                                            \
    static uint64_t name(uint64_t a, uint64_t b, uint64_t)                                       \
    {                                                                                            \
        uint64_t nzcv;                                                                           \
        asm volatile("fmov d0, %1\n\tfmov d1, %2\n\t" instruction " d0, d1\n\tmrs %0, nzcv"      \
                     : "=r"(nzcv) : "r"(a), "r"(b) : "d0", "d1", "cc");                          \
        return nzcv >> 28;                                                                       \
    }
COMPARISON(compare, "fcmp")
COMPARISON(compare_signalling, "fcmpe")

static const struct {
    const char *name;
    uint64_t (*operation)(uint64_t a, uint64_t b, uint64_t c);
    uint64_t fpcr, a, b, c, result, flags;
} cases[] = {
#define CASE(operation, ...) {#operation, operation, __VA_ARGS__}
    CASE(add, 0, ONE, THREE, 0, 0x4010000000000000, 0),
    CASE(subtract, 0, INFINITE, INFINITE, 0, DEFAULT_NAN, IOC),
    CASE(add, 0, INFINITE, MINUS | INFINITE, 0, DEFAULT_NAN, IOC),
    CASE(add, 0, INFINITE, ONE, 0, INFINITE, 0),
    CASE(multiply, 0, 0, INFINITE, 0, DEFAULT_NAN, IOC),
    CASE(divide, 0, 0, MINUS, 0, DEFAULT_NAN, IOC),
    CASE(divide, 0, ONE, MINUS, 0, MINUS | INFINITE, DZC),
    CASE(square_root, 0, MINUS | ONE, 0, 0, DEFAULT_NAN, IOC),
    CASE(square_root, 0, MINUS, 0, 0, MINUS, 0),
    CASE(add, 0, QUIET, ONE, 0, QUIET, 0),
    CASE(add, 0, ONE, MINUS | QUIET, 0, MINUS | QUIET, 0),
    CASE(add, 0, SIGNALLING, ONE, 0, SIGNALLING_QUIETED, IOC),
    CASE(add, 0, QUIET, SIGNALLING, 0, SIGNALLING_QUIETED, IOC),
    CASE(multiply_add, 0, 0, INFINITE, QUIET, DEFAULT_NAN, IOC),
    CASE(multiply_add, 0, ONE, THREE, QUIET, QUIET, 0),
    CASE(multiply_add, 0, QUIET, ONE, SIGNALLING, SIGNALLING_QUIETED, IOC),
    CASE(larger, 0, ONE, QUIET, 0, QUIET, 0),
    CASE(larger_number, 0, ONE, QUIET, 0, ONE, 0),
    CASE(larger_number, 0, SIGNALLING, ONE, 0, SIGNALLING_QUIETED, IOC),
    CASE(larger, 0, MINUS, 0, 0, 0, 0),
    CASE(smaller, 0, 0, MINUS, 0, MINUS, 0),
    CASE(smaller_number, 0, QUIET, THREE, 0, THREE, 0),
    CASE(smaller, 0, ONE, SIGNALLING, 0, SIGNALLING_QUIETED, IOC),
    CASE(multiply, 0, HUGE, HUGE, 0, INFINITE, OFC | IXC),
    CASE(multiply, ROUND_TO_ZERO, HUGE, HUGE, 0, 0x7fefffffffffffff, OFC | IXC),
    CASE(divide, 0, SMALLEST_NORMAL, THREE, 0, 0x0005555555555555, UFC | IXC),
    CASE(divide, 0, ONE, THREE, 0, 0x3fd5555555555555, IXC),
    CASE(divide, ROUND_UP, ONE, THREE, 0, 0x3fd5555555555556, IXC),
    CASE(divide, ROUND_DOWN, ONE, THREE, 0, 0x3fd5555555555555, IXC),
    CASE(divide, ROUND_DOWN, MINUS | ONE, THREE, 0, 0xbfd5555555555556, IXC),
    CASE(divide, ROUND_TO_ZERO, MINUS | ONE, THREE, 0, 0xbfd5555555555555, IXC),
    CASE(subtract, ROUND_DOWN, ONE, ONE, 0, MINUS, 0),
    CASE(round_by_mode, 0, 0x4004000000000000, 0, 0, 0x4000000000000000, 0),
    CASE(round_by_mode, ROUND_UP, 0x4004000000000000, 0, 0, THREE, 0),
    CASE(round_exact, 0, 0x4004000000000000, 0, 0, 0x4000000000000000, IXC),
    CASE(round_exact, 0, SIGNALLING, 0, 0, SIGNALLING_QUIETED, IOC),
    CASE(to_single_and_back, 0, HUGE, 0, 0, INFINITE, OFC | IXC),
    CASE(to_single_and_back, 0, SIGNALLING, 0, 0, DEFAULT_NAN, IOC),
    CASE(add, FZ, SUBNORMAL, 0, 0, 0, IDC),
    CASE(add, FZ, SUBNORMAL, ONE, 0, ONE, IDC),
    CASE(divide, FZ, SMALLEST_NORMAL, THREE, 0, 0, UFC),
    CASE(divide, FZ, ONE, MINUS | SUBNORMAL, 0, MINUS | INFINITE, IDC | DZC),
    CASE(add, 0, SUBNORMAL, 0, 0, SUBNORMAL, 0),
    CASE(add, DN, QUIET, ONE, 0, DEFAULT_NAN, 0),
    CASE(add, DN, SIGNALLING, ONE, 0, DEFAULT_NAN, IOC),
    CASE(multiply_add, DN, MINUS | QUIET, ONE, ONE, DEFAULT_NAN, 0),
    CASE(to_int64, 0, QUIET, 0, 0, 0, IOC),
    CASE(to_int64, 0, HUGE, 0, 0, INT64_MAX, IOC),
    CASE(to_int64, 0, MINUS | INFINITE, 0, 0, MINUS, IOC),
    CASE(to_int64, 0, 0xc3e0000000000000, 0, 0, MINUS, 0),
    CASE(to_int64, 0, 0x43e0000000000000, 0, 0, INT64_MAX, IOC),
    CASE(to_int64, 0, 0x4004000000000000, 0, 0, 2, IXC),
    CASE(to_nearest_int64, 0, 0x400c000000000000, 0, 0, 4, IXC),
    CASE(to_int32, 0, 0x41e65a0bc0000000, 0, 0, INT32_MAX, IOC),
    CASE(to_int32, 0, 0xc1e0000000000000, 0, 0, 0x80000000, 0),
    CASE(to_uint64, 0, MINUS | ONE, 0, 0, 0, IOC),
    CASE(to_uint64, 0, 0x43e0000000000000, 0, 0, MINUS, 0),
    CASE(to_uint64, 0, 0xbfe0000000000000, 0, 0, 0, IXC),
    CASE(to_uint64, 0, INFINITE, 0, 0, UINT64_MAX, IOC),
    CASE(to_uint32, 0, 0x41f0000000000000, 0, 0, UINT32_MAX, IOC),
    CASE(to_uint32, 0, 0x41effffffff00000, 0, 0, UINT32_MAX, IXC),
    CASE(to_signed, 0, SIGNALLING, 0, 0, 0, IOC),
    CASE(to_unsigned, 0, MINUS | THREE, 0, 0, 0, IOC),
    CASE(compare, 0, ONE, THREE, 0, 8, 0),
    CASE(compare, 0, THREE, THREE, 0, 6, 0),
    CASE(compare, 0, THREE, ONE, 0, 2, 0),
    CASE(compare, 0, QUIET, ONE, 0, 3, 0),
    CASE(compare, 0, SIGNALLING, ONE, 0, 3, IOC),
    CASE(compare_signalling, 0, ONE, QUIET, 0, 3, IOC),
    CASE(compare_signalling, 0, MINUS, 0, 0, 6, 0),
    CASE(compare, FZ, SUBNORMAL, 0, 0, 6, IDC),
};

/* One lane of four is invalid; NaNs of both operands meet in another. */
static void check_vector(void)
{
    static const uint32_t a[4] = {0x7f800000, 0x3f800000, 0x7fc00011, 0x40400000};
    static const uint32_t b[4] = {0xff800000, 0x3f800000, 0x7f800022, 0x7f800000};
    static const uint32_t want[4] = {0x7fc00000, 0x40000000, 0x7fc00022, 0x7f800000};
    uint32_t sum[4], kept[4];
    set_modes(0);
    asm volatile("ldr q16, [%0]\n\tldr q17, [%1]\n\tmov v18.16b, v16.16b\n\tfadd v16.4s, v16.4s, v17.4s\n\t"
                 "str q16, [%2]\n\tstr q18, [%3]"
                 : : "r"(a), "r"(b), "r"(sum), "r"(kept) : "memory", "v16", "v17", "v18");
    CHECK(memcmp(sum, want, sizeof want), 0);
    CHECK(memcmp(kept, a, sizeof a), 0);
    CHECK(flags(), IOC);
}

int main(void)
{
    for (int loop = 0; loop < 200; loop++) {
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            set_modes(cases[i].fpcr);
            uint64_t result = cases[i].operation(cases[i].a, cases[i].b, cases[i].c), raised = flags();
            set_modes(0);
            if ((result != cases[i].result || raised != cases[i].flags) && check_failures++ < 10)
                printf("case %u, loop %d: %s is %#lx with flags %#lx, not %#lx with %#lx\n", i, loop, cases[i].name, result,
                       raised, cases[i].result, cases[i].flags);
        }
        check_vector();
        set_modes(0);
    }
    return check_end();
}
