/* The tracer's side of ptrace: a guest debugger asks and waits; the host's ptrace answers where it can, what
 * lies in the stopped tracee's struct cpu and struct traced where registers are concerned. */
#include "ptrace.h"

#include <xemu/fault.h>
#include <xemu/sampler.h>

#include <errno.h>
#include <limits.h>
#include <linux/audit.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"
#include "handlers.h"
#include "regset.h"
#include "task.h"

enum stop_kind {
    RUNNING,
    STOP_GUEST, /* by the tracee itself, in stop() */
    STOP_HOST,  /* an event of the host's that means the same to the guest: fork, exit */
    STOP_GROUP, /* with its whole process, by job control */
};

struct tracee {
    struct tracee *next;
    pid_t pid;
    uint64_t cpu, task; /* addresses in the tracee; 0: not known yet */
    bool seized;
    bool starting; /* its xemu isn't ready: between an exec or a clone and the first stop of the guest */
    uint32_t options;
    enum stop_kind stop;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tracee *tracees;

/* ---- tracees ---- */

static struct tracee *find(pid_t pid)
{
    struct tracee *tracee = tracees;
    while (tracee && tracee->pid != pid)
        tracee = tracee->next;
    return tracee;
}

static struct tracee *add(pid_t pid)
{
    struct tracee *tracee = find(pid);
    if (!tracee) {
        tracee = calloc(1, sizeof *tracee);
        if (!tracee)
            return NULL;
        tracee->next = tracees;
        tracees = tracee;
    }
    *tracee = (struct tracee){.next = tracee->next, .pid = pid};
    return tracee;
}

static void drop(pid_t pid)
{
    for (struct tracee **link = &tracees; *link; link = &(*link)->next) {
        struct tracee *found = *link;
        if (found->pid != pid)
            continue;
        *link = found->next;
        free(found);
        return;
    }
}

void tracer_child(void)
{
    pthread_mutex_init(&lock, NULL);
    tracees = NULL;
}

static int64_t host_ptrace(long request, pid_t pid, uint64_t addr, uint64_t data)
{
    return host_raw(SYS_ptrace, (uint64_t)request, (uint64_t)pid, addr, data);
}

enum {
    HOST_OPTIONS = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORKDONE |
                   PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL,
    KNOWN_OPTIONS = HOST_OPTIONS | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP
};

static uint64_t host_options(uint64_t options) { return (options & HOST_OPTIONS) | PTRACE_O_TRACEEXEC; }

static void go_on(struct tracee *tracee, int signal)
{
    tracee->stop = RUNNING;
    host_ptrace(PTRACE_CONT, tracee->pid, 0, (uint64_t)signal);
}

/* ---- the tracee's memory ---- */

static int remote(long call, pid_t pid, uint64_t addr, void *buffer, size_t size)
{
    struct iovec here = {buffer, size}, there = {(void *)(uintptr_t)addr, size};
    int64_t done = host_raw6(call, (uint64_t)pid, (uint64_t)&here, 1, (uint64_t)&there, 1, 0);
    return done == (int64_t)size ? 0 : -EIO;
}
static int fetch(const struct tracee *tracee, uint64_t addr, void *buffer, size_t size)
{
    return addr ? remote(SYS_process_vm_readv, tracee->pid, addr, buffer, size) : -EIO;
}
static int store(const struct tracee *tracee, uint64_t addr, const void *buffer, size_t size)
{
    return addr ? remote(SYS_process_vm_writev, tracee->pid, addr, (void *)buffer, size) : -EIO;
}

static uint64_t traced_at(const struct tracee *tracee)
{
    return tracee->task ? tracee->task + offsetof(struct task, traced) : 0;
}
static int fetch_traced(const struct tracee *tracee, struct traced *traced)
{
    return fetch(tracee, traced_at(tracee), traced, sizeof *traced);
}
static int store_traced(const struct tracee *tracee, const struct traced *traced)
{
    return store(tracee, traced_at(tracee), traced, sizeof *traced);
}

/* ---- stops of the host, and what they are to the guest ---- */

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
    if (fetch(tracee, cpu, &copy, sizeof copy))
        return false;
    tracee->task = (uint64_t)copy.task;
    if (fetch_traced(tracee, &traced))
        return false;
    if (tracee->seized != (traced.seized != 0) || tracee->options != traced.options) {
        traced.seized = tracee->seized;
        traced.options = tracee->options;
        store_traced(tracee, &traced);
    }
    tracee->starting = false;
    tracee->stop = STOP_GUEST;
    *status = traced.status << 8 | 0x7f;
    return true;
}

