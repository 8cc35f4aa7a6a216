/* seccomp: filters run on guest numbers and AUDIT_ARCH_AARCH64 before each system call of the guest. The
 * host's kernel knows nothing of them: xemu's own calls go on. */
#include "seccomp.h"

#include <xemu/fault.h>
#include <xemu/log.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "abi.h"
#include "bpf.h"
#include "handlers.h"
#include "seccomp_listener.h"
#include "task.h"

/* Filters are never freed: they last as long as the threads under them, mostly as long as the process. */
struct seccomp_filter {
    struct seccomp_filter *older;
    bool listener; /* one of SECCOMP_FILTER_FLAG_NEW_LISTENER */
    size_t length, total; /* instructions: of this one, and as the kernel counts all together */
    struct sock_filter program[];
};

enum { FILTER_COST = 4, TOTAL_MAX = (1 << 18) / sizeof(struct sock_filter) };
enum {
    KNOWN_FLAGS = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW |
                  SECCOMP_FILTER_FLAG_TSYNC_ESRCH | LISTENER_FLAGS
};

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code of SIGSYS; the C library's headers are of two minds about it */
#endif

/* Filters change under threads_lock(), so that SECCOMP_FILTER_FLAG_TSYNC finds all threads. */

void seccomp_thread_begin(struct task *task, const struct task *parent)
{
    threads_lock();
    task->seccomp = (struct seccomp){.mode = parent->seccomp.mode, .filter = parent->seccomp.filter};
    threads_add(task, 0);
    threads_unlock();
}

/* ---- running ---- */

/* The verdict of all filters: the strictest one, the newest of equals. */
static uint32_t run_filters(const struct cpu *cpu, const uint64_t args[6])
{
    struct seccomp_data data = {
        .nr = (int)cpu->x[8], .arch = AUDIT_ARCH_AARCH64, .instruction_pointer = cpu->pc + 4};
    memcpy(data.args, args, sizeof data.args);
    uint32_t verdict = SECCOMP_RET_ALLOW;
    for (const struct seccomp_filter *filter = cpu->task->seccomp.filter; filter; filter = filter->older) {
        uint32_t one = bpf_run(filter->program, &data);
        if ((int32_t)(one & SECCOMP_RET_ACTION_FULL) < (int32_t)(verdict & SECCOMP_RET_ACTION_FULL))
            verdict = one;
    }
    return verdict;
}

/* The signal that a forbidden call gets. */
static siginfo_t refusal(const struct cpu *cpu, uint32_t verdict)
{
    siginfo_t info = {
        .si_signo = SIGSYS, .si_code = SYS_SECCOMP, .si_errno = (int)(verdict & SECCOMP_RET_DATA)};
    info.si_call_addr = (void *)(uintptr_t)(cpu->pc + 4);
    info.si_syscall = (int)cpu->x[8];
    info.si_arch = AUDIT_ARCH_AARCH64;
    return info;
}

static int64_t trap(struct cpu *cpu, uint32_t verdict)
{
    siginfo_t info = refusal(cpu, verdict);
    if (!signal_hold(cpu))
        return RESULT_RESTART;
    cpu->pc += 4;
    cpu->task->fault_address = cpu->task->fault_esr = 0;
    signal_force(cpu, &info);
    signal_release(cpu->task);
    return RESULT_NONE;
}

/* The whole process ends by this signal, or only the thread if there are others. */
static int64_t kill_process(struct cpu *cpu, siginfo_t info)
{
    while (!signal_hold(cpu))
        cpu->stop = 0; /* no signal comes before this one */
    signal_default(cpu->task, &info);
    return RESULT_NONE;
}

static int64_t kill_thread(struct cpu *cpu, siginfo_t info)
{
    if (thread_is_last())
        return kill_process(cpu, info);
    cpu->stop = 0;
    return sys_exit(cpu, (const uint64_t[6]){(uint64_t)info.si_signo});
}

static bool strict_allows(uint32_t number)
{
    return number == 63 || number == 64 || number == 93 ||
           number == 139; /* read, write, exit, rt_sigreturn */
}

static bool has_listener(const struct task *task)
{
    const struct seccomp_filter *filter = task->seccomp.filter;
    while (filter && !filter->listener)
        filter = filter->older;
    return filter != NULL;
}

