/* Recovery from faults on guest memory: "pay at the fault, not at the access". */
#ifndef XEMU_FAULT_H
#define XEMU_FAULT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpu;

/* Calls function(arg), which may touch guest memory: 0, or -EFAULT if it has faulted there and was left where it was. It
 * must hold nothing that would have to be given back. */
int guest_try(void (*function)(void *), void *arg);

/* Copies between the guest and xemu. Return 0, or -EFAULT when any byte is not accessible (then part of the
 * destination may have been written). Guest addresses may carry a tag in the top byte (TBI): it is ignored. */
int guest_copy_in(void *dst, uint64_t src, size_t bytes);
int guest_copy_out(uint64_t dst, const void *src, size_t bytes);

/* Copies a NUL-terminated string. Returns its length without NUL, -EFAULT, or -ENAMETOOLONG when no NUL is
 * within `size` bytes. */
long guest_copy_string(char *dst, uint64_t src, size_t size);

/* To be called first by the host's SIGSEGV/SIGBUS handler. When the interrupted code was an access to guest
 * memory (by an engine or by guest_copy_*), fills this_cpu->fault, arranges *ucontext so that returning from
 * the handler continues at the recovery point, and returns true. False: not an access of the guest's, that is,
 * a signal sent by somebody (si_code <= 0) or a bug in xemu. */
bool fault_recover(int signo, const siginfo_t *info, void *ucontext);

/* An engine found that the access at addr may not be done (alignment): as if the host had faulted. */
_Noreturn void fault_raise(struct cpu *cpu, int signo, int code, uint64_t addr);

/* The guest address without its top byte's tag: bits 55..0, sign-extended from bit 55 (Arm ARM D8.8). */
static inline uint64_t guest_untag(uint64_t addr) { return (uint64_t)((int64_t)(addr << 8) >> 8); }

#endif
