/* The signal by which --flame asks a thread for a sample, so that the guest does not notice.
 *
 * It is a real-time signal, because these queue: neither a question nor a signal of the guest's gets lost for the
 * other. On the host the thread never blocks it, whatever the guest's mask says. One of the guest's that arrives
 * nevertheless while the guest blocks it is given back to the kernel's queue and blocked there as the guest wants
 * it; another signal takes its part from then on. */
#include <xemu/fault.h>
#include <xemu/flame.h>
#include <xemu/options.h>
#include <xemu/sampler.h>
#include <xemu/sys.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "handlers.h"
#include "task.h"

enum { MARK = 0x5a17f1 /* in si_errno */, FIRST = 63, LAST = 34, TAKEN_MAX = 64 };

static uint64_t avoided; /* signals that a signalfd reads; atomic */

/* Whether the host's actions for real-time signals are xemu's: a process stays as it is when it forks. */
bool sample_takes(int signo) { return options.flame && signo >= LAST && signo <= NSIG64; }

uint64_t sample_bit(const struct task *task)
{
    int signo = __atomic_load_n(&task->sample_signal, __ATOMIC_RELAXED);
    return signo ? SIGBIT(signo) : 0;
}

static bool is_question(const siginfo_t *info)
{
    return info->si_code == SI_QUEUE && info->si_errno == MARK && info->si_pid == getpid();
}

/* In a circle; none if all are avoided. */
static int signal_behind(int signo)
{
    uint64_t not = __atomic_load_n(&avoided, __ATOMIC_RELAXED);
    for (int i = 0; i <= FIRST - LAST; i++) {
        signo = signo > LAST ? signo - 1 : FIRST;
        if (!(not & SIGBIT(signo)))
            return signo;
    }
    return 0;
}

void sample_begin(struct task *task) { task->sample_signal = flame_on() ? signal_behind(0) : 0; }

/* --- asking, in the sampler's thread ------------------------------------------------------------------ */

bool sys_ask_sample(struct cpu *cpu, int tid)
{
    struct task *task = cpu->task;
    bool asked = true;
    __atomic_store_n(&task->asking, true, __ATOMIC_SEQ_CST);
    int signo = __atomic_load_n(&task->sample_signal, __ATOMIC_SEQ_CST);
    if (signo && !(__atomic_load_n(&avoided, __ATOMIC_RELAXED) & SIGBIT(signo))) {
        siginfo_t info = {.si_signo = signo, .si_code = SI_QUEUE, .si_errno = MARK};
        info.si_pid = getpid();
        uint64_t pid = (uint64_t)info.si_pid;
        asked = host_raw(SYS_rt_tgsigqueueinfo, pid, (uint64_t)tid, (uint64_t)signo, (uint64_t)&info) == 0;
    } else { /* it has to change its signal, or has none: it answers between two instructions */
        __atomic_fetch_or(&cpu->stop, STOP_SIGNAL, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&task->asking, false, __ATOMIC_SEQ_CST);
    return asked;
}

/* --- answering ---------------------------------------------------------------------------------------- */

static int64_t take(uint64_t set, siginfo_t *info)
{
    struct timespec now = {0};
    return host_raw(SYS_rt_sigtimedwait, (uint64_t)&set, (uint64_t)info, (uint64_t)&now, sizeof set);
}

/* To where it came from: its sender meant this thread, or the process. */
static void give_back(const siginfo_t *info)
{
    uint64_t pid = (uint64_t)getpid(), tid = (uint64_t)host_raw(SYS_gettid, 0, 0, 0, 0), signo = (uint64_t)info->si_signo;
    if (info->si_code == SI_TKILL || host_raw(SYS_rt_sigqueueinfo, pid, signo, (uint64_t)info, 0) < 0)
        host_raw(SYS_rt_tgsigqueueinfo, pid, tid, signo, (uint64_t)info);
}

/* Takes the questions out of the queue of a signal that the thread blocks; what is the guest's stays, in its
 * order, behind `first` if there is one. */
static void clear_queue(int signo, const siginfo_t *first)
{
    siginfo_t taken[TAKEN_MAX];
    size_t count = 0;
    if (first)
        taken[count++] = *first;
    while (count < TAKEN_MAX && take(SIGBIT(signo), &taken[count]) == signo) {
        if (is_question(&taken[count]))
            __atomic_store_n(&this_cpu->sample_asked, false, __ATOMIC_RELAXED);
        else
            count++;
    }
    for (size_t i = 0; i < count; i++)
        give_back(&taken[i]);
}

/* Another signal for the questions; the old one is blocked on the host. Which it is. */
static int change(struct task *task)
{
    int old = task->sample_signal;
    __atomic_store_n(&task->sample_signal, signal_behind(old), __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&task->asking, __ATOMIC_SEQ_CST))
        sched_yield();
    return old;
}

