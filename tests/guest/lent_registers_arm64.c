// arm64-only
/* A fault in the middle of a long computation finds every register, and the computation goes on with all of them. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

/* Steps on registers of which there are more than the host has; the others rest. */
#define STEPS(X)                                                                                          \
    X(5, 6) X(7, 8) X(9, 10) X(11, 12) X(13, 14) X(15, 16) X(17, 22) X(23, 24) X(25, 26) X(6, 5) X(8, 7) \
    X(10, 9) X(12, 11) X(14, 13) X(16, 15) X(22, 17) X(24, 23) X(26, 25) X(5, 8) X(7, 10) X(9, 12)

enum { FIRST = 1, LAST = 28, BAD = 28, ROUNDS = 100 };
static unsigned long state[32], good = 42, wrong;
static char *page;

void compute(unsigned long *state);

#define STEP_IN_ASM(a, b) "eor x" #a ", x" #a ", x" #b ", ror #7\n add x" #a ", x" #a ", x" #b "\n"
asm("compute:\n"
    "stp x29, x30, [sp, #-96]!\n"
    "stp x19, x20, [sp, #16]\n stp x21, x22, [sp, #32]\n stp x23, x24, [sp, #48]\n"
    "stp x25, x26, [sp, #64]\n stp x27, x28, [sp, #80]\n"
    "mov x1, sp\n str x1, [x0, #248]\n"
    "ldr x1, [x0, #8]\n ldp x2, x3, [x0, #16]\n ldp x4, x5, [x0, #32]\n ldp x6, x7, [x0, #48]\n"
    "ldp x8, x9, [x0, #64]\n ldp x10, x11, [x0, #80]\n ldp x12, x13, [x0, #96]\n ldp x14, x15, [x0, #112]\n"
    "ldp x16, x17, [x0, #128]\n ldp x19, x20, [x0, #152]\n ldp x21, x22, [x0, #168]\n"
    "ldp x23, x24, [x0, #184]\n ldp x25, x26, [x0, #200]\n ldp x27, x28, [x0, #216]\n"
    "b 1f\n"
    "1:\n" STEPS(STEP_IN_ASM) "ldr x28, [x28]\n" STEPS(STEP_IN_ASM)
    "str x1, [x0, #8]\n stp x2, x3, [x0, #16]\n stp x4, x5, [x0, #32]\n stp x6, x7, [x0, #48]\n"
    "stp x8, x9, [x0, #64]\n stp x10, x11, [x0, #80]\n stp x12, x13, [x0, #96]\n stp x14, x15, [x0, #112]\n"
    "stp x16, x17, [x0, #128]\n stp x19, x20, [x0, #152]\n stp x21, x22, [x0, #168]\n"
    "stp x23, x24, [x0, #184]\n stp x25, x26, [x0, #200]\n stp x27, x28, [x0, #216]\n"
    "ldp x19, x20, [sp, #16]\n ldp x21, x22, [sp, #32]\n ldp x23, x24, [sp, #48]\n"
    "ldp x25, x26, [sp, #64]\n ldp x27, x28, [sp, #80]\n"
    "ldp x29, x30, [sp], #96\n"
    "ret\n");

static void compute_in_c(unsigned long x[])
{
#define STEP_IN_C(a, b)                              \
    x[a] ^= x[b] >> 7 | x[b] << 57;                  \
    x[a] += x[b];
    STEPS(STEP_IN_C)
}

static void fill(unsigned long x[], unsigned round)
{
    for (unsigned r = FIRST; r <= LAST; r++)
        x[r] = (r + round) * 0x9e3779b97f4a7c15;
    x[18] = 0; /* the platform's */
    x[BAD] = (unsigned long)page;
}

static unsigned differences(const unsigned long *x, const unsigned long *expected)
{
    unsigned count = 0;
    for (unsigned r = FIRST; r <= LAST; r++)
        count += r != 18 && x[r] != expected[r];
    return count;
}

static unsigned long expected[32];

static void handler(int signo, siginfo_t *info, void *context)
{
    mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
    unsigned long x[32];
    for (unsigned r = 0; r < 31; r++)
        x[r] = machine->regs[r];
    wrong += differences(x, expected) + (x[0] != (unsigned long)state) + (machine->sp != state[31]);
    machine->regs[BAD] = (unsigned long)&good;
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaction(SIGSEGV, &action, NULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        fill(state, round);
        fill(expected, round);
        compute_in_c(expected);
        compute(state);
        compute_in_c(expected);
        expected[BAD] = good;
        wrong += differences(state, expected);
    }
    if (wrong)
        printf("%lu registers are wrong\n", wrong);
    else
        puts("ok");
    return wrong != 0;
}
