/* Signals as the host's kernel brings them: handlers, dispositions and masks of the host threads.
 *
 * The host's dispositions and masks mirror the guest's, so that the kernel itself queues, interrupts and
 * restarts as the guest expects. A host handler only notes the siginfo in the thread's slot and closes the
 * mask; the frame is built by sys_deliver_signals() when the engine has stopped at an instruction boundary.
 * The five synchronous signals are the exception: xemu needs them at all times, so the host never blocks nor
 * ignores them, and the guest's mask and disposition are applied to them here. */
#include <xemu/crash.h>
#include <xemu/ending.h>
#include <xemu/fault.h>
#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/sys.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "coredump.h"
#include "task.h"

static const int sync_signals[5] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE,
                                    SIGTRAP}; /* ORDER sync_signals: task.h */

/* The kernel wants a restorer on x86-64. */
__asm__(".pushsection .text\n"
        ".globl host_sigreturn\n"
        ".hidden host_sigreturn\n"
        ".type host_sigreturn, @function\n"
        "host_sigreturn:\n"
        "    mov $15, %eax\n" /* SYS_rt_sigreturn */
        "    syscall\n"
        ".size host_sigreturn, . - host_sigreturn\n"
        ".popsection\n");
void host_sigreturn(void);

static int sync_index(int signo)
{
    for (int i = 0; i < 5; i++) {
        if (sync_signals[i] == signo)
            return i;
    }
    return -1;
}

static void set_mask(uint64_t mask)
{
    host_raw(SYS_rt_sigprocmask, SIG_SETMASK, (uint64_t)&mask, 0, sizeof mask);
}

/* ---- handlers; they run at any point of xemu, so they touch nothing but the slots ---- */

/* What the interrupted code continues with when the handler returns. */
static void set_context_mask(ucontext_t *uc, uint64_t mask) { memcpy(&uc->uc_sigmask, &mask, sizeof mask); }

static void on_async(int signo, siginfo_t *info, void *ucontext)
{
    struct cpu *cpu = this_cpu;
    if (!cpu || sample_signalled(signo, info, ucontext))
        return; /* not a guest's thread, or not the guest's signal */
    cpu->task->async.info = *info;
    cpu->task->async.full = true;
    cpu->stop = 1;
    set_context_mask(ucontext, ~SYNC_SIGNALS);
    host_call_rewind(ucontext);
}

/* The C library's abort() has raised SIGABRT in vain and executes HLT, which compiled code never does. */
static void end_abort(const siginfo_t *info, const ucontext_t *uc)
{
    const uint8_t *rip = (const uint8_t *)uc->uc_mcontext.gregs[REG_RIP];
    if (info->si_code != SI_KERNEL || *rip != 0xf4)
        return;
    signal(SIGABRT, SIG_DFL);
    set_mask(~SIGBIT(SIGABRT)); /* it is pending */
}