/* A signal comes to the tracee. To its own xemu: faults, its sampler's timer, what was marked before, what comes before it is
 * ready, and the default action that it has asked for. Everything else is handed in with a mark. */
static void pass_signal(struct tracee *tracee, int signal, siginfo_t *info)
{
    struct traced traced = {0};
    bool fault = info->si_code > 0 && (SIGBIT(signal) & SYNC_SIGNALS);
    bool passing = !fetch_traced(tracee, &traced) && traced.passing == signal;
    if (fault || sampler_is_timer(info) || passing || tracee->starting || info->si_errno >> 8 == TRACE_MARK) {
        go_on(tracee, signal);
        return;
    }
    info->si_errno = TRACE_MARK << 8 | signal;
    info->si_signo = SIGTRAP;
    host_ptrace(PTRACE_SETSIGINFO, tracee->pid, 0, (uint64_t)info);
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
    if (host_ptrace(PTRACE_GETSIGINFO, tracee->pid, 0, (uint64_t)&info) < 0) {
        tracee->stop = STOP_GROUP;
        return true;
    }
    if (signal != SIGTRAP || host_ptrace(PTRACE_GETREGS, tracee->pid, 0, (uint64_t)&regs))
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
    if (host_ptrace(PTRACE_PEEKUSER, pid, 0, (uint64_t)&word) < 0)
        return NULL;
    const struct tracee *other = tracees;
    struct tracee *tracee = add(pid);
    if (!tracee)
        return NULL;
    bool stop_at_start = WSTOPSIG(status) == SIGSTOP &&
                         !host_ptrace(PTRACE_GETSIGINFO, pid, 0, (uint64_t)&info) && info.si_pid == 0;
    tracee->starting = status >> 16 || stop_at_start;
    if (tracee->starting && other) {
        tracee->options = other->options;
        tracee->seized = other->seized;
    } else if (!tracee->starting) {
        host_ptrace(PTRACE_SETOPTIONS, pid, 0, host_options(0));
    }
    return tracee;
}

/* A wait has found that `pid` stopped or ended. True: for the debugger to see, or not a tracee's at all. */
static bool show(pid_t pid, int *status)
{
    pthread_mutex_lock(&lock);
    struct tracee *tracee = find(pid);
    bool visible = true;
    if (WIFSTOPPED(*status)) {
        if (!tracee)
            tracee = meet(pid, *status);
        if (tracee)
            visible = show_stop(tracee, status);
    } else if (tracee && !WIFCONTINUED(*status)) {
        drop(pid);
    }
    pthread_mutex_unlock(&lock);
    return visible;
}

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

/* ---- attaching ---- */

/* Only a program that runs under this xemu can show a guest's registers. */
static bool runs_here(pid_t pid)
{
    char link[32], own[PATH_MAX], other[PATH_MAX];
    snprintf(link, sizeof link, "/proc/%d/exe", pid);
    ssize_t length = readlink("/proc/self/exe", own, sizeof own);
    return length > 0 && readlink(link, other, sizeof other) == length && !memcmp(own, other, (size_t)length);
}

static int64_t attach(long request, pid_t pid, uint64_t options)
{
    if (request == PTRACE_SEIZE && (options & ~(uint64_t)KNOWN_OPTIONS))
        return -EINVAL;
    if (kill(pid, 0) && errno == ESRCH)
        return -ESRCH;
    if (!runs_here(pid))
        return -EPERM;
    struct tracee *tracee = add(pid);
    if (!tracee)
        return -ENOMEM;
    tracee->seized = request == PTRACE_SEIZE;
    tracee->options = tracee->seized ? (uint32_t)options : 0;
    int64_t result = host_ptrace(request, pid, 0, tracee->seized ? host_options(options) : 0);
    if (result < 0)
        drop(pid);
    return result;
}

static pid_t process_of(pid_t tid)
{
    char path[32], line[128];
    int pid = 0;
    snprintf(path, sizeof path, "/proc/%d/status", tid);
    FILE *file = fopen(path, "re");
    while (file && !pid && fgets(line, sizeof line, file))
        sscanf(line, "Tgid: %d", &pid);
    if (file)
        fclose(file);
    return pid;
}

static int64_t interrupt(const struct tracee *tracee)
{
    siginfo_t info = {.si_signo = SIGTRAP, .si_errno = TRACE_MARK << 8, .si_code = SI_QUEUE};
    if (tracee->stop == STOP_GUEST || tracee->stop == STOP_HOST)
        return 0;
    return host_raw(SYS_rt_tgsigqueueinfo, (uint64_t)process_of(tracee->pid), (uint64_t)tracee->pid, SIGTRAP,
                    (uint64_t)&info);
}

