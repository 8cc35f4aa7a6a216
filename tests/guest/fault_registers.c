// arm64-only
/* A fault is precise: the handler sees the registers of the faulting instruction and can repair them. */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>

static volatile unsigned long seen[4];
static unsigned long good = 42;

static void handler(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    seen[0] = (unsigned long)info->si_addr;
    seen[1] = uc->uc_mcontext.pc;
    seen[2] = uc->uc_mcontext.regs[21];
    seen[3] = uc->uc_mcontext.fault_address;
    uc->uc_mcontext.regs[21] = (unsigned long)&good;
}

/* The second half of a pair faults: the base is what it was, also where the first half goes into it, so that the
 * instruction can be repeated. */
static char *second_page;
static volatile unsigned repaired;

static void repair(int signo)
{
    mprotect(second_page, 4096, PROT_READ | PROT_WRITE);
    repaired++;
}

static unsigned wrong_pairs(void)
{
    enum { ROUNDS = 100 };
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long *pair = (unsigned long *)(pages + 4088);
    unsigned wrong = 0;
    second_page = pages + 4096;
    pair[0] = 5, pair[1] = 7;
    signal(SIGSEGV, repair);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned long sum, moved;
        mprotect(second_page, 4096, PROT_NONE);
        asm volatile("mov x19, %2\n"
                     "ldp x19, x20, [x19]\n"
                     "add %0, x19, x20, lsl #8\n"
                     "mov x21, %2\n"
                     "ldp x19, x20, [x21], #16\n"
                     "add %0, %0, x20, lsl #16\n"
                     "sub %1, x21, %2\n"
                     : "=&r"(sum), "=&r"(moved)
                     : "r"(pair)
                     : "x19", "x20", "x21", "memory");
        wrong += sum != 5 + (7 << 8) + (7 << 16) || moved != 16;
    }
    return wrong + (repaired != ROUNDS);
}

int main(void)
{
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    unsigned long where, value, base = (unsigned long)page + 24;
    asm volatile("mov x21, %2\n"
                 "adr %0, 1f\n"
                 "1: ldr %1, [x21]\n"
                 : "=&r"(where), "=&r"(value)
                 : "r"(base)
                 : "x21", "memory");
    if (seen[0] != base || seen[1] != where || seen[2] != base || seen[3] != base || value != 42) {
        printf("at %#lx, access to %#lx: si_addr %#lx, pc %#lx, x21 %#lx, fault_address %#lx, value %lu\n", where,
               base, seen[0], seen[1], seen[2], seen[3], value);
        return 1;
    }
    unsigned wrong = wrong_pairs();
    if (wrong) {
        printf("%u pairs are wrong, %u faults\n", wrong, repaired);
        return 1;
    }
    puts("ok");
    return 0;
}
