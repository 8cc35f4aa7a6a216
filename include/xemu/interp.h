/* The engines of frontend-arm64, called by core/engine.c with the recovery point armed and MXCSR the guest's. */
#ifndef XEMU_INTERP_H
#define XEMU_INTERP_H

#include <xemu/cpu.h>
#include <xemu/exit.h>

#include <stddef.h>

enum exit_reason interp_run(struct cpu *cpu);

/* The same for one block only: up to the next branch. For code that is to be compiled if it comes often; not to be
 * mixed with interp_run() in a thread. */
enum exit_reason interp_block(struct cpu *cpu);

/* The same for the instruction at cpu->pc, which can be executed and may be landed on. */
enum exit_reason interp_instruction(struct cpu *cpu);

/* Frees the calling thread's cache of decoded instructions, at thread exit. */
void interp_free(struct cpu *cpu);

/* Returns if the guest may execute at cpu->pc, whose tag it removes (Arm ARM AArch64.BranchAddr: engines branch to
 * whatever a register holds); otherwise leaves through the recovery point with the fault set. */
void fetch_check(struct cpu *cpu);

#endif