/* ---- registers ---- */

static int64_t registers(const struct tracee *tracee, bool write, uint64_t type, uint64_t iovec)
{
    struct cpu cpu;
    struct traced traced;
    union regset set;
    struct {
        uint64_t base, length;
    } area;
    if (guest_copy_in(&area, iovec, sizeof area))
        return -EFAULT;
    if (fetch(tracee, tracee->cpu, &cpu, sizeof cpu) || fetch_traced(tracee, &traced))
        return -EIO;
    size_t size = regset_get(type, &cpu, &traced, &set);
    if (!size)
        return -EINVAL;
    if (area.length > size)
        area.length = size;
    if (!write) {
        if (guest_copy_out(area.base, &set, area.length))
            return -EFAULT;
        return guest_copy_out(iovec + 8, &area.length, sizeof area.length);
    }
    if (guest_copy_in(&set, area.base, area.length))
        return -EFAULT;
    regset_put(type, &cpu, &traced, &set);
    if (store(tracee, tracee->cpu, &cpu, offsetof(struct cpu, stop)) ||
        store(tracee, tracee->cpu + offsetof(struct cpu, pstate), &cpu.pstate, sizeof cpu.pstate) ||
        store(tracee, tracee->cpu + offsetof(struct cpu, tpidr_el0), &cpu.tpidr_el0, sizeof cpu.tpidr_el0) ||
        store(tracee, tracee->cpu + offsetof(struct cpu, v), cpu.v, sizeof cpu.v) ||
        store_traced(tracee, &traced))
        return -EIO;
    return 0;
}

/* ---- the other requests about a stopped tracee ---- */

static int64_t resume(struct tracee *tracee, long request, uint64_t signal)
{
    struct traced traced;
    if (signal > NSIG64)
        return -EIO;
    if (!fetch_traced(tracee, &traced)) {
        traced.mode = request == PTRACE_DETACH ? PTRACE_CONT : (int)request;
        traced.on = request != PTRACE_DETACH;
        traced.signal = (int)signal;
        /* A debugger that lets it run may have set breakpoints, also by way of /proc/PID/mem. */
        traced.code_changed |= request != PTRACE_SYSCALL;
        store_traced(tracee, &traced);
    }
    tracee->stop = RUNNING;
    if (request != PTRACE_DETACH)
        return host_ptrace(PTRACE_CONT, tracee->pid, 0, 0);
    int64_t result = host_ptrace(PTRACE_DETACH, tracee->pid, 0, 0);
    drop(tracee->pid);
    return result;
}

static int64_t set_options(struct tracee *tracee, uint64_t options)
{
    struct traced traced;
    if (options & ~(uint64_t)KNOWN_OPTIONS)
        return -EINVAL;
    tracee->options = (uint32_t)options;
    if (!fetch_traced(tracee, &traced)) {
        traced.options = (uint32_t)options;
        store_traced(tracee, &traced);
    }
    return host_ptrace(PTRACE_SETOPTIONS, tracee->pid, 0, host_options(options));
}

static int64_t signal_info(const struct tracee *tracee, bool write, uint64_t addr)
{
    struct traced traced;
    if (tracee->stop != STOP_GUEST)
        return write ? -EINVAL : host_ptrace(PTRACE_GETSIGINFO, tracee->pid, 0, addr);
    if (fetch_traced(tracee, &traced))
        return -EIO;
    if (!write)
        return guest_copy_out(addr, &traced.info, sizeof traced.info);
    return guest_copy_in(&traced.info, addr, sizeof traced.info) ? -EFAULT : store_traced(tracee, &traced);
}

static int64_t event_message(const struct tracee *tracee, uint64_t addr)
{
    struct traced traced;
    if (tracee->stop != STOP_GUEST)
        return host_ptrace(PTRACE_GETEVENTMSG, tracee->pid, 0, addr);
    if (fetch_traced(tracee, &traced))
        return -EIO;
    return guest_copy_out(addr, &traced.message, sizeof traced.message);
}

static int64_t signal_mask(const struct tracee *tracee, bool write, uint64_t size, uint64_t addr)
{
    uint64_t mask, at = tracee->task + offsetof(struct task, sigmask);
    if (size != sizeof mask)
        return -EINVAL;
    if (!write)
        return fetch(tracee, at, &mask, sizeof mask) ? -EIO : guest_copy_out(addr, &mask, sizeof mask);
    if (guest_copy_in(&mask, addr, sizeof mask))
        return -EFAULT;
    mask &= ~UNBLOCKABLE;
    return store(tracee, at, &mask, sizeof mask);
}

