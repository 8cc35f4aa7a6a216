/* Runs guest code by the engine that was chosen, with everything armed that an engine needs. */
#include <xemu/cpu.h>
#include <xemu/exit.h>
#include <xemu/fp.h>
#include <xemu/interp.h>
#include <xemu/ir.h>
#include <xemu/jit.h>
#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/trace.h>

#include <signal.h>
#include <stdlib.h>

/* The engine for tests: lifts each block anew, verifies it, and evaluates the IR. */
static enum exit_reason ir_run(struct cpu *cpu)
{
    static __thread struct ir_block *block;
    if (!block && !(block = malloc(sizeof *block)))
        die(126, "not enough memory for an IR block");
    while (!cpu->stop) {
        unsigned where;
        fetch_check(cpu);
        lift_block(block, cpu->pc, 64);
        const char *wrong = ir_verify(block, &where);
        if (wrong || log_on(LOG_IR))
            log_ir_block(block);
        if (wrong)
            panic("IR block at %#lx, operation %u: %s", block->pc, where, wrong);
        enum exit_reason reason = ir_eval(cpu, block);
        if (reason != EXIT_BRANCH)
            return reason;
    }
    return EXIT_SIGNAL;
}

enum exit_reason engine_run(struct cpu *cpu)
{
    jmp_buf here;
    enum exit_reason reason;

    if (_setjmp(here)) {
        jit_leave(cpu);
        reason = cpu->fault.code == BUS_ADRALN && cpu->fault.signo == SIGBUS ? EXIT_ALIGN : EXIT_FAULT;
    } else {
        cpu->recover = &here;
        fp_enter(cpu);
        reason = options.engine == ENGINE_IR       ? ir_run(cpu)
                 : options.engine == ENGINE_INTERP ? interp_run(cpu)
                                                   : jit_run(cpu);
    }
    fp_leave(cpu);
    cpu->recover = NULL;
    return reason;
}