static void on_sync(int signo, siginfo_t *info, void *ucontext)
{
    if (sample_timer(info, ucontext))
        return;
    if (signo == SIGSEGV)
        end_abort(info, ucontext);
    if (signo == SIGTRAP && tracee_untraced_stop(ucontext))
        return;
    if (signo == SIGTRAP && tracee_marked(info)) {
        signo = info->si_signo;
        if (signo == 0) {
            host_call_rewind(ucontext);
            return;
        }
        if (!(SIGBIT(signo) & SYNC_SIGNALS)) {
            on_async(signo, info, ucontext);
            return;
        }
    } else if (fault_recover(signo, info, ucontext)) {
        return;
    }
    struct cpu *cpu = this_cpu;
    if (info->si_code > 0 && info->si_errno >> 8 != TRACE_MARK)
        panic("signal %d (code %d) at host address %p, accessing %p", signo, info->si_code,
              (void *)((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP], info->si_addr);
    if (!cpu)
        return; /* sent to a thread that is just ending */
    struct pending *slot = &cpu->task->sync[sync_index(signo)];
    if (slot->full)
        return; /* standard signals don't queue */
    slot->info = *info;
    slot->full = true;
    cpu->stop = 1;
    host_call_rewind(ucontext);
}

/* ---- dispositions ---- */

static int64_t host_sigaction(int signo, const struct host_sigaction *action)
{
    return host_raw(SYS_rt_sigaction, (uint64_t)signo, (uint64_t)action, 0, 8);
}

static uint64_t inherited_handler(int signo)
{
    struct host_sigaction old = {0};
    host_raw(SYS_rt_sigaction, (uint64_t)signo, 0, (uint64_t)&old, 8);
    return old.handler;
}

/* Signals whose default action isn't left to the kernel, because there is something to write before it. */
static uint64_t last_words(void)
{
    return (options.report_crash || ending_writes() ? ~SURVIVED_SIGNALS : CORE_SIGNALS) & ~UNBLOCKABLE;
}

/* The action that stands for the guest's on the host. */
static struct host_sigaction mirror_of(int signo, const struct arm64_sigaction *action)
{
    bool sync = SIGBIT(signo) & SYNC_SIGNALS, needed = sync || sample_takes(signo);
    uint64_t kept = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_RESTART;
    struct host_sigaction host = {.handler = action->handler, .flags = action->flags & kept};
    if (!needed && (action->handler == (uint64_t)SIG_IGN ||
                  (action->handler == (uint64_t)SIG_DFL && !(SIGBIT(signo) & last_words()))))
        return host;
    if (!needed)
        host.flags |= action->flags & SA_RESETHAND; /* the kernel's to do: no second one slips through */
    else if (action->handler <= (uint64_t)SIG_IGN)
        host.flags |= SA_RESTART; /* an ignored signal interrupts nothing */
    host.handler = sync ? (uint64_t)on_sync : (uint64_t)on_async;
    host.flags |= SA_SIGINFO | SA_ONSTACK | KERNEL_SA_RESTORER;
    host.restorer = (uint64_t)host_sigreturn;
    host.mask = sync ? ~0ull : ~SYNC_SIGNALS;
    return host;
}

int64_t signal_mirror(int signo, const struct arm64_sigaction *action)
{
    struct host_sigaction host = mirror_of(signo, action), ignore = {.handler = (uint64_t)SIG_IGN};
    if (sample_takes(signo) && action->handler == (uint64_t)SIG_IGN)
        host_sigaction(signo, &ignore); /* which discards what is pending */
    return host_sigaction(signo, &host);
}

/* ---- masks ---- */

bool signal_hold(struct cpu *cpu)
{
    uint64_t mask = ~SYNC_SIGNALS;
    (void)cpu; /* this_cpu, which host_call() asks */
    return HOST_CALL(SYS_rt_sigprocmask, SIG_SETMASK, (uint64_t)&mask, 0, sizeof mask) != RESULT_RESTART;
}

void signal_release(struct task *task) { set_mask(task->sigmask & ~SYNC_SIGNALS & ~sample_bit(task)); }

/* ---- the synchronous signals that were sent ---- */

uint64_t signal_sync_pending(const struct task *task)
{
    uint64_t set = 0;
    for (int i = 0; i < 5; i++) {
        if (task->sync[i].full)
            set |= SIGBIT(sync_signals[i]);
    }
    return set;
}

bool signal_take_sync(struct task *task, uint64_t set, siginfo_t *info)
{
    for (int i = 0; i < 5; i++) {
        if (task->sync[i].full && (set & SIGBIT(sync_signals[i]))) {
            *info = task->sync[i].info;
            task->sync[i].full = false;
            return true;
        }
    }
    return false;
}

/* ---- default actions and execve: the kernel does them, once it sees the guest's disposition ---- */

static void queue_to_self(const siginfo_t *info)
{
    uint64_t pid = (uint64_t)getpid(), tid = (uint64_t)host_raw(SYS_gettid, 0, 0, 0, 0);
    if (host_raw(SYS_rt_tgsigqueueinfo, pid, tid, (uint64_t)info->si_signo, (uint64_t)info) < 0)
        host_raw(SYS_tgkill, pid, tid, (uint64_t)info->si_signo, 0);
}

/* A process that is init in its namespace ignores what it sends itself, but not exceptions. SIGBUS and SIGSYS come from
 * elsewhere than one instruction: it ends by SIGSEGV instead. */
static _Noreturn void die_for_good(int signo)
{
    struct host_sigaction plain = {0};
    set_mask(0);
    if (signo == SIGTRAP)
        __asm__ volatile("int3");
    if (signo == SIGILL)
        __asm__ volatile("ud2");
    if (signo == SIGFPE)
        __asm__ volatile("idivl %0" ::"r"(0), "a"(1), "d"(0));
    host_sigaction(SIGSEGV, &plain);
    for (;;)
        __asm__ volatile("hlt");
}

/* Other threads that die, too, wait for the end of the process. */
static void report_once(const siginfo_t *info)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    crash_report_guest(this_cpu, info);
}

