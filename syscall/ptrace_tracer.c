/* A tracer's requests: a guest debugger asks; the host's ptrace answers where it can, what lies in the
 * stopped tracee's struct cpu and struct traced where registers are concerned. */
#include "ptrace_tracees.h"

#include <xemu/fault.h>

#include <errno.h>
#include <limits.h>
#include <linux/audit.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "handlers.h"
#include "regset.h"
#include "task.h"

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
    if (request == PTRACE_SEIZE && (options & ~(uint64_t)TRACEES_OPTIONS))
        return -EINVAL;
    if (kill(pid, 0) && errno == ESRCH)
        return -ESRCH;
    if (!runs_here(pid))
        return -EPERM;
    struct tracee *tracee = tracees_add(pid);
    if (!tracee)
        return -ENOMEM;
    tracee->seized = request == PTRACE_SEIZE;
    tracee->options = tracee->seized ? (uint32_t)options : 0;
    int64_t result = tracees_ptrace(request, pid, 0, tracee->seized ? tracees_host_options(options) : 0);
    if (result < 0)
        tracees_drop(pid);
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
    if (tracees_fetch(tracee, tracee->cpu, &cpu, sizeof cpu) || tracees_fetch_traced(tracee, &traced))
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
    if (tracees_store(tracee, tracee->cpu, &cpu, offsetof(struct cpu, stop)) ||
        tracees_store(tracee, tracee->cpu + offsetof(struct cpu, pstate), &cpu.pstate, sizeof cpu.pstate) ||
        tracees_store(tracee, tracee->cpu + offsetof(struct cpu, tpidr_el0), &cpu.tpidr_el0,
                      sizeof cpu.tpidr_el0) ||
        tracees_store(tracee, tracee->cpu + offsetof(struct cpu, v), cpu.v, sizeof cpu.v) ||
        tracees_store_traced(tracee, &traced))
        return -EIO;
    return 0;
}

/* ---- the other requests about a stopped tracee ---- */

static int64_t resume(struct tracee *tracee, long request, uint64_t signal)
{
    struct traced traced;
    if (signal > NSIG64)
        return -EIO;
    if (!tracees_fetch_traced(tracee, &traced)) {
        traced.mode = request == PTRACE_DETACH ? PTRACE_CONT : (int)request;
        traced.on = request != PTRACE_DETACH;
        traced.signal = (int)signal;
        /* A debugger that lets it run may have set breakpoints, also by way of /proc/PID/mem. */
        traced.code_changed |= request != PTRACE_SYSCALL;
        tracees_store_traced(tracee, &traced);
    }
    tracee->stop = RUNNING;
    if (request != PTRACE_DETACH)
        return tracees_ptrace(PTRACE_CONT, tracee->pid, 0, 0);
    int64_t result = tracees_ptrace(PTRACE_DETACH, tracee->pid, 0, 0);
    tracees_drop(tracee->pid);
    return result;
}

static int64_t set_options(struct tracee *tracee, uint64_t options)
{
    struct traced traced;
    if (options & ~(uint64_t)TRACEES_OPTIONS)
        return -EINVAL;
    tracee->options = (uint32_t)options;
    if (!tracees_fetch_traced(tracee, &traced)) {
        traced.options = (uint32_t)options;
        tracees_store_traced(tracee, &traced);
    }
    return tracees_ptrace(PTRACE_SETOPTIONS, tracee->pid, 0, tracees_host_options(options));
}

static int64_t signal_info(const struct tracee *tracee, bool write, uint64_t addr)
{
    struct traced traced;
    if (tracee->stop != STOP_GUEST)
        return write ? -EINVAL : tracees_ptrace(PTRACE_GETSIGINFO, tracee->pid, 0, addr);
    if (tracees_fetch_traced(tracee, &traced))
        return -EIO;
    if (!write)
        return guest_copy_out(addr, &traced.info, sizeof traced.info);
    return guest_copy_in(&traced.info, addr, sizeof traced.info) ? -EFAULT
                                                                 : tracees_store_traced(tracee, &traced);
}

static int64_t event_message(const struct tracee *tracee, uint64_t addr)
{
    struct traced traced;
    if (tracee->stop != STOP_GUEST)
        return tracees_ptrace(PTRACE_GETEVENTMSG, tracee->pid, 0, addr);
    if (tracees_fetch_traced(tracee, &traced))
        return -EIO;
    return guest_copy_out(addr, &traced.message, sizeof traced.message);
}

static int64_t signal_mask(const struct tracee *tracee, bool write, uint64_t size, uint64_t addr)
{
    uint64_t mask, at = tracee->task + offsetof(struct task, sigmask);
    if (size != sizeof mask)
        return -EINVAL;
    if (!write)
        return tracees_fetch(tracee, at, &mask, sizeof mask) ? -EIO
                                                             : guest_copy_out(addr, &mask, sizeof mask);
    if (guest_copy_in(&mask, addr, sizeof mask))
        return -EFAULT;
    mask &= ~UNBLOCKABLE;
    return tracees_store(tracee, at, &mask, sizeof mask);
}

static int64_t call_info(const struct tracee *tracee, uint64_t size, uint64_t addr)
{
    struct cpu cpu;
    struct traced traced;
    if (tracees_fetch(tracee, tracee->cpu, &cpu, sizeof cpu) || tracees_fetch_traced(tracee, &traced))
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
    int64_t result = tracees_ptrace(request, tracee->pid, guest_untag(addr), data);
    if (!result && !tracees_fetch_traced(tracee, &traced)) {
        traced.code_changed = 1;
        tracees_store_traced(tracee, &traced);
    }
    return result;
}

static int64_t request_of_stopped(struct tracee *tracee, const uint64_t args[6])
{
    long request = (long)args[0];
    switch (request) {
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
        return tracees_ptrace(request, tracee->pid, guest_untag(args[2]), args[3]);
    case PTRACE_POKETEXT:
    case PTRACE_POKEDATA:
        return poke(tracee, request, args[2], args[3]);
    case PTRACE_CONT:
    case PTRACE_SYSCALL:
    case PTRACE_SINGLESTEP:
    case PTRACE_DETACH:
        return resume(tracee, request, args[3]);
    case PTRACE_LISTEN:
        return tracee->stop == STOP_GROUP ? tracees_ptrace(PTRACE_LISTEN, tracee->pid, 0, 0) : -EIO;
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
        int64_t result = tracees_ptrace(PTRACE_TRACEME, 0, 0, 0);
        cpu->task->traced.on = result == 0 || cpu->task->traced.on;
        return result;
    }
    pthread_mutex_lock(&tracees_lock);
    struct tracee *tracee = tracees_find(pid);
    int64_t result = -ESRCH;
    if (request == PTRACE_ATTACH || request == PTRACE_SEIZE)
        result = tracee ? -EPERM : attach(request, pid, args[3]);
    else if (tracee && request == PTRACE_KILL)
        result = tracees_ptrace(PTRACE_KILL, pid, 0, 0);
    else if (tracee && request == PTRACE_INTERRUPT)
        result = tracee->seized ? interrupt(tracee) : -EIO;
    else if (tracee && tracee->stop != RUNNING)
        result = request_of_stopped(tracee, args);
    pthread_mutex_unlock(&tracees_lock);
    return result;
}
