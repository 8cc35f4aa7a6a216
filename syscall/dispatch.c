/* From the SVC to the host's kernel: the table of syscalls.def and the one way through it. */
#include <xemu/log.h>
#include <xemu/sys.h>

#include <errno.h>
#include <sys/ptrace.h>

#include "abi.h"
#include "handlers.h"
#include "path.h"
#include "strace.h"
#include "task.h"

#define PASS(nr, name, letters)       [nr] = {#name, letters, NULL, SYS_##name},
#define PATH(nr, name, letters)       [nr] = {#name, letters, path_call, SYS_##name},
#define MAP(nr, name, letters, note)  [nr] = {#name, letters, sys_##name, -1},
#define EMU(nr, name, letters, note)  [nr] = {#name, letters, sys_##name, -1},
#define NONE(nr, name, letters, note) [nr] = {#name, letters, NULL, -1},

static const struct syscall_row table[] = {
#include "syscalls.def"
};

const struct syscall_row *syscall_row(uint64_t number)
{
    static const struct syscall_row unknown = {NULL, "xxxxxx", NULL, -1};
    uint32_t index = (uint32_t)number; /* the kernel looks at w8 only */
    return index < sizeof table / sizeof *table && table[index].name ? &table[index] : &unknown;
}

/* The clocks of the vDSO are no system calls in the guest's eyes. */
static bool from_vdso(const struct cpu *cpu, const struct syscall_row *row)
{
    return cpu->pc - guest_image.vdso < VDSO_SIZE && row->handler != sys_rt_sigreturn;
}

static int64_t perform(struct cpu *cpu, const struct syscall_row *row, const uint64_t args[6])
{
    if (row->handler)
        return row->handler(cpu, args);
    if (row->host >= 0)
        return host_call(row->host, args);
    if (log_on(LOG_UNIMP))
        log_printf("system call %u (%s) isn't implemented\n", (uint32_t)cpu->x[8],
                   row->name ? row->name : "?");
    return -ENOSYS;
}

/* Under filters. A debugger that they ask may have made another call of it. */
static int64_t filtered_call(struct cpu *cpu, const uint64_t args[6])
{
    int64_t refused;
    if (seccomp_refuses(cpu, args, &refused))
        return refused;
    const uint64_t now[6] = {cpu->x[0], cpu->x[1], cpu->x[2], cpu->x[3], cpu->x[4], cpu->x[5]};
    return perform(cpu, syscall_row(cpu->x[8]), now);
}

static bool call(struct cpu *cpu, const struct syscall_row *row, const uint64_t args[6])
{
    bool traced = strace_on() && !from_vdso(cpu, row);
    if (traced)
        strace_enter(row, args);
    bool filtered = cpu->task->seccomp.mode && !from_vdso(cpu, row);
    int64_t result = filtered ? filtered_call(cpu, args) : perform(cpu, row, args);
    if (traced)
        strace_leave(row, cpu->x[8], args, result);
    if (result == RESULT_RESTART)
        return false;
    if (result != RESULT_NONE) {
        cpu->x[0] = (uint64_t)result;
        cpu->pc += 4;
    }
    if (result == -EINTR && tracee_on(&cpu->task->traced))
        tracee_interrupted(cpu, args[0]);
    return true;
}

/* With a debugger that looks at the arguments and the result, and may change them. */
static void traced_call(struct cpu *cpu)
{
    uint64_t first = cpu->x[0];
    tracee_call(cpu, PTRACE_SYSCALL_INFO_ENTRY);
    const uint64_t args[6] = {cpu->x[0], cpu->x[1], cpu->x[2], cpu->x[3], cpu->x[4], cpu->x[5]};
    cpu->task->traced.newborn = 0;
    bool done = call(cpu, syscall_row(cpu->x[8]), args);
    if (cpu->task->traced.mode != PTRACE_SYSCALL || cpu->task->traced.newborn)
        return;
    if (!done)
        cpu->x[0] = (uint64_t)RESULT_RESTART; /* what the kernel shows: ERESTARTSYS */
    tracee_call(cpu, PTRACE_SYSCALL_INFO_EXIT);
    if (!done)
        cpu->x[0] = first;
}

void sys_call(struct cpu *cpu)
{
    const uint64_t args[6] = {cpu->x[0], cpu->x[1], cpu->x[2], cpu->x[3], cpu->x[4], cpu->x[5]};
    const struct syscall_row *row = syscall_row(cpu->x[8]);
    if (cpu->stop) /* deliver first: the guest will come back to its SVC */
        return;
    if (cpu->task->traced.mode == PTRACE_SYSCALL && !from_vdso(cpu, row))
        traced_call(cpu);
    else
        call(cpu, row, args);
}