static uint64_t context_mask(const ucontext_t *uc)
{
    uint64_t mask;
    memcpy(&mask, &uc->uc_sigmask, sizeof mask);
    return mask;
}

/* A call that the kernel has ended with EINTR is made again, unless there is something else that ended it. */
static void repeat_call(void *ucontext)
{
    uint64_t pending = 0;
    host_raw(SYS_rt_sigpending, (uint64_t)&pending, sizeof pending, 0, 0);
    if (!(pending & ~context_mask(ucontext)))
        host_call_repeat(ucontext);
}

bool sample_timer(const siginfo_t *info, void *ucontext)
{
    if (!sampler_is_timer(info))
        return false;
    sampler_timer_fired();
    repeat_call(ucontext);
    return true;
}

bool sample_signalled(int signo, const siginfo_t *info, void *ucontext)
{
    if (!options.flame || signo < LAST)
        return false;
    struct cpu *cpu = this_cpu;
    if (is_question(info)) {
        flame_sample(ucontext);
        repeat_call(ucontext);
        return true;
    }
    struct task *task = cpu->task;
    if (SIGBIT(signo) != sample_bit(task) || !(task->sigmask & ~task->let_through & SIGBIT(signo)))
        return false;
    clear_queue(change(task), info);
    uint64_t mask = (context_mask(ucontext) | SIGBIT(signo)) & ~sample_bit(task);
    memcpy(&((ucontext_t *)ucontext)->uc_sigmask, &mask, sizeof mask);
    cpu->stop = 1; /* who is computing a mask does it again */
    host_call_rewind(ucontext);
    repeat_call(ucontext);
    return true;
}

void sample_at_stop(struct task *task)
{
    struct cpu *cpu = task->cpu;
    if (!options.flame || !flame_on())
        return;
    if (sample_bit(task) & __atomic_load_n(&avoided, __ATOMIC_RELAXED))
        clear_queue(change(task), NULL);
    if (!task->sample_signal && __atomic_load_n(&cpu->sample_asked, __ATOMIC_RELAXED))
        flame_sample(NULL);
}

void sample_end(struct task *task)
{
    int signo = task->sample_signal;
    task->sample_signal = 0;
    if (signo)
        clear_queue(signo, NULL);
}

/* --- what reads signals from the kernel's queues ------------------------------------------------------- */

int64_t sys_signalfd4(struct cpu *cpu, const uint64_t args[6])
{
    uint64_t set;
    if (flame_on() && args[2] == sizeof set && !guest_copy_in(&set, args[1], sizeof set)) {
        __atomic_fetch_or(&avoided, set, __ATOMIC_SEQ_CST);
        if (set & sample_bit(cpu->task))
            __atomic_fetch_or(&cpu->stop, STOP_SIGNAL, __ATOMIC_SEQ_CST); /* another one before it is read */
        if (cpu->stop)
            return RESULT_RESTART;
    }
    return host_call(SYS_signalfd4, args);
}
