// arm64-only
/* SIGILL with the address of the instruction; the handler may change pc and go on. */
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

static volatile unsigned long seen_address, seen_pc, seen_code, seen_x19;

static void handler(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    seen_address = (unsigned long)info->si_addr;
    seen_code = info->si_code;
    seen_pc = uc->uc_mcontext.pc;
    seen_x19 = uc->uc_mcontext.regs[19];
    uc->uc_mcontext.pc += 4;
    uc->uc_mcontext.regs[20] = 77;
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    unsigned long where, changed;
    asm volatile("mov x19, #55\n"
                 "mov x20, #1\n"
                 "adr %0, 1f\n"
                 "1: .inst 0x00000001\n"
                 "mov %1, x20\n"
                 : "=&r"(where), "=&r"(changed)
                 :
                 : "x19", "x20", "memory");
    if (seen_address != where || seen_pc != where || seen_code != ILL_ILLOPC || seen_x19 != 55 || changed != 77) {
        printf("at %#lx: si_addr %#lx, pc %#lx, si_code %lu, x19 %lu, x20 %lu\n", where, seen_address, seen_pc,
               seen_code, seen_x19, changed);
        return 1;
    }
    puts("ok");
    return 0;
}
