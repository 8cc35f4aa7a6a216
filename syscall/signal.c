/* Signals as the guest sees them: actions, masks, waiting, and delivery between two instructions. */
#include <xemu/critical.h>
#include <xemu/fault.h>
#include <xemu/log.h>
#include <xemu/sys.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/ptrace.h>

#include "coredump.h"
#include "handlers.h"
#include "signal_wait.h"
#include "strace.h"
#include "task.h"

enum { SIGSET_SIZE = 8 };

/* ---- actions ---- */

struct sighand *sighand_copy(struct sighand *from)
{
    struct sighand *copy = calloc(1, sizeof *copy);
    if (!copy)
        return NULL;
    pthread_mutex_init(&copy->lock, NULL);
    copy->users = 1;
    if (from) {
        pthread_mutex_lock(&from->lock);
        for (int i = 0; i <= NSIG64; i++)
            copy->action[i] = from->action[i];
        pthread_mutex_unlock(&from->lock);
    }
    return copy;
}

struct sighand *sighand_share(struct sighand *from)
{
    __atomic_add_fetch(&from->users, 1, __ATOMIC_RELAXED);
    return from;
}

void sighand_drop(struct sighand *sighand)
{
    if (__atomic_sub_fetch(&sighand->users, 1, __ATOMIC_ACQ_REL) == 0)
        free(sighand);
}

static struct arm64_sigaction get_action(struct task *task, int signo)
{
    pthread_mutex_lock(&task->sighand->lock);
    struct arm64_sigaction action = task->sighand->action[signo];
    pthread_mutex_unlock(&task->sighand->lock);
    return action;
}

/* The action for a signal that is being delivered: SA_RESETHAND takes effect. */
static struct arm64_sigaction take_action(struct task *task, int signo)
{
    pthread_mutex_lock(&task->sighand->lock);
    struct arm64_sigaction *slot = &task->sighand->action[signo];
    struct arm64_sigaction action = *slot;
    if (action.flags & SA_RESETHAND && action.handler > (uint64_t)SIG_IGN)
        slot->handler = (uint64_t)SIG_DFL;
    pthread_mutex_unlock(&task->sighand->lock);
    return action;
}

static int64_t exchange_action(struct task *task, int signo, const struct arm64_sigaction *new,
                               struct arm64_sigaction *old)
{
    pthread_mutex_lock(&task->sighand->lock);
    *old = task->sighand->action[signo];
    int64_t result = new ? signal_mirror(signo, new) : 0;
    if (new &&result == 0)
        task->sighand->action[signo] = *new;
    pthread_mutex_unlock(&task->sighand->lock);
    return result;
}

static void drop_if_ignored(struct task *task, int signo, const struct arm64_sigaction *action)
{
    siginfo_t info;
    if (action->handler == (uint64_t)SIG_IGN) /* setting it discards what is pending (POSIX) */
        signal_take_sync(task, SIGBIT(signo), &info);
}

int64_t sys_rt_sigaction(struct cpu *cpu, const uint64_t args[6])
{
    struct arm64_sigaction action = {0}, old;
    int signo = (int)args[0];
    if (args[3] != SIGSET_SIZE)
        return -EINVAL;
    if (args[1] && guest_copy_in(&action, args[1], sizeof action))
        return -EFAULT;
    if (signo < 1 || signo > NSIG64 || (args[1] && (SIGBIT(signo) & UNBLOCKABLE)))
        return -EINVAL;
    action.mask &= ~UNBLOCKABLE;
    int64_t result = exchange_action(cpu->task, signo, args[1] ? &action : NULL, &old);
    if (result)
        return result;
    if (args[1])
        drop_if_ignored(cpu->task, signo, &action);
    return args[2] ? guest_copy_out(args[2], &old, sizeof old) : 0;
}

/* ---- masks ---- */

/* After a change of the mask: a synchronous signal that waits here may be deliverable now. */
static void mask_changed(struct cpu *cpu)
{
    if (signal_sync_pending(cpu->task) & ~cpu->task->sigmask)
        cpu->stop = 1;
}

/* Sets the guest's mask and the host's. RESULT_RESTART: a signal came first and nothing has changed. */
static int64_t set_mask(struct cpu *cpu, uint64_t mask)
{
    uint64_t host = mask & ~UNBLOCKABLE & ~SYNC_SIGNALS & ~sample_bit(cpu->task);
    int64_t result = HOST_CALL(SYS_rt_sigprocmask, SIG_SETMASK, (uint64_t)&host, 0, SIGSET_SIZE);
    if (result == RESULT_RESTART)
        return result;
    cpu->task->sigmask = mask & ~UNBLOCKABLE;
    mask_changed(cpu);
    return 0;
}

