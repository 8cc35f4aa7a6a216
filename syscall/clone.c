/* fork, vfork, clone, clone3: which of them becomes a thread, a child in shared memory, or a copy. */
#include <xemu/exit.h>
#include <xemu/fault.h>
#include <xemu/heap.h>
#include <xemu/jit.h>
#include <xemu/sanitizer.h>

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "abi.h"
#include "handlers.h"
#include "task.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ull
#endif

enum { CSIGNAL_MASK = 0xff, CLONE_ARGS_V0 = 64, CLONE_ARGS_MAX = 4096 };

/* The child's side of everything that isn't the kernel's. */
static void enter_child(struct cpu *cpu, const struct clone_args64 *args)
{
    struct task *task = cpu->task;
    if (args->stack)
        cpu->x[31] = args->stack + args->stack_size;
    if (args->flags & CLONE_SETTLS)
        cpu->tpidr_el0 = args->tls;
    for (size_t i = 0; i < sizeof task->sync / sizeof *task->sync; i++)
        task->sync[i].full = false; /* pending signals aren't inherited */
    cpu->excl_addr = EXCL_NONE;
    cpu->stop = 0;
}

static void clear_sighand(struct task *task)
{
    for (int signo = 1; signo <= NSIG64; signo++) {
        struct arm64_sigaction *action = &task->sighand->action[signo];
        if (action->handler > (uint64_t)SIG_IGN)
            *action = (struct arm64_sigaction){0};
        if (!(SIGBIT(signo) & UNBLOCKABLE))
            signal_mirror(signo, action);
    }
}

/* The child of a traced parent is traced if the debugger wants that of its kind. */
static void begin_traced(struct cpu *cpu, const struct clone_args64 *args)
{
    tracee_begin(cpu, args->flags & CLONE_VFORK               ? PTRACE_EVENT_VFORK
                      : args->exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE
                                                     : PTRACE_EVENT_FORK);
}

/* ---- a copy ---- */

/* What the C library's fork can do: its malloc and other locks are then right in the child, even if other
 * threads held them. */
static bool is_plain_fork(const struct clone_args64 *args)
{
    uint64_t ours = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID | CLONE_SETTLS;
    return !(args->flags & ~ours) && args->exit_signal == SIGCHLD && !args->set_tid_size;
}

static int64_t plain_fork(const struct clone_args64 *args)
{
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        int tid = getpid();
        if (args->flags & CLONE_CHILD_SETTID)
            guest_copy_out(args->child_tid, &tid, sizeof tid);
        host_raw(SYS_set_tid_address, args->flags & CLONE_CHILD_CLEARTID ? args->child_tid : 0, 0, 0, 0);
    } else if (args->flags & CLONE_PARENT_SETTID) {
        guest_copy_out(args->parent_tid, &pid, sizeof pid);
    }
    return pid;
}

/* Namespaces, pidfds, other exit signals and so on: the kernel's own way, on a copy of this stack. */
static int64_t raw_fork(const struct clone_args64 *args)
{
    struct clone_args64 host = *args;
    host.flags &= ~(uint64_t)CLONE_SETTLS;
    host.stack = host.stack_size = host.tls = 0;
    int64_t pid = host_raw(SYS_clone3, (uint64_t)&host, sizeof host, 0, 0);
    if (pid != -ENOSYS || args->set_tid_size || args->flags > UINT32_MAX)
        return pid;
    uint64_t ptid = args->flags & CLONE_PIDFD ? args->pidfd : args->parent_tid;
    return host_raw6(SYS_clone, host.flags | host.exit_signal, 0, ptid, args->child_tid, 0, 0);
}

static int64_t fork_copy(struct cpu *cpu, const struct clone_args64 *args)
{
    struct task *task = cpu->task;
    if (!signal_hold(cpu))
        return RESULT_RESTART;
    threads_fork_prepare(task);
    bool plain = is_plain_fork(args);
    heap_fork_prepare();
    int64_t pid = plain ? plain_fork(args) : raw_fork(args);
    heap_fork_done();
    threads_fork_done(task, pid != 0 ? FORKED_PARENT : plain ? FORKED_CHILD : FORKED_RAW_CHILD);
    if (pid == 0) {
        enter_child(cpu, args);
        threads_child(task);
        tracer_child();
        task->vfork_child = false;
        sample_begin(task);
        limits_own(task);
        if (args->flags & CLONE_CLEAR_SIGHAND)
            clear_sighand(task);
    }
    signal_release(task);
    if (pid == 0 && tracee_attached(task)) {
        cpu->stop = 1;
    } else if (pid == 0 && tracee_on(&task->traced)) {
        cpu->x[0] = 0;
        cpu->pc += 4;
        begin_traced(cpu, args);
        return RESULT_NONE;
    }
    return pid;
}