void signal_default(struct task *task, const siginfo_t *info)
{
    struct host_sigaction plain = {0};
    int signo = info->si_signo;
    if (options.report_crash && !(SIGBIT(signo) & SURVIVED_SIGNALS))
        report_once(info);
    if (SIGBIT(signo) & CORE_SIGNALS)
        coredump(task, info);
    if (!(SIGBIT(signo) & SURVIVED_SIGNALS) && !task->vfork_child)
        ending_write();
    host_sigaction(signo, &plain);
    task->traced.passing = signo;
    queue_to_self(info);
    set_mask(~SIGBIT(signo)); /* here a signal that terminates does */
    if (info->si_code > 0 && (SIGBIT(signo) & CORE_SIGNALS))
        die_for_good(signo);
    task->traced.passing = 0;
    set_mask(~SYNC_SIGNALS);
    if (SIGBIT(signo) & SYNC_SIGNALS) /* only a process that is init in its namespace survives the default */
        signal_mirror(signo, &task->sighand->action[signo]);
}

void signal_before_exec(struct task *task)
{
    sample_end(task);
    set_mask(task->sigmask | SYNC_SIGNALS);
    for (int signo = 1; signo <= NSIG64; signo++) {
        struct host_sigaction ignore = {.handler = (uint64_t)SIG_IGN};
        if (sample_takes(signo) && task->sighand->action[signo].handler == (uint64_t)SIG_IGN)
            host_sigaction(signo, &ignore);
    }
    for (int i = 0; i < 5; i++) {
        int signo = sync_signals[i];
        struct host_sigaction ignore = {.handler = (uint64_t)SIG_IGN};
        if (task->sync[i].full)
            queue_to_self(&task->sync[i].info);
        if (task->sighand->action[signo].handler == (uint64_t)SIG_IGN)
            host_sigaction(signo, &ignore);
    }
    set_mask(task->sigmask);
}

void signal_after_failed_exec(struct task *task)
{
    set_mask(~SYNC_SIGNALS);
    for (int i = 0; i < 5; i++) {
        signal_mirror(sync_signals[i], &task->sighand->action[sync_signals[i]]);
        task->sync[i].full = false; /* back in the kernel's queue, from where it comes again */
    }
    for (int signo = 1; signo <= NSIG64; signo++) {
        if (sample_takes(signo))
            signal_mirror(signo, &task->sighand->action[signo]);
    }
    sample_begin(task);
    if (!task->async.full)
        signal_release(task);
}

/* ---- start ---- */

void signal_thread_init(void *altstack, size_t size)
{
    struct arm64_stack stack = {.sp = (uint64_t)altstack, .flags = altstack ? 0 : SS_DISABLE, .size = size};
    host_raw(SYS_sigaltstack, (uint64_t)&stack, 0, 0, 0);
}

void signal_init(struct task *task)
{
    host_raw(SYS_rt_sigprocmask, SIG_SETMASK, 0, (uint64_t)&task->sigmask, 8);
    sample_begin(task);
    for (int signo = 1; signo <= NSIG64; signo++) {
        struct arm64_sigaction *action = &task->sighand->action[signo];
        *action = (struct arm64_sigaction){.handler = inherited_handler(signo)};
        if (SIGBIT(signo) & (SYNC_SIGNALS | last_words()))
            signal_mirror(signo, action);
    }
    signal_release(task);
}
