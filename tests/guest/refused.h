/* What a signal tells of an instruction that was refused, for programs that are only for ARM64. */
#ifndef TESTS_GUEST_REFUSED_H
#define TESTS_GUEST_REFUSED_H

#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

static volatile int signo, code;
static volatile uint64_t address, at_pc;

/* Notes the signal, and has the handler go back to the caller (x30) with 1 in x0. Returns the registers. */
static mcontext_t *note_refusal(int number, const siginfo_t *info, void *context)
{
    mcontext_t *registers = &((ucontext_t *)context)->uc_mcontext;
    signo = number;
    code = info->si_code;
    address = (uint64_t)info->si_addr;
    at_pc = registers->pc;
    registers->pc = registers->regs[30];
    registers->regs[0] = 1;
    return registers;
}

static void install(int number, void *handler)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(number, &action, NULL);
}

#endif
