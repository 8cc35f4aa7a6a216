/* ARM64 register sets as the kernel gives them to debuggers and core files (its linux/elf.h and
 * asm/ptrace.h). */
#ifndef SYSCALL_REGSET_H
#define SYSCALL_REGSET_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include <xemu/cpu.h>

#include "ptrace.h"

#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif
#ifndef NT_ARM_PAC_MASK
#define NT_ARM_PAC_MASK 0x406
#endif

struct arm64_pt_regs {
    uint64_t regs[31], sp, pc, pstate;
};
struct arm64_fpsimd_state {
    union vec v[32];
    uint32_t fpsr, fpcr, reserved[2];
};
struct arm64_hw_debug {
    uint32_t info, pad;
};
struct arm64_pac_mask {
    uint64_t data, instructions;
};
union regset {
    struct arm64_pt_regs general;
    struct arm64_fpsimd_state fp;
    struct arm64_hw_debug debug;
    struct arm64_pac_mask pac;
    uint64_t tls;
    uint32_t call;
};

/* The set `type` (NT_) of a thread that doesn't run, with fpsr, fpcr and call as *traced has them; its size
 * in bytes, or 0 if this CPU has no such set. */
size_t regset_get(uint64_t type, const struct cpu *cpu, const struct traced *traced, union regset *set);

/* Puts what the guest's CPU has of PSTATE into the thread. */
void regset_put_pstate(struct cpu *cpu, uint64_t pstate);

/* Puts a set into the thread; of those that can't be written nothing. */
void regset_put(uint64_t type, struct cpu *cpu, struct traced *traced, const union regset *set);

#endif