/* ---- a child in shared memory ---- */

/* vfork and posix_spawn: the parent's thread is suspended until the child is done with the memory, so the
 * child borrows all that the thread has on the host but the stack; the C library's locks and caches included.
 */
struct borrowed {
    struct cpu *cpu; /* the child's */
    struct clone_args64 args;
    struct thread_block *block;  /* the child's stack */
    struct thread_block *lender; /* stack of a thread that was made to lend itself; else null */
    struct sanitizer_stack parent_stack; /* filled when the child starts */
    struct report *report;       /* where the child or its lender tells how it went, if there is a lender */
};
struct report {
    sem_t known;
    int64_t pid; /* or -errno */
};

static void tell(struct report *report, int64_t pid)
{
    report->pid = pid;
    sem_post(&report->known);
}

static int borrower_main(void *arg)
{
    struct borrowed *borrowed = arg;
    struct cpu *cpu = borrowed->cpu;
    this_cpu = cpu;
    sanitizer_enter_stack(&borrowed->parent_stack);
    if (borrowed->args.flags & CLONE_CLEAR_SIGHAND)
        clear_sighand(cpu->task);
    if (borrowed->report)
        tell(borrowed->report, getpid());
    signal_release(cpu->task);
    if (tracee_on(&cpu->task->traced))
        begin_traced(cpu, &borrowed->args);
    run_loop(cpu);
}

/* Returns when the child has ended or has become another program. */
static int64_t run_borrower(struct borrowed *borrowed)
{
    const struct clone_args64 *args = &borrowed->args;
    uint64_t flags = args->flags & ~(CLONE_SETTLS | CLONE_CLEAR_SIGHAND);
    if (args->set_tid_size || flags > UINT32_MAX)
        return -EINVAL; /* only clone3 can, and not with the C library's way to start on another stack */
    if ((flags & CLONE_PIDFD) && (flags & CLONE_PARENT_SETTID))
        return -EINVAL;
    void *parent_tid = (void *)(uintptr_t)(flags & CLONE_PIDFD ? args->pidfd : args->parent_tid);
    void *child_tid = (void *)(uintptr_t)args->child_tid;
    struct sanitizer_stack stack = {borrowed->block->stack, THREAD_STACK_SIZE};
    sanitizer_leave_stack(&stack);
    int pid = clone(borrower_main, thread_block_top(borrowed->block),
                    (int)(flags | CLONE_VFORK | args->exit_signal), borrowed, parent_tid, NULL, child_tid);
    int error = errno;
    if (pid < 0)
        sanitizer_enter_stack(&borrowed->parent_stack);
    sanitizer_leave_stack(&borrowed->parent_stack);
    sanitizer_enter_stack(&stack);
    return pid < 0 ? -error : pid;
}

static void free_borrowed(struct borrowed *borrowed)
{
    if (borrowed->cpu)
        task_free(borrowed->cpu);
    if (borrowed->block)
        thread_block_put(borrowed->block, NO_TID);
}

static bool prepare_borrower(struct borrowed *borrowed, struct cpu *cpu, const struct clone_args64 *args)
{
    *borrowed = (struct borrowed){.args = *args, .block = thread_block_get()};
    borrowed->cpu = borrowed->block ? task_copy(cpu, args->flags & CLONE_SIGHAND) : NULL;
    if (!borrowed->cpu) {
        free_borrowed(borrowed);
        return false;
    }
    enter_child(borrowed->cpu, args);
    borrowed->cpu->x[0] = 0;
    borrowed->cpu->pc += 4;
    borrowed->cpu->task->vfork_child = true;
    limits_borrow(borrowed->cpu->task, cpu->task);
    borrowed->cpu->task->block = borrowed->block;
    return true;
}

static int64_t vfork_shared(struct cpu *cpu, const struct clone_args64 *args)
{
    struct borrowed borrowed;
    if (!prepare_borrower(&borrowed, cpu, args))
        return -ENOMEM;
    int64_t pid = RESULT_RESTART;
    jit_vfork_prepare();
    if (signal_hold(cpu)) {
        pid = run_borrower(&borrowed);
        this_cpu = cpu;
        signal_release(cpu->task);
    }
    free_borrowed(&borrowed);
    return pid;
}

