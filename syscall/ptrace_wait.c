/* What a tracer waits for: of the stops of the host's it shows those that are the guest's. */
#include "ptrace_tracees.h"

#include <xemu/fault.h>
#include <xemu/sampler.h>

#include <errno.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "abi.h"
#include "handlers.h"
#include "task.h"

static void go_on(struct tracee *tracee, int signal)
{
    tracee->stop = RUNNING;
    tracees_ptrace(PTRACE_CONT, tracee->pid, 0, (uint64_t)signal);
}

static bool is_job_control(int signal)
{
    return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

/* The host's event stops. True: the debugger sees it. */
static bool event_stop(struct tracee *tracee, int event, int signal)
{
    if (event == PTRACE_EVENT_EXEC) {
        tracee->starting = true;
        tracee->cpu = tracee->task = 0;
    } else if (event == PTRACE_EVENT_STOP && is_job_control(signal)) {
        tracee->stop = STOP_GROUP;
        return true;
    } else if (event != PTRACE_EVENT_STOP && (tracee->options >> event & 1)) {
        tracee->stop = STOP_HOST;
        return true;
    }
    go_on(tracee, 0);
    return false;
}

/* It has stopped itself: learns where its state is, and which status it shows. */
static bool guest_stop(struct tracee *tracee, uint64_t cpu, int *status)
{
    struct cpu copy;
    struct traced traced;
    tracee->cpu = cpu;
    if (tracees_fetch(tracee, cpu, &copy, sizeof copy))
        return false;
    tracee->task = (uint64_t)copy.task;
    if (tracees_fetch_traced(tracee, &traced))
        return false;
    if (tracee->seized != (traced.seized != 0) || tracee->options != traced.options) {
        traced.seized = tracee->seized;
        traced.options = tracee->options;
        tracees_store_traced(tracee, &traced);
    }
    tracee->starting = false;
    tracee->stop = STOP_GUEST;
    *status = traced.status << 8 | 0x7f;
    return true;
}

/* A signal comes to the tracee. To its own xemu: faults, its sampler's timer, what was marked before, what
 * comes before it is ready, and the default action that it has asked for. Everything else is handed in with a
 * mark. */
static void pass_signal(struct tracee *tracee, int signal, siginfo_t *info)
{
    struct traced traced = {0};
    bool fault = info->si_code > 0 && (SIGBIT(signal) & SYNC_SIGNALS);
    bool passing = !tracees_fetch_traced(tracee, &traced) && traced.passing == signal;
    if (fault || sampler_is_timer(info) || passing || tracee->starting || info->si_errno >> 8 == TRACE_MARK) {
        go_on(tracee, signal);
        return;
    }
    info->si_errno = TRACE_MARK << 8 | signal;
    info->si_signo = SIGTRAP;
    tracees_ptrace(PTRACE_SETSIGINFO, tracee->pid, 0, (uint64_t)info);
    go_on(tracee, SIGTRAP);
}

/* True: a stop that the debugger sees, with *status. False: it isn't one, and the tracee goes on. */
static bool show_stop(struct tracee *tracee, int *status)
{
    int signal = *status >> 8 & 0xff, event = *status >> 16;
    siginfo_t info;
    struct user_regs_struct regs;
    if (event)
        return event_stop(tracee, event, signal);
    if (tracees_ptrace(PTRACE_GETSIGINFO, tracee->pid, 0, (uint64_t)&info) < 0) {
        tracee->stop = STOP_GROUP;
        return true;
    }
    if (signal != SIGTRAP || tracees_ptrace(PTRACE_GETREGS, tracee->pid, 0, (uint64_t)&regs))
        regs = (struct user_regs_struct){0};
    if (info.si_code > 0 && regs.rax == TRACE_STOP && guest_stop(tracee, regs.rdi, status))
        return true;
    /* The kernel itself sends this one at the end of execve, unless PTRACE_O_TRACEEXEC is set already. */
    bool exec = signal == SIGTRAP && info.si_code == SI_USER && info.si_pid == tracee->pid && !tracee->cpu &&
                (regs.orig_rax == SYS_execve || regs.orig_rax == SYS_execveat);
    bool attached = signal == SIGSTOP && tracee->starting && !tracee->cpu; /* how a clone's child begins */
    if (exec || attached) {
        tracee->starting = true;
        go_on(tracee, 0);
    } else {
        pass_signal(tracee, signal, &info);
    }
    return false;
}

/* A tracee that the debugger didn't attach to: it has asked for it (PTRACE_TRACEME), or another tracee has
 * made it and the kernel has attached it, with the options of that one. Null: nobody's tracee. */
static struct tracee *meet(pid_t pid, int status)
{
    siginfo_t info;
    long word;
    if (tracees_ptrace(PTRACE_PEEKUSER, pid, 0, (uint64_t)&word) < 0)
        return NULL;
    const struct tracee *other = tracees_newest();
    struct tracee *tracee = tracees_add(pid);
    if (!tracee)
        return NULL;
    bool stop_at_start = WSTOPSIG(status) == SIGSTOP &&
                         !tracees_ptrace(PTRACE_GETSIGINFO, pid, 0, (uint64_t)&info) && info.si_pid == 0;
    tracee->starting = status >> 16 || stop_at_start;
    if (tracee->starting && other) {
        tracee->options = other->options;
        tracee->seized = other->seized;
    } else if (!tracee->starting) {
        tracees_ptrace(PTRACE_SETOPTIONS, pid, 0, tracees_host_options(0));
    }
    return tracee;
}

/* A wait has found that `pid` stopped or ended. True: for the debugger to see, or not a tracee's at all. */
static bool show(pid_t pid, int *status)
{
    pthread_mutex_lock(&tracees_lock);
    struct tracee *tracee = tracees_find(pid);
    bool visible = true;
    if (WIFSTOPPED(*status)) {
        if (!tracee)
            tracee = meet(pid, *status);
        if (tracee)
            visible = show_stop(tracee, status);
    } else if (tracee && !WIFCONTINUED(*status)) {
        tracees_drop(pid);
    }
    pthread_mutex_unlock(&tracees_lock);
    return visible;
}

/* ---- waiting ---- */

int64_t sys_wait4(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    int status;
    for (;;) {
        int64_t pid = HOST_CALL(SYS_wait4, args[0], (uint64_t)&status, args[2], args[3]);
        if (pid <= 0)
            return pid;
        if (show((pid_t)pid, &status))
            return args[1] && guest_copy_out(args[1], &status, sizeof status) ? -EFAULT : pid;
    }
}

/* The status of wait4() that stands for what waitid() says. */
static int status_of(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_TRAPPED:
    case CLD_STOPPED:
        return info->si_status << 8 | 0x7f;
    case CLD_CONTINUED:
        return 0xffff;
    case CLD_EXITED:
        return (info->si_status & 0xff) << 8;
    default:
        return info->si_status & 0x7f;
    }
}

int64_t sys_waitid(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    if (!args[2])
        return host_call(SYS_waitid, args);
    for (;;) {
        siginfo_t info = {0};
        int64_t result = HOST_CALL(SYS_waitid, args[0], args[1], (uint64_t)&info, args[3], args[4]);
        if (result < 0)
            return result;
        int status = status_of(&info);
        if (info.si_pid && !(WIFSTOPPED(status) == 0 && (args[3] & WNOWAIT)) && !show(info.si_pid, &status))
            continue;
        if (info.si_pid && WIFSTOPPED(status))
            info.si_status = status >> 8;
        return guest_copy_out(args[2], &info, sizeof info) ? -EFAULT : 0;
    }
}
