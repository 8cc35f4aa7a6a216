// arm64-only
/* Flags that are compared, then an access that faults or an operation that traps, then conditions and other flags: the
 * handler and the conditions see what the comparison found, whatever has become of its operands. */
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check.h"

static const uint64_t numbers[] = {0, 1, 2, 5, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000005, INT64_MAX, 1ull << 63,
                                   UINT64_MAX - 4, UINT64_MAX};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static unsigned faults, seen;

static void handler(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)signo, (void)info;
    faults++;
    seen = (unsigned)(uc->uc_mcontext.pstate >> 28);
    uc->uc_mcontext.pc += 4;
}

/* NZCV of a - b. */
static unsigned flags_of(uint64_t a, uint64_t b, unsigned bits)
{
    uint64_t top = 1ull << (bits - 1), mask = top | (top - 1), d = (a - b) & mask;
    a &= mask, b &= mask;
    return (d & top ? 8 : 0) | (d == 0 ? 4 : 0) | (a >= b ? 2 : 0) | (((a ^ b) & (a ^ d)) & top ? 1 : 0);
}

/* `compare` sets the flags of x0 and x6 and may use x1 and x7; `between` may change them. x0 is in a host register, x6 is
 * not. d0 is an infinity. */
#define CASE(name, compare, between)                                                                             \
    static unsigned name(uint64_t a, uint64_t b, const void *address)                                            \
    {                                                                                                            \
        register uint64_t x0 asm("x0") = a, x6 asm("x6") = b;                                                    \
        register const void *x10 asm("x10") = address;                                                           \
        register uint64_t x11 asm("x11"), x12 asm("x12"), x13 asm("x13"), x14 asm("x14");                        \
        asm volatile("fadd d1, d1, d1\n\tb 1f\n1:\n\tfadd d1, d1, d1\n\t" compare "\n\t" between                  \
                     "\n\tldr x9, [x10]\n\tcset x11, mi\n\tcset x12, eq\n\tcset x13, cs\n\t"                      \
                     "cset x14, vs\n\tcmp x10, 1\n\tb.eq 1b"                                                     \
                     : "+r"(x0), "+r"(x6), "=r"(x11), "=r"(x12), "=r"(x13), "=r"(x14)                            \
                     : "r"(x10)                                                                                  \
                     : "x1", "x7", "x9", "v1", "v2", "cc", "memory");                                            \
        return (unsigned)(x11 << 3 | x12 << 2 | x13 << 1 | x14);                                                 \
    }
CASE(registers, "cmp x0, x6", "")
CASE(words, "cmp w6, w0", "")
CASE(number, "cmp x0, 5", "")
CASE(number_of_word, "cmp w6, 5", "")
CASE(difference, "subs x0, x0, 1", "")
CASE(difference_in_memory, "subs w6, w6, 2", "")
CASE(difference_elsewhere, "subs x1, x0, 5", "")
CASE(difference_of_registers, "subs x0, x0, x6", "")
CASE(operand_changes, "cmp x0, x6", "mov x0, 7")
CASE(operand_changes_later, "cmp x0, x6", "ldr x9, [sp]\n\tmov x6, 7")
CASE(difference_changes, "subs x0, x0, 1", "ldr x9, [sp]\n\tadd x0, x0, 1")
CASE(result_of_sum, "add x1, x0, 1\n\tcmp x1, x6", "")
CASE(pushed, "cmp x0, x6", "str x0, [sp, -16]!\n\tldr x1, [sp], 16")
CASE(numbers_between, "cmp x0, x6", "fadd d1, d1, d1\n\tfneg d2, d1")
CASE(invalid_between, "cmp x0, x6", "fmov d2, 1.0\n\tfsub d2, d2, d2\n\tfdiv d2, d2, d2\n\tfneg d1, d2")
CASE(invalid_and_difference, "subs w0, w0, 5", "movi d2, #0\n\tfdiv d2, d2, d2")

static void check(unsigned (*run)(uint64_t, uint64_t, const void *), uint64_t a, uint64_t b, unsigned want, const void *bad)
{
    uint64_t good = 0;
    CHECK(run(a, b, &good), want);
    seen = 16;
    CHECK(run(a, b, bad), want);
    CHECK(seen, want);
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    void *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaction(SIGSEGV, &action, NULL);
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < NUMBERS * NUMBERS; i++) {
            uint64_t a = numbers[i / NUMBERS], b = numbers[i % NUMBERS];
            unsigned both = flags_of(a, b, 64);
            check(registers, a, b, both, bad);
            check(words, a, b, flags_of(b, a, 32), bad);
            check(number, a, b, flags_of(a, 5, 64), bad);
            check(number_of_word, a, b, flags_of(b, 5, 32), bad);
            check(difference, a, b, flags_of(a, 1, 64), bad);
            check(difference_in_memory, a, b, flags_of(b, 2, 32), bad);
            check(difference_elsewhere, a, b, flags_of(a, 5, 64), bad);
            check(difference_of_registers, a, b, both, bad);
            check(operand_changes, a, b, both, bad);
            check(operand_changes_later, a, b, both, bad);
            check(difference_changes, a, b, flags_of(a, 1, 64), bad);
            check(result_of_sum, a, b, flags_of(a + 1, b, 64), bad);
            check(pushed, a, b, both, bad);
            check(numbers_between, a, b, both, bad);
            check(invalid_between, a, b, both, bad);
            check(invalid_and_difference, a, b, flags_of(a, 5, 32), bad);
        }
    CHECK(faults, 4 * NUMBERS * NUMBERS * 16);
    return check_end();
}
