/* Why an engine returned. Engines return, they don't act: core/run.c acts on these. */
#ifndef XEMU_EXIT_H
#define XEMU_EXIT_H

struct cpu;

enum exit_reason {
    EXIT_BRANCH,    /* cpu->pc is where to go on (translated code not found, block limit reached) */
    EXIT_SYSCALL,   /* SVC: cpu->pc is the SVC instruction itself, cpu->exit_imm its immediate */
    EXIT_FAULT,     /* a data access or fetch faulted: cpu->fault, cpu->pc of the instruction */
    EXIT_UNDEFINED, /* cpu->pc of the instruction, cpu->exit_word the word */
    EXIT_BREAK,     /* BRK: cpu->exit_imm */
    EXIT_ALIGN,     /* SP or PC or exclusive alignment fault: SIGBUS, cpu->fault.addr */
    EXIT_SIGNAL,    /* cpu->stop was set: a signal or another request is pending; cpu->pc is the next instruction */
    EXIT_MEMORY_COPY, /* Memory Copy and Memory Set exception (FEAT_MOPS): cpu->pc of the instruction */
    EXIT_CODE,      /* the guest changed code (IC IVAU): cpu->pc is the next instruction */
    EXIT_CRITICAL,  /* a store of a critical section was not done: cpu->pc of the instruction */
    EXIT_BRANCH_TARGET, /* Branch Target exception (FEAT_BTI): PSTATE.BTYPE says how control came to cpu->pc */
};

/* Runs guest code on the calling thread until something needs the run loop. The whole guest state is in *cpu
 * on return. cpu must be this_cpu. */
enum exit_reason engine_run(struct cpu *cpu);

/* The same for one instruction, by way of its intermediate representation; EXIT_BRANCH when it is done. */
enum exit_reason engine_step(struct cpu *cpu);

/* The same for an engine that is running, which has seen that cpu->pc may be executed. */
enum exit_reason engine_instruction(struct cpu *cpu);

/* Acts on EXIT_MEMORY_COPY: the registers and the pc are those before the prologue again. */
void memory_copy_again(struct cpu *cpu);

/* core/run.c: runs the calling thread's guest until it ends the thread or the process. */
_Noreturn void run_loop(struct cpu *cpu);

#endif
