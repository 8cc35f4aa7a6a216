/* Runs guest code by the engine that was chosen, with everything armed that an engine needs. */
#include <xemu/cpu.h>
#include <xemu/exit.h>
#include <xemu/fp.h>
#include <xemu/interp.h>
#include <xemu/ir.h>
#include <xemu/jit.h>
#include <xemu/landing.h>
#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/report.h>
#include <xemu/trace.h>

#include <signal.h>
#include <stdlib.h>

/* Lifts a block of at most this many instructions, verifies it, and evaluates the IR. */
static enum exit_reason ir_block_run(struct cpu *cpu, unsigned instructions)
{
    static __thread struct ir_block *block;
    if (!block && !(block = malloc(sizeof *block)))
        die(126, "not enough memory for an IR block");
    unsigned where;
    fetch_check(cpu);
    if (!landing_end(cpu, landing_at(cpu->pc)))
        return EXIT_BRANCH_TARGET;
    lift_block(block, cpu->pc, instructions, NULL);
    const char *wrong = ir_verify(block, &where);
    if (wrong || log_on(LOG_IR))
        log_ir_block(block);
    if (wrong)
        panic("IR block at %#lx, operation %u: %s", block->pc, where, wrong);
    return ir_eval(cpu, block);
}

/* The engine for tests. */
static enum exit_reason ir_run(struct cpu *cpu)
{
    while (!cpu->stop) {
        /* The IR doesn't know what these change, as compiled code doesn't. */
        bool alternate = cpu->fpcr & (FPCR_AH | FPCR_NEP);
        enum exit_reason reason = alternate ? interp_block(cpu) : ir_block_run(cpu, 64);
        if (reason != EXIT_BRANCH)
            return reason;
    }
    return EXIT_SIGNAL;
}

static enum exit_reason ir_step(struct cpu *cpu) { return cpu->stop ? EXIT_SIGNAL : ir_block_run(cpu, 1); }

static enum exit_reason fault_reason(const struct fault *fault)
{
    if (!fault->signo)
        return EXIT_MEMORY_COPY;
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
    if (__builtin_expect(options.engine == ENGINE_IR, 0))
        return run(cpu, ir_run);
    return options.engine == ENGINE_INTERP ? run(cpu, interp_run) : run(cpu, jit_run);
}

enum exit_reason engine_step(struct cpu *cpu) { return run(cpu, ir_step); }