bool seccomp_refuses(struct cpu *cpu, const uint64_t args[6], int64_t *result)
{
    uint64_t now[6];
    memcpy(now, args, sizeof now);
    if (cpu->task->seccomp.mode == SECCOMP_MODE_STRICT) {
        if (strict_allows((uint32_t)cpu->x[8]))
            return false;
        *result = kill_thread(cpu, (siginfo_t){.si_signo = SIGKILL});
        return true;
    }
    uint32_t verdict = run_filters(cpu, args);
    if ((verdict & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE && tracee_filtered(cpu, verdict & SECCOMP_RET_DATA)) {
        if ((int32_t)cpu->x[8] < 0) { /* the tracer has answered it */
            *result = (int64_t)cpu->x[0];
            return true;
        }
        memcpy(now, cpu->x, sizeof now);
        verdict = run_filters(cpu, now);
        if ((verdict & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE)
            return false;
    }
    uint32_t data = verdict & SECCOMP_RET_DATA;
    switch (verdict & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
        return false;
    case SECCOMP_RET_ERRNO:
        *result = -(int64_t)(data < 4095 ? data : 4095);
        return true;
    case SECCOMP_RET_TRAP:
        *result = trap(cpu, verdict);
        return true;
    case SECCOMP_RET_TRACE: /* nobody traces */
        *result = -ENOSYS;
        return true;
    case SECCOMP_RET_USER_NOTIF:
        *result = has_listener(cpu->task) ? listener_ask((uint32_t)cpu->x[8], now) : -ENOSYS;
        return *result != LISTENER_CONTINUES;
    case SECCOMP_RET_KILL_THREAD:
        *result = kill_thread(cpu, refusal(cpu, verdict));
        return true;
    default:
        *result = kill_process(cpu, refusal(cpu, verdict));
        return true;
    }
}

/* ---- installing ---- */

static bool may_install(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || has_capability(CAP_SYS_ADMIN);
}

static int read_filter(uint64_t addr, struct seccomp_filter **out)
{
    struct {
        uint16_t length;
        uint64_t program;
    } given;
    if (guest_copy_in(&given, addr, sizeof given))
        return -EFAULT;
    if (given.length == 0 || given.length > BPF_MAXINSNS)
        return -EINVAL;
    if (!may_install())
        return -EACCES;
    size_t bytes = given.length * sizeof(struct sock_filter);
    struct seccomp_filter *filter = malloc(sizeof *filter + bytes);
    if (!filter)
        return -ENOMEM;
    *filter = (struct seccomp_filter){.length = given.length};
    int error = guest_copy_in(filter->program, given.program, bytes);
    if (!error && !bpf_valid(filter->program, filter->length))
        error = -EINVAL;
    if (error) {
        free(filter);
        return error;
    }
    *out = filter;
    return 0;
}

static bool descends_from(const struct seccomp_filter *filter, const struct seccomp_filter *ancestor)
{
    while (filter != ancestor && filter)
        filter = filter->older;
    return filter == ancestor;
}

/* TSYNC: every other thread must have come to its filters before this one went on. 0, or the tid of one that
 * hasn't. */
static int unsynchronised(const struct task *threads, const struct task *task)
{
    for (const struct task *other = threads; other; other = other->next) {
        bool fits = other->seccomp.mode == SECCOMP_MODE_DISABLED ||
                    (other->seccomp.mode == SECCOMP_MODE_FILTER &&
                     descends_from(task->seccomp.filter, other->seccomp.filter));
        if (other != task && !fits)
            return other->tid;
    }
    return 0;
}

static void set_filter(struct task *task, struct seccomp_filter *filter)
{
    __atomic_store_n(&task->seccomp.filter, filter, __ATOMIC_RELEASE);
    task->seccomp.mode = SECCOMP_MODE_FILTER;
}

static int64_t attach(struct task *threads, struct task *task, struct seccomp_filter *filter, uint64_t flags)
{
    filter->older = task->seccomp.filter;
    filter->total = filter->length + (filter->older ? filter->older->total + FILTER_COST : 0);
    if (filter->total > TOTAL_MAX)
        return -ENOMEM;
    bool all = (flags & SECCOMP_FILTER_FLAG_TSYNC) && task->listed;
    int odd_one = all ? unsynchronised(threads, task) : 0;
    if (odd_one)
        return flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH ? -ESRCH : odd_one;
    int64_t result = 0;
    if (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) {
        result = has_listener(task) ? -EBUSY : listener_new(flags);
        filter->listener = result >= 0;
    }
    if (result < 0)
        return result;
    set_filter(task, filter);
    for (struct task *other = all ? threads : NULL; other; other = other->next)
        set_filter(other, filter);
    return result;
}

static int64_t install(struct task *task, uint64_t flags, uint64_t addr)
{
    struct seccomp_filter *filter = NULL;
    if (flags & ~(uint64_t)KNOWN_FLAGS)
        return -EINVAL;
    if ((flags & SECCOMP_FILTER_FLAG_TSYNC) && (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) &&
        !(flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH))
        return -EINVAL;
    if ((flags & LISTENER_FLAGS) == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
        return -EINVAL;
    int64_t result = read_filter(addr, &filter);
    if (result)
        return result;
    struct task *threads = threads_lock();
    result = task->seccomp.mode == SECCOMP_MODE_STRICT ? -EINVAL : attach(threads, task, filter, flags);
    threads_unlock();
    if (result && !filter->listener)
        free(filter);
    return result;
}

static int64_t action_available(uint64_t flags, uint64_t addr)
{
    static const uint32_t actions[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
                                       SECCOMP_RET_ERRNO,        SECCOMP_RET_TRACE,       SECCOMP_RET_LOG,
                                       SECCOMP_RET_ALLOW,        SECCOMP_RET_USER_NOTIF};
    uint32_t action;
    if (flags)
        return -EINVAL;
    if (guest_copy_in(&action, addr, sizeof action))
        return -EFAULT;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (actions[i] == action)
            return 0;
    }
    return -EOPNOTSUPP;
}

int64_t seccomp_set_mode(struct cpu *cpu, uint64_t operation, uint64_t flags, uint64_t addr)
{
    struct task *task = cpu->task;
    if (operation == SECCOMP_SET_MODE_FILTER)
        return install(task, flags, addr);
    if (flags || addr || task->seccomp.mode == SECCOMP_MODE_FILTER)
        return -EINVAL;
    task->seccomp.mode = SECCOMP_MODE_STRICT;
    return 0;
}

int64_t sys_seccomp(struct cpu *cpu, const uint64_t args[6])
{
    switch ((uint32_t)args[0]) {
    case SECCOMP_SET_MODE_STRICT:
    case SECCOMP_SET_MODE_FILTER:
        return seccomp_set_mode(cpu, (uint32_t)args[0], (uint32_t)args[1], args[2]);
    case SECCOMP_GET_ACTION_AVAIL:
        return action_available((uint32_t)args[1], args[2]);
    case SECCOMP_GET_NOTIF_SIZES: /* the same on all architectures */
        return host_call(SYS_seccomp, args);
    default:
        return -EINVAL;
    }
}

/* ---- execve ---- */

bool seccomp_filters(const struct task *task) { return task->seccomp.filter != NULL; }

unsigned seccomp_count(const struct task *task)
{
    unsigned count = 0;
    for (const struct seccomp_filter *filter = task->seccomp.filter; filter; filter = filter->older)
        count++;
    return count;
}

/* Before each program in the file. */
struct left {
    size_t length;
    bool listener;
};

int seccomp_write(const struct task *task, int fd)
{
    for (const struct seccomp_filter *filter = task->seccomp.filter; filter; filter = filter->older) {
        struct left left = {filter->length, filter->listener};
        size_t bytes = filter->length * sizeof *filter->program;
        if (write(fd, &left, sizeof left) != sizeof left ||
            write(fd, filter->program, bytes) != (ssize_t)bytes)
            return -ENOMEM;
    }
    return 0;
}

static struct seccomp_filter *read_filters(int fd, off_t at)
{
    struct left left;
    if (pread(fd, &left, sizeof left, at) != sizeof left || left.length > BPF_MAXINSNS)
        return NULL;
    size_t bytes = left.length * sizeof(struct sock_filter);
    struct seccomp_filter *filter = malloc(sizeof *filter + bytes);
    if (!filter || pread(fd, filter->program, bytes, at + (off_t)sizeof left) != (ssize_t)bytes)
        die(1, "the filters of system calls cannot be taken over");
    filter->length = left.length;
    filter->listener = left.listener;
    filter->older = read_filters(fd, at + (off_t)(sizeof left + bytes));
    filter->total = filter->length + (filter->older ? filter->older->total + FILTER_COST : 0);
    return filter;
}

void seccomp_init(struct task *task, int fd, size_t at)
{
    task->seccomp.filter = fd >= 0 ? read_filters(fd, (off_t)at) : NULL;
    if (task->seccomp.filter)
        task->seccomp.mode = SECCOMP_MODE_FILTER;
}