int64_t sys_rt_sigprocmask(struct cpu *cpu, const uint64_t args[6])
{
    uint64_t old = cpu->task->sigmask, set;
    if (args[3] != SIGSET_SIZE)
        return -EINVAL;
    if (args[1]) {
        if (guest_copy_in(&set, args[1], sizeof set))
            return -EFAULT;
        switch ((int)args[0]) {
        case SIG_BLOCK:
            set |= old;
            break;
        case SIG_UNBLOCK:
            set = old & ~set;
            break;
        case SIG_SETMASK:
            break;
        default:
            return -EINVAL;
        }
        int64_t result = set_mask(cpu, set);
        if (result)
            return result;
    }
    return args[2] ? guest_copy_out(args[2], &old, sizeof old) : 0;
}

int64_t sys_rt_sigpending(struct cpu *cpu, const uint64_t args[6])
{
    uint64_t set = 0;
    if (args[1] > SIGSET_SIZE)
        return -EINVAL;
    int64_t result = HOST_CALL(SYS_rt_sigpending, (uint64_t)&set, SIGSET_SIZE);
    if (result)
        return result;
    set &= ~sample_bit(cpu->task); /* a question, or it comes back in a moment */
    set |= signal_sync_pending(cpu->task) & cpu->task->sigmask;
    return guest_copy_out(args[0], &set, args[1]);
}

/* ---- waiting under a temporary mask ---- */

int64_t signal_masked_call(struct cpu *cpu, long number, const uint64_t args[6], uint64_t mask_addr)
{
    uint64_t mask;
    struct task *task = cpu->task;
    if (!mask_addr)
        return host_call(number, args);
    if (guest_copy_in(&mask, mask_addr, sizeof mask))
        return -EFAULT;
    mask &= ~UNBLOCKABLE;
    /* The kernel may block even the synchronous signals meanwhile: it runs no code of ours then. */
    task->let_through = ~mask;
    int64_t result = signal_sync_pending(task) & ~mask ? -EINTR : host_call(number, args);
    task->let_through = 0;
    if (result == -EINTR) {
        task->suspended = true;
        task->suspend_mask = mask;
        cpu->stop = 1;
    }
    return result;
}

int64_t sys_rt_sigsuspend(struct cpu *cpu, const uint64_t args[6])
{
    if (args[1] != SIGSET_SIZE)
        return -EINVAL;
    if (!args[0])
        return -EFAULT;
    return signal_masked_call(cpu, SYS_rt_sigsuspend, args, args[0]);
}

int64_t sys_ppoll(struct cpu *cpu, const uint64_t args[6])
{
    if (args[3] && args[4] != SIGSET_SIZE)
        return -EINVAL;
    return signal_masked_call(cpu, SYS_ppoll, args, args[3]);
}

/* The sixth argument is the address of the mask's address and size. */
static int64_t call_with_sized_mask(struct cpu *cpu, long number, const uint64_t args[6])
{
    struct {
        uint64_t set, size;
    } mask = {0};
    if (args[5] && guest_copy_in(&mask, args[5], sizeof mask))
        return -EFAULT;
    if (mask.set && mask.size != SIGSET_SIZE)
        return -EINVAL;
    return signal_masked_call(cpu, number, args, mask.set);
}

int64_t sys_pselect6(struct cpu *cpu, const uint64_t args[6])
{
    return call_with_sized_mask(cpu, SYS_pselect6, args);
}

int64_t sys_io_pgetevents(struct cpu *cpu, const uint64_t args[6])
{
    return call_with_sized_mask(cpu, SYS_io_pgetevents, args);
}

int64_t sys_rt_sigtimedwait(struct cpu *cpu, const uint64_t args[6])
{
    uint64_t set;
    siginfo_t info;
    if (args[3] != SIGSET_SIZE)
        return -EINVAL;
    if (guest_copy_in(&set, args[0], sizeof set))
        return -EFAULT;
    for (;;) {
        /* The kernel must not take a question of --flame's for what the guest waits for. A signal of the guest's of that
         * number comes back to where the kernel takes it. */
        uint64_t wanted = set & ~sample_bit(cpu->task);
        uint64_t host_args[6] = {wanted == set ? args[0] : (uint64_t)&wanted, args[1], args[2], args[3]};
        if (signal_take_sync(cpu->task, set, &info))
            return args[1] && guest_copy_out(args[1], &info, sizeof info) ? -EFAULT : info.si_signo;
        int64_t result = host_call(SYS_rt_sigtimedwait, host_args);
        if (result != -EINTR && result != RESULT_RESTART)
            return result;
        if (!(signal_sync_pending(cpu->task) & set) || cpu->task->async.full)
            return result;
    }
}

