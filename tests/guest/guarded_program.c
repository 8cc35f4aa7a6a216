// arm64-only
// dynamic
// flags-arm64: -nostartfiles -mbranch-protection=bti -Wl,-z,force-bti
/* A program that is marked for guarded pages, without anything of a C library that isn't: its own code is guarded, by
 * the kernel where it is static, by ld.so where it isn't, if AT_HWCAP2 has BTI. */
#include <asm/unistd.h>
#include <elf.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

static long call(long number, long a, long b, long c, long d)
{
    register long x8 asm("x8") = number, x0 asm("x0") = a, x1 asm("x1") = b, x2 asm("x2") = c, x3 asm("x3") = d;
    asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}

/* The caller finds 1. */
static void refused(int signo, siginfo_t *info, ucontext_t *uc)
{
    (void)signo, (void)info;
    uc->uc_mcontext.pc = uc->uc_mcontext.regs[30];
    uc->uc_mcontext.pstate = 0;
    uc->uc_mcontext.regs[0] = 1;
}

/* Functions that return 2. */
extern char open_to_calls[], open_to_jumps[], closed[];
asm(".pushsection .text\n .globl open_to_calls, open_to_jumps, closed\n"
    "open_to_calls: bti c\n mov x0, #2\n ret\n"
    "open_to_jumps: bti j\n mov x0, #2\n ret\n"
    "closed: mov x0, #2\n ret\n"
    ".popsection\n");

static long by_call(const char *to)
{
    register long x0 asm("x0") = 0;
    asm volatile("blr %1" : "+r"(x0) : "r"(to) : "x30", "memory", "cc");
    return x0;
}

static long by_jump(const char *to)
{
    register long x0 asm("x0") = 0;
    asm volatile("adr x30, 1f\n br %1\n1:\n" : "+r"(x0) : "r"(to) : "x30", "memory", "cc");
    return x0;
}

static int is_guarded(const long *stack)
{
    const long *at = stack + 1 + stack[0] + 1;
    while (*at++)
        ;
    for (; at[0] != AT_NULL; at += 2)
        if (at[0] == AT_HWCAP2)
            return at[1] >> 17 & 1;
    return 0;
}

__attribute__((used)) static void begin(const long *stack)
{
    struct {
        void *handler;
        unsigned long flags, restorer, mask;
    } action = {refused, SA_SIGINFO};
    int guarded = is_guarded(stack), wrong = 0, no = guarded ? 1 : 2;
    call(__NR_rt_sigaction, SIGILL, (long)&action, 0, 8);
    for (int round = 0; round < 30; round++) {
        wrong |= (by_call(open_to_calls) != 2) << 0 | (by_call(open_to_jumps) != no) << 1 | (by_call(closed) != no) << 2;
        wrong |= (by_jump(open_to_calls) != no) << 3 | (by_jump(open_to_jumps) != 2) << 4 | (by_jump(closed) != no) << 5;
    }
    if (!wrong)
        call(__NR_write, 1, (long)"ok\n", 3, 0);
    call(__NR_exit_group, wrong, 0, 0, 0);
}

asm(".pushsection .text\n .globl _start\n _start: bti c\n mov x0, sp\n b begin\n .popsection\n");