static int64_t call_info(const struct tracee *tracee, uint64_t size, uint64_t addr)
{
    struct cpu cpu;
    struct traced traced;
    if (fetch(tracee, tracee->cpu, &cpu, sizeof cpu) || fetch_traced(tracee, &traced))
        return -EIO;
    struct __ptrace_syscall_info info = {.op = tracee->stop == STOP_GUEST ? (uint8_t)traced.call : 0,
                                         .arch = AUDIT_ARCH_AARCH64,
                                         .instruction_pointer = cpu.pc,
                                         .stack_pointer = cpu.x[31]};
    size_t have = offsetof(struct __ptrace_syscall_info, entry);
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY || info.op == PTRACE_SYSCALL_INFO_SECCOMP) {
        info.instruction_pointer += 4; /* the kernel's is behind the SVC */
        info.entry.nr = (uint32_t)cpu.x[8];
        memcpy(info.entry.args, cpu.x, sizeof info.entry.args);
        info.seccomp.ret_data = (uint32_t)traced.message; /* behind the others; not looked at on entry */
        have = info.op == PTRACE_SYSCALL_INFO_ENTRY
                   ? have + sizeof info.entry
                   : offsetof(struct __ptrace_syscall_info, seccomp.ret_data) + 4;
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
        info.exit.rval = (int64_t)cpu.x[0];
        info.exit.is_error = info.exit.rval < 0 && info.exit.rval > -4096;
        have = offsetof(struct __ptrace_syscall_info, exit.is_error) + 1;
    }
    return guest_copy_out(addr, &info, size < have ? size : have) ? -EFAULT : (int64_t)have;
}

static int64_t poke(const struct tracee *tracee, long request, uint64_t addr, uint64_t data)
{
    struct traced traced;
    int64_t result = host_ptrace(request, tracee->pid, guest_untag(addr), data);
    if (!result && !fetch_traced(tracee, &traced)) {
        traced.code_changed = 1;
        store_traced(tracee, &traced);
    }
    return result;
}

static int64_t request_of_stopped(struct tracee *tracee, const uint64_t args[6])
{
    long request = (long)args[0];
    switch (request) {
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
        return host_ptrace(request, tracee->pid, guest_untag(args[2]), args[3]);
    case PTRACE_POKETEXT:
    case PTRACE_POKEDATA:
        return poke(tracee, request, args[2], args[3]);
    case PTRACE_CONT:
    case PTRACE_SYSCALL:
    case PTRACE_SINGLESTEP:
    case PTRACE_DETACH:
        return resume(tracee, request, args[3]);
    case PTRACE_LISTEN:
        return tracee->stop == STOP_GROUP ? host_ptrace(PTRACE_LISTEN, tracee->pid, 0, 0) : -EIO;
    case PTRACE_SETOPTIONS:
        return set_options(tracee, args[3]);
    case PTRACE_GETSIGINFO:
    case PTRACE_SETSIGINFO:
        return signal_info(tracee, request == PTRACE_SETSIGINFO, args[3]);
    case PTRACE_GETEVENTMSG:
        return event_message(tracee, args[3]);
    case PTRACE_GETREGSET:
    case PTRACE_SETREGSET:
        return registers(tracee, request == PTRACE_SETREGSET, args[2], args[3]);
    case PTRACE_GETSIGMASK:
    case PTRACE_SETSIGMASK:
        return signal_mask(tracee, request == PTRACE_SETSIGMASK, args[2], args[3]);
    case PTRACE_GET_SYSCALL_INFO:
        return call_info(tracee, args[2], args[3]);
    default:
        return -EIO;
    }
}

int64_t sys_ptrace(struct cpu *cpu, const uint64_t args[6])
{
    long request = (long)args[0];
    pid_t pid = (pid_t)args[1];
    if (request == PTRACE_TRACEME) {
        int64_t result = host_ptrace(PTRACE_TRACEME, 0, 0, 0);
        cpu->task->traced.on = result == 0 || cpu->task->traced.on;
        return result;
    }
    pthread_mutex_lock(&lock);
    struct tracee *tracee = find(pid);
    int64_t result = -ESRCH;
    if (request == PTRACE_ATTACH || request == PTRACE_SEIZE)
        result = tracee ? -EPERM : attach(request, pid, args[3]);
    else if (tracee && request == PTRACE_KILL)
        result = host_ptrace(PTRACE_KILL, pid, 0, 0);
    else if (tracee && request == PTRACE_INTERRUPT)
        result = tracee->seized ? interrupt(tracee) : -EIO;
    else if (tracee && tracee->stop != RUNNING)
        result = request_of_stopped(tracee, args);
    pthread_mutex_unlock(&lock);
    return result;
}