/* A process that runs beside its parent in one memory (CLONE_VM alone): a host thread is made only to be
 * suspended and to lend itself. */
static void *lender_main(void *arg)
{
    struct borrowed *borrowed = arg;
    struct thread_block *own = borrowed->lender;
    int tid = (int)host_raw(SYS_gettid, 0, 0, 0, 0);
    signal_thread_init(own->altstack, HOST_ALTSTACK_SIZE);
    int64_t pid = run_borrower(borrowed);
    this_cpu = NULL;
    signal_thread_init(NULL, 0);
    if (pid < 0)
        tell(borrowed->report, pid);
    free_borrowed(borrowed);
    free(borrowed);
    thread_block_put(own, tid);
    return NULL;
}

/* *borrowed becomes the lender's, unless it couldn't start. */
static int64_t start_lender(struct borrowed *borrowed, struct report *report)
{
    sem_init(&report->known, 0, 0);
    borrowed->report = report;
    int error = thread_start(borrowed->lender, lender_main, borrowed);
    if (!error) {
        while (sem_wait(&report->known))
            ; /* interrupted by a synchronous signal that somebody sent */
    }
    sem_destroy(&report->known);
    return error ? error : report->pid;
}

static int64_t process_beside(struct cpu *cpu, const struct clone_args64 *args)
{
    struct report report = {.pid = 0};
    struct borrowed *borrowed = malloc(sizeof *borrowed);
    if (!borrowed || !prepare_borrower(borrowed, cpu, args)) {
        free(borrowed);
        return -ENOMEM;
    }
    borrowed->cpu->task->altstack = (struct arm64_stack){.flags = SS_DISABLE};
    borrowed->lender = thread_block_get();
    int64_t pid = -ENOMEM;
    bool started = false;
    if (borrowed->lender && signal_hold(cpu)) {
        pid = start_lender(borrowed, &report);
        started = pid > 0 || report.pid != 0;
        signal_release(cpu->task);
    } else if (borrowed->lender) {
        pid = RESULT_RESTART;
    }
    if (!started) {
        if (borrowed->lender)
            thread_block_put(borrowed->lender, NO_TID);
        free_borrowed(borrowed);
        free(borrowed);
    }
    return pid;
}

/* ---- the calls ---- */

static int64_t clone_task(struct cpu *cpu, const struct clone_args64 *args)
{
    uint64_t flags = args->flags;
    if (((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) ||
        ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) ||
        ((flags & CLONE_SIGHAND) && (flags & CLONE_CLEAR_SIGHAND)))
        return -EINVAL;
    if (flags & CLONE_THREAD)
        return flags & CLONE_PIDFD ? -EINVAL : thread_create(cpu, args);
    if ((flags & CLONE_VM) && (flags & CLONE_VFORK))
        return vfork_shared(cpu, args);
    return flags & CLONE_VM ? process_beside(cpu, args) : fork_copy(cpu, args);
}

int64_t sys_clone(struct cpu *cpu, const uint64_t args[6])
{
    uint64_t flags = (uint32_t)args[0];
    struct clone_args64 full = {
        .flags = flags & ~(uint64_t)(CSIGNAL_MASK | CLONE_DETACHED),
        .exit_signal = flags & (CLONE_THREAD | CLONE_PARENT) ? 0 : flags & CSIGNAL_MASK,
        .stack = args[1],
        .parent_tid = args[2],
        .pidfd = args[2],
        .tls = args[3],
        .child_tid = args[4],
    };
    if ((flags & CLONE_PIDFD) && (flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)))
        return -EINVAL;
    return clone_task(cpu, &full);
}

int64_t sys_clone3(struct cpu *cpu, const uint64_t args[6])
{
    uint8_t raw[CLONE_ARGS_MAX] = {0};
    struct clone_args64 full;
    if (args[1] < CLONE_ARGS_V0)
        return -EINVAL;
    if (args[1] > CLONE_ARGS_MAX)
        return -E2BIG;
    if (guest_copy_in(raw, args[0], args[1]))
        return -EFAULT;
    for (size_t i = sizeof full; i < args[1]; i++) {
        if (raw[i])
            return -E2BIG; /* a newer kernel's business */
    }
    memcpy(&full, raw, sizeof full);
    if ((full.flags & (CSIGNAL_MASK | CLONE_DETACHED)) || full.exit_signal > NSIG64 ||
        !full.stack != !full.stack_size)
        return -EINVAL;
    if ((full.flags & (CLONE_THREAD | CLONE_PARENT)) && full.exit_signal)
        return -EINVAL;
    return clone_task(cpu, &full);
}