int64_t sys_restart_syscall(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu, (void)args;
    return -EINTR;
}

/* ---- delivery ---- */

static const char *const no_handler = "the stack for a signal handler can't be written";

static siginfo_t plain_info(int signo, int code, uint64_t addr)
{
    siginfo_t info = {.si_signo = signo, .si_code = code};
    info.si_addr = (void *)(uintptr_t)addr;
    return info;
}

/* As the kernel's force_sigsegv(): the frame of `signo` couldn't be made. */
static void frame_failed(struct cpu *cpu, int signo)
{
    siginfo_t info = plain_info(SIGSEGV, SI_KERNEL, 0);
    struct arm64_sigaction action = take_action(cpu->task, SIGSEGV);
    bool handled = signo != SIGSEGV && action.handler > (uint64_t)SIG_IGN &&
                   !(cpu->task->sigmask & SIGBIT(SIGSEGV)) && signal_push_frame(cpu, &action, &info);
    if (log_on(LOG_INT) && !handled)
        log_printf("signal %d: %s\n", signo, no_handler);
    if (!handled)
        signal_default(cpu->task, &info);
}

/* The host's mask is closed. */
static void deliver(struct cpu *cpu, const siginfo_t *arrived)
{
    siginfo_t copy = *arrived;
    const siginfo_t *info = &copy;
    if (tracee_on(&cpu->task->traced) && !tracee_signal(cpu, &copy))
        return;
    struct arm64_sigaction action = take_action(cpu->task, info->si_signo);
    strace_signal(info);
    if (action.handler == (uint64_t)SIG_IGN)
        return;
    if (action.handler == (uint64_t)SIG_DFL) {
        signal_default(cpu->task, info);
        return;
    }
    critical_abort(cpu);
    if (!signal_push_frame(cpu, &action, info))
        frame_failed(cpu, info->si_signo);
}

/* What a suspended call let through, or else the mask as it is. */
static uint64_t deliverable_mask(const struct task *task)
{
    return task->suspended ? task->suspend_mask : task->sigmask;
}

void sys_deliver_signals(struct cpu *cpu)
{
    struct task *task = cpu->task;
    siginfo_t info;
    while (cpu->stop) {
        cpu->stop = 0;
        coredump_park(task);
        if (!task->async.full && !signal_hold(cpu))
            continue; /* one came just now and closed the mask */
        sample_at_stop(task);
        if (task->async.full) {
            info = task->async.info;
            task->async.full = false;
            deliver(cpu, &info);
        }
        while (signal_take_sync(task, ~deliverable_mask(task), &info))
            deliver(cpu, &info);
        if (tracee_on(&task->traced) && tracee_halted(cpu, &info))
            deliver(cpu, &info);
        task->suspended = false;
        signal_release(task);
    }
    if (task->traced.restart_pc)
        tracee_resume_call(cpu);
}

void signal_force(struct cpu *cpu, const siginfo_t *info)
{
    struct task *task = cpu->task;
    struct arm64_sigaction action = get_action(task, info->si_signo);
    bool refused = action.handler == (uint64_t)SIG_IGN || (task->sigmask & SIGBIT(info->si_signo));
    siginfo_t seen = *info;
    if (!refused) {
        deliver(cpu, info);
    } else if (!tracee_on(&task->traced) || tracee_signal(cpu, &seen)) {
        strace_signal(&seen);
        signal_default(task, &seen);
    }
}

bool sys_stepping(const struct cpu *cpu) { return cpu->task->traced.mode == PTRACE_SINGLESTEP; }

void sys_stepped(struct cpu *cpu)
{
    siginfo_t info = plain_info(SIGTRAP, TRAP_TRACE, cpu->pc);
    while (!signal_hold(cpu))
        sys_deliver_signals(cpu);
    if (sys_stepping(cpu))
        deliver(cpu, &info);
    signal_release(cpu->task);
}

void sys_force_signal(struct cpu *cpu, int signo, int code, uint64_t addr, uint64_t esr)
{
    struct task *task = cpu->task;
    if (cpu->stop || !signal_hold(cpu))
        return; /* that one first; the instruction comes again and raises the same */
    siginfo_t info = plain_info(signo, code, addr);
    if (log_on(LOG_INT))
        log_printf("signal %d (code %d) at pc %#lx, address %#lx, lr %#lx, sp %#lx\n", signo, code, cpu->pc, addr,
                   cpu->x[30], cpu->x[31]);
    bool data_fault = esr && signo != SIGTRAP;
    task->fault_address = data_fault ? addr : 0;
    task->fault_esr = esr;
    signal_force(cpu, &info);
    signal_release(task);
}
