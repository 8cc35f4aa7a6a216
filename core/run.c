/* The run loop: asks an engine to run guest code and acts on why it stopped. */
#include <xemu/cpu.h>
#include <xemu/critical.h>
#include <xemu/exit.h>
#include <xemu/fault.h>
#include <xemu/guestmem.h>
#include <xemu/log.h>
#include <xemu/report.h>
#include <xemu/sampler.h>
#include <xemu/sys.h>

#include <signal.h>

__thread struct cpu *this_cpu __attribute__((tls_model("initial-exec")));

/* Exception classes of ESR_EL1 (Arm ARM D17.2.37), as Linux puts them into esr_context. */
enum { EC_DATA_ABORT_EL0 = 0x24, EC_INSN_ABORT_EL0 = 0x20, ESR_IL = 1 << 25, ESR_WNR = 1 << 6 };

static uint64_t fault_esr(const struct fault *fault)
{
    uint64_t class = fault->exec ? EC_INSN_ABORT_EL0 : EC_DATA_ABORT_EL0;
    uint64_t status = fault->code == SEGV_ACCERR ? 0x0f : 0x07; /* permission or translation fault, level 3 */
    return class << 26 | ESR_IL | (fault->write ? ESR_WNR : 0) | status;
}

/* What isn't the guest's isn't there for it, whatever xemu has there. */
static int fault_code(const struct fault *fault)
{
    uint64_t addr = guest_untag(fault->addr);
    bool ours = fault->signo == SIGSEGV && fault->code == SEGV_ACCERR && !guest_range_contains(addr, addr + 1);
    return ours ? SEGV_MAPERR : fault->code;
}

void run_loop(struct cpu *cpu)
{
    this_cpu = cpu;
    report_begin();
    sampler_thread_begin(cpu);
    for (;;) {
        bool stepping = sys_stepping(cpu);
        switch (stepping ? engine_step(cpu) : engine_run(cpu)) {
        case EXIT_BRANCH:
        case EXIT_CODE:
            if (stepping)
                sys_stepped(cpu);
            break;
        case EXIT_SYSCALL:
            report_enter(cpu, PART_SYSCALL);
            sampler_at_call();
            sys_call(cpu);
            if (stepping)
                sys_stepped(cpu);
            break;
        case EXIT_FAULT:
            report_enter(cpu, PART_FAULT);
            cpu->fault.code = fault_code(&cpu->fault);
            sys_force_signal(cpu, cpu->fault.signo, cpu->fault.code, cpu->fault.addr, fault_esr(&cpu->fault));
            break;
        case EXIT_UNDEFINED:
            if (log_on(LOG_UNIMP))
                log_printf("undefined instruction %08x at %#lx\n", cpu->exit_word, cpu->pc);
            sys_force_signal(cpu, SIGILL, ILL_ILLOPC, cpu->pc, 0);
            break;
        case EXIT_BRANCH_TARGET:
            sys_force_signal(cpu, SIGILL, ILL_ILLOPC, cpu->pc, 0);
            break;
        case EXIT_BREAK:
            sys_force_signal(cpu, SIGTRAP, TRAP_BRKPT, cpu->pc, 0xf2000000 | cpu->exit_imm);
            break;
        case EXIT_ALIGN:
            sys_force_signal(cpu, SIGBUS, BUS_ADRALN, cpu->fault.addr, 0);
            break;
        case EXIT_MEMORY_COPY:
            memory_copy_again(cpu);
            if (stepping)
                sys_stepped(cpu);
            break;
        case EXIT_CRITICAL:
            critical_abort(cpu);
            break;
        case EXIT_SIGNAL:
            break;
        }
        if (cpu->stop) {
            report_enter(cpu, PART_SIGNAL);
            sys_deliver_signals(cpu);
        }
        report_enter(cpu, PART_DISPATCH);
    }
}
