/* The tracee's side of ptrace: the places where it stops for a guest debugger. */
#include "ptrace.h"

#include <xemu/fp.h>
#include <xemu/guestmem.h>

#include <sys/ptrace.h>
#include <ucontext.h>
#include <unistd.h>

#include "task.h"

/* void ptrace_stop(struct cpu *cpu) */
__asm__(".pushsection .text\n"
        ".globl ptrace_stop, ptrace_stopped\n"
        ".hidden ptrace_stop, ptrace_stopped\n"
        ".type ptrace_stop, @function\n"
        "ptrace_stop:\n"
        ".cfi_startproc\n"
        "    movabs $0x7c0ffee5afe57091, %rax\n" /* TRACE_STOP */
        "    int3\n"
        "ptrace_stopped:\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size ptrace_stop, . - ptrace_stop\n"
        ".popsection\n");
void ptrace_stop(struct cpu *cpu);
extern const char ptrace_stopped[];

/* Stops with this status; info is what PTRACE_GETSIGINFO shows. */
static void stop(struct cpu *cpu, int status, const siginfo_t *info)
{
    struct traced *traced = &cpu->task->traced;
    traced->status = status;
    traced->signal = 0;
    if (info)
        traced->info = *info;
    else
        traced->info = (siginfo_t){.si_signo = SIGTRAP, .si_code = status};
    traced->fpcr = cpu->fpcr;
    traced->fpsr = fp_get_fpsr(cpu);
    ptrace_stop(cpu);
    if (traced->fp_changed) {
        fp_set_fpcr(cpu, traced->fpcr);
        fp_set_fpsr(cpu, traced->fpsr);
    }
    if (traced->code_changed)
        guest_code_changed(0, GUEST_END);
    traced->fp_changed = traced->code_changed = 0;
}

static void stop_for_event(struct cpu *cpu, int event, uint64_t message)
{
    cpu->task->traced.message = message;
    stop(cpu, SIGTRAP | event << 8, NULL);
}

void tracee_call(struct cpu *cpu, int entry_or_exit)
{
    struct traced *traced = &cpu->task->traced;
    traced->call = entry_or_exit;
    stop(cpu, SIGTRAP | (traced->options & PTRACE_O_TRACESYSGOOD ? 0x80 : 0), NULL);
    traced->call = 0;
}

bool tracee_filtered(struct cpu *cpu, uint16_t data)
{
    struct traced *traced = &cpu->task->traced;
    if (!tracee_on(traced) || !(traced->options & PTRACE_O_TRACESECCOMP))
        return false;
    traced->call = PTRACE_SYSCALL_INFO_SECCOMP;
    stop_for_event(cpu, PTRACE_EVENT_SECCOMP, data);
    traced->call = 0;
    return true;
}

bool tracee_signal(struct cpu *cpu, siginfo_t *info)
{
    struct traced *traced = &cpu->task->traced;
    stop(cpu, info->si_signo, info);
    if (traced->on && traced->signal == info->si_signo)
        *info = traced->info;
    else if (traced->signal)
        *info = (siginfo_t){.si_signo = traced->signal, .si_code = SI_USER};
    return traced->signal != 0;
}

/* On the host every stop is a signal with a handler, ours; the kernel then doesn't resume these by itself.
 * (They wait for the whole time again.) */
GENERAL_REGISTERS void tracee_interrupted(struct cpu *cpu, uint64_t x0)
{
    switch ((uint32_t)cpu->x[8]) {
    case 72: /* pselect6, ppoll, futex, nanosleep, clock_nanosleep, rt_sigsuspend */
    case 73:
    case 98:
    case 101:
    case 115:
    case 133:
        cpu->task->traced.restart_pc = cpu->pc;
        cpu->task->traced.restart_x0 = x0;
    }
}

void tracee_resume_call(struct cpu *cpu)
{
    struct traced *traced = &cpu->task->traced;
    if (traced->restart_pc == cpu->pc) {
        cpu->pc -= 4;
        cpu->x[0] = traced->restart_x0;
    }
    traced->restart_pc = 0;
}

bool tracee_halted(struct cpu *cpu, siginfo_t *info)
{
    struct traced *traced = &cpu->task->traced;
    if (traced->interrupted) {
        traced->interrupted = 0;
        stop_for_event(cpu, PTRACE_EVENT_STOP, 0);
    }
    if (!traced->halted)
        return false;
    *info = traced->halt_info;
    traced->halted = 0;
    return true;
}

void tracee_begin(struct cpu *cpu, int event)
{
    struct traced *traced = &cpu->task->traced;
    siginfo_t info = {.si_signo = SIGSTOP};
    traced->on = traced->on && (traced->options >> event & 1);
    traced->interrupted = traced->halted = traced->passing = 0;
    traced->newborn = 1;
    if (!traced->on)
        return;
    traced->mode = PTRACE_CONT;
    if (traced->seized)
        stop_for_event(cpu, PTRACE_EVENT_STOP, 0);
    else
        stop(cpu, SIGSTOP, &info);
}

void tracee_begin_program(struct cpu *cpu)
{
    struct traced *traced = &cpu->task->traced;
    siginfo_t info = {.si_signo = SIGTRAP, .si_code = SI_USER};
    info.si_pid = getpid();
    if (!traced->on)
        return;
    if (traced->options & PTRACE_O_TRACEEXEC)
        stop_for_event(cpu, PTRACE_EVENT_EXEC, (uint64_t)getpid());
    else if (!traced->seized)
        stop(cpu, SIGTRAP, &info);
    if (traced->mode == PTRACE_SYSCALL) /* of execve, which has come to its end here */
        tracee_call(cpu, PTRACE_SYSCALL_INFO_EXIT);
}

bool tracee_attached(const struct task *task)
{
    return tracee_on(&task->traced) && task->traced.marked == (int)host_raw(SYS_gettid, 0, 0, 0, 0);
}

bool tracee_untraced_stop(void *ucontext)
{
    const greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
    if ((const char *)regs[REG_RIP] != ptrace_stopped || !this_cpu)
        return false;
    this_cpu->task->traced.on = 0; /* the tracer is gone */
    this_cpu->task->traced.mode = PTRACE_CONT;
    this_cpu->task->traced.signal = this_cpu->task->traced.status & 0x7f;
    if (this_cpu->task->traced.signal == SIGTRAP)
        this_cpu->task->traced.signal = 0;
    return true;
}

bool tracee_marked(siginfo_t *info)
{
    struct cpu *cpu = this_cpu;
    if (info->si_errno >> 8 != TRACE_MARK || !cpu)
        return false;
    struct traced *traced = &cpu->task->traced;
    info->si_signo = info->si_errno & 0xff;
    info->si_errno = 0;
    traced->on = 1;
    traced->marked = (int)host_raw(SYS_gettid, 0, 0, 0, 0);
    if (info->si_signo == 0)
        traced->interrupted = 1;
    if (info->si_signo == SIGSTOP) {
        traced->halt_info = *info;
        traced->halted = 1;
        info->si_signo = 0;
    }
    cpu->stop = 1;
    return true;
}
