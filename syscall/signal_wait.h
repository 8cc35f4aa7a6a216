/* Calls that wait under a temporary signal mask. */
#ifndef SYSCALL_SIGNAL_WAIT_H
#define SYSCALL_SIGNAL_WAIT_H

#include <stdint.h>

struct cpu;

/* Makes the host's call, which itself takes the guest's mask at mask_addr (0: none). If it is interrupted,
 * the handlers that run then see that mask: sys_deliver_signals(). */
int64_t signal_masked_call(struct cpu *cpu, long number, const uint64_t args[6], uint64_t mask_addr);

#endif
