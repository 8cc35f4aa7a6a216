/* Runs guest code by the engine that was chosen, with everything armed that an engine needs. */
#include <xemu/cpu.h>
#include <xemu/critical.h>
#include <xemu/exit.h>
#include <xemu/fault.h>
#include <xemu/fp.h>
#include <xemu/insn.h>
#include <xemu/interp.h>
#include <xemu/ir.h>
#include <xemu/jit.h>
#include <xemu/landing.h>
#include <xemu/log.h>
#include <xemu/mem.h>
#include <xemu/options.h>
#include <xemu/report.h>
#include <xemu/trace.h>

#include <signal.h>
#include <stdlib.h>

/* Loads and stores whose base is an SP that is no multiple of 16 fault (Arm ARM CheckSPAlignment; Linux sets
 * SCTLR_EL1.SA0). Nobody looks for that at an access: meanings end a block behind an instruction that makes SP so
 * (put_sp() in sem.h), and from there on single instructions are run, with a look at each, until SP is aligned. */
static bool is_aligned(const struct cpu *cpu) { return __builtin_expect(cpu->x[31] % 16 == 0, 1); }

static bool is_access_by_sp(uint64_t pc)
{
    struct a64_insn in;
    uint32_t word = (uint32_t)mem_load(pc, 2);
    a64_decode(word, pc, &in);
    switch (in.op) {
    case A64_PRFUM:
    case A64_PRFM_RO:
    case A64_PRFM_U: /* no access */
    case A64_CPY:
    case A64_CPYF:
    case A64_SET: /* 31 is ZR */
        return false;
    default:
        return a64_is_access(word) && in.rn == 31;
    }
}

/* Lifts a block of at most this many instructions, verifies it, and evaluates the IR. */
static enum exit_reason evaluate(struct cpu *cpu, unsigned instructions)
{
    static __thread struct ir_block *block;
    unsigned where;
    if (!block && !(block = malloc(sizeof *block)))
        die(126, "not enough memory for an IR block");
    lift_block(block, cpu->pc, instructions, NULL);
    const char *wrong = ir_verify(block, &where);
    if (wrong || log_on(LOG_IR))
        log_ir_block(block);
    if (wrong)
        panic("IR block at %#lx, operation %u: %s", block->pc, where, wrong);
    return ir_eval(cpu, block);
}

enum exit_reason engine_instruction(struct cpu *cpu) { return evaluate(cpu, 1); }

/* IR doesn't know what FPCR.AH and NEP change, as compiled code doesn't: the interpreter runs one instruction then. */
static enum exit_reason ir_block_run(struct cpu *cpu, unsigned instructions)
{
    fetch_check(cpu);
    if (!landing_end(cpu, landing_at(cpu->pc)))
        return EXIT_BRANCH_TARGET;
    if (!is_aligned(cpu) && is_access_by_sp(cpu->pc))
        fault_raise(cpu, SIGBUS, BUS_ADRALN, cpu->x[31]);
    if (cpu->fpcr & (FPCR_AH | FPCR_NEP))
        return interp_instruction(cpu);
    return evaluate(cpu, instructions);
}

/* The engine for tests. */
static enum exit_reason ir_run(struct cpu *cpu)
{
    while (!cpu->stop) {
        enum exit_reason reason = ir_block_run(cpu, 64);
        if (reason != EXIT_BRANCH)
            return reason;
    }
    return EXIT_SIGNAL;
}

static enum exit_reason ir_step(struct cpu *cpu) { return cpu->stop ? EXIT_SIGNAL : ir_block_run(cpu, 1); }

static enum exit_reason unaligned_run(struct cpu *cpu)
{
    enum exit_reason reason = EXIT_BRANCH;
    while (!is_aligned(cpu) && (reason == EXIT_BRANCH || reason == EXIT_CODE))
        reason = ir_step(cpu);
    return reason;
}

static enum exit_reason fault_reason(const struct fault *fault)
{
    if (!fault->signo)
        return fault->code == FAULT_CRITICAL ? EXIT_CRITICAL : EXIT_MEMORY_COPY;
    return fault->code == BUS_ADRALN && fault->signo == SIGBUS ? EXIT_ALIGN : EXIT_FAULT;
}

static enum exit_reason run(struct cpu *cpu, enum exit_reason (*engine)(struct cpu *))
{
    jmp_buf here;
    enum exit_reason reason;

    if (_setjmp(here)) {
        jit_leave(cpu);
        reason = fault_reason(&cpu->fault);
    } else {
        cpu->recover = &here;
        fp_enter(cpu);
        if (engine != jit_run)
            report_enter(cpu, PART_INTERPRETER);
        reason = engine(cpu);
    }
    report_enter(cpu, PART_DISPATCH);
    fp_leave(cpu);
    cpu->recover = NULL;
    return reason;
}

enum exit_reason engine_run(struct cpu *cpu)
{
    if (!is_aligned(cpu))
        return run(cpu, unaligned_run);
    if (__builtin_expect(options.engine == ENGINE_IR, 0))
        return run(cpu, ir_run);
    return options.engine == ENGINE_INTERP ? run(cpu, interp_run) : run(cpu, jit_run);
}

enum exit_reason engine_step(struct cpu *cpu) { return run(cpu, ir_step); }
